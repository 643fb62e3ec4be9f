"""Deleting: preconditions, grace, finalizers and what happens to dependents."""

from datetime import UTC, datetime, timedelta
from typing import Any

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.api import Api, Call
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, clone, dig, is_deleting, name_of, stamp
from wizard.practice.kubernetes.rules import of as rules_of
from wizard.practice.kubernetes.status import ApiError, bad_option, bad_request

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_POLICIES = ("Foreground", "Background", "Orphan", "nil")
_RETURNED = (
    kinds.PODS,
    kinds.SERVICES,
    kinds.SERVICE_ACCOUNTS,
    kinds.QUOTAS,
    kinds.CLAIMS,
)
_ENDED = ("Succeeded", "Failed")


def read_options(body: Obj) -> Obj:
    """DeleteOptions as sent; raises 400 or 422."""
    policy = body.get("propagationPolicy")
    if policy is not None and policy not in _POLICIES:
        allowed = 'supported values: "Foreground", "Background", "Orphan", "nil"'
        raise bad_option("DeleteOptions", "propagationPolicy", f'Unsupported value: "{policy}": {allowed}')
    grace = body.get("gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise bad_request(
            "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type "
            "int64"
        )
    if not isinstance(body.get("preconditions") or {}, dict):
        raise bad_request("json: cannot unmarshal array into Go struct field DeleteOptions.preconditions")
    return body


def delete(api: Api, call: Call, resource: Resource, namespace: str, name: str, options: Obj) -> Obj:
    """What the answer shows: the object, or a Status where it is gone and its kind shows nothing."""
    with api.store.lock:
        old = api.get(resource, namespace, name)
        _check_preconditions(resource, old, options.get("preconditions") or {})
        new = clone(old)
        _set_finalizers(resource, new, options)
        grace = _grace(resource, new, options)
        waits = bool(grace or new["metadata"].get("finalizers"))
        if resource == kinds.NAMESPACES:
            waits = waits or bool(dig(new, "spec", "finalizers"))
        if waits:
            return _mark(api, call, resource, old, new, grace)
        if resource == kinds.PODS:
            _stamp(resource, new, 0)
        last = new if call.is_dry_run else api.store.remove(resource, new)
    return last if resource in _RETURNED else deleted(resource, last)


def deleted(resource: Resource, obj: Obj) -> Obj:
    details = {
        "name": name_of(obj),
        "group": resource.group,
        "kind": resource.plural,
        "uid": obj["metadata"]["uid"],
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def _check_preconditions(resource: Resource, obj: Obj, wanted: Obj) -> None:
    meta = obj["metadata"]
    texts = {
        "uid": ("UID", "The object might have been deleted and then recreated"),
        "resourceVersion": ("ResourceVersion", "The object might have been modified"),
    }
    for key, (title, guess) in texts.items():
        asked = wanted.get(key)
        if asked is not None and asked != meta[key]:
            raise ApiError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {resource.full_kind} "{name_of(obj)}": the {title} in the '
                f"precondition ({asked}) does not match the {title} in record ({meta[key]}). {guess}",
                name=name_of(obj),
                group=resource.group,
                kind=resource.kind,
            )


def _set_finalizers(resource: Resource, obj: Obj, options: Obj) -> None:
    policy = options.get("propagationPolicy")
    if policy is None and options.get("orphanDependents") is not None:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    if policy is None and resource == kinds.REPLICATION_CONTROLLERS:
        policy = "Orphan"
    finalizers: list[str] = obj["metadata"].get("finalizers") or []
    if policy is not None:
        finalizers = [one for one in finalizers if one not in (FOREGROUND, ORPHAN)]
    added: dict[Any, str] = {"Foreground": FOREGROUND, "Orphan": ORPHAN}
    if policy in added and resource != kinds.NAMESPACES:
        finalizers.append(added[policy])
    obj["metadata"].pop("finalizers", None)
    if finalizers:
        obj["metadata"]["finalizers"] = finalizers


def _grace(resource: Resource, obj: Obj, options: Obj) -> int:
    """Seconds a Pod has to end: none where it never started, at most what an earlier delete left it."""
    if resource != kinds.PODS:
        return 0
    if not obj["spec"].get("nodeName") or dig(obj, "status", "phase") in _ENDED:
        return 0
    asked = options.get("gracePeriodSeconds")
    grace = int(obj["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else max(0, asked))
    if is_deleting(obj):
        grace = min(grace, obj["metadata"].get("deletionGracePeriodSeconds", grace))
    return grace


def _mark(api: Api, call: Call, resource: Resource, old: Obj, new: Obj, grace: int) -> Obj:
    meta = new["metadata"]
    if is_deleting(old) and meta.get("deletionGracePeriodSeconds", 0) <= grace and meta == old["metadata"]:
        return old
    _stamp(resource, new, grace)
    if resource == kinds.NAMESPACES:
        meta.pop("deletionGracePeriodSeconds")
        new["status"] = {**new.get("status", {}), "phase": "Terminating"}
    return new if call.is_dry_run else api.store.put(resource, new)


def _stamp(resource: Resource, obj: Obj, grace: int) -> None:
    """When it is to be gone; the first time is a new generation."""
    meta = obj["metadata"]
    if not is_deleting(obj) and rules_of(resource).counts_generations:
        meta["generation"] = meta.get("generation", 0) + 1
    meta["deletionTimestamp"] = stamp(datetime.now(UTC) + timedelta(seconds=grace))
    meta["deletionGracePeriodSeconds"] = grace
