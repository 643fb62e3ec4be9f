"""What limits a namespace: quotas, limit ranges and network policies. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from wizard._manifest_compare import quantity
from wizard._manifest_pods import RESOURCES
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.steps.connect.findings import Findings

Object = Mapping[str, Any]
OUR_SECRETS = 6


def judge_quotas(
    quotas: Sequence[Object], ranges: Sequence[Object], answers: Answers, findings: Findings
) -> None:
    """For a setup of which nothing is there yet."""
    needs = _needs(answers)
    if not any("cpu" in (limit.get("default") or {}) for limit in _limits(ranges)):
        # The registry's Pods name no CPU limit, and such Pods are refused where a quota counts it.
        needs["limits.cpu"] = Decimal("Infinity")
    for quota in quotas:
        status = quota.get("status") or {}
        hard, used = _hard(quota), status.get("used") or {}
        for resource, need in needs.items():
            limit, taken = quantity(hard.get(resource)), quantity(used.get(resource, "0"))
            if limit is not None and limit - (taken or 0) < need:
                findings.block("limits", _no_room(quota, resource, used.get(resource, "0"), need))


def judge_limit_ranges(ranges: Sequence[Object], findings: Findings) -> None:
    """A Pod outside of them is refused."""
    for each in ranges:
        for limit in _limits([each]):
            for bound, parts in (("max", ("limits", "requests")), ("min", ("requests",))):
                for resource, amount in (limit.get(bound) or {}).items():
                    ours = next(
                        (RESOURCES[part][resource] for part in parts if resource in RESOURCES[part]), ""
                    )
                    if ours and _is_outside(bound, ours, amount):
                        findings.block("limits", _outside(each, bound, resource, amount, ours))


def judge_policies(policies: Sequence[Object], findings: Findings) -> None:
    """A default-deny NetworkPolicy cuts the registry off, if the cluster's network enforces it."""
    for policy in policies:
        spec = policy.get("spec") or {}
        if spec.get("podSelector") or not (closed := _closed(spec)):
            continue
        findings.warn(
            "limits",
            Problem(
                "default-deny",
                f"The NetworkPolicy {_name(policy)} denies all {' and '.join(closed)} traffic of the "
                "namespace's Pods.",
                "The registry must be reached on port 5000, and must reach S3 and DNS.",
                "Allow that in a NetworkPolicy for the Pods with app.kubernetes.io/name=kube-registry.",
            ),
        )


def _needs(answers: Answers) -> dict[str, Decimal]:
    pods = Decimal(answers.deploy.replicas)
    is_deployment = answers.deploy.workload == "Deployment"
    counts: dict[str, Decimal | int] = {
        "services": 1,
        "services.loadbalancers": 1,
        "count/services": 1,
        "secrets": OUR_SECRETS,
        "count/secrets": OUR_SECRETS,
        "count/deployments.apps": int(is_deployment),
        "replicationcontrollers": int(not is_deployment),
        "count/replicationcontrollers": int(not is_deployment),
        "pods": pods,
        "count/pods": pods,
    }
    needs = {resource: Decimal(count) for resource, count in counts.items()}
    for part, amounts in RESOURCES.items():
        for resource, amount in amounts.items():
            each = (quantity(amount) or Decimal(0)) * pods
            needs[f"{part}.{resource}"] = each
            if part == "requests":
                needs[resource] = each
    return needs


def _hard(quota: Object) -> Mapping[str, Any]:
    """The limits in force, else those that will be: the status comes a moment later."""
    found: Mapping[str, Any] = (
        (quota.get("status") or {}).get("hard") or (quota.get("spec") or {}).get("hard") or {}
    )
    return found


def _no_room(quota: Object, resource: str, used: object, need: Decimal) -> Problem:
    why = f"{used} of {_hard(quota)[resource]} are taken."
    if need.is_infinite():
        why = "It counts CPU limits, the registry's Pods name none, and no LimitRange gives them one."
    return Problem(
        "quota-exceeded",
        f"The ResourceQuota {_name(quota)} leaves no room for the registry: {resource}.",
        why,
        "Have the quota raised, or choose another namespace.",
    )


def _outside(each: Object, bound: str, resource: str, amount: object, ours: str) -> Problem:
    return Problem(
        "limit-range",
        f"The LimitRange {_name(each)} does not admit the registry's Pods: {resource}.",
        f"Its {bound}imum is {amount}, the registry asks for {ours}.",
        "Have the LimitRange changed, or choose another namespace.",
    )


def _is_outside(bound: str, ours: str, amount: object) -> bool:
    mine, its = quantity(ours), quantity(amount)
    if mine is None or its is None:
        return False
    return mine > its if bound == "max" else mine < its


def _limits(ranges: Sequence[Object]) -> list[Object]:
    found = (limit for each in ranges for limit in (each.get("spec") or {}).get("limits") or [])
    return [limit for limit in found if limit.get("type") in {"Container", "Pod"}]


def _closed(spec: Object) -> list[str]:
    types = spec.get("policyTypes") or ["Ingress"]
    return [each.lower() for each in types if not spec.get(each.lower())]


def _name(each: Object) -> str:
    return str((each.get("metadata") or {}).get("name", ""))
