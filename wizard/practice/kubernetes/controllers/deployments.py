"""Deployments: a ReplicaSet for each template, and the way from the old ones to the new one.

Follows `pkg/controller/deployment`: the arithmetic of a rolling update, revisions, conditions, deadline.
"""

import hashlib
import json
from collections.abc import Iterable

from wizard.practice.kubernetes import deletion, kinds
from wizard.practice.kubernetes.api import Api
from wizard.practice.kubernetes.controllers import progress
from wizard.practice.kubernetes.controllers.base import SYSTEM, Controller, owner_reference, record_event
from wizard.practice.kubernetes.objects import (
    Obj,
    clone,
    controller_of,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
)
from wizard.practice.kubernetes.rules.workloads import share
from wizard.practice.kubernetes.selectors import matches
from wizard.practice.kubernetes.store import Change, Key

_HASH = "pod-template-hash"
_PREFIX = "deployment.kubernetes.io/"
REVISION = f"{_PREFIX}revision"
_HISTORY = f"{_PREFIX}revision-history"
_SIGNS = "bcdfghjklmnpqrstvwxz2456789"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    f"{_PREFIX}desired-replicas",
    f"{_PREFIX}max-replicas",
)


def template_hash(template: Obj, collisions: int) -> str:
    """Ten signs that differ for different templates; a human sees them in the names of ReplicaSets."""
    text = json.dumps(template, sort_keys=True) + str(collisions or "")
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return "".join(_SIGNS[number // len(_SIGNS) ** place % len(_SIGNS)] for place in range(10))


def limits(deployment: Obj) -> tuple[int, int]:
    """The values of maxSurge and maxUnavailable in Pods; never both zero."""
    spec, rolling = deployment["spec"], dig(deployment, "spec", "strategy", "rollingUpdate")
    if rolling is None:
        return 0, 0
    surge = share(rolling["maxSurge"], spec["replicas"], round_up=True)
    unavailable = min(share(rolling["maxUnavailable"], spec["replicas"]), spec["replicas"])
    return surge, unavailable if surge or unavailable else 1


class Deployments(Controller):
    def __init__(self, api: Api) -> None:
        super().__init__(api)

    def keys(self, change: Change) -> Iterable[Key]:
        namespace = namespace_of(change.obj)
        if change.resource == kinds.DEPLOYMENTS:
            yield namespace, name_of(change.obj)
        elif change.resource == kinds.REPLICA_SETS:
            owner = controller_of(change.obj)
            if owner is not None:
                yield namespace, owner["name"]
        elif change.resource == kinds.PODS and change.kind == "DELETED":
            for deployment in self.store.all_of(kinds.DEPLOYMENTS, namespace):
                if _selects(deployment, change.obj):
                    yield namespace, name_of(deployment)

    def reconcile(self, key: Key) -> None:
        deployment = self.store.get(kinds.DEPLOYMENTS, *key)
        if deployment is None:
            return
        if is_deleting(deployment):
            self._finish(deployment)
            return
        new = self._current(deployment, self._sets(deployment))
        if deployment["spec"].get("paused"):
            self._scale_paused(deployment, new)
        elif dig(deployment, "spec", "strategy", "type") == "Recreate":
            self._recreate(deployment, new)
        else:
            self._roll(deployment, new)
        self._finish(deployment)

    def _finish(self, deployment: Obj) -> None:
        deployment = self.api.get(kinds.DEPLOYMENTS, namespace_of(deployment), name_of(deployment))
        sets = self._sets(deployment)
        new = self._current(deployment, sets)
        status, wait_s = progress.status(deployment, sets, new, limits(deployment)[1])
        deployment = self.write_status(kinds.DEPLOYMENTS, deployment, status)
        if wait_s is not None:
            self.later((namespace_of(deployment), name_of(deployment)), wait_s)
        if progress.is_complete(deployment):
            self._clean_up(deployment, [one for one in sets if one is not new])

    def _sets(self, deployment: Obj) -> list[Obj]:
        """Its ReplicaSets, oldest first; orphans that fit are adopted."""
        found = []
        for one in self.store.all_of(kinds.REPLICA_SETS, namespace_of(deployment)):
            owner = controller_of(one)
            if owner is not None and owner["uid"] == deployment["metadata"]["uid"]:
                found.append(one)
            elif owner is None and not is_deleting(one) and _selects(deployment, one):
                found.append(self._adopt(deployment, one))
        return sorted(found, key=lambda one: (_revision(one), one["metadata"]["creationTimestamp"]))

    def _adopt(self, deployment: Obj, replica_set: Obj) -> Obj:
        def how(new: Obj) -> Obj:
            new["metadata"]["ownerReferences"] = [owner_reference(kinds.DEPLOYMENTS, deployment)]
            return new

        return self.change(kinds.REPLICA_SETS, replica_set, how)

    def _current(self, deployment: Obj, sets: list[Obj]) -> Obj | None:
        """The ReplicaSet that has the Deployment's template."""
        wanted = deployment["spec"]["template"]
        return next((one for one in sets if _bare_template(one) == wanted), None)

    def _ensure(self, deployment: Obj, new: Obj | None, replicas: int) -> Obj:
        """The new ReplicaSet, made where it is missing, with the next revision."""
        sets = self._sets(deployment)
        old = max((_revision(one) for one in sets if new is None or name_of(one) != name_of(new)), default=0)
        if new is None:
            new = self._make(deployment, replicas, old + 1)
        elif _revision(new) <= old:
            annotations = new["metadata"].get("annotations") or {}
            history = [
                *filter(None, annotations.get(_HISTORY, "").split(",")),
                annotations.get(REVISION, "0"),
            ]
            both = {REVISION: str(old + 1), _HISTORY: ",".join(history)}
            new = self._annotate(kinds.REPLICA_SETS, new, both)
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != str(_revision(new)):
            self._annotate(kinds.DEPLOYMENTS, deployment, {REVISION: str(_revision(new))})
        return new

    def _annotate(self, resource: kinds.Resource, obj: Obj, annotations: dict[str, str]) -> Obj:
        def how(new: Obj) -> Obj:
            new["metadata"]["annotations"] = {**(new["metadata"].get("annotations") or {}), **annotations}
            return new

        # The real controller writes revisions through the status subresource.
        return self.change(resource, obj, how, "status" if resource == kinds.DEPLOYMENTS else "")

    def _make(self, deployment: Obj, replicas: int, revision: int) -> Obj:
        spec, collisions = deployment["spec"], 0
        namespace, template = namespace_of(deployment), clone(deployment["spec"]["template"])
        digest = template_hash(template, collisions)
        while self.store.get(kinds.REPLICA_SETS, namespace, f"{name_of(deployment)}-{digest}") is not None:
            collisions += 1
            digest = template_hash(template, collisions)
        labels = {**(template["metadata"].get("labels") or {}), _HASH: digest}
        template["metadata"]["labels"] = labels
        selector = clone(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), _HASH: digest}
        own = deployment["metadata"].get("annotations") or {}
        name = f"{name_of(deployment)}-{digest}"
        body: Obj = {
            "metadata": {
                "name": name,
                "labels": labels,
                "annotations": {
                    **{key: value for key, value in own.items() if key not in _NOT_COPIED},
                    f"{_PREFIX}desired-replicas": str(spec["replicas"]),
                    f"{_PREFIX}max-replicas": str(spec["replicas"] + limits(deployment)[0]),
                    REVISION: str(revision),
                },
                "ownerReferences": [owner_reference(kinds.DEPLOYMENTS, deployment)],
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }
        if "minReadySeconds" in spec:
            body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        made = self.api.create(SYSTEM, kinds.REPLICA_SETS, namespace, body)
        if replicas:
            self._tell(deployment, f"Scaled up replica set {name} from 0 to {replicas}")
        return made

    def _tell(self, deployment: Obj, message: str) -> None:
        record_event(
            self.api, kinds.DEPLOYMENTS, deployment, "deployment-controller", "ScalingReplicaSet", message
        )

    def _scale(self, deployment: Obj, replica_set: Obj, replicas: int) -> Obj:
        before = replica_set["spec"]["replicas"]
        if before == replicas:
            return replica_set

        def how(new: Obj) -> Obj:
            new["spec"]["replicas"] = replicas
            return new

        changed = self.change(kinds.REPLICA_SETS, replica_set, how)
        way = "up" if replicas > before else "down"
        self._tell(deployment, f"Scaled {way} replica set {name_of(replica_set)} from {before} to {replicas}")
        return changed

    def _scale_paused(self, deployment: Obj, new: Obj | None) -> None:
        if new is not None:
            self._scale(deployment, new, deployment["spec"]["replicas"])

    def _recreate(self, deployment: Obj, new: Obj | None) -> None:
        """First no old Pod is left, then the new ones are made."""
        old = [one for one in self._sets(deployment) if new is None or name_of(one) != name_of(new)]
        for one in old:
            self._scale(deployment, one, 0)
        uids = {one["metadata"]["uid"] for one in old}
        left = [
            pod
            for pod in self.store.all_of(kinds.PODS, namespace_of(deployment))
            if (owner := controller_of(pod)) and owner["uid"] in uids
        ]
        if left:
            return
        wanted = deployment["spec"]["replicas"]
        self._scale(deployment, self._ensure(deployment, new, wanted), wanted)

    def _roll(self, deployment: Obj, new: Obj | None) -> None:
        wanted = deployment["spec"]["replicas"]
        surge, unavailable = limits(deployment)
        sets = self._sets(deployment)
        total = sum(one["spec"]["replicas"] for one in sets)
        have = new["spec"]["replicas"] if new else 0
        grown = min(wanted, have + max(0, wanted + surge - total)) if have < wanted else wanted
        new = self._scale(deployment, self._ensure(deployment, new, grown), grown)
        old = [one for one in self._sets(deployment) if name_of(one) != name_of(new)]
        if sum(one["spec"]["replicas"] for one in old):
            self._shrink(deployment, new, old, wanted - unavailable)

    def _shrink(self, deployment: Obj, new: Obj, old: list[Obj], least: int) -> None:
        """Unhealthy old Pods go first, then as many as keep `least` available."""
        total = sum(one["spec"]["replicas"] for one in (new, *old))
        unavailable = new["spec"]["replicas"] - (dig(new, "status", "availableReplicas") or 0)
        left = total - least - unavailable
        if left <= 0:
            return
        shrunk = []
        for one in old:
            sick = one["spec"]["replicas"] - (dig(one, "status", "availableReplicas") or 0)
            cut = max(0, min(left, sick))
            left -= cut
            shrunk.append(self._scale(deployment, one, one["spec"]["replicas"] - cut) if cut else one)
        available = sum(dig(one, "status", "availableReplicas") or 0 for one in (new, *shrunk))
        left = available - least
        for one in shrunk:
            cut = max(0, min(left, one["spec"]["replicas"]))
            left -= cut
            if cut:
                self._scale(deployment, one, one["spec"]["replicas"] - cut)

    def _clean_up(self, deployment: Obj, old: list[Obj]) -> None:
        """Keeps `revisionHistoryLimit` old ReplicaSets."""
        idle = [
            one
            for one in old
            if not one["spec"]["replicas"] and not dig(one, "status", "replicas") and not is_deleting(one)
        ]
        surplus = len(idle) - deployment["spec"]["revisionHistoryLimit"]
        for one in idle[: max(0, surplus)]:
            deletion.delete(self.api, SYSTEM, kinds.REPLICA_SETS, namespace_of(one), name_of(one), {})


def _selects(deployment: Obj, obj: Obj) -> bool:
    return not is_deleting(deployment) and matches(deployment["spec"].get("selector"), labels_of(obj))


def _revision(obj: Obj) -> int:
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def _bare_template(replica_set: Obj) -> Obj:
    template: Obj = clone(replica_set["spec"]["template"])
    labels = template["metadata"].get("labels") or {}
    labels.pop(_HASH, None)
    if not labels:
        template["metadata"].pop("labels", None)
    return template
