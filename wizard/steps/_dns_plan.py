"""What is to be done so that the domain leads to the balancer: pure, from answers and facts."""

import json
import shlex
from typing import Any

from wizard.answers import Answers
from wizard.errors import Problem
from wizard.events import Verb
from wizard.facts import DeployFacts, DnsFacts, FactBook
from wizard.step import Change, Consent, Plan
from wizard.steps._dns_records import are_right, joined, plain, wanted_sets

SET_RECORD, AWAIT_RECORD = "set-record", "await-record"
KIND = "DNS record"
LATER = "the load balancer that the step deploy makes"


def plan_dns(answers: Answers, book: FactBook) -> Plan:
    """Empty once the name leads to the balancer; nothing where the step was not looked at yet."""
    facts = book.dns
    if facts is None or not answers.certificate.domain:
        return Plan()
    if answers.dns.provider == "manual":
        return Plan() if facts.is_right else _plan_by_hand(answers, facts)
    return _plan_route53(answers, facts, book.deploy or DeployFacts())


def _plan_by_hand(answers: Answers, facts: DnsFacts) -> Plan:
    domain = answers.certificate.domain
    change = Change(
        AWAIT_RECORD,
        Verb.CHANGE if facts.records else Verb.CREATE,
        KIND,
        domain,
        f"You make {domain} lead to {facts.target or LATER} at your DNS host; the wizard waits for it",
        {"domain": domain, "former": joined(facts.records)},
        command=f"dig +short {domain}  # until it answers {facts.target or 'what the load balancer has'}",
    )
    return Plan((change,))


def _plan_route53(answers: Answers, facts: DnsFacts, deploy: DeployFacts) -> Plan:
    domain, zone, balancer = answers.certificate.domain, facts.zone, deploy.balancer
    if zone is None:
        return Plan()  # what stands in the way is among the facts' problems
    if balancer is None and deploy.balancer_hostname:
        return _without_balancer(facts, deploy.balancer_hostname)
    if balancer is not None and are_right(facts.records, domain, balancer):
        return Plan()
    wanted = wanted_sets(domain, balancer) if balancer else []
    former = [dict(record.record_set) for record in facts.records]
    types = " and ".join(record["Type"] for record in wanted) or "A"
    instead = f" instead of {joined(facts.records)}" if former else ""
    change = Change(
        SET_RECORD,
        Verb.CHANGE if former else Verb.CREATE,
        KIND,
        domain,
        f"Alias {types} of {domain} to {plain(balancer.dns_name) if balancer else LATER}{instead}",
        {"zone_id": zone.zone_id, "zone": zone.name, "domain": domain, "former": former, "wanted": wanted},
        command=_command(zone.zone_id, former, wanted or [_later(domain)]),
    )
    return Plan((change,), _consents(domain, facts))


def _without_balancer(facts: DnsFacts, hostname: str) -> Plan:
    """An alias needs the balancer's own hosted zone, which only AWS tells; what is right already stays."""
    targets = {
        plain(str(record.record_set["AliasTarget"]["DNSName"]))  # type: ignore[index] # Route53's own shape
        for record in facts.records
        if record.record_set.get("AliasTarget")
    }
    if targets == {plain(hostname)}:
        return Plan()
    return Plan(
        blockers=(
            Problem(
                "balancer-not-described",
                f"AWS does not describe the load balancer {hostname}.",
                "An alias record needs its hosted zone's ID. Either the profile may not ask "
                "(elasticloadbalancing:DescribeLoadBalancers), or the balancer is not of this account.",
                'Allow that action, correct connect.aws_profile, or set dns.provider to "manual".',
            ),
        )
    )


def _consents(domain: str, facts: DnsFacts) -> tuple[Consent, ...]:
    others = [record for record in facts.records if record.text not in facts.own]
    if not others:
        return ()
    value = joined(facts.records)
    question = (
        f"{domain} has a record now: {value}. May the wizard replace it? Whoever relies on it is led to "
        "the registry then; undo puts it back."
    )
    return (Consent("replace_record", value, question),)


def _command(zone_id: str, former: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> str:
    batch = json.dumps({"Changes": changes(former, wanted)})
    parts = ["aws", "route53", "change-resource-record-sets", "--hosted-zone-id", zone_id]
    return shlex.join([*parts, "--change-batch", batch])


def _later(domain: str) -> dict[str, Any]:
    """The record, for a load balancer that is not there yet."""
    alias = {
        "DNSName": "$LOAD_BALANCER_NAME",
        "HostedZoneId": "$LOAD_BALANCER_ZONE",
        "EvaluateTargetHealth": False,
    }
    return {"Name": f"{domain}.", "Type": "A", "AliasTarget": alias}


def changes(former: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One batch, all or nothing: it fails where a former value is not there exactly as it was seen."""
    deletions = [{"Action": "DELETE", "ResourceRecordSet": record} for record in former]
    return deletions + [{"Action": "CREATE", "ResourceRecordSet": record} for record in wanted]
