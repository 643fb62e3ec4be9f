"""Pains with domains and DNS: provoked in the practice world, told by sentence and fix."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.pains.support import only, told
from tests.practice.test_dns_step import (
    BALANCER_ADDRESS,
    DOMAIN,
    FORMER,
    STEP,
    ZONE,
    Place,
    _environment,
    aws,
    certificate_facts,
    change,
    make_rig,
    make_zone,
    place,
    records,
    service,
)
from wizard.errors import Problem
from wizard.events import CheckStatus
from wizard.facts import DeployFacts
from wizard.practice.dns import DnsServer
from wizard.practice.network import WEB_ADDRESS
from wizard.step import CheckResult

__all__ = ["_environment", "aws", "make_rig", "place", "service"]
CONSENT = f"A {WEB_ADDRESS}"
DEAD = ("127.0.0.1:1",)
MakeRig = Callable[..., Any]


def result_of(rig: Any, name: str) -> CheckResult:
    """One check by itself, whatever those before it say."""
    (check,) = (each for each in STEP.verify(rig.context()) if each.name == name)
    found: CheckResult = check.run()
    return found


def failure_of(rig: Any, name: str) -> Problem:
    result = result_of(rig, name)
    assert result.status is CheckStatus.FAILED
    assert result.problem is not None
    return result.problem


def test_15_the_old_certificate_is_still_served(make_rig: MakeRig) -> None:
    rig = make_rig(consent=CONSENT)
    rig.run()
    rig.facts.certificate = certificate_facts("abc")
    problem = failure_of(rig, "serial")
    assert problem.what == f"https://{DOMAIN} shows another certificate than the Secret's."
    assert problem.fix == "Run the step deploy again."


def test_19_an_alias_with_the_wrong_zone_id(place: Place, make_rig: MakeRig) -> None:
    """Never taken from a table: it is read from AWS. One that is wrong all the same is refused there."""
    rig = make_rig(consent=CONSENT)
    assert rig.plan().changes[0].params["wanted"][0]["AliasTarget"]["HostedZoneId"] == (
        place.balancer.dns_zone_id
    )
    rig.facts.deploy = DeployFacts(balancer=replace(place.balancer, dns_zone_id="Z35SXDOTRQ7X7K"))
    (planned,) = rig.plan().changes
    problem = told(lambda: rig.apply(planned))
    assert problem.what == "Route53 refused the alias: its zone ID is not that of the load balancer."
    assert problem.fix == "Run the same command again: the ID is read from AWS anew."


def test_21_a_zone_that_nobody_delegates_to(make_rig: MakeRig) -> None:
    """Of a zone that the operator has named it is a warning: the world may look different from there."""
    copy = make_zone(make_rig().services, ZONE, HostedZoneConfig={"Comment": "nobody asks it"})
    problem = only(STEP.inspect(make_rig(hosted_zone_id=copy).context()).warnings)
    assert problem.what == f"The world does not ask the hosted zone {ZONE} ({copy})."
    start = f"At the registrar, or in the parent zone, set the name servers of {ZONE} to ns-"
    assert problem.fix.startswith(start)


@pytest.fixture
def forgetful(place: Place) -> Iterator[DnsServer]:
    """A resolver of its own, which a test gives something to remember."""
    server = DnsServer(place.aws, place.network)
    server.start()
    yield server
    server.stop()


def test_22_a_resolver_that_still_has_the_old_answer(
    place: Place, make_rig: MakeRig, forgetful: DnsServer
) -> None:
    rig = make_rig(consent=CONSENT)
    rig.run()
    place.endpoints = replace(place.endpoints, nameservers=(f"127.0.0.1:{forgetful.port}",))
    rig = make_rig()
    place.network.withdraw(BALANCER_ADDRESS)
    forgetful.remember(DOMAIN, "A", WEB_ADDRESS)
    problem = failure_of(rig, "serial")
    assert problem.what == f"This machine's resolver still has an old answer for {DOMAIN}."
    assert problem.why == f"It says {WEB_ADDRESS}; public resolvers say {BALANCER_ADDRESS}."
    assert problem.fix == "Wait until its cache runs out, or flush it, then run the check again."


def test_8_2_the_domain_has_a_record_already(make_rig: MakeRig) -> None:
    (consent,) = make_rig().plan().consents
    assert consent.question.startswith(f"{DOMAIN} has a record now: {CONSENT}. May the wizard replace it?")


def test_8_7_port_53_is_blocked(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=CONSENT)
    rig.run()
    place.endpoints = replace(place.endpoints, nameservers=DEAD, patience=0.05)
    rig = make_rig()
    rig.facts.dns = STEP.inspect(rig.context())
    (problem,) = (each for each in rig.facts.dns.warnings if each.code == "dns-no-answer")
    assert problem.what.startswith("No answer from the name servers")
    assert problem.fix.endswith("or name servers that answer in [endpoints] nameservers.")
    assert result_of(rig, "authoritative").status is CheckStatus.SKIPPED
    assert result_of(rig, "serial").status is CheckStatus.PASSED


def test_8_8_a_name_that_is_cached_as_absent(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(consent=CONSENT)
    rig.run()
    change(rig.services, place.zone_id, "DELETE", records(rig, place.zone_id)[0])
    problem = failure_of(rig, "public")
    assert problem.what == f"Public resolvers know no address of {DOMAIN}."
    assert problem.why == "They may still remember that there was none (up to 15 minutes)."
    assert problem.fix == "Run the check again in some minutes."


def test_8_9_a_private_zone_of_the_name(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.answers.certificate.domain = "registry.inside.test"
    make_zone(rig.services, "inside.test", VPC={"VPCRegion": "eu-west-1", "VPCId": "vpc-1"})
    problem = only(rig.plan().blockers)
    assert place.zone_id
    assert problem.what == "There is no public hosted zone for registry.inside.test in this AWS account."
    assert problem.why.endswith("private zones do not count.")
    assert problem.fix.startswith("Name the zone's account in dns.aws_profile")


def test_8_9_two_public_zones_of_one_name(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    copy = make_zone(rig.services, ZONE, HostedZoneConfig={"Comment": "a copy"})
    place.endpoints = replace(place.endpoints, nameservers=DEAD, patience=0.05)
    rig = make_rig()
    problem = only(rig.plan().blockers)
    assert problem.what.startswith(f"There are several public hosted zones {ZONE}: ")
    assert copy in problem.what
    assert problem.fix.startswith("Set dns.hosted_zone_id to the one that the domain's registrar names")


def test_8_9_a_zone_in_another_account(make_rig: MakeRig) -> None:
    problem = told(make_rig(hosted_zone_id="Z0NOSUCHZONE").plan)
    assert problem.what == "There is no hosted zone Z0NOSUCHZONE."
    assert problem.fix.endswith("name that account's profile in dns.aws_profile.")


@pytest.mark.usefixtures("service")
def test_8_9_no_cname_at_the_apex(make_rig: MakeRig) -> None:
    rig = make_rig(provider="manual")
    rig.plan()
    problem = failure_of(rig, "record")
    assert problem.what.startswith(f"{DOMAIN} does not lead to ")
    assert "no CNAME is allowed: use ALIAS or ANAME" in problem.fix


def test_8_9_a_domain_that_is_delegated_away(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    change(rig.services, place.zone_id, "DELETE", FORMER)
    values = [{"Value": "ns.elsewhere.test."}]
    cut = {"Name": f"{DOMAIN}.", "Type": "NS", "TTL": 60, "ResourceRecords": values}
    change(rig.services, place.zone_id, "CREATE", cut)
    facts = STEP.inspect(rig.context())
    (problem,) = (each for each in (*facts.problems, *facts.warnings) if each.code == "domain-delegated-away")
    assert problem.what == f"The zone {ZONE} hands {DOMAIN} over to other name servers."
    assert problem.fix == "Delete those NS records, or set the record where they lead."
