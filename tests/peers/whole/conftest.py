"""The practice world around a real Kubernetes, with real registries as its Pods."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.program import Program
from tests.peers.real_kubernetes import RealCluster
from wizard.practice.world import ClusterAccess, World

IS_CI = bool(os.environ.get("CI"))
# What a setup can be made of; what comes and goes by itself afterwards (Pods, ReplicaSets) has to go too.
KINDS = (
    "api/v1/namespaces",
    "api/v1/configmaps",
    "api/v1/pods",
    "api/v1/replicationcontrollers",
    "api/v1/secrets",
    "api/v1/serviceaccounts",
    "api/v1/services",
    "apis/apps/v1/deployments",
    "apis/apps/v1/replicasets",
)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@dataclass
class Whole:
    """One home of the program, whose practice world has a real cluster in it."""

    program: Program
    world: World
    url: str
    session: requests.Session = field(repr=False)

    def cluster(self, method: str, path: str, body: object = None) -> Any:
        answer = self.session.request(method, f"{self.url}/{path}", json=body, timeout=30)
        assert answer.status_code < 300 or method == "DELETE", answer.text
        return answer.json()

    def inventory(self) -> dict[str, str]:
        """The resourceVersion of each object by its path, and what of AWS can be compared."""
        found = {
            "/".join((kind, meta.get("namespace", ""), meta["name"])): meta["resourceVersion"]
            for kind in KINDS
            for meta in (item["metadata"] for item in self.cluster("GET", kind)["items"])
        }
        return found | {f"aws/{name}": str(thing) for name, thing in self.world.dump()["aws"].items()}

    def names(self) -> dict[str, str]:
        """The inventory without the versions of what is in the cluster."""
        return {name: what if name.startswith("aws/") else "there" for name, what in self.inventory().items()}

    def environment(self) -> dict[str, str]:
        """For other programs in this world."""
        return {**self.program.environment, **self.world.environment()}


def needed(*programs: str | Path) -> None:
    """Skips what needs a program that is not there; in CI that is a failure."""
    if missing := [str(program) for program in programs if not shutil.which(program)]:
        why = f"not there: {', '.join(missing)}; run tests/peers/install"
        if IS_CI:
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(scope="module")
def whole(real_cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    program = Program(tmp_path_factory.mktemp("whole"))
    directory = program.runtime / "kube-registry"
    directory.mkdir(mode=0o700)
    access = ClusterAccess(
        real_cluster.url,
        real_cluster.ca_file.read_bytes(),
        user_token=real_cluster.token,
        node_token=real_cluster.node_token,
        cloud_token=real_cluster.node_token,
    )
    world = World(directory, threading.Event(), outside=access)
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(real_cluster.ca_file)
        session.headers["Authorization"] = f"Bearer {real_cluster.token}"
        made = Whole(program, world, real_cluster.url, session)
        try:
            world.start()
            yield made
        finally:
            world.stop()
            made.cluster("DELETE", "api/v1/nodes/practice-1")


@pytest.fixture
def registry_release(
    go_tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """`registry_release("3")` lets the node's Pods run that release; the program."""

    def choose(release: str) -> Path:
        program = shutil.which(str(go_tools / "registry") if release == "3" else "docker-registry")
        needed(program or ("registry" if release == "3" else "docker-registry"))
        assert program is not None
        (tmp_path / "node").mkdir()
        # The node agent looks for this name first.
        (tmp_path / "node" / "docker-registry").symlink_to(program)
        monkeypatch.setenv("PATH", f"{tmp_path / 'node'}{os.pathsep}{os.environ['PATH']}")
        return Path(program).resolve()

    return choose
