"""The namespace: whose it is, what limits it, and whether it may be taken away again."""

from collections.abc import Mapping, Sequence
from typing import Any

from wizard import ownership
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.steps.connect.findings import Findings

Object = Mapping[str, Any]
POD_SECURITY = "pod-security.kubernetes.io/enforce"
OUR_SECRETS = 6
DEFAULTS = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
CONTENTS = (
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "ReplicationController"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
)


def owners(objects: Sequence[Object]) -> set[str]:
    """The setups that the objects belong to."""
    found = {ownership.owner_of_labels((each.get("metadata") or {}).get("labels")) for each in objects}
    return found - {""}


def judge_others(found: set[str], answers: Answers, findings: Findings) -> str:
    """The name of another setup in the namespace, "" if there is none."""
    others = sorted(found - {answers.setup})
    if not others:
        return ""
    findings.block(
        "namespace",
        Problem(
            "other-setup",
            f"The namespace {answers.connect.namespace} holds the setup {others[0]} already.",
            "A namespace holds one setup.",
            f'Choose another namespace, or go on with that one: setup = "{others[0]}".',
        ),
    )
    return others[0]


def judge_phase(namespace: Object, findings: Findings) -> None:
    if (namespace.get("status") or {}).get("phase") == "Terminating":
        findings.block(
            "namespace",
            Problem(
                "namespace-terminating",
                f"The namespace {(namespace.get('metadata') or {}).get('name')} is being deleted.",
                "Nothing can be made in it any more.",
                "Wait until it is gone, or choose another namespace.",
            ),
        )


def judge_quotas(quotas: Sequence[Object], answers: Answers, findings: Findings) -> None:
    """Counts only, for a setup of which nothing is there yet."""
    needs = _needs(answers)
    for quota in quotas:
        name = (quota.get("metadata") or {}).get("name", "")
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        for resource, need in needs.items():
            limit, taken = _count(hard.get(resource)), _count(used.get(resource)) or 0
            if limit is not None and limit - taken < need:
                findings.block(
                    "limits",
                    Problem(
                        "quota-exceeded",
                        f"The ResourceQuota {name} leaves room for {max(0, limit - taken)} {resource}, "
                        f"and {need} will be needed.",
                        f"{taken} of {limit} are taken in the namespace {answers.connect.namespace}.",
                        "Have the quota raised, or choose another namespace.",
                    ),
                )


def judge_limit_ranges(ranges: Sequence[Object], findings: Findings) -> None:
    """Pods may be asked for more than the smallest container needs; told, for it may still fit."""
    for each in ranges:
        for limit in (each.get("spec") or {}).get("limits") or []:
            if limit.get("type") in {"Container", "Pod"} and limit.get("max"):
                most = ", ".join(f"{name} {amount}" for name, amount in sorted(limit["max"].items()))
                findings.warn(
                    "limits",
                    Problem(
                        "limit-range",
                        f"The LimitRange {(each.get('metadata') or {}).get('name')} allows a "
                        f"{limit['type'].lower()} no more than {most}.",
                        "A Pod that asks for more is refused.",
                        "Compare it with the registry's requests in the deploy step's plan.",
                    ),
                )


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
                f"The NetworkPolicy {(policy.get('metadata') or {}).get('name')} denies all "
                f"{' and '.join(closed)} traffic of the namespace's Pods.",
                "The registry must be reached on port 5000, and must reach S3 and DNS.",
                "Allow that in a NetworkPolicy for the Pods with the label app=kube-registry.",
            ),
        )


def foreign_contents(found: Mapping[str, Sequence[Object]]) -> list[str]:
    """What keeps a namespace from being deleted, as kind/name; `found` is lists by kind."""
    return sorted(
        f"{kind}/{metadata.get('name', '')}"
        for kind, objects in found.items()
        for each in objects
        if not _is_default(kind, each, metadata := each.get("metadata") or {})
    )


def _is_default(kind: str, each: Object, metadata: Object) -> bool:
    is_token = kind == "Secret" and each.get("type") == "kubernetes.io/service-account-token"
    return is_token or bool(metadata.get("deletionTimestamp")) or (kind, metadata.get("name")) in DEFAULTS


def _needs(answers: Answers) -> Mapping[str, int]:
    pods = answers.deploy.replicas
    workload = "deployments.apps" if answers.deploy.workload == "Deployment" else "replicationcontrollers"
    return {
        "services": 1,
        "services.loadbalancers": 1,
        "count/services": 1,
        "secrets": OUR_SECRETS,
        "count/secrets": OUR_SECRETS,
        "pods": pods,
        "count/pods": pods,
        "replicationcontrollers": 1 if workload == "replicationcontrollers" else 0,
        f"count/{workload}": 1,
    }


def _count(text: object) -> int | None:
    try:
        return int(str(text))
    except ValueError:
        return None


def _closed(spec: Object) -> list[str]:
    types = spec.get("policyTypes") or ["Ingress"]
    return [each.lower() for each in types if not spec.get(each.lower())]
