"""The DNS practice server, asked by dnspython and in process, over the zones of an AWS server."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from wizard.practice.aws import AwsServer
from wizard.practice.dns import DnsServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import Network

ACCOUNT = "333333333333"


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    server = AwsServer(Ledger(), account=ACCOUNT)
    server.start()
    server.seed("practice.test")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def network() -> Network:
    return Network()


@pytest.fixture(scope="module")
def server(aws: AwsServer, network: Network) -> Iterator[DnsServer]:
    made = DnsServer(aws, network)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def route53(aws: AwsServer) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, "/dev/null")
        patch.delenv("AWS_PROFILE", raising=False)
        made = boto3.session.Session().client(
            "route53",
            endpoint_url=aws.url,
            region_name="eu-west-1",
            aws_access_key_id=aws.admin.access_key_id,
            aws_secret_access_key=aws.admin.secret_access_key,
        )
        yield made
        made.close()


@pytest.fixture(scope="module")
def put(route53: Any, aws: AwsServer) -> Callable[..., None]:
    """`put(name, type, value, ...)` in the first zone made, or in `zone`."""

    def change(name: str, kind: str, *values: str, zone: str | None = None) -> None:
        records = [{"Value": value} for value in values]
        record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": records}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone or aws.zones()[0].id, ChangeBatch=batch)

    return change


@pytest.fixture(scope="module")
def ask(server: DnsServer) -> Callable[..., dns.message.Message]:
    def query(name: str, kind: str = "A", *, tcp: bool = False, **options: Any) -> dns.message.Message:
        send: Any = dns.query.tcp if tcp else dns.query.udp
        reply: dns.message.Message = send(
            dns.message.make_query(name, kind, **options), "127.0.0.1", port=server.port, timeout=60
        )
        return reply

    return query


def texts(message: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in message.answer for rdata in rrset]


@pytest.mark.parametrize("tcp", [False, True])
def test_the_seeded_record_is_answered_with_authority(tcp: bool, ask: Callable[..., Any]) -> None:
    reply = ask("Registry.Practice.TEST", tcp=tcp)
    assert texts(reply) == ["127.80.0.1"]
    assert reply.flags & dns.flags.AA
    assert reply.answer[0].ttl == 60


def test_a_change_shows_at_the_next_query(ask: Callable[..., Any], put: Callable[..., None]) -> None:
    put("fresh.practice.test", "A", "192.0.2.1")
    assert texts(ask("fresh.practice.test")) == ["192.0.2.1"]
    put("fresh.practice.test", "A", "192.0.2.2", "192.0.2.3")
    assert sorted(texts(ask("fresh.practice.test"))) == ["192.0.2.2", "192.0.2.3"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("AAAA", ["2001:db8::1"]),
        ("TXT", ['"one" "two"', '"three"']),
        ("MX", ["10 mail.practice.test."]),
        ("CAA", ['0 issue "letsencrypt.org"']),
        ("SRV", ["1 2 443 registry.practice.test."]),
    ],
)
def test_other_types(
    kind: str, values: list[str], ask: Callable[..., Any], put: Callable[..., None], server: DnsServer
) -> None:
    put(f"{kind}.practice.test", kind, *values)
    assert sorted(texts(ask(f"{kind}.practice.test", kind))) == sorted(values)
    assert sorted(server.records(f"{kind}.practice.test.", kind)) == sorted(values)


def test_texts_and_caa_are_read_in_process(server: DnsServer, put: Callable[..., None]) -> None:
    put("_acme-challenge.practice.test", "TXT", '"token-1"', '"token-" "2"')
    put("caa.practice.test", "CAA", '0 issue "letsencrypt.org; validationmethods=http-01"', '128 iodef "x"')
    assert sorted(server.txt("_acme-challenge.practice.test")) == ["token-1", "token-2"]
    assert sorted(server.caa("caa.practice.test")) == [
        (0, "issue", "letsencrypt.org; validationmethods=http-01"),
        (128, "iodef", "x"),
    ]
    assert server.caa("registry.practice.test") == []


def test_no_such_name_and_no_such_type_come_with_the_start_of_authority(ask: Callable[..., Any]) -> None:
    missing = ask("missing.practice.test")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.authority[0].name.to_text() == "practice.test."
    empty = ask("registry.practice.test", "AAAA")
    assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
    assert empty.authority[0].to_text().split()[3] == "SOA"


def test_the_name_between_two_names_exists(ask: Callable[..., Any], put: Callable[..., None]) -> None:
    put("deep.between.practice.test", "A", "192.0.2.1")
    assert ask("between.practice.test").rcode() == dns.rcode.NOERROR


def test_the_rest_of_the_internet_does_not_exist(ask: Callable[..., Any], server: DnsServer) -> None:
    assert ask("www.example.com").rcode() == dns.rcode.NXDOMAIN
    assert server.resolve("www.example.com") == []


def test_a_cname_is_followed_across_zones_and_out_of_them(
    ask: Callable[..., Any], put: Callable[..., None], network: Network, server: DnsServer
) -> None:
    network.name("outside.example", ["127.80.0.9"])
    put("alias.practice.test", "CNAME", "registry.practice.test")
    put("out.practice.test", "CNAME", "outside.example.")
    put("loop.practice.test", "CNAME", "loop.practice.test")
    assert texts(ask("alias.practice.test")) == ["registry.practice.test.", "127.80.0.1"]
    assert texts(ask("out.practice.test")) == ["outside.example.", "127.80.0.9"]
    assert server.resolve("out.practice.test") == ["127.80.0.9"]
    assert texts(ask("alias.practice.test", "CNAME")) == ["registry.practice.test."]
    assert ask("loop.practice.test").rcode() == dns.rcode.NOERROR


def test_an_alias_follows_a_record_of_its_zone_and_no_circle(
    aws: AwsServer, route53: Any, ask: Callable[..., Any], put: Callable[..., None]
) -> None:
    zone = aws.zones()[0].id

    def alias(name: str, target: str) -> None:
        aimed = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
        record = {"Name": name, "Type": "A", "AliasTarget": aimed}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    put("target.practice.test", "A", "192.0.2.8")
    alias("one.practice.test", "target.practice.test")
    alias("two.practice.test", "one.practice.test")
    assert texts(ask("two.practice.test")) == ["192.0.2.8"]
    alias("one.practice.test", "two.practice.test")
    assert texts(ask("two.practice.test")) == []


def test_wildcards_cover_what_does_not_exist(ask: Callable[..., Any], put: Callable[..., None]) -> None:
    put("*.wild.practice.test", "A", "192.0.2.7")
    put("own.wild.practice.test", "TXT", '"x"')
    assert texts(ask("any.wild.practice.test")) == ["192.0.2.7"]
    assert texts(ask("a.b.wild.practice.test")) == ["192.0.2.7"]
    assert texts(ask("own.wild.practice.test")) == []
    assert ask("a.b.wild.practice.test", "TXT").rcode() == dns.rcode.NOERROR


def test_an_alias_is_answered_with_the_balancers_addresses(
    aws: AwsServer, route53: Any, network: Network, ask: Callable[..., Any], server: DnsServer
) -> None:
    elb = boto3.session.Session().client(
        "elb",
        endpoint_url=aws.url,
        region_name="eu-west-1",
        aws_access_key_id=aws.admin.access_key_id,
        aws_secret_access_key=aws.admin.secret_access_key,
    )
    listener: Any = {"Protocol": "TCP", "LoadBalancerPort": 443, "InstancePort": 31234}
    elb.create_load_balancer(LoadBalancerName="b", Listeners=[listener], AvailabilityZones=["eu-west-1a"])
    made = elb.describe_load_balancers()["LoadBalancerDescriptions"][0]
    elb.close()
    network.name(made["DNSName"], ["127.80.0.2"])
    target = {
        "HostedZoneId": made["CanonicalHostedZoneNameID"],
        "DNSName": f"dualstack.{made['DNSName']}",
        "EvaluateTargetHealth": False,
    }
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {"Name": "lb.practice.test", "Type": kind, "AliasTarget": target},
        }
        for kind in ("A", "AAAA")
    ]
    route53.change_resource_record_sets(HostedZoneId=aws.zones()[0].id, ChangeBatch={"Changes": changes})
    assert texts(ask("lb.practice.test")) == ["127.80.0.2"]
    assert server.resolve("LB.practice.test.") == ["127.80.0.2"]
    assert (texts(ask("lb.practice.test", "AAAA")), texts(ask(made["DNSName"]))) == ([], ["127.80.0.2"])
    network.name(made["DNSName"], [])
    assert texts(ask("lb.practice.test")) == []


def test_name_servers_are_told_and_have_an_address(
    aws: AwsServer, ask: Callable[..., Any], server: DnsServer, network: Network
) -> None:
    servers = sorted(texts(ask("practice.test", "NS")))
    assert servers == sorted(f"{name}." for name in aws.zones()[0].name_servers)
    assert [server.resolve(name) for name in servers] == [["127.80.0.53"]] * 4
    assert network.target("127.80.0.53", 53) == ("127.0.0.1", server.port)
    assert texts(ask("practice.test", "SOA"))[0].startswith(aws.zones()[0].name_servers[0])


def test_only_the_delegated_zone_is_asked(
    aws: AwsServer, ask: Callable[..., Any], put: Callable[..., None]
) -> None:
    first = aws.add_zone("sub.practice.test")
    put("www.sub.practice.test", "A", "192.0.2.50", zone=first)
    assert ask("www.sub.practice.test").rcode() == dns.rcode.NXDOMAIN
    servers = next(zone.name_servers for zone in aws.zones() if zone.id == first)
    put("sub.practice.test", "NS", *(f"{name}." for name in servers))
    assert texts(ask("www.sub.practice.test")) == ["192.0.2.50"]
    put("sub.practice.test", "NS", "ns-1.awsdns-01.com.")
    assert texts(ask("www.sub.practice.test")) == []


def test_of_two_zones_of_one_name_the_first_answers(
    aws: AwsServer, route53: Any, ask: Callable[..., Any], put: Callable[..., None]
) -> None:
    first = aws.add_zone("double.test")
    second = route53.create_hosted_zone(Name="double.test", CallerReference="second")["HostedZone"]["Id"]
    put("www.double.test", "A", "192.0.2.60", zone=first)
    put("www.double.test", "A", "192.0.2.61", zone=second)
    assert texts(ask("www.double.test")) == ["192.0.2.60"]


def test_private_zones_are_not_seen(
    aws: AwsServer, ask: Callable[..., Any], put: Callable[..., None]
) -> None:
    put("www.inner.test", "A", "192.0.2.1", zone=aws.add_zone("inner.test", is_private=True))
    assert ask("www.inner.test").rcode() == dns.rcode.NXDOMAIN


def test_a_long_answer_is_cut_on_udp_and_whole_on_tcp(
    ask: Callable[..., Any], put: Callable[..., None]
) -> None:
    put("long.practice.test", "TXT", *(f'"{number:0200}"' for number in range(10)))
    cut = ask("long.practice.test", "TXT")
    assert (bool(cut.flags & dns.flags.TC), cut.answer) == (True, [])
    assert len(texts(ask("long.practice.test", "TXT", tcp=True))) == 10
    put("longer.practice.test", "TXT", *(f'"{number:0200}"' for number in range(4)))
    assert ask("longer.practice.test", "TXT").flags & dns.flags.TC
    assert len(texts(ask("longer.practice.test", "TXT", use_edns=0, payload=1232))) == 4


def test_a_stub_resolver_works_with_it(server: DnsServer) -> None:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
    assert resolver.resolve("registry.practice.test", "A")[0].to_text() == "127.80.0.1"
    assert (
        dns.resolver.zone_for_name("registry.practice.test", resolver=resolver).to_text() == "practice.test."
    )
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("missing.practice.test", "A")


def test_what_is_no_query_gets_an_error_or_nothing(server: DnsServer, ask: Callable[..., Any]) -> None:
    header = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        client.connect(("127.0.0.1", server.port))
        for scrap in (b"", b"x", bytes(11), struct.pack("!HHHHHH", 7, 0x8180, 0, 0, 0, 0)):
            client.send(scrap)
        client.send(header + b"\xff\xff\xff")
        reply = client.recv(512)
        assert reply[:2] == header[:2]
        assert reply[3] & 0xF == dns.rcode.FORMERR
        client.send(struct.pack("!HHHHHH", 8, 0x2000, 0, 0, 0, 0))
        assert client.recv(512)[3] & 0xF == dns.rcode.NOTIMP
    assert ask("version.bind", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED
    assert texts(ask("registry.practice.test")) == ["127.80.0.1"]


def test_scraps_on_tcp_do_not_hurt(server: DnsServer, ask: Callable[..., Any]) -> None:
    for scrap in (b"\x00", b"\x00\x00", b"\xff\xff" + b"x" * 40, b"\x00\x03abc"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            client.sendall(scrap)
            client.shutdown(socket.SHUT_WR)
            client.recv(512)
    assert texts(ask("registry.practice.test", tcp=True)) == ["127.80.0.1"]


def test_stop_frees_the_port_and_the_threads_at_once(aws: AwsServer) -> None:
    network = Network()
    made = DnsServer(aws, network)
    made.start()
    made.start()
    port, count = made.port, sum(thread.name == "practice-dns" for thread in threading.enumerate())
    idle = socket.create_connection(("127.0.0.1", port), timeout=60)
    query = dns.message.make_query("registry.practice.test", "A")
    assert dns.query.tcp(query, "127.0.0.1", port=port, timeout=60).answer
    began = time.monotonic()
    made.stop()
    made.stop()
    assert time.monotonic() - began < 30
    assert idle.recv(1) == b""
    idle.close()
    assert sum(thread.name == "practice-dns" for thread in threading.enumerate()) == count - 2
    assert network.target("127.80.0.53", 53) is None
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=60)
