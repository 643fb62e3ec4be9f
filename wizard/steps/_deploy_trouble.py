"""What keeps the registry's Pods from getting ready, each well-known failure as its own sentence. Pure.

`is_final` says that waiting longer cures nothing. Reasons and messages: kubelet, scheduler and controller
manager of Kubernetes; log lines: distribution.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wizard.errors import Problem
from wizard.steps import _deploy_objects as objects

Object = Mapping[str, Any]
# Pattern, code, why, fix.
Known = tuple[str, str, str, str]

CRASHES_ENOUGH = 3
LAST_EVENTS = 5
PULL_REASONS = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

PULLS: tuple[Known, ...] = (
    (
        r"too ?many ?requests|rate limit",
        "image-rate-limit",
        "The public hub's pull limit for the nodes' address is used up.",
        "Wait some hours, or set deploy.image to a mirror of yours.",
    ),
    (
        r"no match for platform|no matching manifest",
        "image-platform",
        "The image is not made for the nodes' processors.",
        "Set deploy.image to a multi-platform image, such as registry:3.1.1.",
    ),
    (
        r"not found|manifest unknown|InvalidImageName|couldn't parse",
        "image-not-found",
        "There is no such image or tag.",
        "Correct deploy.image.",
    ),
    (
        r"denied|unauthorized|authorization failed|forbidden",
        "image-denied",
        "The nodes may not pull it: it does not exist, or it is private.",
        "Correct deploy.image, or set it to one that the nodes may pull.",
    ),
    (
        r"timeout|no such host|connection refused|deadline|unreachable|x509",
        "image-unreachable",
        "The nodes do not reach the image's registry.",
        "Give the nodes a way out, or set deploy.image to a mirror that they reach.",
    ),
)
LOG_LINES: tuple[Known, ...] = (
    (
        r"invalid region provided",
        "registry-region",
        "The registry in this image does not know the region.",
        "Set deploy.image to a newer version.",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch",
        "registry-key",
        "AWS does not know the registry's access key.",
        "Run the step user again.",
    ),
    (
        r"AccessDenied|\b403\b.*s3aws|s3aws.*Forbidden",
        "registry-denied",
        "The registry's access key may not use the bucket.",
        "Run the step user again; it compares the policy.",
    ),
    (r"NoSuchBucket", "registry-bucket", "The bucket is not there.", "Run the step bucket again."),
    (
        r"RequestTimeTooSkewed",
        "registry-clock",
        "A node's clock is off by more than 15 minutes.",
        "Set the nodes' clocks.",
    ),
    (
        r"realm.*must be set|\"realm\"",
        "registry-realm",
        "The registry got no realm for its login.",
        "Run the step deploy again; it sets one.",
    ),
    (
        r"domain\.(crt|key)|failed to find any PEM|private key does not match|tls:",
        "registry-tls-files",
        "The registry cannot use its certificate and key.",
        "Run the step certificate again.",
    ),
    (
        r"htpasswd",
        "registry-htpasswd",
        "The registry cannot use its htpasswd file.",
        "Run the step htpasswd again.",
    ),
    (
        r"certificate signed by unknown authority|x509",
        "registry-s3-certificate",
        "The registry does not trust the certificate of the S3 endpoint.",
        "Use an S3 endpoint with a certificate of a public CA.",
    ),
    (
        r"no such host|i/o timeout|connection refused|network is unreachable|RequestError",
        "registry-s3-unreachable",
        "The registry does not reach S3.",
        "Allow the Pods DNS and port 443 to the outside (network policies, NAT).",
    ),
    (
        r"exec format error",
        "image-platform",
        "The image is not made for the nodes' processors.",
        "Set deploy.image to a multi-platform image.",
    ),
    (
        r"address already in use|bind:",
        "registry-port",
        "The registry cannot listen on its port.",
        "Set deploy.image to an unchanged registry image.",
    ),
)
REFUSALS: tuple[Known, ...] = (
    (
        r"exceeded quota|must specify (limits|requests)",
        "quota",
        "A ResourceQuota of the namespace leaves no room for the Pods.",
        "Raise the quota; an update needs room for one more Pod than deploy.replicas.",
    ),
    (
        r"violates PodSecurity|pod security",
        "pod-security",
        "The namespace's Pod Security level refuses them.",
        "Set the namespace's label pod-security.kubernetes.io/enforce to restricted or a lower level.",
    ),
    (
        r"(minimum|maximum) (cpu|memory) usage|LimitRange",
        "limit-range",
        "A LimitRange of the namespace forbids their requests.",
        "Allow 50m of CPU and 128Mi to 512Mi of memory.",
    ),
    (
        r"admission webhook|denied the request|denied by",
        "admission-denied",
        "An admission policy of the cluster refuses them.",
        "Ask the cluster's operators to allow them, or for a namespace without that policy.",
    ),
    (
        r"serviceaccount",
        "service-account",
        "The namespace has no default service account yet.",
        "Run the same command again.",
    ),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    problem: Problem
    is_final: bool


def of_workload(live: Object) -> Trouble | None:
    """What the controllers say in the workload's conditions."""
    for condition in (live.get("status") or {}).get("conditions") or []:
        message = str(condition.get("message", ""))
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return refusal_of_pods(message)
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            problem = Problem(
                "rollout-stuck", "The Pods did not get ready in ten minutes.", message, "Look at their log."
            )
            return Trouble(problem, is_final=True)
    return None


def refusal_of_pods(message: str) -> Trouble:
    """The API server lets no Pods be made."""
    what = "The cluster refuses to make the registry's Pods."
    return Trouble(_known(REFUSALS, message, "pods-refused", what), is_final="serviceaccount" not in message)


def of_pod(pod: Object, log: Callable[[bool], str], events: Iterable[str]) -> Trouble | None:
    """`log` gives the last lines, of the previous run if asked with True; `events` are "Reason: message".

    The newest events, which come last, are quoted with what is found.
    """
    told = tuple(events)
    found = _of_pod(pod, log, told)
    if found is None or not told:
        return found
    lines = [*found.problem.raw.splitlines(), "Events of the Pod, the newest last:", *told[-LAST_EVENTS:]]
    return replace(found, problem=replace(found.problem, raw="\n".join(lines)))


def _of_pod(pod: Object, log: Callable[[bool], str], events: Sequence[str]) -> Trouble | None:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        if reason in PULL_REASONS:
            return _pull(str(container.get("image", "")), reason, " ".join((message, *events)))
        if reason in CONFIG_REASONS:
            return _config(reason, message)
        if reason == "CrashLoopBackOff" or (container.get("state") or {}).get("terminated"):
            return _crash(container, log(True) or log(False))
    return _scheduling(status) or _mount(events) or _unready(status, log)


def _pull(image: str, reason: str, message: str) -> Trouble:
    problem = _known(PULLS, f"{reason} {message}", "image-pull", f"The image {image} cannot be pulled.")
    is_hopeless = problem.code in {"image-not-found", "image-platform", "image-denied"}
    return Trouble(problem, is_final=is_hopeless or reason == "ImagePullBackOff")


def _config(reason: str, message: str) -> Trouble:
    fix = "Run the earlier steps again; they make what is missing."
    if "runAsNonRoot" in message or "run as root" in message:
        fix = "Set deploy.image to an unchanged registry image."
    what = "A Pod's container cannot be made."
    return Trouble(Problem("container-config", what, f"{reason}: {message}.", fix), is_final=False)


def _crash(container: Object, text: str) -> Trouble:
    last = _last_words(text)
    what = "The registry ends as soon as it starts."
    problem = _known(LOG_LINES, text, "registry-crash", what, why=f"Its last words: {last}" if last else "")
    has_reason = problem.code != "registry-crash"
    is_final = has_reason or int(container.get("restartCount", 0)) >= CRASHES_ENOUGH
    return Trouble(problem, is_final=is_final)


def _scheduling(status: Object) -> Trouble | None:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            problem = Problem(
                "unschedulable",
                "No node has room for the registry's Pod.",
                str(condition.get("message", "")),
                "Add a node, or free 50m of CPU and 128Mi of memory on one.",
            )
            return Trouble(problem, is_final=False)
    return None


def _mount(events: Sequence[str]) -> Trouble | None:
    for event in reversed(events):
        if event.startswith("FailedMount"):
            missing = re.search(r'secret "([^"]+)" not found', event)
            what = "A Secret that the registry's Pod needs cannot be mounted."
            fix = "Run the earlier steps again; they make what is missing."
            why = f"The Secret {missing[1]} is not there." if missing else event
            return Trouble(Problem("failed-mount", what, why, fix), is_final=False)
    return None


def _unready(status: Object, log: Callable[[bool], str]) -> Trouble | None:
    """Runs, but its readiness probe fails: its storage does not answer."""
    if status.get("phase") != "Running":
        return None
    what = "The registry runs, but is not ready."
    problem = _known(LOG_LINES, log(False), "registry-unready", what)
    return None if problem.code == "registry-unready" else Trouble(problem, is_final=False)


def _known(table: Iterable[Known], text: str, code: str, what: str, *, why: str = "") -> Problem:
    """The first known reason in the text, else a problem that quotes it."""
    raw = text.strip()[-2000:]
    for pattern, known_code, known_why, fix in table:
        if re.search(pattern, text, re.IGNORECASE):
            return Problem(known_code, what, known_why, fix, raw)
    fix = "Look at the Pods: kubectl describe pods -l app.kubernetes.io/name=kube-registry"
    return Problem(code, what, why or _last_words(text), fix, raw)


def _last_words(text: str) -> str:
    """The last line that says something, cut to a sentence's length; logrus' msg field where it has one."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    said = re.search(r'msg="((?:[^"\\]|\\.)*)"', lines[-1])
    return (said[1] if said else lines[-1].strip())[:300]


def newest(pods: Iterable[Object], digest: str) -> list[Object]:
    """Pods of the wanted template that are not about to go."""
    return [pod for pod in pods if objects.pod_digest(pod) == digest and not objects.is_ending(pod)]
