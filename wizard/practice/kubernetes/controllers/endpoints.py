"""Endpoints and EndpointSlices: which Pods a Service leads to, and which of them are ready."""

from typing import Any

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.controllers.desk import Desk, owner_reference
from wizard.practice.kubernetes.objects import (
    Obj,
    clone,
    dig,
    is_deleting,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
)

SERVICE_LABEL, MANAGED_BY = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"


def reconcile(desk: Desk) -> None:
    for service in desk.store.all_of(kinds.SERVICES):
        selector = service["spec"].get("selector")
        if not selector or is_deleting(service):
            continue
        pods = [
            pod
            for pod in desk.store.all_of(kinds.PODS, namespace_of(service))
            if selector.items() <= labels_of(pod).items()
            and dig(pod, "status", "podIP")
            and not _has_ended(pod)
        ]
        _put(desk, kinds.ENDPOINT_SLICES, service, _slice(service, pods))
        _put(desk, kinds.ENDPOINTS, service, _endpoints(service, pods))
    _drop_stale(desk)


def _has_ended(pod: Obj) -> bool:
    return dig(pod, "status", "phase") in ("Succeeded", "Failed")


def _put(desk: Desk, resource: Any, service: Obj, wanted: Obj) -> None:
    namespace = namespace_of(service)
    live = desk.store.get(resource, namespace, wanted["metadata"]["name"])
    if live is None:
        desk.create(resource, namespace, wanted)
        return
    body = {key: value for key, value in wanted.items() if key != "metadata"}
    if any(live.get(key) != value for key, value in body.items()):

        def change(obj: Obj) -> Obj:
            obj.update(clone(body))
            return obj

        desk.update(resource, live, change)


def _ports(service: Obj, pod: Obj | None) -> list[Obj]:
    found = []
    for port in service["spec"].get("ports") or []:
        number = _target(port, pod)
        if number is not None:
            named = {"name": port["name"]} if port.get("name") else {"name": ""}
            found.append({**named, "port": number, "protocol": port.get("protocol", "TCP")})
    return found


def _target(port: Obj, pod: Obj | None) -> int | None:
    """The number behind a target port, which may be the name of a container's port."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in dig(pod, "spec", "containers") or []:
        for one in container.get("ports") or []:
            if one.get("name") == target:
                return int(one["containerPort"])
    return None


def _reference(pod: Obj) -> Obj:
    return {
        "kind": "Pod",
        "name": name_of(pod),
        "namespace": namespace_of(pod),
        "uid": pod["metadata"]["uid"],
    }


def _slice(service: Obj, pods: list[Obj]) -> Obj:
    endpoints = [
        {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {
                "ready": is_ready(pod),
                "serving": is_ready(pod),
                "terminating": is_deleting(pod),
            },
            "nodeName": pod["spec"].get("nodeName", ""),
            "targetRef": _reference(pod),
        }
        for pod in pods
    ]
    return {
        "metadata": {
            "name": f"{name_of(service)}-practice",
            "labels": {SERVICE_LABEL: name_of(service), MANAGED_BY: "endpointslice-controller.k8s.io"},
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": _ports(service, pods[0] if pods else None),
    }


def _endpoints(service: Obj, pods: list[Obj]) -> Obj:
    ready = [pod for pod in pods if is_ready(pod)]
    waiting = [pod for pod in pods if not is_ready(pod) and not is_deleting(pod)]
    subset: Obj = {}
    for key, found in (("addresses", ready), ("notReadyAddresses", waiting)):
        if found:
            subset[key] = [
                {
                    "ip": pod["status"]["podIP"],
                    "nodeName": pod["spec"].get("nodeName", ""),
                    "targetRef": _reference(pod),
                }
                for pod in found
            ]
    if subset:
        subset["ports"] = _ports(service, pods[0])
    made: Obj = {"metadata": {"name": name_of(service)}}
    return {**made, "subsets": [subset]} if subset else {**made, "subsets": []}


def _drop_stale(desk: Desk) -> None:
    """Endpoints carry their Service's name and go with it; slices have an owner and are garbage then."""
    for endpoints in desk.store.all_of(kinds.ENDPOINTS):
        if desk.store.get(kinds.SERVICES, namespace_of(endpoints), name_of(endpoints)) is None:
            desk.delete(kinds.ENDPOINTS, endpoints)
