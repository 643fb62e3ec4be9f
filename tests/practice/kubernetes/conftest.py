"""A cluster behind TLS and a token, with the official client, kubectl and somebody who runs Pods."""

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client as kube
from kubernetes.dynamic import DynamicClient

from wizard.practice.kubeclient import KubeClient, KubeEndpoint, KubeError, Obj, path_of
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.pki import Authority

USER = "practice-admin"
DEADLINE_S = 60.0


@dataclass
class Cluster:
    """Where it is, whom to trust, who we are; `server` and the rest are the practice world's own."""

    url: str
    ca_file: Path
    token: str
    node_token: str
    server: KubernetesServer
    ledger: Ledger
    denied: set[tuple[str, str]] = field(default_factory=set)
    lines: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    authority, ledger = Authority(), Ledger()
    denied: set[tuple[str, str]] = set()
    lines = [b"one\n", b"two\n", b"three\n"]
    server = KubernetesServer(
        ledger,
        ssl_context=authority.server_context(["127.0.0.1"]),
        tokens={"user-token": USER, "node-token": "system:node:n1"},
        pod_logs=lambda *which: None if which[-1] else lines,
        denied=denied,
    )
    server.start()
    ca_file = tmp_path_factory.mktemp("ca") / "root.pem"
    ca_file.write_bytes(authority.root_pem)
    yield Cluster(server.url, ca_file, "user-token", "node-token", server, ledger, denied, lines)
    server.stop()


@pytest.fixture(scope="module")
def api_client(cluster: Cluster) -> Iterator[kube.ApiClient]:
    settings = kube.Configuration()
    settings.host, settings.ssl_ca_cert = cluster.url, str(cluster.ca_file)
    settings.api_key = {"authorization": f"Bearer {cluster.token}"}
    settings.retries = 0
    with kube.ApiClient(settings) as client:
        yield client
        client.rest_client.pool_manager.clear()


@pytest.fixture(scope="module")
def dynamic(api_client: kube.ApiClient, tmp_path_factory: pytest.TempPathFactory) -> DynamicClient:
    untyped: Any = DynamicClient
    made: DynamicClient = untyped(api_client, cache_file=str(tmp_path_factory.mktemp("discovery") / "cache"))
    return made


@pytest.fixture
def namespace(api_client: kube.ApiClient) -> Iterator[str]:
    """Its own for each test."""
    core: Any = kube.CoreV1Api(api_client)
    name: str = core.create_namespace({"metadata": {"generateName": "t-"}}).metadata.name
    yield name
    with contextlib.suppress(kube.ApiException):
        core.delete_namespace(name)


@pytest.fixture
def wait_for() -> Callable[[Callable[[], Any], str], Any]:
    """`wait_for(look, what)` gives the first true answer of `look`."""

    def wait(look: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.01)
        pytest.fail(f"waited {DEADLINE_S} s in vain for {what}")

    return wait


class Runner:
    """A node agent that says of every Pod that it runs, and lets go of those that are to end."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        conditions = [{"type": "Ready", "status": "True"}]
        self._client.create(path_of("v1", "nodes"), {"metadata": {"name": "n1"}})
        self._client.patch(path_of("v1", "nodes", "", "n1", "status"), {"status": {"conditions": conditions}})
        self._thread.start()

    def stop(self) -> None:
        """The change wakes the watch."""
        self._ended.set()
        self._client.create(path_of("v1", "pods", "default"), pod("last-of-all"))
        self._thread.join(DEADLINE_S)
        self._client.delete(path_of("v1", "pods", "default", "last-of-all"), grace_period_s=0)
        self._client.delete(path_of("v1", "nodes", "", "n1"))

    def _work(self) -> None:
        with self._client.watch(path_of("v1", "pods"), {}) as watch:
            for kind, obj in watch.events():
                if self._ended.is_set():
                    return
                with contextlib.suppress(KubeError):
                    self._see(kind, obj)

    def _see(self, kind: str, seen: Obj) -> None:
        meta = seen["metadata"]
        if kind == "DELETED" or not seen["spec"].get("nodeName"):
            return
        path = path_of("v1", "pods", meta["namespace"], meta["name"])
        if meta.get("deletionTimestamp"):
            self._client.delete(path, grace_period_s=0)
        elif seen["status"]["phase"] == "Pending":
            running = [
                {"name": one["name"], "ready": True, "restartCount": 0} for one in seen["spec"]["containers"]
            ]
            status = {
                "phase": "Running",
                "podIP": "10.0.0.7",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": running,
            }
            self._client.patch(f"{path}/status", {"status": status})


@pytest.fixture
def runner(cluster: Cluster) -> Iterator[Runner]:
    endpoint = KubeEndpoint(cluster.url, cluster.ca_file.read_bytes(), cluster.node_token)
    client = KubeClient(endpoint, user_agent="kubelet")
    runner = Runner(client)
    runner.start()
    yield runner
    runner.stop()
    client.close()


def pod(name: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "app", "image": "registry:3"}]}}


@dataclass
class Kubectl:
    """`kubectl(...)` gives what it prints; `fails(...)` what it complains of."""

    config: Path
    home: Path

    @property
    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.config)}

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(["kubectl", *words], env=self._env, stdout=subprocess.PIPE, text=True)

    def run(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["kubectl", *words],
            env=self._env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not on PATH")
    home = tmp_path_factory.mktemp("kubectl")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": cluster.url, "certificate-authority": str(cluster.ca_file)}}
        ],
        "users": [{"name": "u", "user": {"token": cluster.token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": "x",
    }
    (home / "config").write_text(yaml.safe_dump(config))
    return Kubectl(home / "config", home)
