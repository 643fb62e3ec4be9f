"""A scheduler for one node or a few: selectors, readiness and room, then the first that fits."""

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.controllers.desk import Desk
from wizard.practice.kubernetes.objects import (
    Obj,
    clone,
    condition,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    now,
)
from wizard.practice.kubernetes.rules.quantities import amount

_ENDED = ("Succeeded", "Failed")


def reconcile(desk: Desk) -> None:
    nodes = desk.store.all_of(kinds.NODES)
    for pod in desk.store.all_of(kinds.PODS):
        if pod["spec"].get("nodeName") or is_deleting(pod):
            continue
        reasons: dict[str, int] = {}
        for node in nodes:
            if why := _objection(desk, node, pod):
                reasons[why] = reasons.get(why, 0) + 1
            else:
                _bind(desk, pod, name_of(node))
                break
        else:
            _refuse(desk, pod, len(nodes), reasons)


def _objection(desk: Desk, node: Obj, pod: Obj) -> str:
    """Why a node cannot take the Pod, in the scheduler's words; empty if it can."""
    ready = condition(node, "Ready")
    if ready is None or ready.get("status") != "True":
        return "node(s) had untolerated taint(s)"
    if dig(node, "spec", "unschedulable"):
        return "node(s) were unschedulable"
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels_of(node).get(key) != value for key, value in wanted.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    for name in ("cpu", "memory"):
        room = dig(node, "status", "allocatable", name)
        taken = sum(
            _requested(other, name)
            for other in desk.store.all_of(kinds.PODS)
            if other["spec"].get("nodeName") == name_of(node) and dig(other, "status", "phase") not in _ENDED
        )
        if room is not None and taken + _requested(pod, name) > float(amount(room) or 0):
            return f"Insufficient {name}"
    return ""


def _requested(pod: Obj, name: str) -> float:
    return sum(
        float(amount(dig(container, "resources", "requests", name) or "0") or 0)
        for container in pod["spec"].get("containers") or []
    )


def _bind(desk: Desk, pod: Obj, node: str) -> None:
    bound = clone(pod)
    bound["spec"]["nodeName"] = node
    bound["status"]["conditions"] = [_scheduled(is_true=True)]
    bound = desk.store.put(kinds.PODS, bound)
    told = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {node}"
    desk.event(bound, "Scheduled", told, source="default-scheduler")


def _refuse(desk: Desk, pod: Obj, nodes: int, reasons: dict[str, int]) -> None:
    listed = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
    message = f"0/{nodes} nodes are available: {listed}." if nodes else "no nodes available to schedule pods"
    old = condition(pod, "PodScheduled")
    if old is not None and old.get("message") == message:
        return
    waiting = clone(pod)
    unscheduled = {**_scheduled(is_true=False), "reason": "Unschedulable", "message": message}
    waiting["status"]["conditions"] = [unscheduled]
    waiting = desk.store.put(kinds.PODS, waiting)
    desk.event(waiting, "FailedScheduling", message, source="default-scheduler", kind="Warning")


def _scheduled(*, is_true: bool) -> Obj:
    return {
        "type": "PodScheduled",
        "status": "True" if is_true else "False",
        "lastProbeTime": None,
        "lastTransitionTime": now(),
    }
