"""The dns step against Route53, name servers, proxy and balancer of the practice world."""

import base64
import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from wizard.answers import Answers, from_mapping
from wizard.checks import run_checks
from wizard.endpoints import Endpoints
from wizard.errors import AccessDenied, Conflict, WizardError
from wizard.events import CheckStatus, Event, Noted, StepId, Verb, WaitStarted
from wizard.facts import BalancerFacts, CertificateFacts, ChainFacts, DeployFacts, FactBook
from wizard.journal import Journal
from wizard.practice.aws import AwsServer
from wizard.practice.dns import DnsServer
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.listener import Listener
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.services import Services, tls
from wizard.services.cluster import Cluster
from wizard.step import Change, CheckResult, Context, Plan
from wizard.steps._dns_records import wanted_sets
from wizard.steps.dns import DnsStep
from wizard.vault import Vault

DOMAIN, ZONE = "registry.practice.test", "practice.test"
BALANCER_ADDRESS = "127.80.7.7"
FORMER = {"Name": f"{DOMAIN}.", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": WEB_ADDRESS}]}
STEP = DnsStep()


@dataclass
class Place:
    """A world with a zone, a balancer that shows `serial`, and a proxy; `endpoints` lead to it."""

    aws: AwsServer
    ledger: Ledger
    network: Network
    endpoints: Endpoints
    zone_id: str
    balancer: BalancerFacts
    serial: str


@dataclass
class Rig:
    answers: Answers
    services: Services
    journal: Journal
    facts: FactBook
    events: list[Event] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    def context(self) -> Context:
        return Context(
            StepId.DNS,
            self.answers,
            self.services,
            self.facts,
            self.journal,
            Vault(),
            self.events.append,
            self.cancel,
        )

    def plan(self) -> Plan:
        self.facts.dns = STEP.inspect(self.context())
        plan = STEP.plan(self.answers, self.facts)
        open_consents = tuple(each for each in plan.consents if not each.is_given(self.answers))
        return Plan(plan.changes, open_consents, (*self.facts.dns.problems, *plan.blockers), plan.notes)

    def apply(self, change: Change) -> None:
        with self.journal.intend(StepId.DNS, change) as entry:
            entry.done(STEP.apply(self.context(), change, entry))

    def run(self) -> Plan:
        plan = self.plan()
        assert not plan.blockers, plan.blockers
        assert not plan.consents, plan.consents
        for change in plan.changes:
            self.apply(change)
        assert self.plan() == Plan()
        return plan

    def verify(self) -> dict[str, CheckResult]:
        checks = STEP.verify(self.context())
        return run_checks(StepId.DNS, checks, self.events.append, self.cancel, may_write=True, why_not="")

    def undo(self) -> list[str]:
        told = []
        for entry in reversed(self.journal.standing(StepId.DNS)):
            told.append(STEP.undo(self.context(), entry))
            entry.undone()
        return told


MakeRig = Callable[..., Rig]


def echo(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[AwsServer, Ledger]]:
    ledger = Ledger()
    server = AwsServer(ledger)
    server.settings.change_delay_s = 0.0
    server.start()
    yield server, ledger
    server.stop()


@pytest.fixture(autouse=True)
def _environment(
    _own_surroundings: None, aws: tuple[AwsServer, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws[0].url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws[0].admin.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws[0].admin.secret_access_key)


@pytest.fixture
def place(aws: tuple[AwsServer, Ledger], tmp_path: Path) -> Iterator[Place]:
    server, ledger = aws
    network, authority = Network(), Authority()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)
    dns = DnsServer(server, network)
    proxy = ProxyServer(dns.resolve, network, ledger)
    front = Listener("front", echo, context=authority.server_context([DOMAIN]))
    for part in (dns, proxy, front):
        part.start()
    endpoints = Endpoints(nameservers=(f"127.0.0.1:{dns.port}",), proxy=proxy.url, ca_file=str(root))
    services = Services(from_mapping({"connect": {"aws_region": "eu-west-1"}}), endpoints)
    balancer = make_balancer(services)
    network.name(balancer.dns_name, [BALANCER_ADDRESS])
    network.publish(BALANCER_ADDRESS, 443, ("127.0.0.1", front.port))
    zone_id = make_zone(services, ZONE)
    change(services, zone_id, "CREATE", FORMER)
    serial = tls.served(balancer.dns_name, 443, DOMAIN, endpoints).serial
    yield Place(server, ledger, network, endpoints, zone_id, balancer, serial)
    services.aws.client("elb").delete_load_balancer(LoadBalancerName=balancer.name)
    remove_zones(services)
    services.close()
    for part in (front, proxy, dns):
        part.stop()


def make_balancer(services: Services) -> BalancerFacts:
    made = services.aws.client("elb").create_load_balancer(
        LoadBalancerName="kube",
        AvailabilityZones=["eu-west-1a"],
        Listeners=[
            {"Protocol": "TCP", "LoadBalancerPort": 443, "InstanceProtocol": "TCP", "InstancePort": 30443}
        ],
    )
    found = services.aws.describe_balancer(made["DNSName"])
    assert found is not None
    return found


def make_zone(services: Services, name: str, **more: Any) -> str:
    route53: Any = services.aws.client("route53")
    made = route53.create_hosted_zone(Name=name, CallerReference=secrets.token_hex(8), **more)
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]


def remove_zones(services: Services) -> None:
    route53: Any = services.aws.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        zone_id = zone["Id"].rpartition("/")[2]
        for record in route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]:
            if record["Type"] not in {"NS", "SOA"} or record["Name"] != zone["Name"]:
                change(services, zone_id, "DELETE", record)
        route53.delete_hosted_zone(Id=zone_id)


def change(services: Services, zone_id: str, action: str, record: dict[str, Any]) -> None:
    route53: Any = services.aws.client("route53")
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)


def records(rig: Rig, zone_id: str) -> list[dict[str, Any]]:
    route53: Any = rig.services.aws.client("route53")
    listed = route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    return [each for each in listed if each["Type"] not in {"NS", "SOA"}]


@pytest.fixture
def make_rig(place: Place, tmp_path: Path) -> Iterator[MakeRig]:
    made: list[Services] = []

    def make(*, consent: str = "", **dns: Any) -> Rig:
        answers = from_mapping(
            {
                "connect": {"aws_region": "eu-west-1"},
                "certificate": {"domain": DOMAIN},
                "dns": dns,
                "consent": {"replace_record": consent},
            }
        )
        services = Services(answers, place.endpoints)
        made.append(services)
        facts = FactBook(
            certificate=certificate_facts(place.serial), deploy=DeployFacts(balancer=place.balancer)
        )
        return Rig(answers, services, Journal(tmp_path / "journal.jsonl"), facts)

    yield make
    for services in made:
        services.close()


def certificate_facts(serial: str) -> CertificateFacts:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    chain = ChainFacts(
        serial=serial,
        names=(DOMAIN,),
        issuer="CN=a test's",
        not_before=start,
        not_after=start + timedelta(days=90),
        key_matches=True,
    )
    return CertificateFacts(chain=chain)


def statuses(results: dict[str, CheckResult]) -> dict[str, CheckStatus]:
    return {name: result.status for name, result in results.items()}


def test_an_absent_record_is_created_and_leads_to_the_balancer(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    change(rig.services, place.zone_id, "DELETE", FORMER)
    plan = rig.run()
    assert [each.verb for each in plan.changes] == [Verb.CREATE]
    (record,) = records(rig, place.zone_id)
    assert record["AliasTarget"]["HostedZoneId"] == place.balancer.dns_zone_id
    assert record["AliasTarget"]["DNSName"].rstrip(".") == place.balancer.dns_name.lower()
    results = rig.verify()
    assert set(statuses(results).values()) == {CheckStatus.PASSED}, results
    assert rig.undo() == [f"Deleted the record of {DOMAIN}."]
    assert records(rig, place.zone_id) == []


def test_a_record_of_somebody_elses_is_asked_about_and_put_back(place: Place, make_rig: MakeRig) -> None:
    plan = make_rig().plan()
    assert [(each.key, each.value) for each in plan.consents] == [("replace_record", f"A {WEB_ADDRESS}")]
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    assert [each.verb for each in rig.run().changes] == [Verb.CHANGE]
    assert set(statuses(rig.verify()).values()) == {CheckStatus.PASSED}
    assert rig.undo() == [f"The record of {DOMAIN} is A {WEB_ADDRESS} again."]
    assert records(rig, place.zone_id) == [FORMER]


def test_looking_and_planning_again_change_nothing(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    rig.run()
    before = place.ledger.snapshot()["mutating_total"]
    assert rig.plan() == Plan()
    rig.verify()
    assert place.ledger.snapshot()["mutating_total"] == before


def test_a_run_that_ended_right_after_the_change_goes_on(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    (planned,) = rig.plan().changes
    with rig.journal.intend(StepId.DNS, planned) as entry:
        STEP.apply(rig.context(), planned, entry)
    again = make_rig()
    assert again.plan() == Plan()
    again.apply(planned)
    assert len(records(again, place.zone_id)) == 1
    again.undo()
    assert records(again, place.zone_id) == [FORMER]


def test_an_own_record_to_a_former_balancer_needs_no_consent(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    rig.run()
    other = {**wanted_sets(DOMAIN, place.balancer)[0]}
    assert rig.facts.deploy is not None
    rig.facts.deploy = replace(
        rig.facts.deploy, balancer=replace(place.balancer, dns_name="other.eu-west-1.elb.amazonaws.com")
    )
    plan = rig.plan()
    assert plan.consents == ()
    assert [each["AliasTarget"] for each in plan.changes[0].params["former"]] == [other["AliasTarget"]]


def test_a_record_that_changed_after_the_plan_is_not_touched(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    (planned,) = rig.plan().changes
    other = {**FORMER, "ResourceRecords": [{"Value": "198.51.100.7"}]}
    change(rig.services, place.zone_id, "UPSERT", other)
    with pytest.raises(Conflict) as caught:
        rig.apply(planned)
    assert "198.51.100.7" in caught.value.problem.why
    assert records(rig, place.zone_id) == [other]


def test_a_record_that_changed_since_is_left_by_undo(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    rig.run()
    (ours,) = records(rig, place.zone_id)
    change(rig.services, place.zone_id, "DELETE", ours)
    cname = {"Name": f"{DOMAIN}.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.test."}]}
    change(rig.services, place.zone_id, "CREATE", cname)
    (told,) = rig.undo()
    assert "changed since (CNAME x.test)" in told
    assert records(rig, place.zone_id) == [{**cname, "ResourceRecords": [{"Value": "x.test."}]}]


def test_a_cname_is_replaced_in_one_batch_and_put_back(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent="CNAME www.practice.test")
    change(rig.services, place.zone_id, "DELETE", FORMER)
    values = [{"Value": "www.practice.test."}]
    cname = {"Name": f"{DOMAIN}.", "Type": "CNAME", "TTL": 1, "ResourceRecords": values}
    change(rig.services, place.zone_id, "CREATE", cname)
    rig.run()
    assert [each["Type"] for each in records(rig, place.zone_id)] == ["A"]
    rig.undo()
    assert records(rig, place.zone_id) == [cname]


def test_a_stale_ipv6_record_goes_too(place: Place, make_rig: MakeRig) -> None:
    consent = f"A {WEB_ADDRESS}; AAAA 2001:db8::7"
    rig = make_rig(consent=consent)
    ipv6 = {"Name": f"{DOMAIN}.", "Type": "AAAA", "TTL": 1, "ResourceRecords": [{"Value": "2001:db8::7"}]}
    change(rig.services, place.zone_id, "CREATE", ipv6)
    rig.run()
    assert [each["Type"] for each in records(rig, place.zone_id)] == ["A"]
    rig.undo()
    assert records(rig, place.zone_id) == [FORMER, ipv6]


def test_the_nearest_delegated_zone_is_taken(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    inner = make_zone(rig.services, DOMAIN)
    facts = STEP.inspect(rig.context())
    assert facts.zone is not None
    assert facts.zone.zone_id == place.zone_id, "nobody delegates to the inner zone"
    servers: Any = rig.services.aws.client("route53").get_hosted_zone(Id=inner)["DelegationSet"][
        "NameServers"
    ]
    values = [{"Value": f"{name}."} for name in servers]
    cut = {"Name": f"{DOMAIN}.", "Type": "NS", "TTL": 60, "ResourceRecords": values}
    change(rig.services, place.zone_id, "CREATE", cut)
    facts = STEP.inspect(rig.context())
    assert facts.zone is not None
    assert (facts.zone.zone_id, facts.records) == (inner, ())


def test_private_zones_do_not_count(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    make_zone(rig.services, DOMAIN, VPC={"VPCRegion": "eu-west-1", "VPCId": "vpc-1"})
    facts = STEP.inspect(rig.context())
    assert [zone.zone_id for zone in facts.candidates] == [place.zone_id]


def test_of_two_zones_of_one_name_the_delegated_one_is_taken(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    make_zone(rig.services, ZONE, HostedZoneConfig={"Comment": "a copy that nobody asks"})
    facts = STEP.inspect(rig.context())
    assert len(facts.candidates) == 2
    assert facts.zone is not None
    assert facts.zone.zone_id == place.zone_id


def test_a_zone_that_nobody_asks_is_told(place: Place, make_rig: MakeRig) -> None:
    finder = make_rig()
    copy = make_zone(finder.services, ZONE, HostedZoneConfig={"Comment": "a copy that nobody asks"})
    rig = make_rig(hosted_zone_id=copy)
    assert rig.plan().blockers == ()
    (warning,) = STEP.inspect(rig.context()).warnings
    assert warning.code == "zone-not-delegated"
    assert ".awsdns-" in warning.why
    named = make_rig(hosted_zone_id=place.zone_id)
    assert STEP.inspect(named.context()).warnings == ()


@pytest.mark.usefixtures("place")
def test_name_servers_by_other_names_are_known_by_their_addresses(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """White-label name servers: the registrar has the names of a domain of one's own."""
    rig = make_rig()
    resolver, known = rig.services.resolver, STEP.inspect(rig.context()).candidates[0].name_servers
    real = resolver.public
    theirs = {f"ns{number}.brand.test": name for number, name in enumerate(known)}
    own = {name: (f"192.0.2.{number}",) for number, name in enumerate(known)}

    def public(name: str, rdtype: str) -> tuple[str, ...]:
        name = theirs.get(name, name)
        return own[name] if name in own and rdtype == "A" else real(name, rdtype)

    monkeypatch.setattr(resolver, "delegation", lambda _: tuple(theirs))
    assert STEP.inspect(rig.context()).zone is None or rig.plan().blockers
    monkeypatch.setattr(resolver, "public", public)
    facts = STEP.inspect(rig.context())
    assert facts.zone is not None
    assert facts.zone.is_delegated
    assert facts.problems == ()


@pytest.mark.parametrize(
    ("name", "code"), [("else.test", "zone-of-other-name"), ("", "zone-missing")], ids=["other", "none"]
)
def test_a_zone_that_cannot_be_right_is_told(name: str, code: str, make_rig: MakeRig) -> None:
    zone_id = make_zone(make_rig().services, name) if name else "Z0NOSUCHZONE"
    rig = make_rig(hosted_zone_id=zone_id)
    try:
        codes = [each.code for each in rig.plan().blockers]
    except WizardError as error:
        codes = [error.problem.code]
    assert codes == [code]


def test_without_a_zone_the_account_is_named(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.answers.certificate.domain = "registry.elsewhere.test"
    (problem,) = rig.plan().blockers
    assert problem.code == "zone-missing"
    assert "default" in problem.why
    assert place.zone_id


def test_a_record_that_external_dns_keeps_is_warned_of(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    values = [{"Value": '"heritage=external-dns,external-dns/owner=default"'}]
    mark = {"Name": f"a-{DOMAIN}.", "Type": "TXT", "TTL": 60, "ResourceRecords": values}
    change(rig.services, place.zone_id, "CREATE", mark)
    facts = STEP.inspect(rig.context())
    assert [each.code for each in facts.warnings] == ["external-dns"]


def test_a_denied_action_is_named(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    user = rig.services.aws.client("iam")
    user.create_user(UserName="nobody")
    key = user.create_access_key(UserName="nobody")["AccessKey"]
    assert place.zone_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        with pytest.raises(AccessDenied) as caught:
            STEP.inspect(make_rig().context())
    assert caught.value.action == "route53:ListHostedZonesByName"


def test_the_check_tells_what_the_domain_shows(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    rig.run()
    rig.facts.certificate = certificate_facts("abc")
    result = rig.verify()["serial"]
    assert result.problem is not None
    assert result.problem.code == "other-certificate"
    place.network.withdraw(BALANCER_ADDRESS)
    result = rig.verify()["serial"]
    assert result.problem is not None
    assert result.problem.code == "proxy-refused"


def test_a_record_that_was_taken_away_is_seen(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=f"A {WEB_ADDRESS}")
    rig.run()
    change(rig.services, place.zone_id, "DELETE", records(rig, place.zone_id)[0])
    rig.facts.dns = STEP.inspect(rig.context())
    found = statuses(rig.verify())
    assert found["record"] is CheckStatus.FAILED
    assert found["public"] is found["serial"] is CheckStatus.SKIPPED


@pytest.fixture
def service(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster whose Service kube-registry has the balancer's name."""
    authority = Authority()
    server = KubernetesServer(
        place.ledger, ssl_context=authority.server_context(["127.0.0.1"]), tokens={"token": "tester"}
    )
    server.start()
    root = base64.b64encode(authority.root_pem).decode()
    config = {
        "clusters": [{"name": "test", "cluster": {"server": server.url, "certificate-authority-data": root}}],
        "users": [{"name": "test", "user": {"token": "token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    cluster = Cluster("", "default", Endpoints(), aws=lambda: pytest.fail("AWS is not asked here"))
    ports = [{"port": 443, "targetPort": 5000}]
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-registry"},
            "spec": {"type": "LoadBalancer", "ports": ports},
        }
    )
    status = {"loadBalancer": {"ingress": [{"hostname": place.balancer.dns_name}]}}
    requests.patch(
        f"{server.url}/api/v1/namespaces/default/services/kube-registry/status",
        json={"status": status},
        headers={"Authorization": "Bearer token", "Content-Type": "application/merge-patch+json"},
        verify=str(write(tmp_path / "cluster.pem", authority.root_pem)),
        timeout=60,
    ).raise_for_status()
    yield
    cluster.close()
    server.stop()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("kind", ["CNAME", "A"])
def test_a_record_made_by_hand_is_shown_and_waited_for(kind: str, place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(provider="manual")
    (planned,) = rig.plan().changes
    assert planned.params["former"] == f"A {WEB_ADDRESS}"
    value = f"{place.balancer.dns_name}." if kind == "CNAME" else BALANCER_ADDRESS
    record = {"Name": f"{DOMAIN}.", "Type": kind, "TTL": 1, "ResourceRecords": [{"Value": value}]}

    def make_it(event: Event) -> None:
        rig.events.append(event)
        if isinstance(event, WaitStarted):
            change(rig.services, place.zone_id, "DELETE", FORMER)
            change(rig.services, place.zone_id, "CREATE", record)

    with rig.journal.intend(StepId.DNS, planned) as entry:
        entry.done(STEP.apply(replace(rig.context(), emit=make_it), planned, entry))
    shown = [event.text for event in rig.events if isinstance(event, Noted)]
    assert f"{DOMAIN}. CNAME {place.balancer.dns_name.lower()}." in shown[0]
    assert rig.plan() == Plan()
    assert set(statuses(rig.verify()).values()) == {CheckStatus.PASSED}
    assert "remove it there" in rig.undo()[0]
    assert f"A {WEB_ADDRESS}" in rig.journal.entries()[0].change.params["former"]


@pytest.mark.usefixtures("service")
def test_a_record_that_was_never_made_by_hand_is_told(make_rig: MakeRig) -> None:
    rig = make_rig(provider="manual")
    rig.plan()
    result = rig.verify()["record"]
    assert result.problem is not None
    assert (result.problem.code, "CNAME" in result.problem.fix) == ("record-elsewhere", True)
