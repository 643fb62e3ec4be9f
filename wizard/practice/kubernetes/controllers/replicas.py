"""ReplicaSets and ReplicationControllers: as many Pods as wanted, no more, no fewer."""

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.controllers.desk import Desk, condition, living, owner_reference
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import (
    Obj,
    clone,
    controller_of,
    dig,
    is_deleting,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
)
from wizard.practice.kubernetes.objects import condition as condition_of
from wizard.practice.kubernetes.selectors import matches
from wizard.practice.kubernetes.status import ApiError

_ENDED = ("Succeeded", "Failed")


def reconcile(desk: Desk) -> None:
    for resource in (kinds.REPLICA_SETS, kinds.REPLICATION_CONTROLLERS):
        for owner in desk.store.all_of(resource):
            _reconcile(desk, resource, owner)


def _reconcile(desk: Desk, resource: Resource, owner: Obj) -> None:
    failure = ""
    if not is_deleting(owner):
        _adopt(desk, resource, owner)
        pods = [
            pod for pod in living(desk.owned(kinds.PODS, owner)) if dig(pod, "status", "phase") not in _ENDED
        ]
        wanted = owner["spec"]["replicas"]
        if len(pods) < wanted:
            failure = _create(desk, owner, wanted - len(pods))
        elif len(pods) > wanted:
            _delete(desk, owner, sorted(pods, key=_worth)[: len(pods) - wanted])
    _tell(desk, resource, owner, failure)


def selects(resource: Resource, owner: Obj, pod: Obj) -> bool:
    selector = owner["spec"].get("selector") or {}
    if resource == kinds.REPLICATION_CONTROLLERS:
        selector = {"matchLabels": selector}
    return matches(selector, labels_of(pod))


def _adopt(desk: Desk, resource: Resource, owner: Obj) -> None:
    for pod in desk.store.all_of(kinds.PODS, namespace_of(owner)):
        if controller_of(pod) is None and not is_deleting(pod) and selects(resource, owner, pod):
            fresh = clone(pod)
            fresh["metadata"].setdefault("ownerReferences", []).append(owner_reference(owner))
            desk.store.put(kinds.PODS, fresh)


def _create(desk: Desk, owner: Obj, count: int) -> str:
    """Why a Pod could not be made, or nothing."""
    template = owner["spec"]["template"]
    meta = {
        key: clone(template["metadata"][key])
        for key in ("labels", "annotations")
        if key in template["metadata"]
    }
    body = {
        "metadata": {
            **meta,
            "generateName": f"{name_of(owner)}-",
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": clone(template["spec"]),
    }
    source = f"{owner['kind'].lower()}-controller".replace("replicaset", "replicaset")
    for _ in range(count):
        try:
            pod = desk.create(kinds.PODS, namespace_of(owner), clone(body))
        except ApiError as error:
            message = str(error.status()["message"])
            desk.event(owner, "FailedCreate", f"Error creating: {message}", source=source, kind="Warning")
            return message
        desk.event(owner, "SuccessfulCreate", f"Created pod: {name_of(pod)}", source=source)
    return ""


def _delete(desk: Desk, owner: Obj, pods: list[Obj]) -> None:
    source = f"{owner['kind'].lower()}-controller"
    for pod in pods:
        desk.delete(kinds.PODS, pod)
        desk.event(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}", source=source)


def _worth(pod: Obj) -> tuple[bool, bool, bool, int]:
    """The least useful first: not bound, not running, not ready, and then the youngest."""
    is_bound = bool(pod["spec"].get("nodeName"))
    is_running = dig(pod, "status", "phase") == "Running"
    return is_bound, is_running, is_ready(pod), -int(pod["metadata"]["resourceVersion"])


def _tell(desk: Desk, resource: Resource, owner: Obj, failure: str) -> None:
    pods = [pod for pod in living(desk.owned(kinds.PODS, owner)) if dig(pod, "status", "phase") not in _ENDED]
    ready = sum(is_ready(pod) for pod in pods)
    status: Obj = {"replicas": len(pods), "observedGeneration": owner["metadata"].get("generation", 1)}
    counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
    status |= {name: count for name, count in counts.items() if count}
    if failure:
        old = condition_of(owner, "ReplicaFailure")
        found = condition("ReplicaFailure", is_true=True, reason="FailedCreate", message=failure, old=old)
        found.pop("lastUpdateTime")
        status["conditions"] = [found]
    desk.set_status(resource, owner, status)
