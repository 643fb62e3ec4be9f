"""The ways other than a webroot: TXT records in Route53, and a web server of the wizard's own."""

import socket
from collections.abc import Iterator

import pytest

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    HostedZone,
    MakeRig,
    World,
    chain_of,
    codes,
    crash_at,
    issue,
    refusal,
)
from wizard.errors import Cancelled
from wizard.events import WaitProgress, WaitStarted
from wizard.practice.aws import AwsServer
from wizard.services.cluster import Cluster
from wizard.services.txt_records import TxtRecords

PROOF = f"_acme-challenge.{DOMAIN}"


@pytest.fixture
def slow_route53(aws: AwsServer) -> Iterator[None]:
    """A change stays PENDING for a while."""
    before = aws.settings.change_delay_s
    aws.settings.change_delay_s = 600.0
    yield
    aws.settings.change_delay_s = before


def test_a_txt_record_comes_and_goes(
    rig_for: MakeRig, cluster: Cluster, zone: HostedZone, world: World
) -> None:
    before = zone.records()
    rig = rig_for(method="dns-route53", webroot="")
    world.web.refuse()
    rig.run(STEP)
    assert chain_of(cluster).names == (DOMAIN,)
    assert zone.records() == before
    waited = [event.what for event in rig.events if isinstance(event, WaitStarted)]
    assert any("Route53 to know the TXT record" in what for what in waited)
    assert any("name servers of practice.test" in what for what in waited)


def test_values_of_others_at_the_same_name_stay(rig_for: MakeRig, zone: HostedZone) -> None:
    zone.put(PROOF, "TXT", '"theirs"', '"theirs too"')
    before = zone.records()
    rig_for(method="dns-route53").run(STEP)
    assert zone.records() == before


def test_a_value_that_somebody_adds_meanwhile_is_not_lost(
    rig_for: MakeRig, zone: HostedZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is quicker each time between the look and the change, but the last."""
    look, others = TxtRecords._present, iter("abc")

    def look_and_be_late(self: TxtRecords, name: str) -> object:
        found = look(self, name)
        if more := next(others, ""):
            zone.put(name, "TXT", *zone.values(name), f'"{more}"')
        return found

    monkeypatch.setattr(TxtRecords, "_present", look_and_be_late)
    rig_for(method="dns-route53").run(STEP)
    assert zone.values(PROOF) == ['"a"', '"b"', '"c"']


def test_a_cname_is_followed_into_another_zone(rig_for: MakeRig, zone: HostedZone, aws: AwsServer) -> None:
    other = HostedZone(aws, "proofs.test")
    zone.put(PROOF, "CNAME", "registry.proofs.test.")
    before = zone.records(), other.records()
    rig = rig_for(method="dns-route53")
    rig.run(STEP)
    assert (zone.records(), other.records()) == before
    shown = [entry.notes["txt"] for entry in rig.journal.standing() if "txt" in entry.notes]
    assert shown == [[]]


def test_the_record_of_a_killed_run_is_removed(
    rig_for: MakeRig, zone: HostedZone, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = zone.records()
    with monkeypatch.context() as patch:
        patch.setattr("wizard.steps._acme_dns.InRoute53.cleanup", lambda _: None)
        patch.setattr("wizard.steps._acme_issue.clean_up", lambda _: None)
        crash_at(monkeypatch, rig_for(method="dns-route53"), "wizard.services.acme.Acme.answer")
    assert len(zone.values(PROOF)) == 1
    rig_for(method="dns-route53").run(STEP)
    assert zone.records() == before
    assert (world.ordered(), world.issued()) == (1, 1)


def test_undo_removes_the_record_of_a_killed_run(
    rig_for: MakeRig, zone: HostedZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.put(PROOF, "TXT", '"theirs"')
    before, rig = zone.records(), rig_for(method="dns-route53")
    with monkeypatch.context() as patch:
        patch.setattr("wizard.steps._acme_dns.InRoute53.cleanup", lambda _: None)
        patch.setattr("wizard.steps._acme_issue.clean_up", lambda _: None)
        crash_at(monkeypatch, rig, "wizard.services.acme.Acme.answer")
    assert zone.records() != before
    rig.undo(STEP)
    assert zone.records() == before


@pytest.mark.usefixtures("slow_route53")
def test_waiting_for_route53_can_be_stopped(rig_for: MakeRig, zone: HostedZone, world: World) -> None:
    before, rig = zone.records(), rig_for(method="dns-route53")
    made = rig.context

    def context(step: object) -> object:
        found = made(step)

        def emit(event: object) -> None:
            if isinstance(event, WaitProgress):
                rig.cancel.set()

        found.emit = emit
        return found

    rig.context = context
    with pytest.raises(Cancelled):
        issue(rig)
    assert zone.records() == before
    assert world.issued() == 0


def test_a_domain_outside_of_route53_blocks(rig_for: MakeRig, world: World) -> None:
    world.network.name("registry.elsewhere.test", ["127.80.0.1"])
    plan = rig_for(method="dns-route53", domain="registry.elsewhere.test").plan(STEP)
    assert codes(plan) == ["zone-missing"]
    assert world.ordered() == 0


def test_several_names_are_proven(rig_for: MakeRig, cluster: Cluster, zone: HostedZone) -> None:
    before = zone.records()
    rig_for(method="dns-route53", other_names=["images.practice.test"]).run(STEP)
    assert set(chain_of(cluster).names) == {DOMAIN, "images.practice.test"}
    assert zone.records() == before
    more = rig_for(method="dns-route53", other_names=["images.practice.test", "more.practice.test"])
    assert [change.action for change in more.plan(STEP).changes] == ["issue-certificate"]


def test_the_wizard_answers_by_itself(rig_for: MakeRig, cluster: Cluster, world: World) -> None:
    before = sorted(world.webroot.rglob("*"))
    rig_for(method="standalone", webroot="").run(STEP)
    assert chain_of(cluster).names == (DOMAIN,)
    assert sorted(world.webroot.rglob("*")) == before
    host, _, port = world.endpoints.http_listen.rpartition(":")
    with socket.create_server((host, int(port))):
        """It is free again."""


def test_a_port_in_use_is_told_before_the_ca_is_asked(rig_for: MakeRig, world: World) -> None:
    host, _, port = world.endpoints.http_listen.rpartition(":")
    with socket.create_server((host, int(port))):
        assert refusal(lambda: issue(rig_for(method="standalone"))) == "port-in-use"
    assert world.ordered() == 0
    rig_for(method="standalone").run(STEP)


def test_a_port_that_nothing_leads_to_is_told(rig_for: MakeRig, world: World) -> None:
    world.web.fail_missing()
    assert refusal(lambda: issue(rig_for(method="standalone"))) == "probe-not-found"
    assert world.ordered() == 0
