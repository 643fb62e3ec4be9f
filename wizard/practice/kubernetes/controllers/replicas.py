"""ReplicaSets and ReplicationControllers: as many Pods as are asked for."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from wizard.practice.kubernetes import deletion, kinds
from wizard.practice.kubernetes.api import Api
from wizard.practice.kubernetes.controllers.base import SYSTEM, Controller, owner_reference, record_event
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import (
    Obj,
    clone,
    condition,
    controller_of,
    dig,
    instant,
    is_deleting,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    now,
)
from wizard.practice.kubernetes.selectors import is_subset, matches
from wizard.practice.kubernetes.status import ApiError
from wizard.practice.kubernetes.store import Change, Key

_ENDED = ("Succeeded", "Failed")
FAILURE = "ReplicaFailure"


class Replicas(Controller):
    def __init__(self, api: Api, resource: Resource) -> None:
        super().__init__(api)
        self._resource = resource
        component = "replicaset" if resource == kinds.REPLICA_SETS else "replication"
        self._component = f"{component}-controller"

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource == self._resource:
            yield namespace_of(change.obj), name_of(change.obj)
        elif change.resource == kinds.PODS:
            owners = {
                owner["name"]
                for pod in (change.obj, change.before)
                if pod is not None and (owner := controller_of(pod)) and owner["kind"] == self._resource.kind
            }
            if not owners:
                found = self.store.all_of(self._resource, namespace_of(change.obj))
                owners = {name_of(one) for one in found if self._selects(one, change.obj)}
            for name in owners:
                yield namespace_of(change.obj), name

    def _selects(self, owner: Obj, pod: Obj) -> bool:
        selector = owner["spec"].get("selector")
        if self._resource == kinds.REPLICATION_CONTROLLERS:
            return is_subset(selector, labels_of(pod))
        return matches(selector, labels_of(pod))

    def reconcile(self, key: Key) -> None:
        owner = self.store.get(self._resource, *key)
        if owner is None:
            return
        pods = self._claimed(owner)
        failure = None
        if not is_deleting(owner):
            active = [pod for pod in pods if _is_active(pod)]
            wanted: int = owner["spec"].get("replicas", 1)
            if len(active) < wanted:
                failure = self._create(owner, wanted - len(active))
            for pod in sorted(active, key=_usefulness)[: max(0, len(active) - wanted)]:
                deletion.delete(self.api, SYSTEM, kinds.PODS, key[0], name_of(pod), {})
                self._tell(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
        self._write(owner, failure)
        if failure is not None:
            raise failure

    def _tell(self, owner: Obj, reason: str, message: str) -> None:
        record_event(self.api, self._resource, owner, self._component, reason, message)

    def _claimed(self, owner: Obj) -> list[Obj]:
        """Its Pods: orphans that fit are adopted, those that fit no longer let go."""
        uid, found = owner["metadata"]["uid"], []
        for pod in self.store.all_of(kinds.PODS, namespace_of(owner)):
            master = controller_of(pod)
            fits = self._selects(owner, pod)
            if master is not None and master["uid"] == uid:
                if fits:
                    found.append(pod)
                elif not is_deleting(owner):
                    self._own(pod, [one for one in pod["metadata"]["ownerReferences"] if one["uid"] != uid])
            elif master is None and fits and not is_deleting(pod) and not is_deleting(owner):
                mine = [*pod["metadata"].get("ownerReferences", []), owner_reference(self._resource, owner)]
                found.append(self._own(pod, mine))
        return found

    def _own(self, pod: Obj, references: list[Obj]) -> Obj:
        def how(new: Obj) -> Obj:
            new["metadata"]["ownerReferences"] = references
            return new

        return self.change(kinds.PODS, pod, how)

    def _create(self, owner: Obj, count: int) -> ApiError | None:
        """The first error; what failed is told as an Event."""
        template = owner["spec"]["template"]
        meta = {
            key: clone(value)
            for key, value in template.get("metadata", {}).items()
            if key in ("labels", "annotations")
        }
        for _ in range(count):
            body = {
                "metadata": {
                    **clone(meta),
                    "generateName": f"{name_of(owner)}-",
                    "ownerReferences": [owner_reference(self._resource, owner)],
                },
                "spec": clone(template["spec"]),
            }
            try:
                pod = self.api.create(SYSTEM, kinds.PODS, namespace_of(owner), body)
            except ApiError as error:
                self._tell(owner, "FailedCreate", f"Error creating: {error.message}")
                return error
            self._tell(owner, "SuccessfulCreate", f"Created pod: {name_of(pod)}")
        return None

    def _write(self, owner: Obj, failure: ApiError | None) -> None:
        pods = self._claimed(owner)
        active = [pod for pod in pods if _is_active(pod)]
        labels = dig(owner, "spec", "template", "metadata", "labels") or {}
        status: Obj = {"replicas": len(active)}
        counts = {
            "fullyLabeledReplicas": sum(labels.items() <= labels_of(pod).items() for pod in active),
            "readyReplicas": sum(is_ready(pod) for pod in active),
            "availableReplicas": self._available(owner, active),
        }
        status |= {name: count for name, count in counts.items() if count}
        if self._resource == kinds.REPLICA_SETS:
            status["terminatingReplicas"] = sum(is_deleting(pod) for pod in pods)
        status["observedGeneration"] = owner["metadata"]["generation"]
        if failure is not None:
            old = condition(owner, FAILURE)
            is_known = old is not None and old.get("status") == "True"
            status["conditions"] = [
                {
                    "type": FAILURE,
                    "status": "True",
                    "lastTransitionTime": old["lastTransitionTime"] if is_known and old else now(),
                    "reason": "FailedCreate",
                    "message": old["message"] if is_known and old else failure.message,
                }
            ]
        self.write_status(self._resource, owner, status)

    def _available(self, owner: Obj, pods: list[Obj]) -> int:
        """Ready Pods that have been so for `minReadySeconds`; comes back when the next one will be."""
        needed = owner["spec"].get("minReadySeconds", 0)
        count = 0
        for pod in filter(is_ready, pods):
            left = needed - ready_for(pod) if needed else 0
            if left <= 0:
                count += 1
            else:
                self.later((namespace_of(owner), name_of(owner)), left)
        return count


def ready_for(pod: Obj) -> float:
    """Seconds since it became ready."""
    since = (condition(pod, "Ready") or {}).get("lastTransitionTime")
    try:
        return (datetime.now(UTC) - instant(str(since))).total_seconds()
    except ValueError:
        return 0.0


def _is_active(pod: Obj) -> bool:
    return not is_deleting(pod) and dig(pod, "status", "phase") not in _ENDED


def _usefulness(pod: Obj) -> tuple[Any, ...]:
    """The least useful Pod first: not bound, not running, not ready, young."""
    phase = {"Pending": 0, "Unknown": 1}.get(dig(pod, "status", "phase") or "", 2)
    age = -instant(pod["metadata"]["creationTimestamp"]).timestamp()
    return bool(pod["spec"].get("nodeName")), phase, is_ready(pod), age
