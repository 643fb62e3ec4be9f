"""What the wizard keeps in a cluster besides the registry, and what it looks for there: both alike."""

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.peers.contract import Api, Obj, Side, config_map, secret
from tests.peers.test_kubernetes_workloads import restrict
from wizard import answers as answers_module
from wizard import elsewhere, lease, names, ownership, place, record
from wizard.answers import Answers, from_mapping
from wizard.errors import AccessDenied, Conflict, Held
from wizard.journal import Journal
from wizard.lease import Lease
from wizard.services.cluster import Cluster
from wizard.state import SetupDirectory
from wizard.steps import _proof_pod, _proof_secrets
from wizard.steps.connect import kubernetes as look
from wizard.steps.connect import limits
from wizard.steps.connect.findings import Findings

pytestmark = pytest.mark.peers
WaitFor = Callable[[Callable[[], Any], str], Any]
LEASES, NETWORK = "apis/coordination.k8s.io/v1", "apis/networking.k8s.io/v1"
HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
LASTS_S = 60.0
Clock = Callable[[], datetime]


# The lock


@pytest.fixture
def lock(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Lease]]:
    """`lock("here", clock)`: the lock of the setup "team" as that machine sees it."""
    made: list[Lease] = []

    def make(machine: str, clock: Clock = lambda: datetime.now(UTC)) -> Lease:
        directory = SetupDirectory(tmp_path / machine, "team")
        directory.make()
        made.append(Lease(cluster, directory, LASTS_S, clock))
        return made[-1]

    yield make
    for each in made:
        each.release()


def held(cluster: Cluster) -> Obj:
    found = cluster.get(lease.API, lease.KIND, names.LOCK)
    assert found is not None
    return found


def test_a_lock_is_taken_renewed_and_given_back(cluster: Cluster, lock: Callable[..., Lease]) -> None:
    mine = lock("here")
    mine.take()
    first = held(cluster)
    assert first["metadata"]["labels"] == ownership.labels("team")
    # To the microsecond as it was written: it is read back and put again.
    assert datetime.fromisoformat(first["spec"]["renewTime"]).microsecond != 0
    assert first["spec"]["renewTime"] == first["spec"]["acquireTime"]
    assert first["spec"]["leaseDurationSeconds"] == LASTS_S
    mine._renew()
    second = held(cluster)
    assert second["spec"]["renewTime"] > first["spec"]["renewTime"]
    assert {**second["spec"], "renewTime": ""} == {**first["spec"], "renewTime": ""}
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    mine.confirm()
    mine.release()
    assert cluster.get(lease.API, lease.KIND, names.LOCK) is None


def test_only_one_has_the_lock_and_an_expired_one_is_taken_over(lock: Callable[..., Lease]) -> None:
    mine, theirs = lock("here"), lock("there")
    mine.take()
    with pytest.raises(Held) as caught:
        theirs.take()
    assert caught.value.problem.code == "setup-held"
    later = lock("there", lambda: datetime.now(UTC) + timedelta(seconds=2 * LASTS_S))
    later.take()
    mine._renew()
    with pytest.raises(Held) as caught:
        mine.confirm()
    assert caught.value.problem.code == "setup-taken-over"
    later.confirm()


def test_a_lock_is_made_changed_and_deleted_by_one_only(api: Api, cluster: Cluster) -> None:
    spec = {"holderIdentity": "here", "leaseDurationSeconds": 60, "renewTime": "2026-01-01T00:00:00.000001Z"}
    wanted = {"apiVersion": lease.API, "kind": lease.KIND, "metadata": {"name": "a"}, "spec": spec}
    made = api.post(api.at("leases", group=LEASES), wanted).ok()
    assert made["spec"] == spec
    answer = api.post(api.at("leases", group=LEASES), wanted)
    assert answer.refusal == (409, "AlreadyExists", 'leases.coordination.k8s.io "a" already exists')
    assert cluster.replace({**made, "spec": {**spec, "holderIdentity": "there"}})["metadata"]["uid"]
    answer = api.put(api.at("leases", "a", LEASES), made)
    assert answer.refusal[:2] == (409, "Conflict")
    assert answer.refusal[2].startswith('Operation cannot be fulfilled on leases.coordination.k8s.io "a": ')
    with pytest.raises(Conflict):
        cluster.replace(made)
    with pytest.raises(Conflict):
        cluster.delete(lease.API, lease.KIND, "a", uid=str(uuid.uuid4()))
    assert cluster.delete(lease.API, lease.KIND, "a", uid=made["metadata"]["uid"])
    answer = api.put(api.at("leases", "a", LEASES), made)
    # Whoever was taken over meanwhile learns it by either.
    assert answer.code in {404, 409}


# The record


@pytest.fixture
def other_namespace(api: Api) -> Iterator[str]:
    name: str = api.post("/api/v1/namespaces", {"metadata": {"generateName": "t-"}}).ok()["metadata"]["name"]
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


def test_records_of_all_namespaces_are_found_by_label(
    api: Api, cluster: Cluster, other_namespace: str, tmp_path: Path
) -> None:
    setup = api.namespace
    answers = from_mapping({"setup": setup, "bucket": {"name": "images"}})
    made = record.manifest(
        setup, answers_module.dump(answers), datetime.now(UTC), Journal(tmp_path / "journal.jsonl")
    )
    cluster.create(made)
    api.post(f"/api/v1/namespaces/{other_namespace}/configmaps", made).ok()
    api.post(api.at("configmaps"), config_map("other", ownership.labels(setup))).ok()
    selector = f"{ownership.RECORD_SELECTOR},{ownership.INSTANCE}={setup}"
    found = cluster.list("v1", "ConfigMap", label_selector=selector, namespaced=False)
    places = [each["metadata"]["namespace"] for each in found]
    assert sorted(places) == sorted([api.namespace, other_namespace])
    assert {each["metadata"]["name"] for each in found} == {names.RECORD}
    assert [each.namespace for each in elsewhere.search(dict(os.environ), setup)] == sorted(places)


def test_who_may_not_list_all_namespaces_is_told_so(
    api: Api, side: Side, connect: Callable[[str], Cluster]
) -> None:
    side.deny("list", "configmaps")
    answer = api("GET", "/api/v1/configmaps", token=side.powerless_token)
    message = 'configmaps is forbidden: User "bob" cannot list resource "configmaps" in API group ""'
    assert answer.refusal == (403, "Forbidden", f"{message} at the cluster scope")
    with pytest.raises(AccessDenied):
        connect("bob").list("v1", "ConfigMap", namespaced=False)


# Which cluster it is


def test_the_cluster_is_known_by_the_uid_of_kube_system(
    api: Api, cluster: Cluster, side: Side, connect: Callable[[str], Cluster], wait_for: WaitFor
) -> None:
    path = f"/api/v1/namespaces/{place.LANDMARK}"
    wait_for(lambda: api.get(path).code == 200, "the namespace")
    found = [cluster.get("v1", "Namespace", place.LANDMARK, namespaced=False) or {} for _ in range(2)]
    uids = {each["metadata"]["uid"] for each in found}
    assert len(uids) == 1
    assert str(uuid.UUID(uids.pop()))
    side.deny("get", "namespaces")
    answer = api("GET", path, token=side.powerless_token)
    message = 'namespaces "kube-system" is forbidden: User "bob" cannot get resource "namespaces"'
    assert answer.refusal[:2] == (403, "Forbidden")
    assert answer.refusal[2] == f'{message} in API group "" in the namespace "kube-system"'
    with pytest.raises(AccessDenied):
        connect("bob").get("v1", "Namespace", place.LANDMARK, namespaced=False)


# What limits a namespace


def ranged(name: str, **bounds: Obj) -> Obj:
    spec = {"limits": [{"type": "Container", **bounds}]}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": spec}


def limited(cluster: Cluster, answers: Answers) -> tuple[list[str], list[str]]:
    """What blocks and what is warned of, as connect reads it."""
    findings = Findings()
    look._namespace(cluster, answers, findings)
    return [each.what for each in findings.problems], [each.what for each in findings.warnings]


@pytest.fixture
def answers(api: Api) -> Answers:
    return from_mapping({"setup": "team", "connect": {"namespace": api.namespace}})


def test_limit_ranges_are_listed_with_their_defaults(cluster: Cluster, answers: Answers) -> None:
    cluster.create(ranged("small", max={"cpu": "1", "memory": "16Mi"}))
    cluster.create(ranged("wide", min={"cpu": "1m"}, default={"cpu": "2"}))
    found = {each["metadata"]["name"]: each["spec"] for each in cluster.list("v1", "LimitRange")}
    # What a container that names no limit gets is the largest that it may have.
    largest = {"cpu": "1", "memory": "16Mi"}
    (small,) = found["small"]["limits"]
    assert small == {"type": "Container", "max": largest, "default": largest, "defaultRequest": largest}
    (wide,) = found["wide"]["limits"]
    cpu = {"default": {"cpu": "2"}, "defaultRequest": {"cpu": "2"}}
    assert wide == {"type": "Container", "min": {"cpu": "1m"}, **cpu}
    told, _ = limited(cluster, answers)
    assert told == ["The LimitRange small does not admit the registry's Pods: memory."] * len(told)
    assert told


def test_quotas_are_listed_with_what_is_taken(cluster: Cluster, answers: Answers, wait_for: WaitFor) -> None:
    hard = {"count/secrets": "3", "limits.cpu": "4", "pods": "10"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}
    assert cluster.create(quota)["spec"]["hard"] == hard
    # Before it is counted too, by what it says.
    blocked = {
        f"The ResourceQuota q leaves no room for the registry: {resource}."
        for resource in ("count/secrets", "limits.cpu")
    }
    assert set(limited(cluster, answers)[0]) == blocked
    cluster.create(secret("a"))

    def counted() -> Obj | None:
        (found,) = cluster.list("v1", "ResourceQuota")
        status: Obj = found.get("status") or {}
        return status if (status.get("used") or {}).get("count/secrets") == "1" else None

    status = wait_for(counted, "the quota to count")
    assert status["hard"] == hard
    assert status["used"] == {"count/secrets": "1", "limits.cpu": "0", "pods": "0"}
    assert set(limited(cluster, answers)[0]) == blocked
    # A LimitRange that gives Pods a CPU limit makes room.
    cluster.create(ranged("r", default={"cpu": "1"}))
    assert set(limited(cluster, answers)[0]) == {min(blocked)}


@pytest.mark.parametrize(
    ("spec", "types", "closed"),
    [
        ({"podSelector": {}}, ["Ingress"], "ingress"),
        (
            {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
            ["Ingress", "Egress"],
            "ingress and egress",
        ),
        ({"podSelector": {}, "egress": [{}]}, ["Ingress", "Egress"], "ingress"),
        ({"podSelector": {}, "ingress": [{}]}, ["Ingress"], ""),
        ({"podSelector": {"matchLabels": {"app": "other"}}}, ["Ingress"], ""),
    ],
    ids=["default", "both", "egress-open", "open", "others"],
)
def test_policies_are_listed_with_their_types(
    cluster: Cluster, answers: Answers, spec: Obj, types: list[str], closed: str
) -> None:
    meta = {"name": "p"}
    cluster.create(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
    )
    (found,) = cluster.list("networking.k8s.io/v1", "NetworkPolicy")
    assert found["spec"] == {**spec, "policyTypes": types}
    findings = Findings()
    limits.judge_policies([found], findings)
    told = f"The NetworkPolicy p denies all {closed} traffic of the namespace's Pods."
    assert limited(cluster, answers)[1] == [each.what for each in findings.warnings] == [told] * bool(closed)


# Whether the balancer's controller is there


@pytest.fixture
def hook(api: Api) -> Iterator[Obj]:
    """As the controller has it, but for a namespace that nobody has: no Service goes to it."""
    name = f"of-{api.namespace}"
    client = {"url": "https://127.0.0.1:1/mutate-v1-service"}
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"]}
    hook = {
        "name": "mservice.elbv2.k8s.aws",
        "clientConfig": client,
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"nobody": "has-this"}},
    }
    yield api.post(HOOKS, {"metadata": {"name": name}, "webhooks": [hook]}).ok()
    api.delete(f"{HOOKS}/{name}")


def test_webhooks_are_listed_with_their_rules(
    api: Api, cluster: Cluster, hook: Obj, side: Side, connect: Callable[[str], Cluster]
) -> None:
    version, kind = "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"
    found = cluster.list(version, kind, namespaced=False)
    (mine,) = [each for each in found if each["metadata"]["name"] == hook["metadata"]["name"]]
    assert mine["webhooks"] == hook["webhooks"]
    assert mine["webhooks"][0]["rules"][0]["resources"] == ["services"]
    assert look._has_controller(cluster) is True
    api.delete(f"{HOOKS}/{hook['metadata']['name']}").ok()
    assert look._has_controller(cluster) is False
    side.deny("list", "mutatingwebhookconfigurations")
    side.deny("get", "deployments")
    with pytest.raises(AccessDenied):
        connect("bob").list(version, kind, namespaced=False)
    assert look._has_controller(connect("bob")) is None


# Pulling with a Secret


def test_a_pull_secret_holds_what_docker_reads(api: Api) -> None:
    good = secret("a", _proof_secrets.PULL_TYPE, **{names.DOCKER_CONFIG_KEY: "e30="})
    assert api.post(api.at("secrets"), good).ok()["type"] == _proof_secrets.PULL_TYPE
    for data in ({}, {names.DOCKER_CONFIG_KEY: "bm8="}):
        answer = api.post(api.at("secrets"), secret("b", _proof_secrets.PULL_TYPE, **data))
        assert answer.refusal[:2] == (422, "Invalid")
        causes = [each["field"] for each in answer.body["details"]["causes"]]
        assert causes[0].startswith(f"data[{names.DOCKER_CONFIG_KEY}]")


def test_a_pod_that_pulls_is_admitted_found_and_gone(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    """Under the strictest Pod Security Standard, and without its Secret: that is missed only by the node."""
    restrict(api, wait_for)
    wanted = _proof_pod.manifest(api.namespace, "registry.practice.test/proof:v1", "team", "amd64")
    made = cluster.create(wanted)
    assert cluster.warnings == []
    assert made["spec"]["imagePullSecrets"] == [{"name": names.PULL_SECRET}]
    assert made["spec"]["nodeSelector"] == wanted["spec"]["nodeSelector"]
    assert made["metadata"]["labels"] == wanted["metadata"]["labels"]
    assert made["status"]["phase"] == "Pending"
    other = _proof_pod.manifest(api.namespace, "registry.practice.test/proof:v1", "other", "amd64")
    cluster.create(other)
    _proof_pod.remove_all(cluster, "team")
    left = cluster.list("v1", "Pod", label_selector=_proof_pod.SELECTOR_OF_CHECKS)
    assert [each["metadata"]["name"] for each in left] == [other["metadata"]["name"]]
