"""The columns of each kind's Table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wizard.practice.kubernetes.objects import Obj, dig, instant, is_deleting
from wizard.practice.kubernetes.podcells import pod_ready, pod_restarts, pod_status

NONE = "<none>"
Cell = Callable[[Obj, datetime], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """Priority 1 is shown by `-o wide` only."""

    name: str
    cell: Cell
    kind: str = "string"
    priority: int = 0


def duration(seconds: float) -> str:
    """As kubectl tells ages (`HumanDuration`)."""
    left = int(seconds)
    if left < 0:
        return "0s" if left > -2 else "<invalid>"
    minutes, hours, days = left // 60, left // 3600, left // 86400
    if left < 120:
        return f"{left}s"
    if minutes < 10:
        return f"{minutes}m{left % 60}s" if left % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d" if days < 730 else f"{days // 365}y"


def since(text: str | None, moment: datetime) -> str:
    return duration((moment - instant(text)).total_seconds()) if text else "<unknown>"


def _plain(*path: str, missing: Any = NONE) -> Cell:
    def cell(obj: Obj, _: datetime) -> Any:
        found = dig(obj, *path)
        return missing if found is None or found == "" else found

    return cell


def _timeless(of: Callable[[Obj], Any]) -> Cell:
    return lambda obj, _: of(obj)


def _pairs(labels: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _selector(obj: Obj) -> str:
    selector: Obj = dig(obj, "spec", "selector") or {}
    return _pairs(selector.get("matchLabels") if "matchLabels" in selector else selector)


def _containers(field: str) -> Cell:
    def cell(obj: Obj, _: datetime) -> str:
        found = dig(obj, "spec", "template", "spec", "containers") or []
        return ",".join(str(container.get(field, "")) for container in found)

    return cell


def _external(service: Obj) -> str:
    spec = service.get("spec", {})
    fixed = ",".join(spec.get("externalIPs") or [])
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName"))
    if spec.get("type") != "LoadBalancer":
        return fixed or NONE
    ingress = dig(service, "status", "loadBalancer", "ingress") or []
    found = ",".join(str(one.get("ip") or one.get("hostname") or "") for one in ingress)
    return ",".join(filter(None, (found, fixed))) or "<pending>"


def _ports(service: Obj) -> str:
    found = []
    for port in dig(service, "spec", "ports") or []:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        found.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(found) or NONE


def _endpoints(endpoints: Obj) -> str:
    found = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in endpoints.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more or NONE


def _slice_ports(one: Obj) -> str:
    return ",".join(str(port.get("port", "*")) for port in one.get("ports") or []) or "<unset>"


def _slice_addresses(one: Obj) -> str:
    found = [
        address for endpoint in one.get("endpoints") or [] for address in endpoint.get("addresses") or []
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more or "<unset>"


def _node_status(node: Obj) -> str:
    ready = next((one for one in dig(node, "status", "conditions") or [] if one.get("type") == "Ready"), None)
    found = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{found},SchedulingDisabled" if dig(node, "spec", "unschedulable") else found


def _node_roles(node: Obj) -> str:
    prefix = "node-role.kubernetes.io/"
    labels: dict[str, str] = dig(node, "metadata", "labels") or {}
    return ",".join(sorted(key[len(prefix) :] for key in labels if key.startswith(prefix))) or NONE


def _node_address(kind: str) -> Cell:
    def cell(node: Obj, _: datetime) -> str:
        found = dig(node, "status", "addresses") or []
        return next((str(one.get("address")) for one in found if one.get("type") == kind), NONE)

    return cell


def _event_age(event: Obj, moment: datetime) -> str:
    last = dig(event, "series", "lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return since(last, moment)


def _event_first(event: Obj, moment: datetime) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), moment)


def _event_object(event: Obj) -> str:
    involved: Obj = event.get("involvedObject") or event.get("regarding") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(event: Obj) -> str:
    source: Obj = event.get("source") or event.get("deprecatedSource") or {}
    parts = (source.get("component") or event.get("reportingComponent"), source.get("host"))
    return ", ".join(str(part) for part in parts if part)


def _quota(*prefixes: str, are_limits: bool) -> Cell:
    def cell(quota: Obj, _: datetime) -> str:
        hard, used = dig(quota, "status", "hard") or {}, dig(quota, "status", "used") or {}
        return ", ".join(
            f"{name}: {used.get(name, '0')}/{hard[name]}"
            for name in sorted(hard)
            if name.startswith(prefixes) == are_limits
        )

    return cell


def _hosts(ingress: Obj) -> str:
    found = [rule.get("host") for rule in dig(ingress, "spec", "rules") or [] if rule.get("host")]
    return ",".join(found) or "*"


def _balancers(obj: Obj) -> str:
    found = dig(obj, "status", "loadBalancer", "ingress") or []
    return ",".join(str(one.get("ip") or one.get("hostname") or "") for one in found)


NAME = Column("Name", _plain("metadata", "name"))
AGE = Column("Age", lambda obj, moment: since(dig(obj, "metadata", "creationTimestamp"), moment))
PLAIN = (NAME, AGE)


def _count(name: str, *path: str) -> Column:
    return Column(name, _plain(*path, missing=0), "integer")


def _wide(name: str, cell: Cell) -> Column:
    return Column(name, cell, priority=1)


_TEMPLATE = (
    _wide("Containers", _containers("name")),
    _wide("Images", _containers("image")),
    _wide("Selector", _timeless(_selector)),
)
_REPLICAS = (
    NAME,
    _count("Desired", "spec", "replicas"),
    _count("Current", "status", "replicas"),
    _count("Ready", "status", "readyReplicas"),
    AGE,
    *_TEMPLATE,
)
_EVENT = (
    Column("Last Seen", _event_age),
    Column("Type", _plain("type", missing="")),
    Column("Reason", _plain("reason", missing="")),
    Column("Object", _timeless(_event_object)),
    _wide("Subobject", _plain("involvedObject", "fieldPath", missing="")),
    _wide("Source", _timeless(_event_source)),
    Column("Message", lambda event, _: str(event.get("message") or event.get("note") or "").strip()),
    _wide("First Seen", _event_first),
    _wide("Count", lambda event, _: event.get("count") or event.get("deprecatedCount") or 1),
    _wide("Name", _plain("metadata", "name")),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "Pod": (
        NAME,
        Column("Ready", _timeless(pod_ready)),
        Column("Status", _timeless(pod_status)),
        Column("Restarts", lambda pod, moment: pod_restarts(pod, lambda text: since(text, moment))),
        AGE,
        _wide("IP", _plain("status", "podIP")),
        _wide("Node", _plain("spec", "nodeName")),
        _wide("Nominated Node", _plain("status", "nominatedNodeName")),
        _wide("Readiness Gates", lambda _, __: NONE),
    ),
    "Service": (
        NAME,
        Column("Type", _plain("spec", "type")),
        Column("Cluster-IP", _plain("spec", "clusterIP")),
        Column("External-IP", _timeless(_external)),
        Column("Port(s)", _timeless(_ports)),
        AGE,
        _wide("Selector", _timeless(_selector)),
    ),
    "Deployment": (
        NAME,
        Column(
            "Ready",
            lambda obj, _: f"{dig(obj, 'status', 'readyReplicas') or 0}/{dig(obj, 'spec', 'replicas') or 0}",
        ),
        Column("Up-to-date", _plain("status", "updatedReplicas", missing=0)),
        Column("Available", _plain("status", "availableReplicas", missing=0)),
        AGE,
        *_TEMPLATE,
    ),
    "ReplicaSet": _REPLICAS,
    "ReplicationController": _REPLICAS,
    "Secret": (
        NAME,
        Column("Type", _plain("type")),
        Column("Data", lambda obj, _: len(obj.get("data") or {})),
        AGE,
    ),
    "ConfigMap": (
        NAME,
        Column("Data", lambda obj, _: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),
        AGE,
    ),
    "Namespace": (NAME, Column("Status", _plain("status", "phase")), AGE),
    "Node": (
        NAME,
        Column("Status", _timeless(_node_status)),
        Column("Roles", _timeless(_node_roles)),
        AGE,
        Column("Version", _plain("status", "nodeInfo", "kubeletVersion", missing="")),
        _wide("Internal-IP", _node_address("InternalIP")),
        _wide("External-IP", _node_address("ExternalIP")),
        _wide("OS-Image", _plain("status", "nodeInfo", "osImage", missing="<unknown>")),
        _wide("Kernel-Version", _plain("status", "nodeInfo", "kernelVersion", missing="<unknown>")),
        _wide(
            "Container-Runtime", _plain("status", "nodeInfo", "containerRuntimeVersion", missing="<unknown>")
        ),
    ),
    "Event": _EVENT,
    "EventsEvent": _EVENT,
    "Endpoints": (NAME, Column("Endpoints", _timeless(_endpoints)), AGE),
    "EndpointSlice": (
        NAME,
        Column("AddressType", _plain("addressType")),
        Column("Ports", _timeless(_slice_ports)),
        Column("Endpoints", _timeless(_slice_addresses)),
        AGE,
    ),
    "ResourceQuota": (
        NAME,
        Column("Request", _quota("limits.", are_limits=False)),
        Column("Limit", _quota("limits.", are_limits=True)),
        AGE,
    ),
    "Ingress": (
        NAME,
        Column("Class", _plain("spec", "ingressClassName")),
        Column("Hosts", _timeless(_hosts)),
        Column("Address", _timeless(_balancers)),
        Column("Ports", lambda obj, _: "80, 443" if dig(obj, "spec", "tls") else "80"),
        AGE,
    ),
    "Lease": (NAME, Column("Holder", _plain("spec", "holderIdentity", missing="")), AGE),
    "PersistentVolumeClaim": (
        NAME,
        Column(
            "Status", lambda obj, _: "Terminating" if is_deleting(obj) else dig(obj, "status", "phase") or ""
        ),
        Column("Volume", _plain("spec", "volumeName", missing="")),
        Column("Capacity", _plain("status", "capacity", "storage", missing="")),
        Column("Access Modes", lambda obj, _: ",".join(dig(obj, "status", "accessModes") or [])),
        Column("StorageClass", _plain("spec", "storageClassName", missing="")),
        AGE,
    ),
}
