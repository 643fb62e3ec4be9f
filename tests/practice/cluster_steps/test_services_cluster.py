"""The cluster's service against the practice API server."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wizard import ownership
from wizard.errors import Conflict, NotFound
from wizard.practice.kubernetes import Fault, KubernetesServer
from wizard.services.cluster import Cluster, FieldConflict

CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings"},
    "data": {"a": "1"},
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kube-registry"},
    "spec": {"selector": {"app": "x"}, "ports": [{"name": "https", "port": 443, "targetPort": 5000}]},
}

Edit = Callable[[str, str, str, dict[str, Any]], None]


@pytest.fixture
def kubectl_edit(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """A merge patch under kubectl's name."""

    def edit(api_version: str, kind: str, name: str, body: dict[str, Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(ownership, "FIELD_MANAGER", "kubectl-edit")
            cluster.patch(api_version, kind, name, body)

    return edit


def test_the_server_and_the_user_are_known(cluster: Cluster) -> None:
    assert cluster.version().startswith("v1.")
    assert cluster.user() == "practice-admin"
    assert cluster.context == "practice"


def test_access_is_reviewed(cluster: Cluster) -> None:
    assert cluster.can("create", "secrets")
    assert cluster.can("get", "pods", subresource="log")
    assert cluster.can("create", "namespaces", namespace="")


def test_an_object_is_made_read_changed_and_deleted(cluster: Cluster) -> None:
    made = cluster.create(CONFIG)
    assert cluster.get("v1", "ConfigMap", "settings") == made
    changed = cluster.patch("v1", "ConfigMap", "settings", {"data": {"b": "2"}})
    assert changed["data"] == {"a": "1", "b": "2"}
    assert cluster.delete("v1", "ConfigMap", "settings")
    assert not cluster.delete("v1", "ConfigMap", "settings")
    assert cluster.get("v1", "ConfigMap", "settings") is None


def test_a_second_one_of_the_name_is_a_conflict(cluster: Cluster) -> None:
    cluster.create(CONFIG)
    with pytest.raises(Conflict) as caught:
        cluster.create(CONFIG)
    assert caught.value.problem.code == "already-exists"


def test_an_old_version_is_not_written(cluster: Cluster) -> None:
    old = cluster.create(CONFIG)
    cluster.replace({**old, "data": {"a": "2"}})
    with pytest.raises(Conflict) as caught:
        cluster.replace({**old, "data": {"a": "3"}})
    assert caught.value.problem.code == "changed-meanwhile"


def test_another_object_of_the_name_is_not_deleted(cluster: Cluster) -> None:
    cluster.create(CONFIG)
    with pytest.raises(Conflict):
        cluster.delete("v1", "ConfigMap", "settings", uid="00000000-0000-0000-0000-000000000000")
    assert cluster.get("v1", "ConfigMap", "settings")


def test_lists_are_narrowed_by_labels_and_fields(cluster: Cluster) -> None:
    for name in ("one", "two"):
        cluster.create({**CONFIG, "metadata": {"name": name, "labels": ownership.labels(name)}})
    assert len(cluster.list("v1", "ConfigMap", label_selector=ownership.SELECTOR)) == 2
    (found,) = cluster.list("v1", "ConfigMap", field_selector="metadata.name=two")
    assert found["metadata"]["name"] == "two"


def test_a_dry_run_leaves_nothing(cluster: Cluster) -> None:
    assert cluster.apply(SERVICE, dry_run=True)["metadata"]["name"] == "kube-registry"
    assert cluster.get("v1", "Service", "kube-registry") is None


def test_apply_makes_and_changes_as_our_manager(cluster: Cluster) -> None:
    cluster.apply(SERVICE)
    changed = {**SERVICE, "metadata": {**SERVICE["metadata"], "annotations": {"a": "b"}}}
    found = cluster.apply(changed)
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert {each["manager"] for each in found["metadata"]["managedFields"]} == {"kube-registry-wizard"}
    assert "annotations" not in cluster.apply(SERVICE)["metadata"]


def test_fields_of_another_manager_are_not_taken_unasked(cluster: Cluster, kubectl_edit: Edit) -> None:
    cluster.apply(SERVICE)
    kubectl_edit("v1", "Service", "kube-registry", {"spec": {"sessionAffinity": "ClientIP"}})
    wanted = {**SERVICE, "spec": {**SERVICE["spec"], "sessionAffinity": "None"}}
    with pytest.raises(FieldConflict) as caught:
        cluster.apply(wanted)
    assert caught.value.managers == (("kubectl-edit", ".spec.sessionAffinity"),)
    assert cluster.apply(wanted, force=True)["spec"]["sessionAffinity"] == "None"


def test_what_the_server_does_not_accept_is_told(cluster: Cluster) -> None:
    bad = {**SERVICE, "spec": {"ports": []}}
    with pytest.raises(Exception, match="did not accept services/kube-registry"):
        cluster.apply(bad)


def test_a_missing_namespace_is_told(cluster: Cluster) -> None:
    cluster.namespace = "nowhere"
    with pytest.raises(NotFound) as caught:
        cluster.create(CONFIG)
    cluster.namespace = "default"
    assert caught.value.problem.code == "namespace-missing"


def test_logs_of_a_pod_that_is_not_there_are_empty(cluster: Cluster) -> None:
    assert cluster.logs("absent") == ""


def test_logs_that_a_node_does_not_hand_out_are_empty(cluster: Cluster, kubernetes: KubernetesServer) -> None:
    """What kube-apiserver says of a kubelet behind a firewall."""
    firewall = Fault(500, 'Get "https://n1:10250/containerLogs/default/web/registry": dial tcp: i/o timeout')
    kubernetes.fault = lambda _, path: firewall if path.partition("?")[0].endswith("/log") else None
    try:
        assert cluster.logs("web") == ""
    finally:
        kubernetes.fault = None


def test_events_are_told_oldest_first(cluster: Cluster) -> None:
    for number, reason in enumerate(("Second", "First")):
        cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"event-{number}"},
                "involvedObject": {"kind": "Pod", "name": "registry", "namespace": "default"},
                "reason": reason,
                "message": "it happened",
                "lastTimestamp": f"2026-01-0{2 - number}T00:00:00Z",
            }
        )
    assert cluster.events_for("Pod", "registry") == ["First: it happened", "Second: it happened"]
    assert cluster.events_for("Pod", "other") == []


def test_a_secret_is_made_with_our_labels_and_read_back(cluster: Cluster) -> None:
    assert not cluster.secret_facts("s").exists
    assert cluster.read_secret("s") is None
    facts = cluster.write_secret("s", {"key": b"\x00very-secret"}, setup="team", annotations={"a": "b"})
    assert (facts.owner, facts.keys, facts.type, facts.exists) == ("team", ("key",), "Opaque", True)
    found = cluster.read_secret("s")
    assert found is not None
    assert found.facts == facts == cluster.secret_facts("s")
    assert found.data == {"key": b"\x00very-secret"}
    assert found.annotations == {"a": "b"}
    assert "very-secret" not in repr(found)


def test_a_secret_is_replaced_wholly_and_keeps_its_labels(cluster: Cluster) -> None:
    cluster.write_secret("s", {"one": b"1"}, setup="team", annotations={"a": "b", "c": "d"})
    facts = cluster.write_secret("s", {"two": b"2"}, setup="other", annotations={"a": None, "e": "f"})
    assert (facts.keys, facts.owner) == (("two",), "team")
    found = cluster.read_secret("s")
    assert found is not None
    assert found.annotations == {"c": "d", "e": "f"}


def test_a_secret_that_says_so_already_is_not_written(cluster: Cluster, mutations: Callable[[], int]) -> None:
    facts = cluster.write_secret("s", {"one": b"1"}, setup="team", annotations={"a": "b"})
    before = mutations()
    assert cluster.write_secret("s", {"one": b"1"}, setup="team", annotations={"a": "b"}) == facts
    assert mutations() == before


def test_a_secret_that_changed_meanwhile_is_left_alone(cluster: Cluster) -> None:
    old = cluster.write_secret("s", {"one": b"1"}, setup="team")
    cluster.write_secret("s", {"one": b"2"}, setup="team", expected_version=old.resource_version)
    with pytest.raises(Conflict):
        cluster.write_secret("s", {"one": b"3"}, setup="team", expected_version=old.resource_version)
    cluster.delete("v1", "Secret", "s")
    with pytest.raises(Conflict):
        cluster.write_secret("s", {"one": b"3"}, setup="team", expected_version=old.resource_version)
    found = cluster.secret_facts("s")
    assert replace(found, name="") == replace(found, name="", exists=False)


def test_a_secret_of_another_type_is_told(cluster: Cluster) -> None:
    cluster.write_secret("s", {"one": b"1"}, setup="team")
    with pytest.raises(Conflict) as caught:
        cluster.write_secret(
            "s", {".dockerconfigjson": b"{}"}, setup="team", type="kubernetes.io/dockerconfigjson"
        )
    assert caught.value.problem.code == "secret-type"


def test_many_threads_share_a_cluster(cluster: Cluster) -> None:
    from wizard.parallel import side_by_side

    side_by_side([lambda n=n: cluster.create({**CONFIG, "metadata": {"name": f"c-{n}"}}) for n in range(20)])  # type: ignore[misc] # mypy cannot infer a lambda with a default
    assert len(cluster.list("v1", "ConfigMap", field_selector="metadata.name!=kube-root-ca.crt")) == 20
