"""The practice world around a real Kubernetes and Pebble, with real registries as its Pods."""

import contextlib
import dataclasses
import json
import os
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from cryptography import x509

from tests.e2e.program import ROOT, Program
from tests.peers.acme.pebble import Pebble, Programs
from tests.peers.real_kubernetes import OPERATOR, RealCluster
from wizard.practice.aws import RecordSet, ZoneBook
from wizard.practice.dns import DnsServer, Zones
from wizard.practice.network import Network
from wizard.practice.world import ClusterAccess, World

IS_CI = bool(os.environ.get("CI"))
LEASES = "apis/coordination.k8s.io/v1/leases"
# What a setup can be made of; what comes and goes by itself afterwards (Pods, ReplicaSets) has to go too.
KINDS = (
    "api/v1/namespaces",
    "api/v1/configmaps",
    "api/v1/pods",
    "api/v1/replicationcontrollers",
    "api/v1/secrets",
    "api/v1/serviceaccounts",
    "api/v1/services",
    LEASES,
    "apis/apps/v1/deployments",
    "apis/apps/v1/replicasets",
)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
RBAC = "apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Here:
    """Zones as Pebble has to see them: whatever a name leads to, the web server is at 127.0.0.1."""

    those_of: Zones

    def zone_book(self) -> ZoneBook:
        return ZoneBook(
            dataclasses.replace(zone, records=tuple(map(self._here, zone.records)))
            for zone in self.those_of.zone_book().zones
        )

    @staticmethod
    def _here(record: RecordSet) -> RecordSet:
        if record.type != "A":
            return record
        return dataclasses.replace(record, ttl=60, values=("127.0.0.1",), alias_name=None, alias_zone=None)


@dataclass
class Whole:
    """One home of the program, whose practice world has a real cluster and a real authority in it."""

    program: Program
    world: World
    pebble: Pebble
    real: RealCluster
    session: requests.Session = field(repr=False)

    @property
    def url(self) -> str:
        return self.real.url

    def lead_to_pebble(self) -> None:
        """Whoever joins the world from now on gets certificates from there."""
        roots = self.program.home / "roots.pem"
        own = Path(self.world.environment()["KUBE_REGISTRY_CA_FILE"]).read_bytes()
        roots.write_bytes(own + self.pebble.server_ca_file.read_bytes() + self.pebble.roots_pem)
        info = self.program.runtime / "kube-registry" / "world.json"
        told = json.loads(info.read_text())
        told["environment"] |= {
            "KUBE_REGISTRY_ACME_DIRECTORY": self.pebble.directory_url,
            "KUBE_REGISTRY_CA_FILE": str(roots),
            "SSL_CERT_FILE": str(roots),
            "REQUESTS_CA_BUNDLE": str(roots),
        }
        info.write_text(json.dumps(told))

    @contextlib.contextmanager
    def as_operator(self, namespace: str) -> Iterator[None]:
        """The program works with the README's Role in that namespace, and with no other right."""
        manifest = (
            (ROOT / "README.md").read_text().partition("```yaml\napiVersion: rbac")[2].partition("```")[0]
        )
        role = yaml.safe_load(f"apiVersion: rbac{manifest}")
        roles = f"{RBAC}/namespaces/{namespace}"
        self.cluster("POST", f"{roles}/roles", role)
        bound = {
            "metadata": {"name": OPERATOR},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": role["metadata"]["name"],
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR}],
        }
        self.cluster("POST", f"{roles}/rolebindings", bound)
        path = Path(self.world.environment()["KUBECONFIG"])
        before = path.read_text()
        path.write_text(before.replace(self.real.token, self.real.operator_token))
        try:
            yield
        finally:
            path.write_text(before)

    def served(self) -> str:
        """The serial of what the only balancer of the world serves, as a number."""
        (address,) = self.world.status()["balancers"].values()
        host, port = address.split(":")
        pem = ssl.get_server_certificate((host, int(port)), timeout=30)
        return str(x509.load_pem_x509_certificate(pem.encode()).serial_number)

    def cluster(self, method: str, path: str, body: object = None) -> Any:
        answer = self.session.request(method, f"{self.url}/{path}", json=body, timeout=30)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def inventory(self) -> dict[str, str]:
        """The resourceVersion of each object by its path, and what of AWS can be compared."""
        found = {
            "/".join((kind, meta.get("namespace", ""), meta["name"])): meta["resourceVersion"]
            for kind in KINDS
            for meta in (item["metadata"] for item in self.cluster("GET", kind)["items"])
            # There the API server renews a Lease of its own.
            if not (kind == LEASES and meta["namespace"].startswith("kube-"))
        }
        return found | {f"aws/{name}": str(thing) for name, thing in self.world.dump()["aws"].items()}

    def names(self) -> dict[str, str]:
        """The inventory without the versions of what is in the cluster."""
        return {name: what if name.startswith("aws/") else "there" for name, what in self.inventory().items()}

    def environment(self) -> dict[str, str]:
        """For other programs in this world."""
        return {**self.program.environment, **self.program.world_environment()}


def needed(*programs: str | Path) -> None:
    """Skips what needs a program that is not there; in CI that is a failure."""
    if missing := [str(program) for program in programs if not shutil.which(program)]:
        why = f"not there: {', '.join(missing)}; run tests/peers/install"
        if IS_CI:
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(scope="module")
def whole(
    real_cluster: RealCluster, go_tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Whole]:
    programs = Programs(str(go_tools / "pebble"), str(go_tools / "pebble-challtestsrv"))
    needed(programs.pebble, programs.dns)
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
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        session.trust_env = False
        session.verify = str(real_cluster.ca_file)
        session.headers["Authorization"] = f"Bearer {real_cluster.token}"
        stack.callback(session.delete, f"{real_cluster.url}/api/v1/nodes/practice-1", timeout=30)
        stack.callback(world.stop)
        world.start()
        names = DnsServer(Here(world.aws), Network())
        stack.callback(names.stop)
        names.start()
        pebble = Pebble(
            programs,
            tmp_path_factory.mktemp("pebble"),
            http_port=world.web.port,
            nameserver=f"127.0.0.1:{names.port}",
        )
        stack.callback(pebble.stop)
        pebble.start()
        made = Whole(program, world, pebble, real_cluster, session)
        made.lead_to_pebble()
        yield made


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
