"""The namespace: whose it is, and whether it may be taken away again. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from wizard import names, ownership
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.steps.connect.findings import Findings

Object = Mapping[str, Any]
POD_SECURITY = "pod-security.kubernetes.io/enforce"
# The record goes with the namespace: it is needed for as long as there is something to take back.
DEFAULTS = {("ConfigMap", "kube-root-ca.crt"), ("ConfigMap", names.RECORD), ("ServiceAccount", "default")}
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
