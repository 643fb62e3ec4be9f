"""How a Pod's state reads in one word, after `printPod`."""

from collections.abc import Callable

from wizard.practice.kubernetes.objects import Obj, dig, is_deleting


def _statuses(pod: Obj) -> list[Obj]:
    return dig(pod, "status", "containerStatuses") or []


def pod_ready(pod: Obj) -> str:
    ready = sum(bool(status.get("ready")) for status in _statuses(pod))
    return f"{ready}/{len(dig(pod, 'spec', 'containers') or [])}"


def pod_restarts(pod: Obj, age: Callable[[str], str]) -> str:
    count = sum(status.get("restartCount") or 0 for status in _statuses(pod))
    ends = [dig(status, "lastState", "terminated", "finishedAt") for status in _statuses(pod)]
    last = max((end for end in ends if end), default="")
    return f"{count} ({age(last)} ago)" if count and last else str(count)


def pod_status(pod: Obj) -> str:
    reason = str(dig(pod, "status", "reason") or dig(pod, "status", "phase") or "")
    has_running = False
    for status in reversed(_statuses(pod)):
        waiting, ended = dig(status, "state", "waiting"), dig(status, "state", "terminated")
        if waiting is not None and waiting.get("reason"):
            reason = str(waiting["reason"])
        elif ended is not None:
            reason = str(ended.get("reason") or _exit(ended))
        elif status.get("ready") and dig(status, "state", "running") is not None:
            has_running = True
    if reason == "Completed" and has_running:
        reason = "Running"
    return "Terminating" if is_deleting(pod) else reason


def _exit(ended: Obj) -> str:
    signal = ended.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"
