"""The API through an unmodified kubectl."""

from typing import Any

import pytest

MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: %s}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry:3"}]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec: {containers: [{name: app, image: "registry:3"}]}
"""


@pytest.mark.usefixtures("runner")
def test_get_shows_tables(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 1)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    header, row = kubectl("get", "deployments").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:4] == ["web", "1/1", "1", "1"]
    header, row = kubectl("get", "pods", "-o", "wide").splitlines()
    assert header.split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[1:4] == ["1/1", "Running", "0"]
    assert "n1" in row
    assert "Ready" in kubectl("get", "nodes")
    assert "deployment.apps/web" in kubectl("get", "all")


@pytest.mark.usefixtures("runner")
def test_describe_shows_events(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=POD % "one")
    kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    text = kubectl("describe", "pod", "one")
    assert "Image:" in text
    assert "Successfully assigned" in text
    assert "Active" in kubectl("describe", "namespace", "default")


def test_create_secret_and_namespace(kubectl: Any, namespace: str) -> None:
    assert kubectl("create", "secret", "generic", "s", "--from-literal=a=b") == "secret/s created\n"
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="
    assert 'secrets "s" already exists' in kubectl.fails("create", "secret", "generic", "s")
    assert kubectl("create", "namespace", f"{namespace}-b") == f"namespace/{namespace}-b created\n"
    kubectl("delete", "namespace", f"{namespace}-b", "--timeout=60s")


def test_client_side_apply(kubectl: Any) -> None:
    assert kubectl("apply", "-f", "-", stdin=MAP % "red") == "configmap/settings created\n"
    assert kubectl("apply", "-f", "-", stdin=MAP % "red") == "configmap/settings unchanged\n"
    assert kubectl("apply", "-f", "-", stdin=MAP % "blue") == "configmap/settings configured\n"
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data.color}") == "blue"
    diff = kubectl.run("diff", "-f", "-", stdin=MAP % "green")
    assert diff.returncode == 1
    assert "+  color: green" in diff.stdout


def test_server_side_apply(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=MAP % "red")
    conflict = kubectl.fails("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=MAP % "blue")
    assert 'conflict with "kubectl-client-side-apply" using v1: .data.color' in conflict
    forced = ("--server-side", "--field-manager=other", "--force-conflicts")
    assert "serverside-applied" in kubectl("apply", *forced, "-f", "-", stdin=MAP % "blue")
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data.color}") == "blue"


def test_strict_validation(kubectl: Any) -> None:
    wrong = kubectl.fails("apply", "-f", "-", stdin=MAP % "red" + "nonsense: 1\n")
    assert 'unknown field "nonsense"' in wrong


@pytest.mark.usefixtures("runner")
def test_logs(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=POD % "one")
    kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    assert kubectl("logs", "one") == "one\ntwo\nthree\n"
    assert kubectl("logs", "one", "--tail=1") == "three\n"
    assert kubectl("logs", "one", "--limit-bytes=5") == "one\nt"
    missing = kubectl.fails("logs", "one", "--previous")
    assert 'previous terminated container "app" in pod "one" not found' in missing


@pytest.mark.usefixtures("runner")
def test_annotate_label_scale_delete(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 1)
    assert kubectl("annotate", "deployment", "web", "a=b") == "deployment.apps/web annotated\n"
    assert kubectl("label", "deployment", "web", "c=d") == "deployment.apps/web labeled\n"
    assert "web" in kubectl("get", "deployment", "-l", "c=d", "-o", "name")
    assert kubectl("scale", "deployment", "web", "--replicas=2") == "deployment.apps/web scaled\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert len(kubectl("get", "pods", "-o", "name").splitlines()) == 2
    assert 'deployment.apps "web" deleted' in kubectl("delete", "deployment", "web", "--timeout=60s")
    kubectl("wait", "pod", "-l", "app=web", "--for=delete", "--timeout=60s")


def test_auth_can_i(kubectl: Any) -> None:
    assert kubectl("auth", "can-i", "create", "secrets") == "yes\n"
    assert "practice-admin" in kubectl("auth", "whoami")


@pytest.mark.usefixtures("runner")
def test_followed_log_goes_on_until_the_pod_goes(kubectl: Any, cluster: Any) -> None:
    kubectl("apply", "-f", "-", stdin=POD % "one")
    kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    with kubectl.start("logs", "-f", "--tail=1", "one") as following:
        assert following.stdout.readline() == "three\n"
        cluster.lines.append(b"four\n")
        assert following.stdout.readline() == "four\n"
        kubectl("delete", "pod", "one", "--timeout=60s")
        assert following.stdout.read() == ""
    cluster.lines.pop()
