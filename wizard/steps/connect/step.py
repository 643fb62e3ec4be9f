"""The connect step: it looks at everything, and changes nothing but a namespace on request."""

from dataclasses import replace
from functools import partial
from typing import Any

from wizard import ownership
from wizard.answers import Answers
from wizard.errors import AccessDenied, Conflict, NotFound, Problem, Remedy
from wizard.events import StepId, Verb
from wizard.facts import ConnectFacts, FactBook
from wizard.journal import Entry
from wizard.parallel import side_by_side
from wizard.polling import NotReady
from wizard.services.cluster import Cluster
from wizard.step import Change, Check, Context, Plan, Receipt
from wizard.steps.connect import cloud, kubernetes, nodes
from wizard.steps.connect.checklist import checklist
from wizard.steps.connect.findings import Findings
from wizard.steps.connect.namespace import CONTENTS, foreign_contents
from wizard.steps.connect.rights import still_needed

CREATE_NAMESPACE = "create-namespace"
EMPTY_WITHIN_S = 60.0
GONE_WITHIN_S = 120.0


class ConnectStep:
    """Account, clock, API server, namespace, rights, nodes: what later steps would fail at."""

    id = StepId.CONNECT

    def inspect(self, ctx: Context) -> ConnectFacts:
        """Raises the AWS error, else the cluster's, where one of the two cannot be spoken to at all."""
        findings, answers, services = Findings(), ctx.answers, ctx.services
        looks: list[Any] = [
            lambda: cloud.look(answers, services, findings),
            lambda: kubernetes.look(answers, services.cluster, findings),
        ]
        aws, cluster = side_by_side(looks)
        return _judged(ctx, aws, cluster, findings)

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        seen = facts.connect
        if seen is None:
            return Plan()
        blockers = tuple(_denied(seen, facts))
        if seen.namespace_exists:
            return Plan(blockers=blockers)
        name = answers.connect.namespace
        if not answers.connect.create_namespace:
            missing = Problem(
                "namespace-missing",
                f"The namespace {name} is not in the cluster of {seen.kube_context}.",
                "Everything of the registry lives in one namespace.",
                "Set create_namespace = true in [connect], or name one that is there.",
                remedy=Remedy("set", "connect", "create_namespace", True),
            )
            return Plan(blockers=(*blockers, missing))
        change = Change(
            CREATE_NAMESPACE,
            Verb.CREATE,
            "Namespace",
            name,
            f"Namespace {name} in the cluster of {seen.kube_context}",
            {"name": name},
            command=f"kubectl --context {seen.kube_context} create namespace {name}",
        )
        return Plan((change,), blockers=blockers)

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:  # noqa: ARG002 - the protocol's signature
        cluster, name = ctx.services.cluster, change.name
        found = cluster.get("v1", "Namespace", name, namespaced=False)
        if found is None:
            manifest = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": ownership.labels(ctx.answers.setup)},
            }
            try:
                found = cluster.create(manifest)
            except Conflict:
                found = cluster.get("v1", "Namespace", name, namespaced=False) or {}
        return {"uid": str((found.get("metadata") or {}).get("uid", ""))}

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        facts = ctx.facts.connect or ConnectFacts()
        return checklist(facts, tuple(_denied(facts, ctx.facts)))

    def probed(self, answers: Answers, facts: FactBook) -> str:  # noqa: ARG002 - the protocol's signature
        """No check of this step writes."""
        return ""

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:  # noqa: ARG002 - the protocol's signature
        """Deletes the namespace if it is ours and holds nothing but what every namespace does."""
        cluster, name = ctx.services.cluster, entry.change.name
        found = cluster.get("v1", "Namespace", name, namespaced=False)
        if found is None:
            return f"The namespace {name} is gone already."
        metadata = found.get("metadata") or {}
        if ownership.owner_of_labels(metadata.get("labels")) != ctx.answers.setup:
            return f"Left the namespace {name}: it is not this setup's."
        if held := _emptied(ctx, cluster, name):
            return f"Left the namespace {name}: it holds {', '.join(held[:5])}."
        if (found.get("status") or {}).get("phase") != "Terminating":
            cluster.delete("v1", "Namespace", name, uid=str(metadata.get("uid", "")))
        ctx.wait(partial(_gone, cluster, name), what=f"the end of namespace {name}", deadline_s=GONE_WITHIN_S)
        return f"Deleted the namespace {name}."


def _judged(
    ctx: Context, aws: cloud.Cloud, cluster: kubernetes.ClusterView, findings: Findings
) -> ConnectFacts:
    identity = aws.identity
    if aws.no_region is not None:
        findings.block("identity", nodes.no_region(aws.no_region, cluster.nodes))
    nodes.judge(cluster.nodes, aws.aws_region, findings)
    if identity is not None and cluster.nodes is not None and cluster.nodes.instance_id:
        is_there = ctx.services.aws.describe_instance_exists(cluster.nodes.instance_id)
        nodes.judge_account(is_there, cluster.nodes, identity.account_id, findings)
    facts = ConnectFacts(
        problems=tuple(findings.problems),
        warnings=tuple(findings.warnings),
        blame=findings.blame,
        aws_region=aws.aws_region,
        clock_skew_s=aws.clock_skew_s,
        kube_context=ctx.services.cluster.context,
        kube_server=ctx.services.cluster.server,
        kube_version=cluster.version,
        kube_user=cluster.user,
        namespace=ctx.answers.connect.namespace,
        namespace_exists=cluster.namespace_exists,
        node_regions=cluster.nodes.regions if cluster.nodes else (),
        node_architectures=cluster.nodes.architectures if cluster.nodes else (),
        node_count=cluster.nodes.total if cluster.nodes else 0,
        balancer_controller=cluster.balancer_controller,
        other_setup=cluster.other_setup,
        denied=aws.denied or (),
        is_aws_asked=aws.denied is not None,
        pod_security=cluster.pod_security,
    )
    if identity is None:
        return facts
    return replace(
        facts, account_id=identity.account_id, caller_arn=identity.arn, partition=identity.partition
    )


def _denied(seen: ConnectFacts, book: FactBook) -> list[Problem]:
    """The blocker for AWS actions that are forbidden and not done yet, as a list of one or none."""
    denied = still_needed(seen.denied, book)
    if not denied:
        return []
    return [
        Problem(
            "aws-denied",
            f"{seen.caller_arn} may not do all that is needed: {', '.join(denied)}.",
            "Its policies do not allow it, or a service control policy or a boundary denies it.",
            "Have these actions added to its policy; if that does not help, ask who runs the organization.",
        )
    ]


def _emptied(ctx: Context, cluster: Cluster, name: str) -> list[str]:
    """What the namespace still holds of others; Pods that are on their way out are waited for."""

    def settled() -> list[str] | bool:
        held = _contents(cluster, name)
        if held and all(thing.partition("/")[0] in {"Pod", "ReplicaSet"} for thing in held):
            raise NotReady(f"it still holds {', '.join(held[:3])}")
        return held or True

    found = ctx.wait(
        settled,
        what=f"the last Pods in namespace {name} to go",
        deadline_s=EMPTY_WITHIN_S,
        fix=f"Look at what keeps them: kubectl -n {name} get pods",
    )
    return found if isinstance(found, list) else []


def _contents(cluster: Cluster, name: str) -> list[str]:
    kinds = [kind for _, kind in CONTENTS]
    lists = side_by_side([partial(_held, cluster, name, *each) for each in CONTENTS])
    return foreign_contents(dict(zip(kinds, lists, strict=True)))


def _held(cluster: Cluster, name: str, api_version: str, kind: str) -> list[dict[str, Any]]:
    """What may not be seen counts as something that is there."""
    try:
        return cluster.list(api_version, kind, namespace=name)
    except NotFound:
        return []
    except AccessDenied:
        return [{"metadata": {"name": "(not to be seen)"}}]


def _gone(cluster: Cluster, name: str) -> bool:
    if cluster.get("v1", "Namespace", name, namespaced=False) is not None:
        raise NotReady("it is being emptied")
    return True
