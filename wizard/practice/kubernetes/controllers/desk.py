"""What the controllers share: calls in their own name, events, owners."""

from collections.abc import Callable
from dataclasses import dataclass

from wizard.practice.kubernetes import deletion, kinds
from wizard.practice.kubernetes.api import Api, Call, random_suffix
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import (
    Obj,
    clone,
    controller_of,
    is_deleting,
    name_of,
    namespace_of,
    now,
)
from wizard.practice.kubernetes.status import ApiError
from wizard.practice.kubernetes.store import Store

USER = "system:kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Desk:
    api: Api
    store: Store

    def create(self, resource: Resource, namespace: str, body: Obj) -> Obj:
        return self.api.create(_call(), resource, namespace, body)

    def update(
        self, resource: Resource, obj: Obj, change: Callable[[Obj], Obj], subresource: str = ""
    ) -> None:
        """What is gone meanwhile needs no update."""
        try:
            self.api.update(_call(), resource, namespace_of(obj), name_of(obj), change, subresource)
        except ApiError as error:
            if error.code != 404:
                raise

    def set_status(self, resource: Resource, obj: Obj, status: Obj) -> None:
        self.update(resource, obj, lambda old: {**old, "status": status}, "status")

    def delete(self, resource: Resource, obj: Obj, **options: object) -> None:
        try:
            deletion.delete(self.api, _call(), resource, namespace_of(obj), name_of(obj), dict(options))
        except ApiError as error:
            if error.code != 404:
                raise

    def owned(self, resource: Resource, owner: Obj) -> list[Obj]:
        """Those that this object controls, oldest first."""
        uid = owner["metadata"]["uid"]
        found = []
        for obj in self.store.all_of(resource, namespace_of(owner)):
            controller = controller_of(obj)
            if controller is not None and controller.get("uid") == uid:
                found.append(obj)
        return sorted(found, key=lambda obj: int(obj["metadata"]["resourceVersion"]))

    def event(self, obj: Obj, reason: str, message: str, *, source: str, kind: str = "Normal") -> None:
        """The same event again only counts."""
        namespace = namespace_of(obj) or "default"
        for event in self.store.all_of(kinds.EVENTS, namespace):
            same = event.get("involvedObject", {}).get("uid") == obj["metadata"]["uid"]
            if same and event.get("reason") == reason and event.get("message") == message:
                counted = clone(event)
                counted["count"] = counted.get("count", 1) + 1
                counted["lastTimestamp"] = now()
                self.store.put(kinds.EVENTS, counted)
                return
        reference = {
            "kind": obj["kind"],
            "apiVersion": obj["apiVersion"],
            "namespace": namespace_of(obj),
            "name": name_of(obj),
            "uid": obj["metadata"]["uid"],
            "resourceVersion": obj["metadata"]["resourceVersion"],
        }
        body: Obj = {
            "metadata": {"name": f"{name_of(obj)}.{random_suffix(16)}", "namespace": namespace},
            "involvedObject": reference,
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": source},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
        }
        try:
            self.create(kinds.EVENTS, namespace, body)
        except ApiError:
            return  # a namespace that goes away takes no more events


def _call() -> Call:
    return Call(user=USER, manager="kube-controller-manager", validation="Ignore")


def owner_reference(owner: Obj) -> Obj:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def living(found: list[Obj]) -> list[Obj]:
    return [obj for obj in found if not is_deleting(obj)]


def condition(kind: str, *, is_true: bool, reason: str, message: str, old: Obj | None) -> Obj:
    """A workload's condition; its times are kept while its status stays."""
    status = "True" if is_true else "False"
    same = old is not None and old.get("status") == status
    unchanged = same and old is not None and (old.get("reason"), old.get("message")) == (reason, message)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": old["lastUpdateTime"] if unchanged and old and "lastUpdateTime" in old else now(),
        "lastTransitionTime": old["lastTransitionTime"] if same and old else now(),
        "reason": reason,
        "message": message,
    }
