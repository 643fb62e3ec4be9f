"""Owners and dependents: background, foreground and orphaning deletion."""

from collections.abc import Iterable, Iterator

from wizard.practice.kubernetes import deletion, kinds
from wizard.practice.kubernetes.controllers.base import SYSTEM, Controller
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, is_deleting, name_of, namespace_of
from wizard.practice.kubernetes.status import ApiError
from wizard.practice.kubernetes.store import Change, Key


class Garbage(Controller):
    """A key is ("gone", uid), ("dying", uid) or ("new", uid)."""

    def keys(self, change: Change) -> Iterable[Key]:
        meta = change.obj["metadata"]
        if change.kind == "DELETED":
            yield "gone", meta["uid"]
            for owner in meta.get("ownerReferences") or []:
                yield "dying", owner["uid"]
        elif is_deleting(change.obj):
            yield "dying", meta["uid"]
        elif change.kind == "ADDED" and meta.get("ownerReferences"):
            yield "new", meta["uid"]

    def reconcile(self, key: Key) -> None:
        what, uid = key
        if what == "gone":
            for resource, dependent in self._dependents(uid):
                self._collect(resource, dependent)
            return
        found = self._by_uid(uid)
        if found is None:
            return
        resource, obj = found
        if what == "new":
            self._collect(resource, obj)
        elif deletion.ORPHAN in (obj["metadata"].get("finalizers") or []):
            self._orphan(resource, obj)
        elif deletion.FOREGROUND in (obj["metadata"].get("finalizers") or []):
            self._foreground(resource, obj)

    def _all(self) -> Iterator[tuple[Resource, Obj]]:
        for resource in kinds.STORED:
            for obj in self.store.all_of(resource):
                yield resource, obj

    def _by_uid(self, uid: str) -> tuple[Resource, Obj] | None:
        return next(((resource, obj) for resource, obj in self._all() if obj["metadata"]["uid"] == uid), None)

    def _dependents(self, uid: str) -> list[tuple[Resource, Obj]]:
        return [
            (resource, obj)
            for resource, obj in self._all()
            if any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences") or [])
        ]

    def _collect(self, resource: Resource, obj: Obj) -> None:
        """Deletes what no living owner holds; an owner in another namespace never counts."""
        for owner in obj["metadata"].get("ownerReferences") or []:
            found = kinds.of_kind(owner["apiVersion"], owner["kind"])
            if found is None:
                return
            space = namespace_of(obj) if found.is_namespaced else ""
            living = self.store.get(found, space, owner["name"])
            if living is not None and living["metadata"]["uid"] == owner["uid"]:
                return
        self._delete(resource, obj, {"propagationPolicy": "Background"})

    def _delete(self, resource: Resource, obj: Obj, options: Obj) -> None:
        if is_deleting(obj):
            return
        try:
            deletion.delete(self.api, SYSTEM, resource, namespace_of(obj), name_of(obj), options)
        except ApiError as error:
            if error.code != 404:
                raise

    def _orphan(self, resource: Resource, owner: Obj) -> None:
        uid = owner["metadata"]["uid"]

        def release(new: Obj) -> Obj:
            kept = [one for one in new["metadata"]["ownerReferences"] if one["uid"] != uid]
            new["metadata"]["ownerReferences"] = kept
            if not kept:
                del new["metadata"]["ownerReferences"]
            return new

        for kind, dependent in self._dependents(uid):
            self.change(kind, dependent, release)
        self._without(resource, owner, deletion.ORPHAN)

    def _foreground(self, resource: Resource, owner: Obj) -> None:
        uid = owner["metadata"]["uid"]
        dependents = self._dependents(uid)
        for kind, dependent in dependents:
            policy = "Foreground" if self._dependents(dependent["metadata"]["uid"]) else "Background"
            self._delete(kind, dependent, {"propagationPolicy": policy})
        blocking = [
            one
            for _, dependent in self._dependents(uid)
            for one in dependent["metadata"]["ownerReferences"]
            if one["uid"] == uid and one.get("blockOwnerDeletion")
        ]
        if not blocking:
            self._without(resource, owner, deletion.FOREGROUND)

    def _without(self, resource: Resource, obj: Obj, finalizer: str) -> None:
        def how(new: Obj) -> Obj:
            new["metadata"]["finalizers"] = [
                one for one in new["metadata"].get("finalizers") or [] if one != finalizer
            ]
            if not new["metadata"]["finalizers"]:
                del new["metadata"]["finalizers"]
            return new

        self.change(resource, obj, how)
