"""Route53 record sets as values: wanted ones, their text for people, and whether two mean the same. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from wizard.facts import BalancerFacts, RecordFacts

RecordSet = Mapping[str, Any]
ADDRESS_TYPES = ("A", "AAAA", "CNAME")
"""The types that decide where a client goes; all of a name's are replaced together."""


def plain(name: str) -> str:
    """Lower case, without the final dot, and without the prefix that aliases to a balancer may carry."""
    return name.lower().rstrip(".").removeprefix("dualstack.")


def wanted_sets(domain: str, balancer: BalancerFacts) -> list[dict[str, Any]]:
    """Alias records as the API takes them: A, and AAAA where the balancer has IPv6 addresses too."""
    types = ("A", "AAAA") if balancer.is_dualstack else ("A",)
    target = {
        "HostedZoneId": balancer.dns_zone_id,
        "DNSName": f"{plain(balancer.dns_name)}.",
        "EvaluateTargetHealth": False,
    }
    return [{"Name": f"{domain}.", "Type": each, "AliasTarget": dict(target)} for each in types]


def text_of(record: RecordSet) -> str:
    """The one-line form: "A 198.51.100.7", "A alias lb.example.com", "CNAME www.example.com"."""
    alias = record.get("AliasTarget")
    if alias:
        values = [f"alias {plain(alias['DNSName'])}"]
    else:
        values = [each["Value"].rstrip(".") for each in record.get("ResourceRecords", ())]
    identifier = record.get("SetIdentifier")
    more = f" ({identifier})" if identifier else ""
    return f"{record['Type']} {' '.join(values)}{more}"


def facts_of(record: RecordSet) -> RecordFacts:
    return RecordFacts(record_type=record["Type"], text=text_of(record), record_set=dict(record))


def joined(records: Iterable[RecordFacts]) -> str:
    """What a person consents to, in one line."""
    return "; ".join(sorted(record.text for record in records))


def are_same(one: Iterable[RecordSet], other: Iterable[RecordSet]) -> bool:
    """Whether clients are led the same way; whether the target's health is evaluated does not matter."""
    return sorted(map(_essence, one)) == sorted(map(_essence, other))


def are_right(records: Iterable[RecordFacts], domain: str, balancer: BalancerFacts) -> bool:
    return are_same([record.record_set for record in records], wanted_sets(domain, balancer))


def longest_ttl_s(records: Iterable[RecordSet]) -> int:
    """How long resolvers may go on with what they have cached; an alias to a balancer has 60 s."""
    return max((int(record.get("TTL", 60)) for record in records), default=0)


def addresses_in(records: Iterable[RecordSet]) -> frozenset[str]:
    """IP addresses and names that the records hold themselves."""
    return frozenset(
        each["Value"].rstrip(".").lower() for record in records for each in record.get("ResourceRecords", ())
    )


def _essence(record: RecordSet) -> tuple[str, ...]:
    alias = record.get("AliasTarget") or {}
    target = (alias["HostedZoneId"], plain(alias["DNSName"])) if alias else ("", "")
    values = sorted(each["Value"] for each in record.get("ResourceRecords", ()))
    return (
        record["Name"].lower().rstrip("."),
        record["Type"],
        record.get("SetIdentifier", ""),
        str(record.get("TTL", "")),
        *target,
        *values,
    )
