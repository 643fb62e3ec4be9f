"""Garbage collection by owner references, in the background, in the foreground, or not at all (orphans)."""

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.controllers.desk import Desk
from wizard.practice.kubernetes.deletion import FOREGROUND, ORPHAN
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, is_deleting

Owned = tuple[Resource, Obj]


def reconcile(desk: Desk) -> None:
    everything = [(resource, obj) for resource in kinds.STORED for obj in desk.store.all_of(resource)]
    uids = {obj["metadata"]["uid"] for _, obj in everything}
    dependents: dict[str, list[Owned]] = {}
    for resource, obj in everything:
        references = obj["metadata"].get("ownerReferences") or []
        for reference in references:
            dependents.setdefault(reference.get("uid", ""), []).append((resource, obj))
        if references and not is_deleting(obj) and not any(one.get("uid") in uids for one in references):
            desk.delete(resource, obj, propagationPolicy="Background")
    for resource, obj in everything:
        finalizers = obj["metadata"].get("finalizers") or []
        if is_deleting(obj) and FOREGROUND in finalizers:
            _foreground(desk, resource, obj, dependents.get(obj["metadata"]["uid"], []))
        elif is_deleting(obj) and ORPHAN in finalizers:
            _orphan(desk, resource, obj, dependents.get(obj["metadata"]["uid"], []))


def _foreground(desk: Desk, resource: Resource, owner: Obj, dependents: list[Owned]) -> None:
    for kind, obj in dependents:
        if not is_deleting(obj):
            desk.delete(kind, obj, propagationPolicy="Foreground")
    if not dependents:
        _drop(desk, resource, owner, FOREGROUND)


def _orphan(desk: Desk, resource: Resource, owner: Obj, dependents: list[Owned]) -> None:
    uid = owner["metadata"]["uid"]

    def without(obj: Obj) -> Obj:
        left = [one for one in obj["metadata"].get("ownerReferences") or [] if one.get("uid") != uid]
        obj["metadata"]["ownerReferences"] = left
        if not left:
            del obj["metadata"]["ownerReferences"]
        return obj

    for kind, obj in dependents:
        desk.update(kind, obj, without)
    _drop(desk, resource, owner, ORPHAN)


def _drop(desk: Desk, resource: Resource, obj: Obj, finalizer: str) -> None:
    def change(new: Obj) -> Obj:
        left = [one for one in new["metadata"].get("finalizers") or [] if one != finalizer]
        new["metadata"]["finalizers"] = left
        if not left:
            del new["metadata"]["finalizers"]
        return new

    desk.update(resource, obj, change)
