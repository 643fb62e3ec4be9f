"""Both clusters of the contract: the practice world's own, and the one that no one here wrote."""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.peers.contract import DIFFERENCES, Api, Side
from tests.peers.differences import expect
from tests.peers.real_kubernetes import ADMIN, NOBODY, NODE, RealCluster, RealKubernetes
from wizard.endpoints import Endpoints
from wizard.practice.kubeclient import KubeClient, KubeEndpoint
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.pki import Authority
from wizard.services.cluster import Cluster

HERE = Path(__file__).parent
# Read now: no test sees the real home.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube-registry" / "peers"
IS_CI = bool(os.environ.get("CI"))
DEADLINE_S = 60.0


@pytest.fixture(scope="session")
def go_tools() -> Path:
    """The directory that tests/peers/install has built the tools of go.mod into."""
    key = hashlib.sha256((HERE / "go.sum").read_bytes()).hexdigest()[:16]
    return CACHE / key / "bin"


@pytest.fixture(scope="session")
def real_cluster(go_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A real API server with its controllers, for all tests of the session."""
    wanted = [str(go_tools / "kube-apiserver"), str(go_tools / "kube-controller-manager"), "etcd"]
    if missing := [name for name in wanted if not shutil.which(name)]:
        why = f"not there: {', '.join(missing)}; run tests/peers/install"
        if IS_CI:
            pytest.fail(why)
        pytest.skip(why)
    kubernetes = RealKubernetes(go_tools, tmp_path_factory.mktemp("kubernetes"))
    try:
        kubernetes.start()
        yield kubernetes.cluster
    finally:
        kubernetes.stop()


@contextlib.contextmanager
def _practice(directory: Path) -> Iterator[Side]:
    authority, denied = Authority(), set[tuple[str, str]]()
    ca_file = directory / "root.pem"
    ca_file.write_bytes(authority.root_pem)
    tokens = {"the-administrators-token": ADMIN, "the-nodes-token": NODE, "bobs-token": NOBODY}
    server = KubernetesServer(
        Ledger(), ssl_context=authority.server_context(["127.0.0.1"]), tokens=tokens, denied=denied
    )
    server.start()
    try:
        admin, node, nobody = tokens
        yield Side(
            "practice",
            server.url,
            ca_file,
            admin,
            node,
            nobody,
            lambda *right: denied.add(right),
            denied.clear,
        )
    finally:
        server.stop()


@pytest.fixture(scope="module", params=["practice", "real"])
def side(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    if request.param == "practice":
        with _practice(tmp_path_factory.mktemp("practice")) as made:
            yield made
    else:
        real: RealCluster = request.getfixturevalue("real_cluster")
        # There, bob never has a right.
        yield Side(
            "real",
            real.url,
            real.ca_file,
            real.token,
            real.node_token,
            real.powerless_token,
            lambda *_: None,
            lambda: None,
        )


@pytest.fixture(autouse=True)
def _differences(request: pytest.FixtureRequest) -> None:
    expect(request, DIFFERENCES, "side")


@pytest.fixture
def wait_for() -> Callable[[Callable[[], Any], str], Any]:
    """`wait_for(look, what)` gives the first true answer of `look`."""

    def wait(look: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.02)
        pytest.fail(f"waited {DEADLINE_S:.0f} s in vain for {what}")

    return wait


@pytest.fixture(scope="module")
def session(side: Side) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.verify = str(side.ca_file)
        yield made


@pytest.fixture
def api(side: Side, session: requests.Session, wait_for: Callable[..., Any]) -> Iterator[Api]:
    """In a namespace of the test's own."""
    anywhere = Api(side, session)
    made = anywhere.post("/api/v1/namespaces", {"metadata": {"generateName": "t-"}}).ok()["metadata"]["name"]
    api = Api(side, session, made)
    # Without it no Pod is admitted.
    wait_for(lambda: api.get(api.at("serviceaccounts", "default")).code == 200, "the ServiceAccount")
    yield api
    side.allow()
    anywhere.delete(f"/api/v1/namespaces/{made}")


@pytest.fixture
def kubeconfig(side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its contexts are called admin and bob."""
    cluster = {"server": side.url, "certificate-authority": str(side.ca_file)}
    tokens = {ADMIN: side.token, NOBODY: side.powerless_token}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": ADMIN,
        "contexts": [{"name": who, "context": {"cluster": "c", "user": who}} for who in tokens],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": who, "user": {"token": token}} for who, token in tokens.items()],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def connect(api: Api, kubeconfig: Path) -> Iterator[Callable[[str], Cluster]]:
    """`connect(context)` gives the cluster as the wizard has it, in the test's namespace."""
    assert kubeconfig.exists()
    made: list[Cluster] = []

    def connect(context: str) -> Cluster:
        made.append(Cluster(context, api.namespace, Endpoints(), aws=_no_aws))
        return made[-1]

    yield connect
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(connect: Callable[[str], Cluster]) -> Cluster:
    return connect(ADMIN)


@pytest.fixture
def node(side: Side) -> Iterator[KubeClient]:
    """The client of the practice world's node agent."""
    client = KubeClient(
        KubeEndpoint(side.url, side.ca_file.read_bytes(), side.node_token), user_agent="kubelet"
    )
    yield client
    client.close()


def _no_aws() -> Any:
    raise AssertionError("AWS is not asked here")
