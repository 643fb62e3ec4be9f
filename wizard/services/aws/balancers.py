"""Finds a load balancer by its DNS name, classic or v2, and reads what the steps compare."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from wizard.facts import BalancerFacts

if TYPE_CHECKING:
    from mypy_boto3_elb.type_defs import LoadBalancerDescriptionTypeDef
    from mypy_boto3_elbv2.type_defs import LoadBalancerTypeDef

    from wizard.services.aws.client import Aws

KINDS = {"network": "nlb", "application": "alb", "gateway": "gateway"}


def plain(dns_name: str) -> str:
    """Lower case, without the final dot and the dualstack prefix that alias records carry."""
    return dns_name.lower().rstrip(".").removeprefix("dualstack.")


def describe(aws: "Aws", dns_name: str) -> BalancerFacts | None:
    """v2 names have the region after `.elb.`, classic ones before it; the likelier API is asked first."""
    wanted = plain(dns_name)
    is_v2_like = ".elb." in wanted and not wanted.endswith((".elb.amazonaws.com", ".elb.amazonaws.com.cn"))
    order = (_v2, _classic) if is_v2_like else (_classic, _v2)
    return order[0](aws, wanted) or order[1](aws, wanted)


def _classic(aws: "Aws", wanted: str) -> BalancerFacts | None:
    for page in aws.client("elb").get_paginator("describe_load_balancers").paginate():
        for found in page["LoadBalancerDescriptions"]:
            if plain(found.get("DNSName", "")) == wanted:
                return _classic_facts(aws, found)
    return None


def _classic_facts(aws: "Aws", found: "LoadBalancerDescriptionTypeDef") -> BalancerFacts:
    name = found.get("LoadBalancerName", "")
    told = aws.client("elb").describe_load_balancer_attributes(LoadBalancerName=name)
    settings = told.get("LoadBalancerAttributes", {}).get("ConnectionSettings", {})
    return BalancerFacts(
        name=name,
        kind="classic",
        scheme=found.get("Scheme", ""),
        dns_name=found.get("DNSName", ""),
        dns_zone_id=found.get("CanonicalHostedZoneNameID", ""),
        idle_timeout_s=settings.get("IdleTimeout"),
    )


def _v2(aws: "Aws", wanted: str) -> BalancerFacts | None:
    for page in aws.client("elbv2").get_paginator("describe_load_balancers").paginate():
        for found in page["LoadBalancers"]:
            if plain(found.get("DNSName", "")) == wanted:
                return _v2_facts(aws, found)
    return None


def _v2_facts(aws: "Aws", found: "LoadBalancerTypeDef") -> BalancerFacts:
    kind = found.get("Type", "network")
    return BalancerFacts(
        name=found.get("LoadBalancerName", ""),
        kind=KINDS.get(kind, kind),
        scheme=found.get("Scheme", ""),
        dns_name=found.get("DNSName", ""),
        dns_zone_id=found.get("CanonicalHostedZoneId", ""),
        idle_timeout_s=_tcp_idle_timeout(aws, found.get("LoadBalancerArn", "")),
        is_dualstack=found.get("IpAddressType", "").startswith("dualstack"),
    )


def _tcp_idle_timeout(aws: "Aws", arn: str) -> int | None:
    """The shortest of the TCP listeners'; None where there is none, or AWS will not tell."""
    client, times = aws.client("elbv2"), []
    try:
        for listener in client.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
            told = client.describe_listener_attributes(ListenerArn=listener.get("ListenerArn", ""))
            times += [
                int(each.get("Value", "0"))
                for each in told.get("Attributes", [])
                if each.get("Key") == "tcp.idle_timeout.seconds"
            ]
    except (ClientError, ValueError):
        return None
    return min(times, default=None)
