"""Deployments: a ReplicaSet for each template, and a roll from the old ones to the new one."""

import hashlib
import json
from datetime import UTC, datetime

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.controllers.desk import Desk, condition, living, owner_reference
from wizard.practice.kubernetes.objects import (
    Obj,
    clone,
    dig,
    instant,
    is_deleting,
    is_ready,
    name_of,
    namespace_of,
)
from wizard.practice.kubernetes.objects import condition as condition_of
from wizard.practice.kubernetes.rules.workloads import share

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
SOURCE = "deployment-controller"


def reconcile(desk: Desk) -> None:
    for deployment in desk.store.all_of(kinds.DEPLOYMENTS):
        if is_deleting(deployment):
            continue
        sets = desk.owned(kinds.REPLICA_SETS, deployment)
        current = next((one for one in sets if _template(one) == _template(deployment)), None)
        if dig(deployment, "spec", "paused"):
            _tell(desk, deployment, sets, current)
            continue
        if current is None:
            current = _create(desk, deployment, sets)
            sets = desk.owned(kinds.REPLICA_SETS, deployment)
        _number(desk, deployment, current, sets)
        _roll(desk, deployment, current, [one for one in sets if name_of(one) != name_of(current)])
        _forget(desk, deployment, current)
        sets = desk.owned(kinds.REPLICA_SETS, deployment)
        _tell(desk, deployment, sets, next((one for one in sets if name_of(one) == name_of(current)), None))


def _template(owner: Obj) -> Obj:
    template: Obj = clone(owner["spec"]["template"])
    (template["metadata"].get("labels") or {}).pop(HASH, None)
    return template


def _create(desk: Desk, deployment: Obj, sets: list[Obj]) -> Obj:
    text = json.dumps([_template(deployment), dig(deployment, "status", "collisionCount")], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    template = clone(deployment["spec"]["template"])
    template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), HASH: digest}
    selector = clone(deployment["spec"]["selector"])
    selector["matchLabels"] = {**selector.get("matchLabels", {}), HASH: digest}
    revision = max((_revision(one) for one in sets), default=0) + 1
    body = {
        "metadata": {
            "name": f"{name_of(deployment)}-{digest}",
            "labels": clone(template["metadata"]["labels"]),
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    }
    return desk.create(kinds.REPLICA_SETS, namespace_of(deployment), body)


def _revision(owner: Obj) -> int:
    text = (owner["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def _number(desk: Desk, deployment: Obj, current: Obj, sets: list[Obj]) -> None:
    """The newest template has the highest revision, also when an old one comes back."""
    highest = max((_revision(one) for one in sets if name_of(one) != name_of(current)), default=0)
    revision = _revision(current) if _revision(current) > highest else highest + 1

    def numbered(obj: Obj) -> Obj:
        obj["metadata"]["annotations"] = {
            **(obj["metadata"].get("annotations") or {}),
            REVISION: str(revision),
        }
        return obj

    for resource, obj in ((kinds.REPLICA_SETS, current), (kinds.DEPLOYMENTS, deployment)):
        if _revision(obj) != revision:
            desk.update(resource, obj, numbered)


def _roll(desk: Desk, deployment: Obj, current: Obj, old: list[Obj]) -> None:
    wanted = deployment["spec"]["replicas"]
    if dig(deployment, "spec", "strategy", "type") == "Recreate":
        for one in old:
            _scale(desk, deployment, one, 0)
        if not any(desk.owned(kinds.PODS, one) for one in old):
            _scale(desk, deployment, current, wanted)
        return
    surge, unavailable = _limits(deployment)
    running = sum(one["spec"]["replicas"] for one in old) + current["spec"]["replicas"]
    room = wanted + surge - running
    if current["spec"]["replicas"] > wanted or not old:
        _scale(desk, deployment, current, wanted)
    elif current["spec"]["replicas"] < wanted and room > 0:
        _scale(desk, deployment, current, min(wanted, current["spec"]["replicas"] + room))
    available = sum(_ready(desk, one) for one in (*old, current))
    spare = available - (wanted - unavailable)
    for one in old:
        replicas = one["spec"]["replicas"]
        broken = replicas - _ready(desk, one)
        gone = min(replicas, max(0, broken) + max(0, min(spare, _ready(desk, one))))
        spare -= max(0, gone - broken)
        if gone:
            _scale(desk, deployment, one, replicas - gone)


def _limits(deployment: Obj) -> tuple[int, int]:
    """The numbers behind maxSurge and maxUnavailable; never both nothing."""
    wanted, rolling = (
        deployment["spec"]["replicas"],
        deployment["spec"]["strategy"].get("rollingUpdate") or {},
    )
    surge = share(rolling.get("maxSurge", "25%"), wanted, round_up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), wanted)
    return (surge, 1) if not surge and not unavailable else (surge, unavailable)


def _ready(desk: Desk, replica_set: Obj) -> int:
    return sum(is_ready(pod) for pod in living(desk.owned(kinds.PODS, replica_set)))


def _scale(desk: Desk, deployment: Obj, replica_set: Obj, replicas: int) -> None:
    before = replica_set["spec"]["replicas"]
    if before == replicas:
        return

    def scaled(obj: Obj) -> Obj:
        obj["spec"]["replicas"] = replicas
        return obj

    desk.update(kinds.REPLICA_SETS, replica_set, scaled)
    way = "up" if replicas > before else "down"
    told = f"Scaled {way} replica set {name_of(replica_set)} from {before} to {replicas}"
    desk.event(deployment, "ScalingReplicaSet", told, source=SOURCE)


def _forget(desk: Desk, deployment: Obj, current: Obj) -> None:
    """Old empty ReplicaSets are kept only so far back as the history limit says."""
    empty = [
        one
        for one in desk.owned(kinds.REPLICA_SETS, deployment)
        if name_of(one) != name_of(current)
        and not one["spec"]["replicas"]
        and not desk.owned(kinds.PODS, one)
    ]
    empty.sort(key=_revision)
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    for one in empty[: max(0, len(empty) - limit)]:
        desk.delete(kinds.REPLICA_SETS, one)


def _tell(desk: Desk, deployment: Obj, sets: list[Obj], current: Obj | None) -> None:
    wanted, (_, unavailable) = deployment["spec"]["replicas"], _limits(deployment)
    pods = [pod for one in sets for pod in living(desk.owned(kinds.PODS, one))]
    updated = len(living(desk.owned(kinds.PODS, current))) if current else 0
    ready = sum(is_ready(pod) for pod in pods)
    status: Obj = {"observedGeneration": deployment["metadata"].get("generation", 1)}
    counts = {
        "replicas": len(pods),
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(0, max(wanted, len(pods)) - ready),
    }
    status |= {name: count for name, count in counts.items() if count}
    is_complete = updated == wanted == ready == len(pods)
    status["conditions"] = [
        _available(deployment, is_enough=ready >= wanted - unavailable),
        _progressing(deployment, current, counts, is_complete=is_complete),
        *_failure(deployment, current),
    ]
    desk.set_status(kinds.DEPLOYMENTS, deployment, status)


def _available(deployment: Obj, *, is_enough: bool) -> Obj:
    reason = "MinimumReplicasAvailable" if is_enough else "MinimumReplicasUnavailable"
    message = f"Deployment {'has' if is_enough else 'does not have'} minimum availability."
    old = condition_of(deployment, "Available")
    return condition("Available", is_true=is_enough, reason=reason, message=message, old=old)


def _progressing(deployment: Obj, current: Obj | None, counts: dict[str, int], *, is_complete: bool) -> Obj:
    old = condition_of(deployment, "Progressing")
    name = name_of(current) if current else ""
    if is_complete:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return condition(
            "Progressing", is_true=True, reason="NewReplicaSetAvailable", message=message, old=old
        )
    before = deployment.get("status") or {}
    has_moved = any(
        before.get(key, 0) != counts[key] for key in ("updatedReplicas", "readyReplicas", "replicas")
    )
    message = f'ReplicaSet "{name}" is progressing.'
    if old is not None and old.get("message") == message and not has_moved:
        waited_s = (datetime.now(UTC) - instant(old["lastUpdateTime"])).total_seconds()
        if waited_s <= deployment["spec"].get("progressDeadlineSeconds", 600):
            return old
    elif old is None or old.get("reason") != "ProgressDeadlineExceeded" or has_moved:
        return condition(
            "Progressing",
            is_true=True,
            reason="ReplicaSetUpdated",
            message=message,
            old=old if not has_moved else None,
        )
    late = f'ReplicaSet "{name}" has timed out progressing.'
    return condition("Progressing", is_true=False, reason="ProgressDeadlineExceeded", message=late, old=old)


def _failure(deployment: Obj, current: Obj | None) -> list[Obj]:
    found = condition_of(current, "ReplicaFailure") if current else None
    if found is None:
        return []
    old = condition_of(deployment, "ReplicaFailure")
    made = condition(
        "ReplicaFailure", is_true=True, reason=found["reason"], message=found["message"], old=old
    )
    return [made]
