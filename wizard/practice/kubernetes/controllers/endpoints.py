"""Endpoints and EndpointSlices of Services, from the Pods that are ready."""

from collections.abc import Iterable
from typing import Any

from wizard.practice.kubernetes import deletion, kinds
from wizard.practice.kubernetes.controllers.base import SYSTEM, Controller, owner_reference
from wizard.practice.kubernetes.identity import random_suffix
from wizard.practice.kubernetes.objects import (
    Obj,
    dig,
    is_deleting,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
)
from wizard.practice.kubernetes.selectors import is_subset
from wizard.practice.kubernetes.store import Change, Key

_SERVICE = "kubernetes.io/service-name"
_OURS = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
_ENDED = ("Succeeded", "Failed")


class Endpoints(Controller):
    def keys(self, change: Change) -> Iterable[Key]:
        namespace = namespace_of(change.obj)
        if change.resource in (kinds.SERVICES, kinds.ENDPOINTS):
            yield namespace, name_of(change.obj)
        elif change.resource == kinds.ENDPOINT_SLICES:
            yield namespace, labels_of(change.obj).get(_SERVICE, "")
        elif change.resource == kinds.PODS:
            found = [one for one in (change.obj, change.before) if one is not None]
            for service in self.store.all_of(kinds.SERVICES, namespace):
                selector = service["spec"].get("selector")
                if any(is_subset(selector, labels_of(pod)) for pod in found):
                    yield namespace, name_of(service)

    def reconcile(self, key: Key) -> None:
        service = self.store.get(kinds.SERVICES, *key)
        old = self.store.get(kinds.ENDPOINTS, *key)
        if service is None or is_deleting(service):
            is_ours = old is not None and "endpoints.kubernetes.io/managed-by" in labels_of(old)
            if service is None and is_ours:
                deletion.delete(self.api, SYSTEM, kinds.ENDPOINTS, *key, {})
            return
        selector = service["spec"].get("selector")
        if not selector or service["spec"]["type"] == "ExternalName":
            return
        pods = [
            pod
            for pod in self.store.all_of(kinds.PODS, key[0])
            if is_subset(selector, labels_of(pod))
            and dig(pod, "status", "podIP")
            and dig(pod, "status", "phase") not in _ENDED
        ]
        self._write_endpoints(service, old, pods)
        self._write_slice(service, pods)

    def _write_endpoints(self, service: Obj, old: Obj | None, pods: list[Obj]) -> None:
        everybody = service["spec"].get("publishNotReadyAddresses")
        groups: dict[str, tuple[list[Obj], Obj]] = {}
        for pod in pods:
            if is_deleting(pod) and not everybody:
                continue
            ports = _ports(service, pod)
            _, subset = groups.setdefault(repr(ports), (ports, {}))
            kind = "addresses" if everybody or is_ready(pod) else "notReadyAddresses"
            subset.setdefault(kind, []).append(_address(pod))
        body: Obj = {
            "metadata": {
                "name": name_of(service),
                "labels": {**labels_of(service), "endpoints.kubernetes.io/managed-by": "endpoint-controller"},
            }
        }
        subsets = [{**subset, "ports": ports} for ports, subset in groups.values()]
        if subsets:
            body["subsets"] = subsets
        if old is None:
            self.api.create(SYSTEM, kinds.ENDPOINTS, namespace_of(service), body)
            return

        def how(new: Obj) -> Obj:
            new["metadata"]["labels"] = body["metadata"]["labels"]
            new.pop("subsets", None)
            return {**new, "subsets": subsets} if subsets else new

        self.change(kinds.ENDPOINTS, old, how)

    def _write_slice(self, service: Obj, pods: list[Obj]) -> None:
        namespace, name = namespace_of(service), name_of(service)
        content: Obj = {
            "endpoints": [_endpoint(pod, service) for pod in pods],
            "ports": _ports(service, pods[0] if pods else None),
        }
        found = [
            one
            for one in self.store.all_of(kinds.ENDPOINT_SLICES, namespace)
            if is_subset({_SERVICE: name, **_OURS}, labels_of(one))
        ]
        if found:
            self.change(kinds.ENDPOINT_SLICES, found[0], lambda new: {**new, **content})
            return
        labels = {
            **labels_of(service),
            _SERVICE: name,
            **_OURS,
        }
        meta = {
            "name": f"{name}-{random_suffix()}",
            "generateName": f"{name}-",
            "labels": labels,
            "ownerReferences": [owner_reference(kinds.SERVICES, service)],
        }
        body = {"metadata": meta, "addressType": "IPv4", **content}
        self.api.create(SYSTEM, kinds.ENDPOINT_SLICES, namespace, body)


def _reference(pod: Obj) -> Obj:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def _address(pod: Obj) -> Obj:
    found: Obj = {"ip": pod["status"]["podIP"], "targetRef": _reference(pod)}
    if pod["spec"].get("nodeName"):
        found["nodeName"] = pod["spec"]["nodeName"]
    return found


def _endpoint(pod: Obj, service: Obj) -> Obj:
    serving = is_ready({**pod, "metadata": {}})
    found: Obj = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": bool(service["spec"].get("publishNotReadyAddresses")) or is_ready(pod),
            "serving": serving,
            "terminating": is_deleting(pod),
        },
        "targetRef": _reference(pod),
    }
    if pod["spec"].get("nodeName"):
        found["nodeName"] = pod["spec"]["nodeName"]
    return found


def _ports(service: Obj, pod: Obj | None) -> list[Obj]:
    """The Service's ports as this Pod has them; a named one that it lacks is left out."""
    found = []
    for port in service["spec"].get("ports") or []:
        number = _number(port.get("targetPort"), pod)
        if number is not None:
            entry = {"port": number, "protocol": port.get("protocol", "TCP")}
            if port.get("name"):
                entry["name"] = port["name"]
            found.append(entry)
    return found


def _number(target: Any, pod: Obj | None) -> int | None:
    if isinstance(target, int):
        return target
    for container in dig(pod, "spec", "containers") or []:
        for port in container.get("ports") or []:
            if port.get("name") == target:
                return int(port["containerPort"])
    return None
