"""What a namespace gets when it is made, what it counts, and how it ends."""

from collections.abc import Iterable
from datetime import UTC, datetime

from wizard.practice.kubernetes import deletion, kinds, quota
from wizard.practice.kubernetes.controllers.base import SYSTEM, Controller
from wizard.practice.kubernetes.objects import Obj, dig, instant, is_deleting, name_of, namespace_of, now
from wizard.practice.kubernetes.store import Change, Key
from wizard.practice.kubernetes.subresources import finalize_namespace

_EVENTS_KEPT_S = 3600


class ServiceAccounts(Controller):
    """Each namespace has the ServiceAccount `default`."""

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource == kinds.NAMESPACES:
            yield "", name_of(change.obj)
        elif change.resource == kinds.SERVICE_ACCOUNTS and change.kind == "DELETED":
            yield "", namespace_of(change.obj)

    def reconcile(self, key: Key) -> None:
        namespace = self.store.get(kinds.NAMESPACES, *key)
        if namespace is None or is_deleting(namespace):
            return
        if self.store.get(kinds.SERVICE_ACCOUNTS, key[1], "default") is None:
            self.api.create(SYSTEM, kinds.SERVICE_ACCOUNTS, key[1], {"metadata": {"name": "default"}})


class Namespaces(Controller):
    """A namespace that goes away is emptied first; what keeps it is told in its conditions."""

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource == kinds.NAMESPACES:
            yield "", name_of(change.obj)
        elif change.resource.is_namespaced:
            yield "", namespace_of(change.obj)

    def reconcile(self, key: Key) -> None:
        namespace = self.store.get(kinds.NAMESPACES, *key)
        if namespace is None or not is_deleting(namespace):
            return
        for resource, obj in self._content(key[1]):
            if not is_deleting(obj):
                deletion.delete(
                    self.api, SYSTEM, resource, key[1], name_of(obj), {"propagationPolicy": "Background"}
                )
        left = self._content(key[1])
        if left:
            self._tell(namespace, left)
        elif dig(namespace, "spec", "finalizers"):
            finalize_namespace(self.api, SYSTEM, key[1], [])

    def _content(self, namespace: str) -> list[tuple[kinds.Resource, Obj]]:
        return [
            (resource, obj)
            for resource in kinds.STORED
            if resource.is_namespaced
            for obj in self.store.all_of(resource, namespace)
        ]

    def _tell(self, namespace: Obj, left: list[tuple[kinds.Resource, Obj]]) -> None:
        counts: dict[str, int] = {}
        held: dict[str, int] = {}
        for resource, obj in left:
            counts[resource.full_name] = counts.get(resource.full_name, 0) + 1
            for finalizer in obj["metadata"].get("finalizers") or []:
                held[finalizer] = held.get(finalizer, 0) + 1
        listed = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(counts.items()))
        texts = {
            "NamespaceContentRemaining": ("SomeResourcesRemain", f"Some resources are remaining: {listed}")
        }
        if held:
            listed = ", ".join(
                f"{name} in {count} resource instances" for name, count in sorted(held.items())
            )
            why = f"Some content in the namespace has finalizers remaining: {listed}"
            texts["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", why)
        old = {one["type"]: one for one in dig(namespace, "status", "conditions") or []}
        conditions = []
        for kind, (reason, message) in texts.items():
            before = old.get(kind)
            moment = before["lastTransitionTime"] if before else now()
            conditions.append(
                {
                    "type": kind,
                    "status": "True",
                    "lastTransitionTime": moment,
                    "reason": reason,
                    "message": message,
                }
            )
        self.write_status(kinds.NAMESPACES, namespace, {**namespace["status"], "conditions": conditions})


class Quotas(Controller):
    """Keeps `status.used` of ResourceQuotas."""

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource.is_namespaced:
            for one in self.store.all_of(kinds.QUOTAS, namespace_of(change.obj)):
                yield namespace_of(one), name_of(one)

    def reconcile(self, key: Key) -> None:
        found = self.store.get(kinds.QUOTAS, *key)
        if found is None:
            return
        hard: dict[str, str] = dig(found, "spec", "hard") or {}
        used = quota.total(self.store, key[0], hard)
        status = {"hard": hard, "used": {name: quota.shown(name, amount) for name, amount in used.items()}}
        self.write_status(kinds.QUOTAS, found, status)


class EventExpiry(Controller):
    """Events are kept for an hour, as the real server keeps them."""

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource == kinds.EVENTS and change.kind == "ADDED":
            self.later((namespace_of(change.obj), name_of(change.obj)), _EVENTS_KEPT_S)
        return ()

    def reconcile(self, key: Key) -> None:
        event = self.store.get(kinds.EVENTS, *key)
        if event is None:
            return
        last = event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
        left = _EVENTS_KEPT_S - (datetime.now(UTC) - instant(last)).total_seconds()
        if left > 0:
            self.later(key, left + 1)
        else:
            self.store.remove(kinds.EVENTS, event)
