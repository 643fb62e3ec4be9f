"""What connect makes of nodes, namespace and rights, from facts alone."""

from dataclasses import replace
from typing import Any

import pytest

from wizard import ownership
from wizard.answers import Answers, from_mapping
from wizard.errors import Problem
from wizard.events import CheckStatus
from wizard.facts import BucketFacts, ConnectFacts, FactBook, UserFacts
from wizard.services.aws.permissions import is_denied
from wizard.step import CheckResult, Plan
from wizard.steps.connect import ConnectStep, cloud, limits, namespace, nodes
from wizard.steps.connect.checklist import checklist
from wizard.steps.connect.findings import Findings
from wizard.steps.connect.nodes import Nodes
from wizard.steps.connect.rights import aws_actions, dns_actions, kubernetes_rights, still_needed

STEP = ConnectStep()
SEEN = ConnectFacts(
    caller_arn="arn:aws:iam::123456789012:user/ann",
    aws_region="eu-west-1",
    clock_skew_s=0.4,
    kube_context="blue",
    namespace="registry",
    namespace_exists=True,
    is_aws_asked=True,
)


def answers(**tables: dict[str, object]) -> Answers:
    return from_mapping(tables)


def plan(facts: ConnectFacts, wanted: Answers, **more: Any) -> Plan:
    return STEP.plan(wanted, FactBook(connect=facts, **more))


WANTED = answers(connect={"namespace": "registry", "create_namespace": True})


def test_a_namespace_that_is_there_leaves_nothing_to_do() -> None:
    assert plan(SEEN, WANTED) == Plan()


def test_a_missing_namespace_is_made_on_request_only() -> None:
    (change,) = plan(replace(SEEN, namespace_exists=False), WANTED).changes
    assert (change.action, change.name) == ("create-namespace", "registry")
    refused = plan(replace(SEEN, namespace_exists=False), answers(connect={"namespace": "registry"}))
    assert not refused.changes
    assert [problem.code for problem in refused.blockers] == ["namespace-missing"]


def test_denied_actions_are_a_blocker_that_names_them() -> None:
    (problem,) = plan(replace(SEEN, denied=("s3:CreateBucket", "iam:CreateUser")), WANTED).blockers
    assert "s3:CreateBucket, iam:CreateUser" in problem.what
    assert SEEN.caller_arn in problem.what


def test_denied_actions_whose_work_is_done_are_not_needed() -> None:
    book = FactBook(
        bucket=BucketFacts(state="mine"), user=UserFacts(user_exists=True, secret_is_complete=True)
    )
    assert still_needed(("s3:CreateBucket", "iam:CreateUser", "iam:CreateAccessKey"), book) == ()
    assert still_needed(("s3:CreateBucket", "s3:PutObject"), FactBook()) == (
        "s3:CreateBucket",
        "s3:PutObject",
    )


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"EvalDecision": "allowed"}, False),
        ({"EvalDecision": "implicitDeny"}, True),
        ({"EvalDecision": "explicitDeny", "MissingContextValues": []}, True),
        ({"EvalDecision": "explicitDeny", "MissingContextValues": ["aws:RequestedRegion"]}, False),
        (
            {
                "EvalDecision": "implicitDeny",
                "ResourceSpecificResults": [{"MissingContextValues": ["aws:MultiFactorAuthPresent"]}],
            },
            False,
        ),
    ],
)
def test_a_simulation_without_its_context_is_no_denial(result: dict[str, Any], *, expected: bool) -> None:
    assert is_denied(result) is expected


def test_rights_follow_the_workload() -> None:
    deployment = {str(right) for right in kubernetes_rights(answers(), makes_namespace=False)}
    assert {"create secrets", "update secrets", "patch deployments", "get pods/log"} <= deployment
    assert "create namespaces" not in deployment
    wanted = answers(deploy={"workload": "ReplicationController"})
    controller = {str(right) for right in kubernetes_rights(wanted, makes_namespace=True)}
    assert {"patch replicationcontrollers", "delete pods", "create namespaces"} <= controller
    assert "patch deployments" not in controller


def test_actions_follow_the_answers() -> None:
    wanted = answers(bucket={"name": "reg"}, user={"path": "/registry/"})
    found = dict(aws_actions(wanted, "aws-cn", "123456789012"))
    assert found["s3:CreateBucket"] == "arn:aws-cn:s3:::reg"
    assert found["s3:PutObject"] == "arn:aws-cn:s3:::reg/*"
    assert found["iam:CreateUser"] == "arn:aws-cn:iam::123456789012:user/registry/registry-access"
    assert found["iam:CreatePolicy"].endswith(":policy/registry/registry-access-policy")
    always = {
        "s3:PutBucketTagging",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "iam:TagPolicy",
        "iam:ListAttachedUserPolicies",
    }
    assert always <= set(found)
    modest = answers(
        bucket={"name": "reg", "create": False, "encryption": "keep", "block_public_access": False},
        user={"kind": "existing-secret"},
    )
    names = {action for action, _ in aws_actions(modest, "aws", "123456789012")}
    assert not {"s3:CreateBucket", "s3:PutEncryptionConfiguration", "iam:CreateUser"} & names


def test_dns_actions_are_asked_for_the_zone_that_is_named() -> None:
    assert dns_actions(answers(dns={"provider": "manual"}), "aws") == []
    assert dict(dns_actions(answers(), "aws")) == {"route53:ListHostedZonesByName": "*"}
    found = dict(dns_actions(answers(dns={"hosted_zone_id": "Z1"}), "aws"))
    assert found["route53:ChangeResourceRecordSets"] == "arn:aws:route53:::hostedzone/Z1"


def node(
    name: str = "n", *, region: str = "eu-west-1", provider: str = "", ready: str = "True", **labels: str
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/region": region, **labels}},
        "spec": {"providerID": provider},
        "status": {
            "nodeInfo": {"architecture": "amd64"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def test_nodes_are_summed_up() -> None:
    found = Nodes.summed_up(
        [
            node("a", provider="aws:///eu-west-1a/i-0abc"),
            node("b", region="", provider="aws:///eu-central-1b/i-0def", ready="False"),
            node("c", **{"eks.amazonaws.com/compute-type": "auto"}),
            {},
        ]
    )
    assert found.regions == ("eu-central-1", "eu-west-1")
    assert found.unready == ("b", "")
    assert (found.total, found.instance_id, found.is_auto_mode) == (4, "i-0abc", True)
    assert found.architectures == ("amd64",)


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def test_nodes_in_another_region_block_and_name_the_region_to_set() -> None:
    findings = Findings()
    nodes.judge(Nodes.summed_up([node()]), "us-east-1", findings)
    assert codes(findings.problems) == ["region-mismatch"]
    assert 'aws_region = "eu-west-1"' in findings.problems[0].fix
    assert findings.blame == {"region-mismatch": "nodes"}


def test_nodes_in_the_region_are_fine() -> None:
    findings = Findings()
    nodes.judge(Nodes.summed_up([node()]), "eu-west-1", findings)
    nodes.judge(Nodes(), "eu-west-1", findings)
    assert findings == Findings()


def test_nodes_that_cannot_be_seen_or_are_not_ready_are_a_warning() -> None:
    findings = Findings()
    nodes.judge(None, "eu-west-1", findings)
    nodes.judge(Nodes.summed_up([node(ready="Unknown"), node()]), "eu-west-1", findings)
    nodes.judge(Nodes.summed_up([node(region="")]), "eu-west-1", findings)
    nodes.judge_account(False, Nodes(instance_id="i-1"), "123456789012", findings)
    nodes.judge_account(None, Nodes(instance_id="i-1"), "123456789012", findings)
    assert codes(findings.warnings) == [
        "nodes-unlistable",
        "nodes-unready",
        "nodes-region-unknown",
        "other-account",
    ]
    assert not findings.problems


def test_without_a_region_the_nodes_region_is_offered() -> None:
    problem = Problem("no-region", "No AWS region is set.", fix="Set one.")
    assert 'aws_region = "eu-west-1"' in nodes.no_region(problem, Nodes(regions=("eu-west-1",))).fix
    assert nodes.no_region(problem, None) == problem
    assert nodes.no_region(problem, Nodes(regions=("a", "b"))) == problem


@pytest.mark.parametrize(
    ("skew_s", "blocks", "warns"),
    [
        (0, [], []),
        (-60, [], []),
        (61, [], ["clock-skew"]),
        (-900, [], ["clock-skew"]),
        (901, ["clock-skew"], []),
    ],
)
def test_the_clock_warns_before_it_blocks(skew_s: float, blocks: list[str], warns: list[str]) -> None:
    findings = Findings()
    cloud._judge_clock(skew_s, findings)
    assert (codes(findings.problems), codes(findings.warnings)) == (blocks, warns)


def quota(hard: dict[str, str], used: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "small"}, "status": {"hard": hard, "used": used}}


@pytest.mark.parametrize(
    ("hard", "used", "is_blocked"),
    [
        ({"services.loadbalancers": "0"}, {}, True),
        ({"services.loadbalancers": "2"}, {"services.loadbalancers": "1"}, False),
        ({"secrets": "10"}, {"secrets": "5"}, True),
        ({"pods": "1"}, {"pods": "0"}, False),
        ({"count/deployments.apps": "1"}, {"count/deployments.apps": "1"}, True),
        ({"requests.memory": "1Gi"}, {"requests.memory": "1000Mi"}, True),
        ({"requests.memory": "1Gi", "limits.memory": "2Gi", "cpu": "1"}, {"cpu": "500m"}, False),
        ({"limits.cpu": "64"}, {}, True),
        ({"pods": "rubbish"}, {}, False),
    ],
)
def test_a_quota_without_room_blocks(hard: dict[str, str], used: dict[str, str], is_blocked: bool) -> None:
    findings = Findings()
    limits.judge_quotas([quota(hard, used), {}], [], answers(), findings)
    assert codes(findings.problems) == ["quota-exceeded"] * is_blocked


@pytest.mark.parametrize(
    ("spec", "is_closed"),
    [
        ({"podSelector": {}}, True),
        ({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}]}, True),
        ({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}, False),
        ({"podSelector": {"matchLabels": {"a": "b"}}}, False),
    ],
)
def test_a_default_deny_policy_is_a_warning(spec: dict[str, Any], is_closed: bool) -> None:
    findings = Findings()
    limits.judge_policies([{"metadata": {"name": "deny"}, "spec": spec}], findings)
    assert codes(findings.warnings) == ["default-deny"] * is_closed


def test_a_quota_counts_before_its_status_is_there() -> None:
    findings = Findings()
    fresh = {"metadata": {"name": "small"}, "spec": {"hard": {"services": "0"}}}
    limits.judge_quotas([fresh], [], answers(), findings)
    assert codes(findings.problems) == ["quota-exceeded"]


def test_a_default_cpu_limit_satisfies_a_quota_that_counts_it() -> None:
    findings = Findings()
    ranges = [{"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}]
    limits.judge_quotas([quota({"limits.cpu": "64"}, {})], ranges, answers(), findings)
    assert findings == Findings()


@pytest.mark.parametrize(
    ("limit", "is_blocked"),
    [
        ({"type": "Container", "max": {"memory": "256Mi"}}, True),
        ({"type": "Pod", "max": {"memory": "1Gi", "cpu": "10m"}}, True),
        ({"type": "Container", "max": {"memory": "1Gi", "cpu": "1"}, "min": {"cpu": "10m"}}, False),
        ({"type": "Container", "min": {"memory": "1Gi"}}, True),
        ({"type": "Container", "max": {"memory": "rubbish"}}, False),
        ({"type": "PersistentVolumeClaim", "max": {"storage": "1Mi"}}, False),
    ],
)
def test_a_limit_range_that_refuses_our_pods_blocks(limit: dict[str, Any], is_blocked: bool) -> None:
    findings = Findings()
    limits.judge_limit_ranges([{"metadata": {"name": "l"}, "spec": {"limits": [limit]}}, {}], findings)
    assert codes(findings.problems) == ["limit-range"] * is_blocked


def labelled(setup: str) -> dict[str, Any]:
    return {"metadata": {"name": "x", "labels": ownership.labels(setup)}}


def test_another_setup_in_the_namespace_is_named() -> None:
    findings = Findings()
    found = namespace.owners([labelled("registry"), labelled("team-b"), {"metadata": {}}])
    assert namespace.judge_others(found, answers(), findings) == "team-b"
    assert "team-b" in findings.problems[0].what
    assert namespace.judge_others({"registry"}, answers(), Findings()) == ""


def test_a_namespace_that_is_being_deleted_blocks() -> None:
    findings = Findings()
    namespace.judge_phase({"metadata": {"name": "a"}, "status": {"phase": "Terminating"}}, findings)
    namespace.judge_phase({"status": {"phase": "Active"}}, findings)
    assert codes(findings.problems) == ["namespace-terminating"]


def test_what_every_namespace_holds_does_not_keep_it() -> None:
    found: dict[str, list[dict[str, Any]]] = {
        "ConfigMap": [{"metadata": {"name": "kube-root-ca.crt"}}],
        "ServiceAccount": [{"metadata": {"name": "default"}}],
        "Secret": [{"metadata": {"name": "token"}, "type": "kubernetes.io/service-account-token"}],
        "Pod": [{"metadata": {"name": "leaving", "deletionTimestamp": "2026-01-01T00:00:00Z"}}],
    }
    assert namespace.foreign_contents(found) == []
    found["Secret"].append({"metadata": {"name": "mine"}, "type": "Opaque"})
    assert namespace.foreign_contents(found) == ["Secret/mine"]


def results(facts: ConnectFacts, denied: tuple[Problem, ...] = ()) -> dict[str, CheckResult]:
    return {check.name: check.run() for check in checklist(facts, denied)}


def test_the_checklist_passes_where_nothing_stands_in_the_way() -> None:
    assert {result.status for result in results(SEEN).values()} == {CheckStatus.PASSED}


def test_each_problem_fails_its_own_row() -> None:
    problem, warning = Problem("clock-skew", "x"), Problem("other-account", "y")
    facts = replace(
        SEEN,
        problems=(problem,),
        warnings=(warning,),
        blame={"clock-skew": "clock", "other-account": "account"},
        is_aws_asked=False,
        namespace_exists=False,
    )
    found = results(facts)
    bad = {name: result.status for name, result in found.items() if result.status is not CheckStatus.PASSED}
    assert bad == {
        "clock": CheckStatus.FAILED,
        "account": CheckStatus.WARNING,
        "aws-rights": CheckStatus.SKIPPED,
        "namespace": CheckStatus.FAILED,
    }
    assert results(SEEN, (Problem("aws-denied", "z"),))["aws-rights"].status is CheckStatus.FAILED
