"""A Deployment's status: counts, and the conditions Available, Progressing and ReplicaFailure."""

from datetime import UTC, datetime

from wizard.practice.kubernetes.objects import Obj, condition, dig, instant, name_of, now

_FOREVER = 2**31 - 1


def is_complete(deployment: Obj) -> bool:
    wanted, status = deployment["spec"]["replicas"], deployment.get("status") or {}
    counts = (status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))
    return all(count == wanted for count in counts) and status.get("observedGeneration", 0) >= deployment[
        "metadata"
    ].get("generation", 0)


def status(deployment: Obj, sets: list[Obj], new: Obj | None, unavailable: int) -> tuple[Obj, float | None]:
    """The new status, and after how many seconds to look again for the deadline."""
    wanted = deployment["spec"]["replicas"]

    def total(name: str) -> int:
        return sum(dig(one, "status", name) or 0 for one in sets)

    replicas, available = total("replicas"), total("availableReplicas")
    counts = {
        "replicas": replicas,
        "updatedReplicas": (dig(new, "status", "replicas") or 0) if new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(one["spec"]["replicas"] for one in sets) - available),
    }
    out: Obj = {"observedGeneration": deployment["metadata"]["generation"]}
    out |= {name: count for name, count in counts.items() if count}
    out["terminatingReplicas"] = total("terminatingReplicas")
    if dig(deployment, "status", "collisionCount"):
        out["collisionCount"] = deployment["status"]["collisionCount"]
    is_available = available >= wanted - unavailable
    progressing, wait_s = _progressing(deployment, out, new)
    wanted_conditions = [
        _condition(
            "Available",
            "True" if is_available else "False",
            "MinimumReplicasAvailable" if is_available else "MinimumReplicasUnavailable",
            "Deployment has minimum availability."
            if is_available
            else "Deployment does not have minimum availability.",
        ),
        progressing,
        *_failures(sets, new),
    ]
    out["conditions"] = [_dated(deployment, one) for one in wanted_conditions if one]
    return out, wait_s


def _condition(kind: str, state: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": state, "reason": reason, "message": message}


def _failures(sets: list[Obj], new: Obj | None) -> list[Obj]:
    found = [failure for one in (new, *sets) if one and (failure := condition(one, "ReplicaFailure"))]
    return [_condition("ReplicaFailure", "True", found[0]["reason"], found[0]["message"])] if found else []


def _dated(deployment: Obj, wanted: Obj) -> Obj:
    """With the old times where nothing changed. A touched Progressing is told by `lastUpdateTime`."""
    old = condition(deployment, wanted["type"])
    is_touched = wanted.pop("is_touched", False)
    said = ("status", "reason", "message")
    if old is not None and all(old.get(key) == wanted[key] for key in said) and not is_touched:
        return old
    moment = now()
    moved = moment if old is None or old.get("status") != wanted["status"] else old["lastTransitionTime"]
    return {
        "type": wanted["type"],
        "status": wanted["status"],
        "lastUpdateTime": moment,
        "lastTransitionTime": moved,
        "reason": wanted["reason"],
        "message": wanted["message"],
    }


def _progressing(deployment: Obj, counts: Obj, new: Obj | None) -> tuple[Obj | None, float | None]:
    old = condition(deployment, "Progressing")
    deadline: int = deployment["spec"].get("progressDeadlineSeconds", _FOREVER)
    if deadline >= _FOREVER or deployment["spec"].get("paused"):
        if old is None or not deployment["spec"].get("paused"):
            return old, None
        return _condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"), None
    who = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
    if new is not None and is_complete({**deployment, "status": counts}):
        text = f"{who} has successfully progressed."
        return _condition("Progressing", "True", "NewReplicaSetAvailable", text), None
    has_moved = _has_moved(deployment, counts)
    if old is not None and not has_moved:
        is_settled = old["reason"] == "NewReplicaSetAvailable" and counts.get("replicas", 0) == counts.get(
            "updatedReplicas", 0
        )
        if is_settled:
            return old, None
        left = deadline - (datetime.now(UTC) - instant(old["lastUpdateTime"])).total_seconds()
        if left <= 0 or old["reason"] == "ProgressDeadlineExceeded":
            text = f"{who} has timed out progressing."
            return _condition("Progressing", "False", "ProgressDeadlineExceeded", text), None
        return old, left
    found = _condition("Progressing", "True", "ReplicaSetUpdated", f"{who} is progressing.")
    if old is None:
        made = f'Created new replica set "{name_of(new)}"' if new else f"{who} is progressing."
        found = _condition("Progressing", "True", "NewReplicaSetCreated", made)
    return {**found, "is_touched": True}, float(deadline)


def _has_moved(deployment: Obj, counts: Obj) -> bool:
    """More Pods of the new template, fewer of the old, more ready or available (`DeploymentProgressing`)."""
    before: Obj = deployment.get("status") or {}

    def old_ones(status: Obj) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    more = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(counts.get(name, 0) > before.get(name, 0) for name in more) or old_ones(counts) < old_ones(
        before
    )
