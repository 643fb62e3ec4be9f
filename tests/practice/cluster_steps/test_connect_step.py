"""The connect step against the practice API server and AWS."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from wizard import ownership
from wizard.errors import CredentialsError, Refused, Unreachable, WizardError
from wizard.events import CheckStatus, Verb
from wizard.facts import ConnectFacts
from wizard.practice.aws import AwsServer
from wizard.services.cluster import Cluster
from wizard.steps.connect import ConnectStep

STEP = ConnectStep()
MakeRig = Callable[..., Any]


def facts_of(rig: Any) -> ConnectFacts:
    found = STEP.inspect(rig.context(STEP))
    rig.facts.put(STEP.id, found)
    return found


def codes(problems: Any) -> list[str]:
    return [problem.code for problem in problems]


def connect(**more: Any) -> dict[str, Any]:
    return {"aws_region": "eu-west-1", **more}


@pytest.fixture
def node(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """`node(region=..., provider_id=...)` adds one."""

    def add(name: str = "node-1", *, region: str = "eu-west-1", provider_id: str = "", **labels: str) -> None:
        cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"topology.kubernetes.io/region": region, **labels}},
                "spec": {"providerID": provider_id} if provider_id else {},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }
        )

    yield add
    for each in cluster.list("v1", "Node", namespaced=False):
        cluster.delete("v1", "Node", each["metadata"]["name"])


def test_account_cluster_and_namespace_are_seen(cluster: Cluster, make_rig: MakeRig) -> None:
    rig = make_rig()
    facts = facts_of(rig)
    assert facts.problems == ()
    assert (facts.account_id, facts.aws_region, facts.partition) == ("123456789012", "eu-west-1", "aws")
    assert facts.caller_arn.startswith("arn:aws:iam::123456789012:")
    assert facts.clock_skew_s is not None
    assert abs(facts.clock_skew_s) < 60
    assert (facts.kube_context, facts.kube_server) == ("practice", cluster.server)
    assert facts.kube_version == cluster.version()
    assert facts.kube_user == "practice-admin"
    assert facts.namespace_exists
    assert facts.balancer_controller == "in-tree"


def test_looking_changes_nothing_and_every_row_is_told(
    cluster: Cluster, make_rig: MakeRig, mutations: Callable[[], int]
) -> None:
    assert cluster.version()
    before = mutations()
    rig = make_rig()
    rig.run(STEP)
    results = rig.verify(STEP)
    assert mutations() == before
    assert len(results) == 9
    assert {result.status for result in results.values()} <= {
        CheckStatus.PASSED,
        CheckStatus.WARNING,
        CheckStatus.SKIPPED,
    }


# The namespace


def test_a_missing_namespace_is_told(make_rig: MakeRig) -> None:
    plan = make_rig(connect=connect(namespace="absent")).plan(STEP)
    assert codes(plan.blockers) == ["namespace-missing"]
    assert "create_namespace" in plan.blockers[0].fix


def test_a_namespace_is_made_on_request_and_taken_back(
    make_rig: MakeRig, mutations: Callable[[], int], cluster: Cluster
) -> None:
    rig = make_rig(connect=connect(namespace="fresh", create_namespace=True))
    (change,) = rig.run(STEP).changes
    assert change.verb is Verb.CREATE
    found = cluster.get("v1", "Namespace", "fresh", namespaced=False)
    assert found is not None
    assert ownership.owner_of_labels(found["metadata"]["labels"]) == "registry"
    before = mutations()
    make_rig(connect=connect(namespace="fresh", create_namespace=True)).run(STEP)
    assert mutations() == before
    assert rig.undo(STEP) == ["Deleted the namespace fresh."]
    assert cluster.get("v1", "Namespace", "fresh", namespaced=False) is None
    (entry,) = rig.journal.entries()
    assert STEP.undo(rig.context(STEP), entry) == "The namespace fresh is gone already."


def test_a_killed_run_finds_its_namespace_again(make_rig: MakeRig, cluster: Cluster) -> None:
    rig = make_rig(connect=connect(namespace="killed", create_namespace=True))
    (change,) = rig.plan(STEP).changes
    rig.crash_before_done(STEP, change)
    resumed = make_rig(connect=connect(namespace="killed", create_namespace=True))
    assert not resumed.run(STEP).changes
    resumed.undo(STEP)
    assert cluster.get("v1", "Namespace", "killed", namespaced=False) is None


def test_a_namespace_that_holds_something_is_left(make_rig: MakeRig, cluster: Cluster) -> None:
    rig = make_rig(connect=connect(namespace="used", create_namespace=True))
    rig.run(STEP)
    rig.services.cluster.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {}}
    )
    assert rig.undo(STEP) == ["Left the namespace used: it holds ConfigMap/mine."]
    assert cluster.get("v1", "Namespace", "used", namespaced=False)
    cluster.delete("v1", "Namespace", "used")


def test_a_namespace_that_is_not_ours_any_more_is_left(make_rig: MakeRig, cluster: Cluster) -> None:
    rig = make_rig(connect=connect(namespace="given", create_namespace=True))
    rig.run(STEP)
    labels: dict[str, Any] = {"metadata": {"labels": dict.fromkeys(ownership.labels("x"))}}
    cluster.patch("v1", "Namespace", "given", labels)
    assert rig.undo(STEP) == ["Left the namespace given: it is not this setup's."]
    cluster.delete("v1", "Namespace", "given")


def test_another_setup_in_the_namespace_is_named(make_rig: MakeRig, cluster: Cluster) -> None:
    cluster.write_secret("registry-s3-credentials", {}, setup="team-b")
    facts = facts_of(make_rig())
    assert facts.other_setup == "team-b"
    assert codes(facts.problems) == ["other-setup"]
    assert facts_of(make_rig(setup="team-b")).problems == ()


def test_a_quota_without_room_blocks_until_the_setup_is_there(make_rig: MakeRig, cluster: Cluster) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"services.loadbalancers": "0"}},
    }
    cluster.create(quota)
    try:
        rig = make_rig()
        facts = facts_of(rig)
        assert codes(facts.problems) == ["quota-exceeded"]
        assert rig.verify(STEP)["limits"].status is CheckStatus.FAILED
        cluster.write_secret("registry-s3-credentials", {}, setup="registry")
        assert facts_of(make_rig()).problems == ()
    finally:
        cluster.delete("v1", "ResourceQuota", "small")


# Nodes and AWS


def test_nodes_in_another_region_block(make_rig: MakeRig, node: Callable[..., None]) -> None:
    node(region="us-east-1")
    rig = make_rig()
    facts = facts_of(rig)
    assert codes(facts.problems) == ["region-mismatch"]
    assert facts.node_regions == ("us-east-1",)
    assert rig.verify(STEP)["nodes"].status is CheckStatus.FAILED


def test_a_nodes_instance_in_another_account_is_a_warning(
    make_rig: MakeRig, node: Callable[..., None]
) -> None:
    node(provider_id="aws:///eu-west-1a/i-0123456789abcdef0")
    rig = make_rig()
    assert "other-account" in codes(facts_of(rig).warnings)
    assert rig.verify(STEP)["account"].status is CheckStatus.WARNING


def test_a_nodes_instance_of_this_account_is_fine(
    make_rig: MakeRig, node: Callable[..., None], aws: AwsServer
) -> None:
    node(provider_id=f"aws:///eu-west-1a/{aws.seed('connect.test').instance_id}")
    assert "other-account" not in codes(facts_of(make_rig()).warnings)


def test_auto_mode_is_known_by_its_nodes(make_rig: MakeRig, node: Callable[..., None]) -> None:
    node(**{"eks.amazonaws.com/compute-type": "auto"})
    assert facts_of(make_rig()).balancer_controller == "auto-mode"


def test_without_a_region_the_nodes_region_is_offered(make_rig: MakeRig, node: Callable[..., None]) -> None:
    node()
    facts = facts_of(make_rig(connect={}))
    assert codes(facts.problems) == ["no-region"]
    assert 'aws_region = "eu-west-1"' in facts.problems[0].fix


# Rights


def test_all_missing_verbs_are_named_at_once(
    cluster: Cluster, make_rig: MakeRig, denied: set[tuple[str, str]]
) -> None:
    assert cluster.version()
    denied |= {("update", "secrets"), ("patch", "deployments"), ("get", "pods/log"), ("patch", "nodes")}
    rig = make_rig()
    (problem,) = facts_of(rig).problems
    assert problem.code == "kubernetes-denied"
    assert problem.what.endswith("in the namespace default: update secrets, patch deployments, get pods/log.")
    assert "practice-admin" in problem.what
    assert rig.verify(STEP)["rights"].status is CheckStatus.FAILED


def test_only_what_the_answers_need_is_asked(make_rig: MakeRig, denied: set[tuple[str, str]]) -> None:
    denied |= {("patch", "deployments"), ("create", "namespaces")}
    assert facts_of(make_rig(deploy={"workload": "ReplicationController"})).problems == ()
    wanted = connect(namespace="fresh", create_namespace=True)
    (problem,) = facts_of(make_rig(connect=wanted, deploy={"workload": "ReplicationController"})).problems
    assert "create namespaces" in problem.what


def test_what_may_not_be_looked_at_is_no_blocker(
    cluster: Cluster, make_rig: MakeRig, node: Callable[..., None], denied: set[tuple[str, str]]
) -> None:
    node()
    cluster.write_secret("htpasswd-file", {}, setup="team-b")
    looks = ("nodes", "resourcequotas", "limitranges", "networkpolicies", "mutatingwebhookconfigurations")
    denied |= {("list", resource) for resource in (*looks, "secrets", "services", "deployments")}
    denied |= {("get", "namespaces")}
    facts = facts_of(make_rig())
    assert codes(facts.problems) == ["other-setup"]
    assert codes(facts.warnings) == ["nodes-unlistable"]
    assert facts.namespace_exists
    assert facts.balancer_controller == "in-tree"
    denied |= {("get", "deployments")}
    assert facts_of(make_rig()).balancer_controller == ""


def test_a_namespace_whose_contents_may_not_be_seen_is_left(
    make_rig: MakeRig, cluster: Cluster, denied: set[tuple[str, str]]
) -> None:
    rig = make_rig(connect=connect(namespace="opaque", create_namespace=True))
    rig.run(STEP)
    denied |= {("list", "configmaps")}
    assert rig.undo(STEP) == ["Left the namespace opaque: it holds ConfigMap/(not to be seen)."]
    denied.clear()
    cluster.delete("v1", "Namespace", "opaque")


def test_the_balancer_controller_is_known_by_its_webhook(cluster: Cluster, make_rig: MakeRig) -> None:
    hook = {
        "name": "mservice.elbv2.k8s.aws",
        "rules": [
            {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"]}
        ],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
    }
    kind = "MutatingWebhookConfiguration"
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "aws-load-balancer-webhook"},
        "webhooks": [hook],
    }
    cluster.create(manifest)
    try:
        assert facts_of(make_rig()).balancer_controller == "aws-load-balancer-controller"
    finally:
        cluster.delete("admissionregistration.k8s.io/v1", kind, "aws-load-balancer-webhook")


# What stops it at once


def error_of(rig: Any) -> WizardError:
    with pytest.raises(WizardError) as caught:
        STEP.inspect(rig.context(STEP))
    return caught.value


def test_no_credentials_are_told(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert isinstance(error_of(rig), CredentialsError)


def test_a_region_that_does_not_exist_is_refused(make_rig: MakeRig) -> None:
    error = error_of(make_rig(connect={"aws_region": "eu-wst-1"}))
    assert isinstance(error, Refused)
    assert "eu-west-1" in str(error.problem)


def test_a_context_that_does_not_exist_is_refused(make_rig: MakeRig) -> None:
    error = error_of(make_rig(connect=connect(kube_context="practise")))
    assert isinstance(error, Refused)
    assert error.problem.fix == "Did you mean practice?"


def test_a_missing_kubeconfig_is_refused(make_rig: MakeRig, kubeconfig: Path) -> None:
    rig = make_rig()
    kubeconfig.unlink()
    assert error_of(rig).problem.code == "kubeconfig-missing"


def test_a_token_that_is_not_known_is_told(make_rig: MakeRig, kubeconfig: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "another"
    kubeconfig.write_text(yaml.safe_dump(config))
    error = error_of(make_rig())
    assert isinstance(error, CredentialsError)


def test_a_cluster_that_is_gone_is_told_in_time(make_rig: MakeRig, kubeconfig: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig.write_text(yaml.safe_dump(config))
    started = time.monotonic()
    assert isinstance(error_of(make_rig()), Unreachable)
    assert time.monotonic() - started < 30
