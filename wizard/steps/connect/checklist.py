"""The rows of the connect step's checklist; all that they need was read by inspect."""

from collections.abc import Sequence
from functools import partial

from wizard.errors import Problem
from wizard.facts import ConnectFacts
from wizard.step import Check, CheckResult


def checklist(facts: ConnectFacts, denied: Sequence[Problem]) -> tuple[Check, ...]:
    """`denied` is the problem about AWS actions, if there is one."""
    rows = (
        ("identity", "AWS knows who you are", f"{facts.caller_arn}, region {facts.aws_region}"),
        ("clock", "this machine's clock agrees with AWS's", f"{facts.clock_skew_s or 0:.0f} s off"),
        ("aws-rights", "AWS allows every action that will be needed", ""),
        ("api-server", "the API server answers", _server(facts)),
        ("namespace", "the namespace is there and free of other setups", _namespace(facts)),
        ("rights", "the cluster allows every verb that will be needed", facts.kube_user),
        ("nodes", "the nodes run in the AWS region", _nodes(facts)),
        ("account", "the nodes belong to the AWS account", facts.account_id),
        ("limits", "quotas and policies leave room", ""),
    )
    return tuple(
        Check(name, title, partial(_result, facts, name, detail, tuple(denied)))
        for name, title, detail in rows
    )


def _result(facts: ConnectFacts, name: str, detail: str, denied: tuple[Problem, ...]) -> CheckResult:
    if name == "aws-rights":
        if denied:
            return CheckResult.failed(denied[0])
        if not facts.is_aws_asked:
            return CheckResult.skipped("AWS does not tell this key ahead; each action is tried when needed")
    if name == "namespace" and not facts.namespace_exists:
        return CheckResult.failed(
            Problem(
                "namespace-missing",
                f"The namespace {facts.namespace} is not there.",
                "It was deleted from outside, or never made.",
                "Set create_namespace = true in [connect], then run apply.",
            )
        )
    for problem in facts.problems:
        if facts.blame.get(problem.code) == name:
            return CheckResult.failed(problem)
    for problem in facts.warnings:
        if facts.blame.get(problem.code) == name:
            return CheckResult.warning(problem)
    return CheckResult.passed(detail)


def _server(facts: ConnectFacts) -> str:
    return f"{facts.kube_version} at {facts.kube_server}, context {facts.kube_context}"


def _namespace(facts: ConnectFacts) -> str:
    level = f", Pod Security {facts.pod_security}" if facts.pod_security else ""
    return f"{facts.namespace}{level}"


def _nodes(facts: ConnectFacts) -> str:
    if not facts.node_count:
        return "no nodes yet; they may be made when they are needed"
    return f"{facts.node_count} in {', '.join(facts.node_regions)}, {', '.join(facts.node_architectures)}"
