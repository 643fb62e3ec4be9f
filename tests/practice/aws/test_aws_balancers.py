"""Classic and network balancers: names, zone IDs, attributes, schemes; and the node behind them."""

from collections.abc import Callable
from typing import Any

import pytest

LISTENER = {"Protocol": "TCP", "LoadBalancerPort": 443, "InstanceProtocol": "TCP", "InstancePort": 31234}


@pytest.fixture(scope="module")
def elb(client: Callable[..., Any]) -> Any:
    return client("elb")


@pytest.fixture(scope="module")
def elbv2(client: Callable[..., Any]) -> Any:
    return client("elbv2")


@pytest.fixture(scope="module")
def subnets(client: Callable[..., Any]) -> list[str]:
    found = client("ec2").describe_subnets(Filters=[{"Name": "tag:kubernetes.io/role/elb", "Values": ["1"]}])
    return [subnet["SubnetId"] for subnet in found["Subnets"]]


@pytest.mark.parametrize(("scheme", "start"), [("internet-facing", "a1b2-"), ("internal", "internal-a1b2-")])
def test_a_classic_balancer_knows_its_region_zone_and_scheme(
    scheme: str, start: str, elb: Any, subnets: list[str]
) -> None:
    given = {"Scheme": scheme} if scheme == "internal" else {}
    made = elb.create_load_balancer(
        LoadBalancerName="a1b2",
        Listeners=[LISTENER],
        Subnets=subnets,
        Tags=[{"Key": "k", "Value": "v"}],
        **given,
    )
    found = elb.describe_load_balancers(LoadBalancerNames=["a1b2"])["LoadBalancerDescriptions"][0]
    assert found["DNSName"] == made["DNSName"]
    assert found["DNSName"].startswith(start)
    assert found["DNSName"].endswith(".eu-west-1.elb.amazonaws.com")
    assert found["CanonicalHostedZoneNameID"] == "Z32O12XQLNTSW2"
    assert found["Scheme"] == scheme
    assert found["ListenerDescriptions"][0]["Listener"] == LISTENER
    assert elb.describe_tags(LoadBalancerNames=["a1b2"])["TagDescriptions"][0]["Tags"] == [
        {"Key": "k", "Value": "v"}
    ]
    elb.delete_load_balancer(LoadBalancerName="a1b2")


def test_the_idle_timeout_is_kept_within_its_limits(elb: Any, refused: Callable[..., Any]) -> None:
    elb.create_load_balancer(LoadBalancerName="idle", Listeners=[LISTENER], AvailabilityZones=["eu-west-1a"])

    def idle() -> int:
        found = elb.describe_load_balancer_attributes(LoadBalancerName="idle")["LoadBalancerAttributes"]
        return int(found["ConnectionSettings"]["IdleTimeout"])

    assert idle() == 60
    change = elb.modify_load_balancer_attributes
    wanted = {"ConnectionSettings": {"IdleTimeout": 3600}}
    change(LoadBalancerName="idle", LoadBalancerAttributes=wanted)
    assert idle() == 3600
    wanted = {"ConnectionSettings": {"IdleTimeout": 4001}}
    refused("ValidationError", change, LoadBalancerName="idle", LoadBalancerAttributes=wanted)
    refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerNames=["none"])
    elb.delete_load_balancer(LoadBalancerName="idle")


@pytest.mark.parametrize("name", ["x" * 33, "-a", "a-", "under_score", "internal-a"])
def test_a_bad_name_is_refused(name: str, elb: Any, refused: Callable[..., Any]) -> None:
    listeners, zones = [LISTENER], ["eu-west-1a"]
    refused(
        "ValidationError",
        elb.create_load_balancer,
        LoadBalancerName=name,
        Listeners=listeners,
        AvailabilityZones=zones,
    )


def test_a_network_balancer_has_listener_attributes(
    elbv2: Any, subnets: list[str], refused: Callable[..., Any]
) -> None:
    made = elbv2.create_load_balancer(Name="net", Type="network", Scheme="internal", Subnets=subnets)[
        "LoadBalancers"
    ][0]
    assert made["DNSName"].endswith(".elb.eu-west-1.amazonaws.com")
    found = elbv2.describe_load_balancers(Names=["net"])["LoadBalancers"][0]
    assert (found["CanonicalHostedZoneId"], found["Type"], found["Scheme"]) == (
        "Z2IFOLAFXWLO4F",
        "network",
        "internal",
    )
    group = elbv2.create_target_group(Name="group", Protocol="TCP", Port=31234, VpcId=found["VpcId"])[
        "TargetGroups"
    ][0]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    listener = elbv2.create_listener(
        LoadBalancerArn=made["LoadBalancerArn"], Protocol="TCP", Port=443, DefaultActions=forward
    )["Listeners"][0]["ListenerArn"]

    def idle() -> str:
        attributes = elbv2.describe_listener_attributes(ListenerArn=listener)["Attributes"]
        return str({one["Key"]: one["Value"] for one in attributes}["tcp.idle_timeout.seconds"])

    assert idle() == "350"
    wanted = [{"Key": "tcp.idle_timeout.seconds", "Value": "3600"}]
    elbv2.modify_listener_attributes(ListenerArn=listener, Attributes=wanted)
    assert idle() == "3600"
    wanted = [{"Key": "tcp.idle_timeout.seconds", "Value": "59"}]
    change = elbv2.modify_listener_attributes
    refused("InvalidConfigurationRequest", change, ListenerArn=listener, Attributes=wanted)
    refused(
        "DuplicateLoadBalancerName", elbv2.create_load_balancer, Name="net", Type="network", Subnets=subnets
    )
    refused("LoadBalancerNotFound", elbv2.describe_load_balancers, Names=["none"])
    elbv2.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


def test_an_application_balancer_is_named_like_a_classic_one(elbv2: Any, subnets: list[str]) -> None:
    made = elbv2.create_load_balancer(Name="app", Subnets=subnets)["LoadBalancers"][0]
    assert made["CanonicalHostedZoneId"] == "Z32O12XQLNTSW2"
    assert made["DNSName"].startswith("app-")
    assert made["DNSName"].endswith(".eu-west-1.elb.amazonaws.com")
    elbv2.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


def test_the_node_is_an_instance_of_the_region(client: Callable[..., Any]) -> None:
    found = client("ec2").describe_instances()["Reservations"][0]["Instances"]
    assert len(found) == 1
    assert found[0]["Placement"]["AvailabilityZone"] == "eu-west-1a"
    again = client("ec2").describe_instances(InstanceIds=[found[0]["InstanceId"]])["Reservations"]
    assert again[0]["Instances"][0]["InstanceType"] == "t3.medium"


def test_only_one_instance_type_is_loaded(client: Callable[..., Any]) -> None:
    """The whole table costs 80 MB; when this fails, moto reads it in another way than it did."""
    assert client("ec2").describe_instances()
    from moto.ec2.models import instance_types

    assert list(instance_types.INSTANCE_TYPES) == ["t3.medium"]
