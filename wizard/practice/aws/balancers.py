"""Load balancers with the names and zone IDs of the region they are in, and limits that are kept.

The zone IDs are those of "Elastic Load Balancing endpoints and quotas" for eu-west-1; the wizard must read
them from the API anyway, so the practice world's other regions use them too.
"""

import re
import secrets
from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.calls import Call
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.gate import Account, Mends

CLASSIC_ZONE = "Z32O12XQLNTSW2"
NETWORK_ZONE = "Z2IFOLAFXWLO4F"
NAME = re.compile(r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
INTERNAL = "internal"


def create_classic(account: Account, call: Call) -> dict[str, Any]:
    params, name = call.params, str(call.params.get("LoadBalancerName", ""))
    _check_name(name)
    scheme = params.get("Scheme") or "internet-facing"
    _check_scheme(scheme)
    elb = moto_parts.backend("elb", account.number, call.aws_region)
    with account.lock:
        balancer = elb.create_load_balancer(
            name=name,
            zones=params.get("AvailabilityZones", []),
            ports=params.get("Listeners", []),
            scheme=scheme,
            subnets=params.get("Subnets", []),
            security_groups=params.get("SecurityGroups", []),
        )
        start = "internal-" if scheme == INTERNAL else ""
        number = secrets.randbelow(9 * 10**9) + 10**9
        balancer.dns_name = f"{start}{name}-{number}.{call.aws_region}.elb.amazonaws.com"
        balancer.canonical_hosted_zone_name_id = CLASSIC_ZONE
    for tag in params.get("Tags", []):
        balancer.add_tag(tag["Key"], tag.get("Value", ""))
    return {"DNSName": balancer.dns_name}


def create_modern(account: Account, call: Call) -> dict[str, Any]:
    params, name = call.params, str(call.params.get("Name", ""))
    _check_name(name)
    scheme, kind = params.get("Scheme") or "internet-facing", params.get("Type") or "application"
    _check_scheme(scheme)
    elbv2 = moto_parts.backend("elbv2", account.number, call.aws_region)
    with account.lock:
        if any(known.name == name for known in elbv2.load_balancers.values()):
            message = f"A load balancer with the same name '{name}' exists, but with different settings"
            raise AwsError("DuplicateLoadBalancerName", message)
        balancer = elbv2.create_load_balancer(
            name=name,
            security_groups=params.get("SecurityGroups", []),
            subnet_ids=params.get("Subnets", []),
            subnet_mappings=params.get("SubnetMappings", []),
            scheme=scheme,
            loadbalancer_type=kind,
            ip_address_type=params.get("IpAddressType", "ipv4"),
            tags=params.get("Tags"),
        )
        _name_modern(balancer, name, kind, scheme, call.aws_region)
    return {"LoadBalancers": [balancer]}


def _name_modern(balancer: Any, name: str, kind: str, scheme: str, aws_region: str) -> None:
    if kind == "network":
        balancer.dns_name = f"{name}-{secrets.token_hex(8)}.elb.{aws_region}.amazonaws.com"
        balancer.canonical_hosted_zone_id = NETWORK_ZONE
        return
    start = "internal-" if scheme == INTERNAL else ""
    number = secrets.randbelow(9 * 10**9) + 10**9
    balancer.dns_name = f"{start}{name}-{number}.{aws_region}.elb.amazonaws.com"
    balancer.canonical_hosted_zone_id = CLASSIC_ZONE


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        message = (
            f"The load balancer name '{name}' must have at most 32 letters, digits and hyphens, must not "
            "begin or end with a hyphen, and must not begin with 'internal-'"
        )
        raise AwsError("ValidationError", message)


def _check_scheme(scheme: str) -> None:
    if scheme not in {INTERNAL, "internet-facing"}:
        raise AwsError("InvalidScheme", f"Scheme '{scheme}' is not valid; it is internet-facing or internal.")


def check_idle_timeout(_: Account, call: Call) -> None:
    settings = (call.params.get("LoadBalancerAttributes") or {}).get("ConnectionSettings") or {}
    if "IdleTimeout" in settings and not 1 <= int(settings["IdleTimeout"]) <= 4000:
        raise AwsError("ValidationError", "ConnectionSettings.IdleTimeout must be between 1 and 4000 seconds")


def check_listener_attributes(_: Account, call: Call) -> None:
    for attribute in call.params.get("Attributes") or []:
        key, value = attribute.get("Key"), str(attribute.get("Value", ""))
        is_number = value.isascii() and value.isdigit()
        if key == "tcp.idle_timeout.seconds" and not (is_number and 60 <= int(value) <= 6000):
            message = f"'{value}' is not a valid value for tcp.idle_timeout.seconds; it is 60 to 6000"
            raise AwsError("InvalidConfigurationRequest", message)


BEFORE: Mends = {
    ("elb", "CreateLoadBalancer"): create_classic,
    ("elb", "ModifyLoadBalancerAttributes"): check_idle_timeout,
    ("elbv2", "CreateLoadBalancer"): create_modern,
    ("elbv2", "ModifyListenerAttributes"): check_listener_attributes,
}
