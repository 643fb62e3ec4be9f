"""Pure: from the states of its containers to the status of a Pod, in the kubelet's words."""

import hashlib

from wizard.practice.kubeclient import Obj

ADDRESS = "127.0.0.1"


def address_of(pod: Obj) -> str:
    """Of the Pod, for show: nothing is there, but Kubernetes takes no endpoints on loopback addresses."""
    first, second, third = hashlib.sha256(pod["metadata"]["uid"].encode()).digest()[:3]
    return f"10.{first}.{second}.{third % 254 + 1}"


def pod_status(pod: Obj, containers: list[Obj], *, previous: Obj, start_time: str, now: str) -> Obj:
    """`containers` are containerStatuses; `previous` is the status last reported, whose times are kept."""
    phase = _phase(pod["spec"].get("restartPolicy") or "Always", containers)
    unready = [container["name"] for container in containers if not container["ready"]]
    conditions = [
        _condition("PodReadyToStartContainers", is_true=True),
        _condition("Initialized", is_true=True),
        _readiness("Ready", phase, unready),
        _readiness("ContainersReady", phase, unready),
        _condition("PodScheduled", is_true=True),
    ]
    before = {condition["type"]: condition for condition in previous.get("conditions") or ()}
    for condition in conditions:
        old = before.get(condition["type"], {})
        is_same = old.get("status") == condition["status"]
        condition["lastTransitionTime"] = (is_same and old.get("lastTransitionTime")) or now
    address = address_of(pod)
    return {
        "phase": phase,
        "conditions": conditions,
        "containerStatuses": containers,
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": start_time,
    }


def _phase(restart_policy: str, containers: list[Obj]) -> str:
    states = [container["state"] for container in containers]
    if any("waiting" in c["state"] and "terminated" not in c["lastState"] for c in containers):
        return "Pending"
    if any("terminated" not in state for state in states) or restart_policy == "Always":
        return "Running"
    codes = [state["terminated"]["exitCode"] for state in states]
    if not any(codes):
        return "Succeeded"
    return "Running" if restart_policy == "OnFailure" else "Failed"


def _readiness(kind: str, phase: str, unready: list[str]) -> Obj:
    if phase in {"Succeeded", "Failed"}:
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        return {**_condition(kind, is_true=False), "reason": reason}
    if not unready:
        return _condition(kind, is_true=True)
    message = f"containers with unready status: [{' '.join(unready)}]"
    return {**_condition(kind, is_true=False), "reason": "ContainersNotReady", "message": message}


def _condition(kind: str, *, is_true: bool) -> Obj:
    return {"type": kind, "status": "True" if is_true else "False", "lastProbeTime": None}
