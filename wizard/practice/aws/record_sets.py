"""What Route53 accepts as a batch of changes, worded as AWS words its refusals."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from wizard.practice.aws.errors import AwsError

TYPES = frozenset(
    {"A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "SSHFP"}
    | {"SVCB", "TLSA", "TXT"}
)
ROUTING = ("Weight", "Region", "Failover", "GeoLocation", "MultiValueAnswer", "HealthCheckId")
LABEL = re.compile(r"(\\[0-7]{3}|[^\s.\\]){1,63}")


@dataclass(frozen=True, slots=True)
class RecordSet:
    """`name` is absolute, lower case, with `*` in octal; an alias has neither TTL nor values."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    alias_name: str | None = None
    alias_zone: str | None = None
    evaluates_health: bool = False
    identifier: str | None = None
    extras: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> tuple[str, str, str | None]:
        return self.name, self.type, self.identifier

    @property
    def said(self) -> str:
        more = f", set identifier='{self.identifier}'" if self.identifier else ""
        return f"[name='{self.name}', type='{self.type}'{more}]"


@dataclass(frozen=True, slots=True)
class Change:
    action: str
    record: RecordSet


class AliasTargets(Protocol):
    def problem(self, record: RecordSet, records: list[RecordSet]) -> str | None: ...


def canonical_name(name: str) -> str:
    return name.lower().rstrip(".").replace("*", "\\052") + "."


def read_change(change: dict[str, Any]) -> Change:
    """AwsError (InvalidInput) for what is not a change at all."""
    action, given = change.get("Action"), change.get("ResourceRecordSet") or {}
    name, kind = given.get("Name", ""), given.get("Type")
    if action not in {"CREATE", "DELETE", "UPSERT"}:
        raise AwsError(
            "InvalidInput",
            f"Invalid XML ; cvc-enumeration-valid: Value '{action}' is not facet-valid with respect to "
            "enumeration '[CREATE, DELETE, UPSERT]'. It must be a value from the enumeration.",
        )
    if kind not in TYPES or not name:
        raise AwsError(
            "InvalidInput", f"Invalid XML ; '{kind}' is not a record type, or the name is missing."
        )
    identifier, alias = given.get("SetIdentifier"), given.get("AliasTarget")
    values = tuple(str(entry.get("Value", "")) for entry in given.get("ResourceRecords") or [])
    has_values = given.get("TTL") is not None and bool(values)
    if bool(alias) == has_values:
        found = "more than one" if alias else "none"
        raise AwsError(
            "InvalidInput",
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found {found} in Change with [Action={action}, Name={name}, "
            f"Type={kind}, SetIdentifier={identifier or 'null'}]",
        )
    extras = {key: given[key] for key in ROUTING if key in given}
    if alias:
        health = str(alias.get("EvaluateTargetHealth", "")).lower() == "true"
        target = canonical_name(str(alias.get("DNSName", "")))
        record = RecordSet(
            canonical_name(name),
            kind,
            None,
            (),
            target,
            alias.get("HostedZoneId"),
            health,
            identifier,
            extras,
        )
    else:
        record = RecordSet(
            canonical_name(name), kind, int(given["TTL"]), values, identifier=identifier, extras=extras
        )
    return Change(action, record)


def apply_changes(
    apex: str, before: list[RecordSet], changes: Sequence[Change], targets: AliasTargets
) -> list[RecordSet]:
    """The zone's records after the batch; AwsError (InvalidChangeBatch) with all that is wrong with it."""
    records, problems = {record.key: record for record in before}, []
    for change in changes:
        record, present = change.record, records.get(change.record.key)
        problem = _value_problem(apex, record) or _presence_problem(change, present)
        if problem:
            problems.append(problem)
        elif change.action == "DELETE":
            del records[record.key]
        else:
            records[record.key] = record
    after = list(records.values())
    problems += [] if problems else _zone_problems(apex, after, changes, targets)
    if problems:
        raise AwsError("InvalidChangeBatch", f"[{', '.join(problems)}]")
    return after


def _presence_problem(change: Change, present: RecordSet | None) -> str | None:
    record = change.record
    if change.action == "CREATE" and present is not None:
        return f"Tried to create resource record set {record.said} but it already exists"
    if change.action != "DELETE":
        return None
    if present is None:
        return f"Tried to delete resource record set {record.said} but it was not found"
    if _content(present) != _content(record):
        return (
            f"Tried to delete resource record set {record.said} but the values provided do not match the "
            "current values"
        )
    return None


def _content(record: RecordSet) -> tuple[object, ...]:
    return record.ttl, sorted(record.values), record.alias_name, record.alias_zone, record.evaluates_health


def _value_problem(apex: str, record: RecordSet) -> str | None:
    if record.name != apex and not record.name.endswith(f".{apex}"):
        return f"RRSet with DNS name {record.name} is not permitted in zone {apex}"
    if not all(LABEL.fullmatch(label) for label in record.name[:-1].split(".")):
        return f"Invalid Resource Record: FATAL problem: DomainLabel is not valid in '{record.name}'"
    check = VALUE_CHECKS.get(record.type)
    for value in record.values:
        if check is not None and (problem := check(value)):
            return f"Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"
    if record.type == "CNAME" and len(record.values) > 1:
        return "Invalid Resource Record: 'FATAL problem: CNAME record doesn't have 1 ResourceRecord'"
    return None


def _is_address(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def _a_problem(value: str) -> str | None:
    right = _is_address(value, 4)
    return None if right else "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"


def _aaaa_problem(value: str) -> str | None:
    right = _is_address(value, 6)
    return None if right else "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"


def _txt_problem(value: str) -> str | None:
    right = value.startswith('"') and value.endswith('"') and len(value) > 1
    return None if right else "InvalidCharacterString (Value should be enclosed in quotation marks)"


VALUE_CHECKS: dict[str, Callable[[str], str | None]] = {
    "A": _a_problem,
    "AAAA": _aaaa_problem,
    "TXT": _txt_problem,
}


def _zone_problems(
    apex: str, after: list[RecordSet], changes: Sequence[Change], targets: AliasTargets
) -> list[str]:
    problems = []
    for change in changes:
        record = change.record
        if change.action == "DELETE":
            continue
        others = {other.type for other in after if other.name == record.name and other.type != record.type}
        start = f"RRSet of type {record.type} with DNS name {record.name} is not permitted"
        if record.type == "CNAME" and record.name == apex:
            problems.append(f"{start} at apex in zone {apex}")
        elif record.type == "CNAME" and others:
            problems.append(
                f"{start} as it conflicts with other records with the same DNS name in zone {apex}"
            )
        elif "CNAME" in others:
            problems.append(
                f"{start} because a conflicting RRSet of type CNAME with the same DNS name already exists "
                f"in zone {apex}"
            )
        if record.alias_name is not None and (wrong := targets.problem(record, after)):
            problems.append(
                f"Tried to create an alias that targets {record.alias_name}, type {record.type} in zone "
                f"{record.alias_zone}, {wrong}"
            )
    if not any(record.type == "SOA" and record.name == apex for record in after):
        problems.append("A HostedZone must contain exactly one SOA record.")
    if not any(record.type == "NS" and record.name == apex for record in after):
        problems.append("A HostedZone must contain at least one NS record for the zone itself.")
    return problems
