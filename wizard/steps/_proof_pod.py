"""A Pod that pulls the proof image with a namespace's pull Secret; whether it runs then does not matter."""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from wizard import names, ownership
from wizard.errors import WizardError, wizard_error
from wizard.polling import NotReady
from wizard.services.cluster import Cluster
from wizard.step import CheckResult, Context

DEADLINE_S = 180
COMPONENT = {"app.kubernetes.io/component": "pull-check"}
SELECTOR_OF_CHECKS = ",".join(f"{key}={value}" for key, value in COMPONENT.items())
REFUSED = {"ErrImagePull", "ImagePullBackOff"}
BAD_NAME = {"InvalidImageName", "ErrImageNeverPull"}
# What can follow a pull only: the image has nothing to run.
AFTER_PULL = {"CreateContainerError", "RunContainerError", "CreateContainerConfigError", "CrashLoopBackOff"}
NOBODY = 65532
# A runtime names the image anew at each layer of what went wrong; the cause stands last.
_PREFIXES = re.compile(r'^Failed: Failed to pull image.*"[^"]*": ', re.DOTALL)


def pull_in(ctx: Context, namespace: str, tag: str, architecture: str) -> CheckResult:
    """Raises WizardError with what the node said; the Pod is removed in any case."""
    cluster = ctx.services.cluster.in_namespace(namespace)
    remove_all(cluster, ctx.answers.setup)
    image = f"{ctx.answers.certificate.domain}/{names.PROOF_REPOSITORY}:{tag}"
    pod = cluster.create(manifest(namespace, image, ctx.answers.setup, architecture))["metadata"]["name"]
    try:
        told = ctx.wait(
            lambda: _look(cluster, pod, namespace),
            what=f"a Pod in {namespace} to pull the image",
            deadline_s=DEADLINE_S,
        )
    finally:
        with suppress(WizardError):
            cluster.delete("v1", "Pod", pod)
    return CheckResult.passed(told)


def remove_all(cluster: Cluster, setup: str) -> None:
    """Pods that an interrupted run left."""
    selector = f"{SELECTOR_OF_CHECKS},{ownership.INSTANCE}={setup}"
    for found in cluster.list("v1", "Pod", label_selector=selector):
        cluster.delete("v1", "Pod", found["metadata"]["name"])


def manifest(namespace: str, image: str, setup: str, architecture: str) -> dict[str, Any]:
    """It asks for so little that the strictest Pod Security Standard ("restricted") lets it in."""
    container = {
        "name": "pull",
        "image": image,
        "imagePullPolicy": "Always",
        "command": ["/nothing"],
        "resources": {
            "requests": {"cpu": "1m", "memory": "4Mi"},
            "limits": {"cpu": "100m", "memory": "32Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"kube-registry-pull-check-{secrets.token_hex(4)}",
            "namespace": namespace,
            "labels": {**ownership.labels(setup), **COMPONENT},
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "activeDeadlineSeconds": 2 * DEADLINE_S,
            "nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": architecture},
            "imagePullSecrets": [{"name": names.PULL_SECRET}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def _look(cluster: Cluster, pod: str, namespace: str) -> str:
    found = cluster.get("v1", "Pod", pod)
    if found is None:
        raise wizard_error(
            "pull-pod-gone",
            f"The Pod {pod} in {namespace} was deleted before it had pulled the image.",
            why="Somebody else, or a policy of the cluster, removed it.",
            fix="Look at the events of the namespace, then run the same command again.",
        )
    state = _state(found)
    if "running" in state or "terminated" in state:
        return f"pulled by {names.PULL_SECRET}"
    waiting = state.get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    events = cluster.events_for("Pod", pod)
    if reason in AFTER_PULL or any(event.startswith("Pulled:") for event in events):
        return f"pulled by {names.PULL_SECRET}"
    if reason in REFUSED | BAD_NAME and _is_final(message, events):
        raise wizard_error(
            "pull-refused",
            f"A Pod in the namespace {namespace} cannot pull from the registry.",
            why=next(_reasons(events), message),
            fix="Look whether the nodes reach the registry's name, and whether they trust its certificate.",
        )
    raise NotReady(next(_reasons(events), reason or "the Pod waits for a node"))


def _is_final(message: str, events: list[str]) -> bool:
    """What a second try would not change; a name that a node cannot resolve yet is not."""
    text = " ".join([message, *events])
    return any(
        word in text
        for word in ("401 Unauthorized", "pull access denied", "x509", "not found", "InvalidImageName")
    )


def _reasons(events: list[str]) -> Iterator[str]:
    for event in reversed(events):
        if event.startswith("Failed: Failed to pull image"):
            reason = _PREFIXES.sub("", event)
            yield f"The node says: {reason}."


def _state(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return statuses[0].get("state") or {}
