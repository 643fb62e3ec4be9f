"""The node agent against an API server: real Pods, real processes."""

import contextlib
import hashlib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from wizard.practice.aws import AwsServer
from wizard.practice.balancer import Balancer
from wizard.practice.kubeclient import Obj, path_of
from wizard.practice.kubernetes import Fault
from wizard.practice.node import NodeAgent, PodPorts

pytestmark = pytest.mark.usefixtures("agent")
WaitFor = Callable[[Callable[[], Any], str], Any]

S3 = {
    "REGISTRY_STORAGE": "s3",
    "REGISTRY_STORAGE_S3_REGION": "eu-west-1",
    "REGISTRY_STORAGE_S3_REGIONENDPOINT": "http://127.0.0.1:1",
    "REGISTRY_STORAGE_S3_BUCKET": "practice",
    "REGISTRY_STORAGE_S3_ACCESSKEY": "AKIAPRACTICE",
    "REGISTRY_STORAGE_S3_SECRETKEY": "practice",
}


def pod_of(name: str, *, env: list[Obj] | None = None, **container: Any) -> Obj:
    """A Pod of one registry, bound to the practice node."""
    plain = [{"name": key, "value": value} for key, value in S3.items()]
    spec: Obj = {"volumes": container.pop("volumes", []), **container.pop("spec", {})}
    whole = {"name": "registry", "image": "registry:3.1.1", "env": plain + (env or []), **container}
    return {"metadata": {"name": name}, "spec": {"nodeName": "practice-1", "containers": [whole], **spec}}


def state_of(cluster: Any, name: str) -> tuple[str, Obj]:
    state = cluster.container(name).get("state") or {"": {}}
    return next(iter(state.items()))


def waits_for(cluster: Any, name: str, reason: str) -> Obj:
    """The container's status while it waits for that reason, else empty."""
    status: Obj = cluster.container(name)
    waiting = status.get("state", {}).get("waiting", {})
    return status if waiting.get("reason") == reason else {}


def registries() -> list[psutil.Process]:
    """Those that this process has started; others may end while they are looked at."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "serve" in process.cmdline():
                found.append(process)
    return found


def test_the_node_is_ready_and_stays(cluster: Any, wait_for: WaitFor) -> None:
    path = path_of("v1", "nodes", name="practice-1")

    def ready() -> Obj | None:
        node = cluster.client.find(path) or {}
        conditions = {c["type"]: c["status"] for c in (node.get("status") or {}).get("conditions") or ()}
        return node if conditions.get("Ready") == "True" else None

    node = wait_for(ready, "the Node")
    assert node["spec"]["providerID"] == "aws:///eu-west-1a/i-0practice"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "eu-west-1a"
    assert node["status"]["nodeInfo"]["operatingSystem"] == "linux"
    cluster.client.delete(path)
    wait_for(ready, "the Node to come back")


@pytest.mark.parametrize("image", ["registry:2.8.3", "registry:3.1.1"])
def test_a_registry_runs_is_ready_and_goes(
    cluster: Any, agent: NodeAgent, ports: PodPorts, wait_for: WaitFor, image: str
) -> None:
    probe = {"httpGet": {"path": "/v2/", "port": "http"}}
    names = [{"name": "http", "containerPort": 5000}]
    pod = cluster.create("pods", pod_of("web", image=image, ports=names, readinessProbe=probe))
    wait_for(lambda: cluster.is_ready("web"), "readiness")
    status = cluster.pod("web")["status"]
    assert status["phase"] == "Running"
    # Of a network that is not there: Kubernetes takes no endpoints on a loopback address.
    assert status["podIP"].startswith("10.")
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
    port = ports.lookup(pod["metadata"]["uid"], 5000)
    assert requests.get(f"http://127.0.0.1:{port}/v2/", timeout=60).json() == {}
    wait_for(lambda: {"Pulled", "Created", "Started"} <= cluster.events("web").keys(), "the Events")
    lines = b"".join(agent.logs("default", "web", "registry", previous=False) or ())
    assert f"listening on 127.0.0.1:{port}".encode() in lines
    cluster.client.delete(path_of("v1", "pods", "default", "web"))
    wait_for(lambda: cluster.pod("web") is None, "the Pod to go")
    assert registries() == []
    wait_for(lambda: ports.lookup(pod["metadata"]["uid"], 5000) is None, "the port to be forgotten")
    assert "Killing" in wait_for(lambda: cluster.events("web"), "Events")


def test_the_container_sees_no_other_environment(
    cluster: Any, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    cluster.create("pods", pod_of("web", env=[{"name": "OWN", "value": "yes"}]))
    wait_for(lambda: cluster.is_ready("web"), "the container")
    found = registries()[0].environ()
    assert found["OWN"] == "yes"
    assert {name for name in found if not name.startswith(("REGISTRY_", "OWN"))} <= {
        "PATH",
        "HOME",
        "HOSTNAME",
        "PYTHONPATH",
    }


def test_it_waits_for_secrets_and_says_so(cluster: Any, wait_for: WaitFor) -> None:
    key = {"secretKeyRef": {"name": "keys", "key": "id"}}
    cluster.create(
        "pods",
        pod_of(
            "web",
            env=[{"name": "KEY", "valueFrom": key}],
            volumes=[{"name": "auth", "secret": {"secretName": "htpasswd"}}],
            volumeMounts=[{"name": "auth", "mountPath": "/auth/"}],
        ),
    )
    words = 'MountVolume.SetUp failed for volume "auth" : secret "htpasswd" not found'
    wait_for(lambda: words in cluster.messages("web", "FailedMount"), "FailedMount")
    assert state_of(cluster, "web") == ("waiting", {"reason": "ContainerCreating"})
    cluster.create_secret("htpasswd", htpasswd="alice:x")
    wait_for(lambda: waits_for(cluster, "web", "CreateContainerConfigError"), "the next thing missing")
    assert state_of(cluster, "web")[1]["message"] == 'secret "keys" not found'
    cluster.create_secret("keys", other="x")
    missing = "couldn't find key id in Secret default/keys"
    wait_for(lambda: state_of(cluster, "web")[1].get("message") == missing, "the missing key")
    assert cluster.pod("web")["status"]["phase"] == "Pending"


def test_an_api_server_too_busy_for_a_secret_is_asked_again(cluster: Any, wait_for: WaitFor) -> None:
    cluster.create_secret("keys", id="x")
    refused: list[str] = []

    def busy(method: str, path: str) -> Fault | None:
        if method == "GET" and path.endswith("/secrets/keys") and len(refused) < 2:
            refused.append(path)
            return Fault(503, "too busy")
        return None

    cluster.server.fault = busy
    key = {"secretKeyRef": {"name": "keys", "key": "id"}}
    cluster.create("pods", pod_of("web", env=[{"name": "KEY", "valueFrom": key}]))
    wait_for(lambda: cluster.is_ready("web"), "the container")
    assert len(refused) == 2


def test_a_changed_secret_reaches_the_files(cluster: Any, wait_for: WaitFor, tmp_path: Path) -> None:
    cluster.create_secret("htpasswd", htpasswd="one")
    cluster.create(
        "pods",
        pod_of(
            "web",
            volumes=[{"name": "auth", "secret": {"secretName": "htpasswd"}}],
            volumeMounts=[{"name": "auth", "mountPath": "/auth/"}],
        ),
    )
    wait_for(lambda: cluster.is_ready("web"), "the container")
    (file,) = (tmp_path / "run").rglob("volumes/auth/htpasswd")
    assert file.read_text() == "one"
    news = {"stringData": {"htpasswd": "two"}}
    cluster.client.patch(path_of("v1", "secrets", "default", "htpasswd"), news)
    wait_for(lambda: file.read_text() == "two", "the file to follow")


def test_a_crash_is_backed_off_and_its_log_kept(cluster: Any, agent: NodeAgent, wait_for: WaitFor) -> None:
    cluster.create("pods", pod_of("web", env=[{"name": "REGISTRY_AUTH", "value": "htpasswd"}]))
    status = wait_for(lambda: waits_for(cluster, "web", "CrashLoopBackOff"), "the back-off")
    assert "back-off" in status["state"]["waiting"]["message"]
    ended = status["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (2, "Error")
    assert cluster.pod("web")["status"]["phase"] == "Running"
    wait_for(lambda: cluster.container("web")["restartCount"] >= 2, "another try")
    wait_for(lambda: "BackOff" in cluster.events("web"), "its Event")
    previous = b"".join(agent.logs("default", "web", "registry", previous=True) or ())
    assert b'"realm" must be set for htpasswd access controller' in previous


def test_an_image_that_is_not_there(cluster: Any, wait_for: WaitFor) -> None:
    cluster.create("pods", pod_of("web", image="registry:nope"))
    status = wait_for(lambda: waits_for(cluster, "web", "ImagePullBackOff"), "the back-off")
    assert "docker.io/library/registry:nope: not found" in status["state"]["waiting"]["message"]
    event = wait_for(lambda: cluster.events("web").get("BackOff"), "its Event")
    assert event == 'Back-off pulling image "registry:nope"'


@pytest.fixture
def way_to_s3(aws: AwsServer) -> Iterator[Balancer]:
    """It can be cut."""
    host, port = aws.url.removeprefix("http://").split(":")
    balancer = Balancer()
    balancer.set_backends([(host, int(port))])
    balancer.start()
    yield balancer
    balancer.stop()


def test_readiness_turns_with_the_storage(
    cluster: Any, settings: dict[str, str], way_to_s3: Balancer, wait_for: WaitFor
) -> None:
    host, port = way_to_s3.address
    own = {
        "REGISTRY_STORAGE_S3_REGIONENDPOINT": f"http://{host}:{port}",
        "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED": "true",
        "REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL": "1s",
        "REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD": "1",
    }
    env = [{"name": name, "value": value} for name, value in {**settings, **own}.items()]
    probe = {"httpGet": {"path": "/", "port": 5000}, "periodSeconds": 1, "failureThreshold": 1}
    cluster.create("pods", pod_of("web", env=env, readinessProbe=probe))
    wait_for(lambda: cluster.is_ready("web"), "readiness")
    way_to_s3.stop()
    wait_for(lambda: not cluster.is_ready("web"), "the dead storage to be noticed")
    words = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    wait_for(lambda: words in cluster.messages("web", "Unhealthy"), "the Event")
    assert cluster.container("web")["restartCount"] == 0


def test_a_failing_liveness_probe_restarts(cluster: Any, wait_for: WaitFor) -> None:
    probe = {"tcpSocket": {"port": 1234}, "periodSeconds": 1, "failureThreshold": 1}
    cluster.create("pods", pod_of("web", livenessProbe=probe))
    wait_for(lambda: cluster.container("web").get("restartCount"), "the restart")
    wait_for(lambda: "Killing" in cluster.events("web"), "its Event")
    words = "Liveness probe failed: dial tcp 127.0.0.1:1234: connect: connection refused"
    assert words in cluster.messages("web", "Unhealthy")


def test_a_job_that_is_done_succeeds(cluster: Any, wait_for: WaitFor) -> None:
    cluster.create("pods", pod_of("web", args=["--version"], spec={"restartPolicy": "Never"}))
    wait_for(lambda: cluster.pod("web").get("status", {}).get("phase") == "Succeeded", "the end")
    assert cluster.container("web")["state"]["terminated"]["reason"] == "Completed"


def test_tls_from_a_secret_is_served(
    cluster: Any, ports: PodPorts, wait_for: WaitFor, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "k.pem", tmp_path / "c.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*make, "-keyout", key, "-out", certificate, "-subj", "/CN=registry.practice.test", "-days", "2"],
        check=True,
        capture_output=True,
    )
    files = {"domain.crt": certificate.read_text(), "domain.key": key.read_text()}
    cluster.create_secret("certs", **files)
    pod = cluster.create(
        "pods",
        pod_of(
            "web",
            env=[
                {"name": "REGISTRY_HTTP_TLS_CERTIFICATE", "value": "/certs/domain.crt"},
                {"name": "REGISTRY_HTTP_TLS_KEY", "value": "/certs/domain.key"},
            ],
            volumes=[{"name": "certs", "secret": {"secretName": "certs"}}],
            volumeMounts=[{"name": "certs", "mountPath": "/certs/", "readOnly": True}],
            readinessProbe={"httpGet": {"path": "/", "port": 5000, "scheme": "HTTPS"}},
        ),
    )
    wait_for(lambda: cluster.is_ready("web"), "readiness over HTTPS")
    port = ports.lookup(pod["metadata"]["uid"], 5000)
    assert port
    served = ssl.get_server_certificate(("127.0.0.1", port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(served)).digest()
    assert digest == hashlib.sha256(ssl.PEM_cert_to_DER_cert(files["domain.crt"])).digest()


def test_the_stand_in_runs_where_no_registry_is_on_the_path(
    cluster: Any, wait_for: WaitFor, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    probe = {"httpGet": {"path": "/v2/", "port": 5000}}
    cluster.create("pods", pod_of("web", image="registry:3", readinessProbe=probe))
    wait_for(lambda: cluster.is_ready("web"), "readiness")
    assert "wizard.practice.registry" in registries()[0].cmdline()


def test_stop_leaves_no_process_and_no_file(
    cluster: Any, agent: NodeAgent, wait_for: WaitFor, tmp_path: Path
) -> None:
    cluster.create_secret("htpasswd", htpasswd="alice:x")
    volumes = [{"name": "auth", "secret": {"secretName": "htpasswd"}}]
    cluster.create("pods", pod_of("web", volumes=volumes))
    wait_for(lambda: cluster.is_ready("web"), "the container")
    assert registries()
    agent.stop()
    assert registries() == []
    assert list((tmp_path / "run").iterdir()) == []


def test_pods_of_nobody_are_bound_where_there_is_no_scheduler(
    cluster: Any, ports: PodPorts, wait_for: WaitFor, tmp_path: Path
) -> None:
    pod = pod_of("web", image="busybox:1.36")
    del pod["spec"]["nodeName"]
    cluster.create("pods", {**pod, "metadata": {"name": "web", "labels": {"app": "x"}}})
    agent = NodeAgent(
        cluster.endpoint,
        tmp_path,
        ports,
        node_name="practice-2",
        provider_id="aws:///eu-west-1a/i-0",
        region="eu-west-1",
        zone="eu-west-1a",
        is_scheduler=True,
    )
    agent.start()
    try:
        wait_for(lambda: cluster.is_ready("web"), "the Pod to run")
    finally:
        agent.stop()
