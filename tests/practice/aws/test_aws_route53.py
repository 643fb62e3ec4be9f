"""Route53: zones, exact changes, aliases, conflicts, and changes that take a while."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wizard.practice.aws import AwsServer

LISTENER = {"Protocol": "TCP", "LoadBalancerPort": 443, "InstanceProtocol": "TCP", "InstancePort": 31234}


@pytest.fixture(scope="module")
def route53(client: Callable[..., Any]) -> Any:
    return client("route53")


@pytest.fixture
def zone(route53: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A zone of the test's own, emptied and deleted afterwards."""
    made = route53.create_hosted_zone(Name="zone.example", CallerReference=request.node.name)["HostedZone"][
        "Id"
    ]
    yield made
    left = route53.list_resource_record_sets(HostedZoneId=made)["ResourceRecordSets"]
    gone = [
        {"Action": "DELETE", "ResourceRecordSet": one} for one in left if one["Type"] not in {"NS", "SOA"}
    ]
    if gone:
        route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": gone})
    route53.delete_hosted_zone(Id=made)


def change(
    action: str, name: str = "www.zone.example", kind: str = "A", *values: str, ttl: int = 60
) -> dict[str, Any]:
    records = [{"Value": value} for value in values or ("192.0.2.1",)]
    return {
        "Action": action,
        "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": records},
    }


def alias(
    action: str, target: str, target_zone: str, name: str = "www.zone.example", kind: str = "A"
) -> dict[str, Any]:
    aimed = {"HostedZoneId": target_zone, "DNSName": target, "EvaluateTargetHealth": False}
    return {"Action": action, "ResourceRecordSet": {"Name": name, "Type": kind, "AliasTarget": aimed}}


@pytest.fixture
def apply(route53: Any, zone: str) -> Callable[..., Any]:
    def change_all(*changes: dict[str, Any]) -> Any:
        return route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": list(changes)})

    return change_all


@pytest.fixture
def held(route53: Any, zone: str) -> Callable[[], list[tuple[str, str, list[str]]]]:
    def read() -> list[tuple[str, str, list[str]]]:
        sets = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return [
            (one["Name"], one["Type"], [record["Value"] for record in one.get("ResourceRecords", [])])
            for one in sets
            if one["Type"] not in {"NS", "SOA"}
        ]

    return read


def test_the_seed_is_a_public_zone_with_the_domain_on_the_web_server(route53: Any) -> None:
    found = route53.list_hosted_zones_by_name(DNSName="practice.test")["HostedZones"][0]
    assert (found["Name"], found["Config"]["PrivateZone"]) == ("practice.test.", False)
    assert found["Id"].startswith("/hostedzone/Z")
    sets = route53.list_resource_record_sets(HostedZoneId=found["Id"])["ResourceRecordSets"]
    assert [(one["Name"], one["Type"]) for one in sets] == [
        ("practice.test.", "NS"),
        ("practice.test.", "SOA"),
        ("registry.practice.test.", "A"),
    ]
    assert (sets[2]["TTL"], sets[2]["ResourceRecords"]) == (60, [{"Value": "127.80.0.1"}])
    servers = route53.get_hosted_zone(Id=found["Id"])["DelegationSet"]["NameServers"]
    assert [f"{server}." for server in servers] == [record["Value"] for record in sets[0]["ResourceRecords"]]


def test_zones_are_listed_by_name_from_a_name_onward(route53: Any, refused: Callable[..., Any]) -> None:
    made = [
        route53.create_hosted_zone(Name=name, CallerReference=f"list-{name}")["HostedZone"]["Id"]
        for name in ("b.example", "a.b.example", "c.example")
    ]
    first = route53.list_hosted_zones_by_name(DNSName="b.example", MaxItems="2")
    assert [zone["Name"] for zone in first["HostedZones"]] == ["b.example.", "a.b.example."]
    assert (first["IsTruncated"], first["NextDNSName"]) == (True, "c.example.")
    rest = route53.list_hosted_zones_by_name(
        DNSName=first["NextDNSName"], HostedZoneId=first["NextHostedZoneId"], MaxItems="100"
    )
    assert [zone["Name"] for zone in rest["HostedZones"]] == ["c.example.", "practice.test."]
    refused(
        "HostedZoneAlreadyExists",
        route53.create_hosted_zone,
        Name="d.example",
        CallerReference="list-b.example",
    )
    for zone in made:
        route53.delete_hosted_zone(Id=zone)
    refused("NoSuchHostedZone", route53.get_hosted_zone, Id="ZNOTHERE")


def test_two_zones_of_one_name_have_name_servers_of_their_own(route53: Any) -> None:
    made = [route53.create_hosted_zone(Name="twice.example", CallerReference=f"twice-{n}") for n in (1, 2)]
    servers = [set(zone["DelegationSet"]["NameServers"]) for zone in made]
    assert servers[0] != servers[1]
    for zone in made:
        route53.delete_hosted_zone(Id=zone["HostedZone"]["Id"])


def test_a_private_zone_is_told_as_one(route53: Any) -> None:
    vpc = {"VPCRegion": "eu-west-1", "VPCId": "vpc-1"}
    made = route53.create_hosted_zone(Name="inner.example", CallerReference="inner", VPC=vpc)["HostedZone"]
    assert route53.get_hosted_zone(Id=made["Id"])["HostedZone"]["Config"]["PrivateZone"] is True
    route53.delete_hosted_zone(Id=made["Id"])


def test_a_change_is_pending_and_then_in_sync(
    aws: AwsServer, route53: Any, apply: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    aws.settings.change_delay_s = 3600
    made = apply(change("CREATE"))["ChangeInfo"]
    assert made["Status"] == "PENDING"
    assert route53.get_change(Id=made["Id"])["ChangeInfo"]["Status"] == "PENDING"
    aws.settings.change_delay_s = 0
    assert route53.get_change(Id=made["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    refused("NoSuchChange", route53.get_change, Id="CNOTHING")


def test_creating_twice_is_refused_and_upserting_is_not(
    apply: Callable[..., Any], held: Callable[..., Any], refused: Callable[..., Any], zone: str, route53: Any
) -> None:
    apply(change("CREATE"))
    message, status = refused("InvalidChangeBatch", apply_of(route53, zone, change("CREATE")))
    assert status == 400
    assert message == (
        "[Tried to create resource record set [name='www.zone.example.', type='A'] but it already exists]"
    )
    apply(change("UPSERT", "WWW.zone.example.", "A", "192.0.2.2"))
    assert held() == [("www.zone.example.", "A", ["192.0.2.2"])]


def apply_of(route53: Any, zone: str, *changes: dict[str, Any]) -> Callable[[], Any]:
    return lambda: route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": list(changes)}
    )


def test_only_the_exact_record_is_deleted(
    apply: Callable[..., Any], held: Callable[..., Any], refused: Callable[..., Any], zone: str, route53: Any
) -> None:
    apply(change("CREATE", "www.zone.example", "A", "192.0.2.1", "192.0.2.2"))
    for wrong in (
        change("DELETE", "www.zone.example", "A", "192.0.2.1"),
        change("DELETE", "www.zone.example", "A", "192.0.2.1", "192.0.2.2", ttl=61),
    ):
        message, _ = refused("InvalidChangeBatch", apply_of(route53, zone, wrong))
        assert message.endswith("but the values provided do not match the current values]")
    message, _ = refused("InvalidChangeBatch", apply_of(route53, zone, change("DELETE", "none.zone.example")))
    assert message.endswith("[name='none.zone.example.', type='A'] but it was not found]")
    apply(change("DELETE", "www.zone.example", "A", "192.0.2.2", "192.0.2.1"))
    assert held() == []


def test_a_batch_is_all_or_nothing(
    apply: Callable[..., Any], held: Callable[..., Any], refused: Callable[..., Any], zone: str, route53: Any
) -> None:
    apply(change("CREATE"))
    both = (change("CREATE", "new.zone.example"), change("CREATE"))
    refused("InvalidChangeBatch", apply_of(route53, zone, *both))
    assert held() == [("www.zone.example.", "A", ["192.0.2.1"])]
    apply(change("DELETE"), change("CREATE", "www.zone.example", "CNAME", "other.example"))
    assert held() == [("www.zone.example.", "CNAME", ["other.example"])]


@pytest.mark.parametrize(
    ("there", "wanted", "words"),
    [
        (("A", "192.0.2.1"), ("CNAME", "other.example"), "as it conflicts with other records"),
        (("CNAME", "other.example"), ("A", "192.0.2.1"), "because a conflicting RRSet of type CNAME"),
    ],
)
def test_a_cname_stands_alone(
    there: tuple[str, str],
    wanted: tuple[str, str],
    words: str,
    apply: Callable[..., Any],
    refused: Callable[..., Any],
    zone: str,
    route53: Any,
) -> None:
    apply(change("CREATE", "www.zone.example", *there))
    message, _ = refused(
        "InvalidChangeBatch", apply_of(route53, zone, change("UPSERT", "www.zone.example", *wanted))
    )
    assert words in message


@pytest.mark.parametrize(
    ("name", "kind", "value", "words"),
    [
        ("www.other.example", "A", "192.0.2.1", "is not permitted in zone zone.example."),
        ("badzone.example", "A", "192.0.2.1", "is not permitted in zone zone.example."),
        ("www.zone.example", "A", "1.2.3", "ARRDATAIllegalIPv4Address"),
        ("www.zone.example", "AAAA", "1.2.3.4", "AAAARRDATAIllegalIPv6Address"),
        ("www.zone.example", "TXT", "unquoted", "should be enclosed in quotation marks"),
        ("zone.example", "CNAME", "other.example", "not permitted at apex"),
        ("a..zone.example", "A", "192.0.2.1", "DomainLabel"),
    ],
)
def test_a_wrong_record_is_refused(
    name: str, kind: str, value: str, words: str, refused: Callable[..., Any], zone: str, route53: Any
) -> None:
    message, _ = refused("InvalidChangeBatch", apply_of(route53, zone, change("CREATE", name, kind, value)))
    assert words in message


def test_the_zones_own_records_stay(refused: Callable[..., Any], zone: str, route53: Any) -> None:
    for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]:
        gone = {"Action": "DELETE", "ResourceRecordSet": record}
        message, _ = refused("InvalidChangeBatch", apply_of(route53, zone, gone))
        assert "A HostedZone must contain" in message


def test_a_record_without_values_is_refused(refused: Callable[..., Any], zone: str, route53: Any) -> None:
    empty = {"Action": "CREATE", "ResourceRecordSet": {"Name": "a.zone.example", "Type": "A"}}
    message, _ = refused("InvalidInput", apply_of(route53, zone, empty))
    assert "but found none in Change with [Action=CREATE, Name=a.zone.example, Type=A" in message


def test_wildcards_are_told_in_octal(apply: Callable[..., Any], held: Callable[..., Any]) -> None:
    apply(change("CREATE", "*.zone.example"))
    assert held() == [("\\052.zone.example.", "A", ["192.0.2.1"])]


def test_an_alias_needs_the_balancers_own_zone(
    client: Callable[..., Any],
    apply: Callable[..., Any],
    refused: Callable[..., Any],
    zone: str,
    route53: Any,
) -> None:
    elb = client("elb")
    elb.create_load_balancer(LoadBalancerName="aimed", Listeners=[LISTENER], AvailabilityZones=["eu-west-1a"])
    found = elb.describe_load_balancers()["LoadBalancerDescriptions"][0]
    name, right = found["DNSName"], found["CanonicalHostedZoneNameID"]
    message, _ = refused(
        "InvalidChangeBatch", apply_of(route53, zone, alias("CREATE", name, "Z2IFOLAFXWLO4F"))
    )
    assert message == (
        f"[Tried to create an alias that targets {name}., type A in zone Z2IFOLAFXWLO4F, but the alias "
        "target name does not lie within the target zone]"
    )
    gone = f"gone-1.{name.partition('.')[2]}"
    message, _ = refused("InvalidChangeBatch", apply_of(route53, zone, alias("CREATE", gone, right)))
    assert message.endswith("but that target was not found]")
    apply(
        alias("CREATE", f"dualstack.{name}", right), alias("CREATE", f"dualstack.{name}", right, kind="AAAA")
    )
    sets = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    aimed = [one for one in sets if "AliasTarget" in one]
    assert [(one["Type"], one["AliasTarget"]["DNSName"]) for one in aimed] == [
        ("A", f"dualstack.{name}."),
        ("AAAA", f"dualstack.{name}."),
    ]
    assert all("TTL" not in one and "ResourceRecords" not in one for one in aimed)
    elb.delete_load_balancer(LoadBalancerName="aimed")


def test_an_alias_within_the_zone_needs_its_target(
    apply: Callable[..., Any], refused: Callable[..., Any], zone: str, route53: Any
) -> None:
    short = zone.rpartition("/")[2]
    inner = alias("CREATE", "www.zone.example", short, name="zone.example")
    refused("InvalidChangeBatch", apply_of(route53, zone, inner))
    apply(change("CREATE"), inner)
    refused("HostedZoneNotEmpty", route53.delete_hosted_zone, Id=zone)


def test_zone_tags_are_kept(zone: str, route53: Any) -> None:
    which = {"ResourceType": "hostedzone", "ResourceId": zone.rpartition("/")[2]}
    route53.change_tags_for_resource(**which, AddTags=[{"Key": "k", "Value": "v"}])
    assert route53.list_tags_for_resource(**which)["ResourceTagSet"]["Tags"] == [{"Key": "k", "Value": "v"}]


def test_records_are_listed_from_a_name_onward(apply: Callable[..., Any], zone: str, route53: Any) -> None:
    apply(*(change("CREATE", f"{name}.zone.example") for name in ("a", "b", "c")))
    found = route53.list_resource_record_sets(
        HostedZoneId=zone, StartRecordName="b.zone.example", StartRecordType="A", MaxItems="1"
    )
    assert [one["Name"] for one in found["ResourceRecordSets"]] == ["b.zone.example."]
    assert (found["IsTruncated"], found["NextRecordName"]) == (True, "c.zone.example.")
