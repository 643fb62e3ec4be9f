"""Binds Pods to nodes: ready, willing and with room."""

from collections.abc import Iterable
from decimal import Decimal

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.api import Call
from wizard.practice.kubernetes.controllers.base import Controller, record_event
from wizard.practice.kubernetes.objects import (
    Obj,
    condition,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    now,
)
from wizard.practice.kubernetes.rules import pods, quantities
from wizard.practice.kubernetes.store import Change, Key
from wizard.practice.kubernetes.subresources import bind_pod

_NAME = "default-scheduler"
_CALL = Call("system:kube-scheduler", "kube-scheduler")
_ENDED = ("Succeeded", "Failed")


class Scheduler(Controller):
    def keys(self, change: Change) -> Iterable[Key]:
        is_waiting = change.resource == kinds.PODS and _is_waiting(change.obj) and change.kind != "DELETED"
        if is_waiting:
            yield namespace_of(change.obj), name_of(change.obj)
        elif change.resource == kinds.NODES or (change.resource == kinds.PODS and change.kind == "DELETED"):
            if change.resource == kinds.NODES and not _has_changed(change):
                return
            for pod in self.store.all_of(kinds.PODS):
                if _is_waiting(pod):
                    yield namespace_of(pod), name_of(pod)

    def reconcile(self, key: Key) -> None:
        pod = self.store.get(kinds.PODS, *key)
        if pod is None or not _is_waiting(pod):
            return
        nodes = self.store.all_of(kinds.NODES)
        reasons: dict[str, int] = {}
        for node in nodes:
            why = self._refusal(pod, node)
            if not why:
                bind_pod(self.api, _CALL, *key, name_of(node))
                text = f"Successfully assigned {key[0]}/{key[1]} to {name_of(node)}"
                record_event(self.api, kinds.PODS, pod, _NAME, "Scheduled", text)
                return
            reasons[why] = reasons.get(why, 0) + 1
        self._fail(pod, len(nodes), reasons)

    def _refusal(self, pod: Obj, node: Obj) -> str:
        """Why the node cannot have the Pod; empty when it can."""
        ready = condition(node, "Ready")
        if ready is None or ready.get("status") != "True":
            return "node(s) had untolerated taint {node.kubernetes.io/not-ready: }"
        if dig(node, "spec", "unschedulable"):
            return "node(s) were unschedulable"
        wanted: dict[str, str] = pod["spec"].get("nodeSelector") or {}
        if any(labels_of(node).get(key) != value for key, value in wanted.items()):
            return "node(s) didn't match Pod's node affinity/selector"
        for taint in dig(node, "spec", "taints") or []:
            if taint.get("effect") != "PreferNoSchedule" and not _is_tolerated(taint, pod):
                return f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value', '')}}}"
        for resource in ("cpu", "memory"):
            room = dig(node, "status", "allocatable", resource)
            asked = pods.requests(pod["spec"], resource)
            if room and asked and asked + self._used(node, resource) > quantities.amount(str(room)):
                return f"Insufficient {resource}"
        return ""

    def _used(self, node: Obj, resource: str) -> Decimal:
        found = (
            pods.requests(pod["spec"], resource)
            for pod in self.store.all_of(kinds.PODS)
            if pod["spec"].get("nodeName") == name_of(node) and dig(pod, "status", "phase") not in _ENDED
        )
        return sum(found, Decimal(0))

    def _fail(self, pod: Obj, count: int, reasons: dict[str, int]) -> None:
        text = "no nodes available to schedule pods"
        if count:
            listed = ", ".join(f"{number} {why}" for why, number in sorted(reasons.items()))
            text = (
                f"0/{count} nodes are available: {listed}. preemption: 0/{count} nodes are available: "
                f"{count} Preemption is not helpful for scheduling."
            )
        old = condition(pod, "PodScheduled")
        if old is not None and old.get("message") == text:
            return
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": old["lastTransitionTime"] if old else now(),
            "reason": "Unschedulable",
            "message": text,
        }
        others = [one for one in dig(pod, "status", "conditions") or [] if one["type"] != "PodScheduled"]
        self.write_status(kinds.PODS, pod, {**pod["status"], "conditions": [*others, unscheduled]})
        record_event(self.api, kinds.PODS, pod, _NAME, "FailedScheduling", text)


def _is_waiting(pod: Obj) -> bool:
    is_ours = pod["spec"].get("schedulerName", _NAME) == _NAME
    return is_ours and not pod["spec"].get("nodeName") and not is_deleting(pod)


def _has_changed(change: Change) -> bool:
    """A node's heartbeat changes nothing here."""

    def mattering(node: Obj | None) -> object:
        if node is None:
            return None
        ready = (condition(node, "Ready") or {}).get("status")
        return ready, node.get("spec"), labels_of(node), dig(node, "status", "allocatable")

    return mattering(change.obj) != mattering(change.before)


def _is_tolerated(taint: Obj, pod: Obj) -> bool:
    for toleration in pod["spec"].get("tolerations") or []:
        key, effect = toleration.get("key"), toleration.get("effect")
        if key not in (None, "", taint.get("key")) or effect not in (None, "", taint.get("effect")):
            continue
        is_exists = toleration.get("operator") == "Exists"
        if is_exists or toleration.get("value", "") == taint.get("value", ""):
            return True
    return False
