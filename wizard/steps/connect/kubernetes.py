"""The cluster's side: version, rights, nodes, the namespace and what limits it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from wizard import names, ownership
from wizard.answers import Answers
from wizard.errors import AccessDenied, NotFound, Problem
from wizard.parallel import side_by_side
from wizard.services.cluster import Cluster
from wizard.steps.connect import limits
from wizard.steps.connect import namespace as namespaces
from wizard.steps.connect.findings import Findings, if_allowed
from wizard.steps.connect.nodes import Nodes
from wizard.steps.connect.rights import Right, kubernetes_rights, record_rights

Object = dict[str, Any]
MOST_NODES = 200
REVIEWERS = 6
IN_TREE, CONTROLLER, AUTO_MODE = "in-tree", "aws-load-balancer-controller", "auto-mode"


@dataclass(frozen=True, slots=True)
class ClusterView:
    """`nodes` is None where they may not be listed; `balancer_controller` is "" where it cannot be seen."""

    version: str
    user: str
    namespace_exists: bool
    pod_security: str
    other_setup: str
    nodes: Nodes | None
    balancer_controller: str


def look(answers: Answers, cluster: Cluster, findings: Findings) -> ClusterView:
    """Raises Unreachable or CredentialsError where the API server cannot be spoken to."""
    version = cluster.version()
    jobs: list[Callable[[], Any]] = [
        cluster.user,
        partial(_namespace, cluster, answers, findings),
        partial(_nodes, cluster),
        partial(_has_controller, cluster),
    ]
    user, seen, nodes, has_controller = side_by_side(jobs)
    _judge_rights(cluster, answers, user, findings, makes_namespace=not seen.exists)
    controller = CONTROLLER if has_controller else IN_TREE
    if nodes is not None and nodes.is_auto_mode:
        controller = AUTO_MODE
    elif has_controller is None:
        controller = ""
    return ClusterView(version, user, seen.exists, seen.pod_security, seen.other_setup, nodes, controller)


@dataclass(frozen=True, slots=True)
class _Seen:
    exists: bool = False
    pod_security: str = ""
    other_setup: str = ""


def _namespace(cluster: Cluster, answers: Answers, findings: Findings) -> _Seen:
    name = answers.connect.namespace
    try:
        found = cluster.get("v1", "Namespace", name, namespaced=False)
    except AccessDenied:
        # Many people may work in one namespace only; then it is there, or they could not.
        found = {"metadata": {"name": name}}
    if found is None:
        return _Seen()
    namespaces.judge_phase(found, findings)
    lists: list[Callable[[], list[Object]]] = [
        *(partial(_ours, cluster, *each) for each in _MARKED),
        partial(_listed, cluster, "v1", "ResourceQuota"),
        partial(_listed, cluster, "v1", "LimitRange"),
        partial(_listed, cluster, "networking.k8s.io/v1", "NetworkPolicy"),
    ]
    *marked, quotas, ranges, policies = side_by_side(lists)
    owners = namespaces.owners([found, *(each for part in marked for each in part)])
    if not any(marked):
        limits.judge_quotas(quotas, ranges, answers, findings)
        limits.judge_limit_ranges(ranges, findings)
    limits.judge_policies(policies, findings)
    labels = found["metadata"].get("labels") or {}
    return _Seen(
        exists=True,
        pod_security=str(labels.get(namespaces.POD_SECURITY, "")),
        other_setup=namespaces.judge_others(owners, answers, findings),
    )


_MARKED = (
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ReplicationController"),
    ("apps/v1", "Deployment"),
)


def _ours(cluster: Cluster, api_version: str, kind: str) -> list[Object]:
    """All things of ours and of other setups; by name where listing is not allowed."""
    try:
        return cluster.list(api_version, kind, label_selector=ownership.SELECTOR)
    except NotFound:
        return []
    except AccessDenied:
        known = [names.REGISTRY]
        if kind == "Secret":
            known = [names.HTPASSWD_SECRET, names.CERTIFICATE_SECRET]
        found = [if_allowed(partial(cluster.get, api_version, kind, name), None) for name in known]
        return [each for each in found if each is not None]


def _listed(cluster: Cluster, api_version: str, kind: str) -> list[Object]:
    return if_allowed(partial(cluster.list, api_version, kind), [])


def _nodes(cluster: Cluster) -> Nodes | None:
    found = if_allowed(partial(cluster.list, "v1", "Node", namespaced=False, limit=MOST_NODES), None)
    return None if found is None else Nodes.summed_up(found)


def _has_controller(cluster: Cluster) -> bool | None:
    """Its webhook for Services changes the balancer; None where neither that nor its Deployment is seen."""
    hooks = if_allowed(
        partial(
            cluster.list, "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", namespaced=False
        ),
        None,
    )
    if hooks is not None:
        return any(_changes_services(hook) for each in hooks for hook in each.get("webhooks") or [])
    try:
        found = cluster.get("apps/v1", "Deployment", CONTROLLER, namespace="kube-system")
    except AccessDenied:
        return None
    return found is not None


def _changes_services(hook: Object) -> bool:
    rules = hook.get("rules") or []
    is_its = str(hook.get("name", "")).endswith("elbv2.k8s.aws")
    return is_its and any("services" in (rule.get("resources") or []) for rule in rules)


def _judge_rights(
    cluster: Cluster, answers: Answers, user: str, findings: Findings, *, makes_namespace: bool
) -> None:
    wanted = kubernetes_rights(answers, makes_namespace=makes_namespace and answers.connect.create_namespace)
    asked = (*wanted, *record_rights())
    shares = [asked[start::REVIEWERS] for start in range(REVIEWERS)]
    missing = side_by_side([partial(_missing, cluster, share) for share in shares])
    lacking = [right for right in asked if any(right in each for each in missing)]
    denied = [right for right in lacking if right in wanted]
    if lacking and not denied:
        findings.warn("rights", _unrecorded(lacking))
    if not denied:
        return
    verbs = ", ".join(str(right) for right in denied)
    findings.block(
        "rights",
        Problem(
            "kubernetes-denied",
            f"{user or 'Your user'} may not do all that is needed in the namespace "
            f"{answers.connect.namespace}: {verbs}.",
            f"The access rules (RBAC) of the cluster of {cluster.context} do not allow it.",
            "Ask its administrator for a role with these verbs, or choose another namespace.",
        ),
    )


def _unrecorded(lacking: list[Right]) -> Problem:
    return Problem(
        "record-denied",
        f"Other machines cannot go on with this setup: {', '.join(map(str, lacking))} is not allowed.",
        "Its record and its lock are on this machine only then.",
        "Have these verbs added to your role, or keep the state directory safe.",
    )


def _missing(cluster: Cluster, rights: tuple[Right, ...]) -> list[Right]:
    return [
        right
        for right in rights
        if not cluster.can(
            right.verb,
            right.resource,
            group=right.group,
            subresource=right.subresource,
            namespace="" if right.is_clusterwide else None,
        )
    ]
