"""All objects, their versions, and the log of changes that watches and controllers follow."""

import bisect
import threading
import time
from dataclasses import dataclass

from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, name_of, namespace_of

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` is ADDED, MODIFIED or DELETED; `obj` carries the change's version, `before` is the old state."""

    revision: int
    kind: str
    resource: Resource
    obj: Obj
    before: Obj | None


class Store:
    """Writers hold `lock`; a stored object is never changed in place, so what a reader got stays as it is."""

    KEPT_CHANGES = 5000

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._objects: dict[Resource, dict[Key, Obj]] = {}
        self._log: list[Change] = []
        self._forgotten = 0
        self.revision = 1
        self.is_closed = False

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        with self.lock:
            return self._objects.get(resource, {}).get((namespace, name))

    def all_of(self, resource: Resource, namespace: str = "") -> list[Obj]:
        """Sorted by namespace and name; no namespace means all."""
        with self.lock:
            found = self._objects.get(resource, {})
            return [obj for key, obj in sorted(found.items()) if not namespace or key[0] == namespace]

    def put(self, resource: Resource, obj: Obj) -> Obj:
        """Stores it under a new resourceVersion, which is set in `obj`."""
        with self.lock:
            key = (namespace_of(obj), name_of(obj))
            objects = self._objects.setdefault(resource, {})
            before = objects.get(key)
            self.revision += 1
            obj["metadata"]["resourceVersion"] = str(self.revision)
            objects[key] = obj
            self._note(Change(self.revision, "MODIFIED" if before else "ADDED", resource, obj, before))
            return obj

    def remove(self, resource: Resource, obj: Obj) -> Obj:
        """The last state, with the resourceVersion of its end."""
        with self.lock:
            before = self._objects[resource].pop((namespace_of(obj), name_of(obj)))
            self.revision += 1
            last = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}
            self._note(Change(self.revision, "DELETED", resource, last, before))
            return last

    def _note(self, change: Change) -> None:
        self._log.append(change)
        if len(self._log) > self.KEPT_CHANGES:
            cut = len(self._log) - self.KEPT_CHANGES * 4 // 5
            self._forgotten = self._log[cut - 1].revision
            del self._log[:cut]
        self._changed.notify_all()

    @property
    def oldest_revision(self) -> int:
        """A watch can start from here or later."""
        with self.lock:
            return self._forgotten

    def changes(self, after: int) -> list[Change]:
        with self.lock:
            return self._log[bisect.bisect_right(self._log, after, key=lambda change: change.revision) :]

    def wait(self, after: int, timeout_s: float) -> list[Change]:
        """What happened after a revision; waits for something to happen, at most so long, or for the end."""
        deadline = time.monotonic() + timeout_s
        with self.lock:
            while self.revision <= after and not self.is_closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return self.changes(after)

    def wake(self) -> None:
        with self.lock:
            self._changed.notify_all()

    def close(self) -> None:
        """Ends every wait."""
        with self.lock:
            self.is_closed = True
            self._changed.notify_all()
