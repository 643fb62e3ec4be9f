"""The dns step's plan as a pure function of answers and facts."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from wizard.answers import Answers, from_mapping
from wizard.events import Verb
from wizard.facts import BalancerFacts, DeployFacts, DnsFacts, FactBook, RecordFacts, ZoneFacts
from wizard.step import Plan
from wizard.steps._dns_apply import by_hand
from wizard.steps._dns_plan import plan_dns
from wizard.steps._dns_records import facts_of, longest_ttl_s, text_of, wanted_sets

DOMAIN = "registry.example.com"
BALANCER = BalancerFacts(
    name="kube",
    kind="classic",
    scheme="internet-facing",
    dns_name="Kube-1.eu-west-1.elb.amazonaws.com",
    dns_zone_id="Z32O12XQLNTSW2",
)
DUAL_STACK = replace(BALANCER, kind="nlb", is_dualstack=True)
ZONE = ZoneFacts(zone_id="Z1", name="example.com", is_delegated=True)


def answers(**dns: Any) -> Answers:
    return from_mapping({"setup": "team", "certificate": {"domain": DOMAIN}, "dns": dns})


def record(kind: str, *values: str, **more: Any) -> RecordFacts:
    listed = [{"Value": value} for value in values]
    return facts_of({"Name": f"{DOMAIN}.", "Type": kind, "TTL": 300, "ResourceRecords": listed, **more})


def alias(balancer: BalancerFacts, **more: Any) -> tuple[RecordFacts, ...]:
    return tuple(facts_of({**each, **more}) for each in wanted_sets(DOMAIN, balancer))


def plan(
    *records: RecordFacts,
    deploy: DeployFacts | None = None,
    own: tuple[str, ...] = (),
    zone: ZoneFacts | None = ZONE,
) -> Plan:
    seen = DnsFacts(zone=zone, records=records, own=own)
    book = FactBook(dns=seen, deploy=DeployFacts(balancer=BALANCER) if deploy is None else deploy)
    return plan_dns(answers(), book)


def test_nothing_is_planned_before_the_zone_was_looked_at() -> None:
    assert plan_dns(answers(), FactBook()) == Plan()
    assert plan(zone=None) == Plan()


@pytest.mark.parametrize("balancer", [BALANCER, DUAL_STACK], ids=["ipv4", "dual-stack"])
def test_nothing_is_left_once_the_alias_is_there(balancer: BalancerFacts) -> None:
    assert plan(*alias(balancer), deploy=DeployFacts(balancer=balancer)) == Plan()


def test_other_spellings_of_the_same_alias_are_right() -> None:
    target = {
        "HostedZoneId": BALANCER.dns_zone_id,
        "DNSName": "dualstack.KUBE-1.eu-west-1.elb.amazonaws.com.",
        "EvaluateTargetHealth": True,
    }
    assert plan(*alias(BALANCER, AliasTarget=target)) == Plan()


@pytest.mark.parametrize(
    "wrong",
    [
        {"HostedZoneId": "ZOTHER"},
        {"DNSName": "kube-2.eu-west-1.elb.amazonaws.com."},
    ],
    ids=["zone", "name"],
)
def test_an_alias_that_differs_is_replaced(wrong: dict[str, str]) -> None:
    target = wanted_sets(DOMAIN, BALANCER)[0]["AliasTarget"] | wrong
    assert [each.verb for each in plan(*alias(BALANCER, AliasTarget=target)).changes] == [Verb.CHANGE]


def test_ipv6_is_only_there_where_the_balancer_has_it() -> None:
    (change,) = plan(*alias(BALANCER), deploy=DeployFacts(balancer=DUAL_STACK)).changes
    assert [each["Type"] for each in change.params["wanted"]] == ["A", "AAAA"]
    (change,) = plan(*alias(DUAL_STACK)).changes
    assert [each["Type"] for each in change.params["wanted"]] == ["A"]


def test_what_was_there_is_asked_about_and_kept_for_undo() -> None:
    found = (record("AAAA", "2001:db8::7"), record("A", "198.51.100.7", "198.51.100.8"))
    made = plan(*found)
    (consent,) = made.consents
    assert (consent.key, consent.value) == (
        "replace_record",
        "A 198.51.100.7 198.51.100.8; AAAA 2001:db8::7",
    )
    (change,) = made.changes
    assert change.params["former"] == [dict(each.record_set) for each in found]
    assert json.loads(json.dumps(asdict(change)))["params"] == dict(change.params)


def test_a_record_of_our_own_needs_no_consent() -> None:
    old = alias(replace(BALANCER, dns_name="old.eu-west-1.elb.amazonaws.com"))
    assert plan(*old, own=(old[0].text,)).consents == ()
    assert len(plan(*old, record("AAAA", "2001:db8::7"), own=(old[0].text,)).consents) == 1


def test_before_the_balancer_is_there_the_change_is_announced() -> None:
    made = plan(record("A", "198.51.100.7"), deploy=DeployFacts())
    assert made.changes[0].params["wanted"] == []
    assert "that the step deploy makes" in made.changes[0].summary
    assert [each.value for each in made.consents] == ["A 198.51.100.7"]


def test_a_balancer_that_aws_does_not_describe_blocks_a_change_but_not_what_is_right() -> None:
    deploy = DeployFacts(balancer_hostname="kube-1.eu-west-1.elb.amazonaws.com")
    assert plan(*alias(BALANCER), deploy=deploy) == Plan()
    assert [each.code for each in plan(deploy=deploy).blockers] == ["balancer-not-described"]
    assert [each.code for each in plan(record("A", "1.2.3.4"), deploy=deploy).blockers] == [
        "balancer-not-described"
    ]


def test_a_record_made_by_hand_is_waited_for_until_it_is_right() -> None:
    for facts, count in ((DnsFacts(), 1), (DnsFacts(target="kube-1.test"), 1), (DnsFacts(is_right=True), 0)):
        assert len(plan_dns(answers(provider="manual"), FactBook(dns=facts)).changes) == count


@pytest.mark.parametrize(
    ("target", "told"),
    [("kube-1.test", "CNAME kube-1.test"), ("192.0.2.7", "A 192.0.2.7"), ("2001:db8::7", "AAAA 2001:db8::7")],
)
def test_the_record_to_make_fits_the_target(target: str, told: str) -> None:
    assert f"{DOMAIN}. {told}" in by_hand(DOMAIN, target)


def test_texts_name_what_a_person_would_recognise() -> None:
    assert text_of(record("CNAME", "www.example.com.").record_set) == "CNAME www.example.com"
    assert text_of(alias(BALANCER)[0].record_set) == "A alias kube-1.eu-west-1.elb.amazonaws.com"
    weighted = record("A", "192.0.2.1", SetIdentifier="blue", Weight=1)
    assert weighted.text == "A 192.0.2.1 (blue)"


def test_the_wait_is_as_long_as_the_longest_cache() -> None:
    assert (
        longest_ttl_s([record("A", "192.0.2.1", TTL=7200).record_set, alias(BALANCER)[0].record_set]) == 7200
    )
    assert longest_ttl_s([]) == 0
