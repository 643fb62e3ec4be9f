"""Route53's zones and record changes: transactional, exact, PENDING for a while; moto keeps the data only."""

import bisect
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.calls import Call
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.gate import Account, Mends
from wizard.practice.aws.record_sets import RecordSet, apply_changes, read_change
from wizard.practice.aws.zones import ZoneBook, record_sets, reversed_labels

SUFFIXES = ("com", "net", "org", "co.uk")


def _zones(account: Account) -> dict[str, Any]:
    zones: dict[str, Any] = moto_parts.backend("route53", account.number, "").zones
    return zones


def zone_book(account: Account) -> ZoneBook:
    """The zones as they are now."""
    with account.lock:
        return account.zones.book(_zones(account))


def find_zone(account: Account, identifier: str) -> Any:
    zone = _zones(account).get(identifier.rpartition("/")[2])
    if zone is None:
        short = identifier.rpartition("/")[2]
        raise AwsError("NoSuchHostedZone", f"No hosted zone found with ID: {short}", 404)
    return zone


def new_name_servers() -> list[str]:
    """Four of the form that Route53 delegates to; every public zone gets its own."""
    numbers = secrets.SystemRandom().sample(range(512), 4)
    return [
        f"ns-{number + 512 * place}.awsdns-{number % 64:02d}.{suffix}"
        for place, (number, suffix) in enumerate(zip(numbers, SUFFIXES, strict=True))
    ]


def new_zone(
    account: Account,
    name: str,
    reference: str,
    *,
    is_private: bool,
    comment: str | None = None,
    vpc: dict[str, Any] | None = None,
) -> Any:
    """A zone of moto's, with name servers of its own. AwsError where the reference was used before."""
    vpc = vpc or {}
    absolute = name.lower().rstrip(".") + "."
    if len(absolute) > 255 or not all(0 < len(label) <= 63 for label in absolute[:-1].split(".")):
        raise AwsError("InvalidDomainName", f"{absolute} is not a valid domain name.")
    with account.lock:
        if any(zone.caller_reference == reference for zone in _zones(account).values()):
            message = (
                f"A hosted zone has already been created with the specified caller reference: {reference}"
            )
            raise AwsError("HostedZoneAlreadyExists", message, 409)
        zone = moto_parts.backend("route53", account.number, "").create_hosted_zone(
            absolute,
            private_zone=is_private,
            caller_reference=reference,
            vpcid=vpc.get("VPCId"),
            vpcregion=vpc.get("VPCRegion"),
            comment=comment,
        )
        del _zones(account)[zone.resource_id]
        zone.resource_id = "Z" + secrets.token_hex(10).upper()
        _zones(account)[zone.resource_id] = zone
        zone.delegation_set.name_servers = new_name_servers()
        store(account, zone, _apex_records(absolute, zone.delegation_set.name_servers))
    return zone


def create_zone(account: Account, call: Call) -> dict[str, Any]:
    params = call.params
    config, vpc = params.get("HostedZoneConfig") or {}, params.get("VPC") or {}
    is_private = bool(vpc) or str(config.get("PrivateZone", "")).lower() == "true"
    zone = new_zone(
        account,
        str(params["Name"]),
        params["CallerReference"],
        is_private=is_private,
        comment=config.get("Comment"),
        vpc=vpc,
    )
    return {
        "HostedZone": zone,
        "ChangeInfo": _change_info(account, account.new_change()),
        "DelegationSet": None if is_private else zone.delegation_set,
        "VPC": vpc or None,
        "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.resource_id}",
    }


def _apex_records(name: str, servers: list[str]) -> list[RecordSet]:
    soa = f"{servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    return [
        RecordSet(name, "NS", 172_800, tuple(f"{server}." for server in servers)),
        RecordSet(name, "SOA", 900, (soa,)),
    ]


def store(account: Account, zone: Any, records: Iterable[RecordSet]) -> None:
    """Gives moto the records that it lists; one assignment, so that readers see all or nothing."""
    make, stored = moto_parts.part("route53.models", "RecordSet"), []
    for record in records:
        fields: dict[str, Any] = {
            "Name": record.name,
            "Type": record.type,
            "SetIdentifier": record.identifier,
        }
        if record.alias_name is not None:
            fields["AliasTarget"] = {
                "HostedZoneId": record.alias_zone,
                "DNSName": record.alias_name,
                "EvaluateTargetHealth": record.evaluates_health,
            }
        else:
            fields |= {"TTL": record.ttl, "ResourceRecords": list(record.values)}
        item = make(fields | record.extras)
        item.practice_extras = record.extras
        stored.append(item)
    zone.rrsets = stored
    account.zones.has_changed()


def change_records(account: Account, call: Call) -> dict[str, Any]:
    """A batch is applied as a whole or not at all."""
    batch = call.params.get("ChangeBatch") or {}
    zone = find_zone(account, call.path["Id"])
    changes = [read_change(change) for change in batch.get("Changes") or []]
    if not changes:
        raise AwsError("InvalidInput", "Invalid request: Expected at least one Change.")
    with account.lock:
        after = apply_changes(zone.name, record_sets(zone), changes, _AliasTargets(account, zone))
        store(account, zone, after)
    return {"ChangeInfo": _change_info(account, account.new_change(), batch.get("Comment"))}


class _AliasTargets:
    """Knows what an alias may point at: balancers of this account, and records of its zones."""

    def __init__(self, account: Account, zone: Any) -> None:
        self._account = account
        self._zone = zone

    def problem(self, record: RecordSet, records: list[RecordSet]) -> str | None:
        """The second half of AWS's sentence on a wrong alias, or None."""
        name = (record.alias_name or "").lower().rstrip(".").removeprefix("dualstack.")
        outside = "but the alias target name does not lie within the target zone"
        if name.endswith(".amazonaws.com"):
            known = self._balancers()
            if name not in known:
                is_ours = record.alias_zone in set(known.values())
                return "but that target was not found" if is_ours else outside
            return None if known[name] == record.alias_zone else outside
        if record.alias_zone != self._zone.resource_id:
            return outside
        if not f"{name}.".endswith(self._zone.name):
            return outside
        is_there = any(r.name.rstrip(".") == name and r.type == record.type for r in records)
        return None if is_there else "but that target was not found"

    def _balancers(self) -> dict[str, str]:
        known = {}
        for aws_region in moto_parts.used_regions("elb", self._account.number):
            for item in moto_parts.backend("elb", self._account.number, aws_region).load_balancers.values():
                known[item.dns_name.lower()] = item.canonical_hosted_zone_name_id
        for aws_region in moto_parts.used_regions("elbv2", self._account.number):
            for item in moto_parts.backend("elbv2", self._account.number, aws_region).load_balancers.values():
                known[item.dns_name.lower()] = item.canonical_hosted_zone_id
        return known


def get_change(account: Account, call: Call) -> dict[str, Any]:
    change = call.path["Id"].rpartition("/")[2]
    if change not in account.changes:
        raise AwsError("NoSuchChange", f"Could not find resource with ID: {change}", 404)
    return {"ChangeInfo": _change_info(account, change)}


def _change_info(account: Account, change: str, comment: str | None = None) -> dict[str, Any]:
    age_s = time.monotonic() - account.changes[change]
    return {
        "Id": f"/change/{change}",
        "Status": "INSYNC" if age_s >= account.settings.change_delay_s else "PENDING",
        "SubmittedAt": datetime.now(UTC),
        "Comment": comment,
    }


def zones_by_name(account: Account, call: Call) -> dict[str, Any]:
    """From a name onward in the order of reversed labels, as Route53 does; moto lists one name only."""
    start, start_id = call.arguments.get("dnsname"), call.arguments.get("hostedzoneid", "")
    try:
        most = int(call.arguments.get("maxitems", "100"))
    except ValueError as error:
        raise AwsError("InvalidInput", "MaxItems is not a number.") from error
    with account.lock:
        order, stored = zone_book(account).by_reversed_labels, _zones(account)
        first = bisect.bisect_left(order, (reversed_labels(start), start_id)) if start else 0
        page = [stored[identifier] for _, identifier in order[first : first + most]]
        rest = [stored[identifier] for _, identifier in order[first + most : first + most + 1]]
    return {
        "HostedZones": page,
        "DNSName": start,
        "HostedZoneId": start_id or None,
        "IsTruncated": bool(rest),
        "NextDNSName": rest[0].name if rest else None,
        "NextHostedZoneId": rest[0].resource_id if rest else None,
        "MaxItems": str(most),
    }


def delete_zone(account: Account, call: Call) -> dict[str, Any]:
    zone = find_zone(account, call.path["Id"])
    with account.lock:
        if any(record.type not in {"NS", "SOA"} or record.name != zone.name for record in record_sets(zone)):
            message = (
                "The specified hosted zone contains non-required resource record sets and so cannot be "
                "deleted."
            )
            raise AwsError("HostedZoneNotEmpty", message)
        del _zones(account)[zone.resource_id]
        account.zones.has_changed()
    return {"ChangeInfo": _change_info(account, account.new_change())}


BEFORE: Mends = {
    ("route53", "CreateHostedZone"): create_zone,
    ("route53", "DeleteHostedZone"): delete_zone,
    ("route53", "ChangeResourceRecordSets"): change_records,
    ("route53", "GetChange"): get_change,
    ("route53", "ListHostedZonesByName"): zones_by_name,
}
