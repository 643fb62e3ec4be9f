"""What the controllers share: a queue of keys with delays, status writes and Events."""

import time
import uuid
from collections.abc import Callable, Iterable

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.api import Api, Call
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, clone, dig, name_of, namespace_of, now
from wizard.practice.kubernetes.store import Change, Key

MANAGER = "kube-controller-manager"
SYSTEM = Call(f"system:{MANAGER}", MANAGER)
_FIRST_RETRY_S, _LAST_RETRY_S = 0.01, 30.0


class Controller:
    """Knows which keys a change concerns (`keys`) and brings one key up to date (`reconcile`, locked)."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.store = api.store
        self._queue: dict[Key, None] = {}
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}

    def keys(self, change: Change) -> Iterable[Key]:
        raise NotImplementedError

    def reconcile(self, key: Key) -> None:
        raise NotImplementedError

    def note(self, change: Change) -> None:
        for key in self.keys(change):
            self._queue[key] = None

    def take(self) -> list[Key]:
        """All keys that wait or have come due."""
        moment = time.monotonic()
        ready = dict.fromkeys(key for key, at in self._due.items() if at <= moment)
        for key in ready:
            del self._due[key]
        taken, self._queue = list(self._queue | ready), {}
        return taken

    def next_due(self) -> float | None:
        return min(self._due.values(), default=None)

    def later(self, key: Key, delay_s: float) -> None:
        """Looks at it again then, or sooner where that was planned already."""
        at = time.monotonic() + delay_s
        self._due[key] = min(at, self._due.get(key, at))

    def retry(self, key: Key) -> None:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        self.later(key, min(_LAST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(count, 20)))

    def succeeded(self, key: Key) -> None:
        self._failures.pop(key, None)

    def write_status(self, resource: Resource, obj: Obj, status: Obj) -> Obj:
        """Stores a new status; one that says the same changes nothing."""
        if obj.get("status") == status:
            return obj
        return self.change(resource, obj, lambda new: {**new, "status": status}, "status")

    def change(self, resource: Resource, obj: Obj, how: Callable[[Obj], Obj], subresource: str = "") -> Obj:
        return self.api.update(SYSTEM, resource, namespace_of(obj), name_of(obj), how, subresource)


def owner_reference(resource: Resource, owner: Obj) -> Obj:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def record_event(api: Api, resource: Resource, obj: Obj, component: str, reason: str, message: str) -> None:
    """One Event; a repeated one is counted. Reasons that begin with Failed are warnings."""
    store, namespace = api.store, namespace_of(obj) or "default"
    uid, moment = obj["metadata"]["uid"], now()
    for old in store.all_of(kinds.EVENTS, namespace):
        same = dig(old, "involvedObject", "uid") == uid and old.get("reason") == reason
        if same and old.get("message") == message:
            new = clone(old)
            new["count"], new["lastTimestamp"] = old.get("count", 1) + 1, moment
            store.put(kinds.EVENTS, new)
            return
    is_warning = reason.startswith("Failed") or reason == "ProgressDeadlineExceeded"
    event = {
        "metadata": {"name": f"{name_of(obj)}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "involvedObject": {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "namespace": namespace,
            "name": name_of(obj),
            "uid": uid,
            "resourceVersion": obj["metadata"]["resourceVersion"],
        },
        "reason": reason,
        "message": message[:1024],
        "source": {"component": component},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "type": "Warning" if is_warning else "Normal",
    }
    api.create(SYSTEM, kinds.EVENTS, namespace, event)
