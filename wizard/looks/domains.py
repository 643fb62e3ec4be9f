"""Looks at names: what the domain leads to, and the hosted zone that answers for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from wizard.answers import Answers
from wizard.errors import NotFound, Unreachable, WizardError
from wizard.looks.answer import Look, bad, good, unknown, warning
from wizard.looks.doors import Doors
from wizard.services.aws import Aws
from wizard.steps._dns_look import zones_above

MOST_ADDRESSES = 2
FETCHED = frozenset({"webroot", "standalone"})
"""Methods by which a CA fetches a file through the domain."""


@dataclass(frozen=True, slots=True)
class Zone:
    name: str
    is_private: bool
    is_delegated: bool
    name_servers: tuple[str, ...]


def domain(answers: Answers, doors: Doors) -> Look:
    """Zone first, then what the name leads to now."""
    name, method = answers.certificate.domain, answers.certificate.method
    leads = _leads_to(doors.services.resolver.addresses(name))
    if answers.dns.provider != "route53" and method != "dns-route53":
        return _by_address(name, leads, method)
    aws = doors.dns_aws_of(answers)
    try:
        above = zones_above(aws, name)
        zones = [_read(doors, aws, each.zone_id) for each in above]
    except WizardError as error:
        found = _by_address(name, leads, method)
        told = f"{found.sentence} Its hosted zone cannot be looked at: {error.problem.what}"
        return Look(found.verdict, found.word, told, found.fix)
    if not zones:
        fix = "Correct the name, or choose “manual” as DNS host in step 7."
        told = f"This AWS account has no public hosted zone for it. {leads}"
        return bad("no zone", told, fix) if method == "dns-route53" else warning("no zone", told, fix)
    if (delegated := next((zone for zone in zones if zone.is_delegated), None)) is None:
        return _astray(zones[0])
    told = f"The hosted zone {delegated.name} is yours and delegated. {leads}"
    return _with_address(good("in zone", told), leads, method)


def hosted_zone(answers: Answers, doors: Doors) -> Look:
    zone_id, name = answers.dns.hosted_zone_id, answers.certificate.domain
    try:
        zone = _read(doors, doors.dns_aws_of(answers), zone_id)
    except NotFound:
        return bad("absent", f"This AWS account has no hosted zone {zone_id}.", "Correct it, or clear it.")
    if zone.is_private:
        return bad("private", f"{zone.name} is a private zone; the world does not ask it.", "Clear it.")
    if name and name != zone.name and not name.endswith(f".{zone.name}"):
        return bad("other name", f"It is {zone.name}: {name} does not lie in it.", "Correct it, or clear it.")
    return good("delegated", f"It is {zone.name}.") if zone.is_delegated else _astray(zone)


def _read(doors: Doors, aws: Aws, zone_id: str) -> Zone:
    with aws.explained("route53:GetHostedZone"):
        found = aws.client("route53").get_hosted_zone(Id=zone_id)
    name = found["HostedZone"]["Name"].rstrip(".").lower()
    servers = tuple(s.rstrip(".").lower() for s in found.get("DelegationSet", {}).get("NameServers", ()))
    is_private = bool(found["HostedZone"].get("Config", {}).get("PrivateZone", False))
    try:
        asked = doors.services.resolver.delegation(name)
    except Unreachable:
        return Zone(name, is_private, not is_private, servers)
    # As the DNS step judges: one server of another zone may be left at the registrar.
    is_delegated = 2 * len({*servers} & {*asked}) > len(asked)
    return Zone(name, is_private, is_delegated, servers)


def _astray(zone: Zone) -> Look:
    servers = ", ".join(zone.name_servers) or "its own name servers"
    return warning(
        "not asked",
        f"The world does not ask the hosted zone {zone.name}.",
        f"At the registrar, set the name servers of {zone.name} to {servers}.",
    )


def _by_address(name: str, leads: str, method: str) -> Look:
    if leads:
        return good("resolves", leads)
    if method in FETCHED:
        return _with_address(good("", ""), leads, method)
    return unknown(f"{name} has no address yet; step 7 tells how it gets one.")


def _with_address(look: Look, leads: str, method: str) -> Look:
    """A CA that fetches a file needs an address today."""
    if leads or method not in FETCHED:
        return look
    return warning(
        "no address",
        f"{look.sentence} It leads nowhere yet, so the CA could not fetch the file.".strip(),
        "Choose the method dns-route53, or give the name an address first.",
    )


def _leads_to(addresses: Sequence[str]) -> str:
    if not addresses:
        return ""
    more = f" and {len(addresses) - MOST_ADDRESSES} more" if len(addresses) > MOST_ADDRESSES else ""
    return f"It leads to {', '.join(addresses[:MOST_ADDRESSES])}{more} now."
