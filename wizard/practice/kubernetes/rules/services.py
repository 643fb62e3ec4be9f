"""Services: defaults, what depends on the type, addresses and node ports."""

import ipaddress
import re
import secrets
from collections.abc import Iterable
from typing import Any

from wizard.practice.kubernetes.objects import Obj, dig
from wizard.practice.kubernetes.rules import metadata, names
from wizard.practice.kubernetes.status import ApiError, Problems

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_WITH_NODE_PORTS = ("LoadBalancer", "NodePort")
_LOWEST, _HIGHEST = 30000, 32767


def default(service: Obj) -> None:
    spec = service["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if spec["type"] in _WITH_NODE_PORTS:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def prepare(service: Obj, old: Obj | None) -> None:
    """Carries over what was allocated, drops what no longer fits the type (`patchAllocatedValues`)."""
    if old is None:
        return
    spec, before = service["spec"], old["spec"]
    if spec["type"] != "ExternalName" and before["type"] != "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if field in before:
                spec.setdefault(field, before[field])
    has_node_ports = spec["type"] in _WITH_NODE_PORTS
    known = {
        (port.get("protocol"), port.get("port")): port.get("nodePort") for port in before.get("ports") or []
    }
    for port in spec.get("ports") or []:
        node_port = known.get((port.get("protocol"), port.get("port")))
        if has_node_ports and node_port:
            port.setdefault("nodePort", node_port)
        elif not has_node_ports and port.get("nodePort") == node_port:
            port.pop("nodePort", None)
    if spec["type"] == before["type"]:
        return
    dropped = [] if has_node_ports else ["externalTrafficPolicy"]
    if spec["type"] != "LoadBalancer":
        dropped += ["allocateLoadBalancerNodePorts", "loadBalancerClass"]
    for field in dropped:
        if spec.get(field) == before.get(field) or field == "externalTrafficPolicy":
            spec.pop(field, None)


def check(service: Obj, old: Obj | None, problems: Problems) -> None:
    spec = service["spec"]
    kind, ports = spec["type"], spec.get("ports") or []
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        problems.required("spec.ports")
    _check_ports(ports, kind, problems)
    metadata.check_labels(spec.get("selector") or {}, "spec.selector", problems)
    if spec["sessionAffinity"] not in ("ClientIP", "None"):
        problems.not_supported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None"))
    if kind not in TYPES:
        problems.not_supported("spec.type", kind, TYPES)
    _check_twice(ports, problems)
    if kind == "ExternalName":
        if not spec.get("externalName"):
            problems.required("spec.externalName")
        return
    _check_balancer(spec, old, problems)
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
    if old is not None and old["spec"].get("clusterIP") and spec.get("clusterIP") != old["spec"]["clusterIP"]:
        problems.invalid("spec.clusterIPs[0]", [spec.get("clusterIP")], "may not change once set")
    elif addresses[0] not in ("", "None") and not _is_address(addresses[0]):
        problems.invalid(
            "spec.clusterIPs[0]",
            addresses[0],
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        )
    for field in ("externalTrafficPolicy", "internalTrafficPolicy"):
        if spec.get(field, "Cluster") not in ("Cluster", "Local"):
            problems.not_supported(f"spec.{field}", spec[field], ("Cluster", "Local"))


def check_status(service: Obj, problems: Problems) -> None:
    if service["spec"]["type"] != "LoadBalancer" and dig(service, "status", "loadBalancer", "ingress"):
        why = "may only be used when `spec.type` is 'LoadBalancer'"
        problems.forbidden("status.loadBalancer.ingress", why)


def _check_ports(ports: list[Obj], kind: str, problems: Problems) -> None:
    seen: set[Any] = set()
    for at, port in enumerate(ports):
        field, name = f"spec.ports[{at}]", port.get("name", "")
        if not name and len(ports) > 1:
            problems.required(f"{field}.name")
        for why in names.label(name) if name else ():
            problems.invalid(f"{field}.name", name, why)
        if name and name in seen:
            problems.duplicate(f"{field}.name", name)
        seen.add(name)
        if not 1 <= port.get("port", 0) <= 65535:
            problems.invalid(f"{field}.port", port.get("port", 0), "must be between 1 and 65535, inclusive")
        if port["protocol"] not in _PROTOCOLS:
            problems.not_supported(f"{field}.protocol", port["protocol"], _PROTOCOLS)
        check_target(port.get("targetPort"), f"{field}.targetPort", problems)
        if port.get("nodePort") and kind not in _WITH_NODE_PORTS:
            problems.forbidden(f"{field}.nodePort", "may not be used when `type` is 'ClusterIP'")


def _check_twice(ports: list[Obj], problems: Problems) -> None:
    seen = set()
    for at, port in enumerate(ports):
        key = (port["protocol"], port.get("port"))
        if key in seen:
            shown = {
                "Name": "",
                "Protocol": key[0],
                "AppProtocol": None,
                "Port": key[1],
                "TargetPort": 0,
                "NodePort": 0,
            }
            problems.duplicate(f"spec.ports[{at}]", shown)
        seen.add(key)


def check_target(port: Any, field: str, problems: Problems) -> None:
    """A port by number or by name."""
    if isinstance(port, str):
        for why in names.port_name(port):
            problems.invalid(field, port, why)
    elif not isinstance(port, int) or not 1 <= port <= 65535:
        problems.invalid(field, port or 0, "must be between 1 and 65535, inclusive")


def _check_balancer(spec: Obj, old: Obj | None, problems: Problems) -> None:
    is_balancer = spec["type"] == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and not is_balancer:
        problems.forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'")
    for at, block in enumerate(ranges if is_balancer else ()):
        if not _is_block(block.strip()):
            problems.invalid(
                f"spec.LoadBalancerSourceRanges[{at}]",
                block,
                "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            )
    wanted = spec.get("loadBalancerClass")
    field = "spec.loadBalancerClass"
    if wanted is not None and not is_balancer:
        problems.forbidden(field, "may only be used when `type` is 'LoadBalancer'")
    elif wanted is not None:
        for why in names.label_key(wanted):
            problems.invalid(field, wanted, why)
    was_balancer = old is not None and old["spec"]["type"] == "LoadBalancer"
    if is_balancer and was_balancer and wanted != dig(old, "spec", "loadBalancerClass"):
        problems.invalid(field, wanted, "may not change once set")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_block(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return re.fullmatch(r"[^/]+/\d+", text) is not None


def allocate(service: Obj, others: Iterable[Obj], problems: Problems) -> None:
    """Gives it an address and node ports that no other Service has; asking for a taken one is a problem."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    specs = [other["spec"] for other in others]
    taken = {other.get("clusterIP") for other in specs}
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _free_address(taken)
    elif spec["clusterIP"] != "None" and spec["clusterIP"] in taken:
        problems.invalid(
            "spec.clusterIPs",
            [spec["clusterIP"]],
            f"failed to allocate IP {spec['clusterIP']}: provided IP is already allocated",
        )
    spec["clusterIPs"] = [spec["clusterIP"]]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] == "NodePort" or (
        spec["type"] == "LoadBalancer" and spec["allocateLoadBalancerNodePorts"]
    ):
        used = {port.get("nodePort") for one in specs for port in one.get("ports") or []}
        _allocate_ports(spec.get("ports") or [], used, problems)


def _free_address(taken: set[Any]) -> str:
    for number in range(256):
        address = f"10.96.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1 if number < 255 else 254}"
        if address not in taken:
            return address
    raise ApiError(500, "InternalError", "failed to allocate a serviceIP: range is full")


def _allocate_ports(ports: list[Obj], taken: set[Any], problems: Problems) -> None:
    for at, port in enumerate(ports):
        field, wanted = f"spec.ports[{at}].nodePort", port.get("nodePort")
        if wanted and not _LOWEST <= wanted <= _HIGHEST:
            problems.invalid(
                field,
                wanted,
                f"provided port is not in the valid range. The range of valid ports is {_LOWEST}-{_HIGHEST}",
            )
        elif wanted and wanted in taken:
            problems.invalid(field, wanted, "provided port is already allocated")
        elif not wanted:
            free = [number for number in range(_LOWEST, _HIGHEST + 1) if number not in taken]
            port["nodePort"] = secrets.choice(free)
        taken = taken | {port.get("nodePort")}
