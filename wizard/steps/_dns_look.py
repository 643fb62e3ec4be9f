"""Which hosted zone answers for the domain, and what it says of it now; nothing waits here."""

import dataclasses
import ipaddress
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from wizard import names
from wizard.errors import NotFound, Problem, Unreachable, WizardError
from wizard.events import StepId
from wizard.facts import DnsFacts, RecordFacts, ZoneFacts
from wizard.parallel import side_by_side
from wizard.services import tls
from wizard.steps._dns_records import ADDRESS_TYPES, facts_of, plain, text_of

if TYPE_CHECKING:
    from wizard.services.aws import Aws
    from wizard.step import Context

MOST_ZONES = "20"
ROUTE53 = ".awsdns-"
EXTERNAL_DNS = "heritage=external-dns"


def look_at_route53(ctx: "Context") -> DnsFacts:
    """Raises WizardError where Route53 cannot be asked."""
    domain, aws = ctx.answers.certificate.domain, ctx.services.dns_aws
    warnings: list[Problem] = []
    zone_id = ctx.answers.dns.hosted_zone_id
    found = [_named_zone(aws, zone_id)] if zone_id else zones_above(aws, domain)
    candidates = tuple(side_by_side([partial(with_delegation, ctx, zone, warnings) for zone in found]))
    facts = DnsFacts(candidates=candidates, own=_own_texts(ctx), warnings=tuple(dict.fromkeys(warnings)))
    zone, problem = _choose(ctx, candidates)
    if zone is None:
        return dataclasses.replace(facts, problems=(problem,) if problem else ())
    listed = record_sets(aws, zone.zone_id, domain)
    # Who has named the zone knows it; what leads to it may only be invisible from here.
    problems, doubts = (((), (problem,)) if zone_id else ((problem,), ())) if problem else ((), ())
    return dataclasses.replace(
        facts,
        zone=zone,
        records=tuple(facts_of(each) for each in listed if each["Type"] in ADDRESS_TYPES),
        problems=(*problems, *_cut_off(zone, domain, listed)),
        warnings=(*facts.warnings, *doubts, *_claimed(aws, zone, domain, listed)),
    )


def look_from_outside(ctx: "Context") -> DnsFacts:
    """For a domain whose DNS is elsewhere: what a public resolver says, and whether it leads to us."""
    domain, resolver = ctx.answers.certificate.domain, ctx.services.resolver
    target, records = target_of(ctx), []
    try:
        for kind in ADDRESS_TYPES:
            if values := resolver.public(domain, kind):
                record_set = {"Name": domain, "Type": kind, "ResourceRecords": _values(values)}
                records.append(RecordFacts(record_type=kind, text=text_of(record_set), record_set=record_set))
    except Unreachable as error:
        return DnsFacts(target=target, warnings=(error.problem,))
    return DnsFacts(target=target, records=tuple(records), is_right=leads_to(ctx, target))


def target_of(ctx: "Context") -> str:
    """The address of the registry's load balancer as its Service tells it, "" while there is none."""
    service = ctx.services.cluster.get("v1", "Service", names.REGISTRY) or {}
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(ingress[0].get("hostname") or ingress[0].get("ip") or "").lower()


def leads_to(ctx: "Context", target: str) -> bool:
    """By CNAME, by a common address, or by the certificate that is shown there; raises Unreachable."""
    domain, resolver = ctx.answers.certificate.domain, ctx.services.resolver
    if not target:
        return False
    if plain(target) in {plain(name) for name in resolver.public(domain, "CNAME")}:
        return True
    addresses = {*resolver.public(domain, "A"), *resolver.public(domain, "AAAA")}
    if addresses & ({target} if address_type(target) else {*resolver.public(target, "A")}):
        return True
    return bool(addresses) and served_serial(ctx) == wanted_serial(ctx) != ""


def address_type(target: str) -> str:
    """A or AAAA for an IP address, "" for a name."""
    try:
        return "A" if ipaddress.ip_address(target).version == 4 else "AAAA"
    except ValueError:
        return ""


def wanted_serial(ctx: "Context") -> str:
    certificate = ctx.facts.certificate
    return certificate.chain.serial if certificate and certificate.chain else ""


def served_serial(ctx: "Context") -> str:
    """What the domain shows on port 443, "" where nothing answers by TLS there."""
    domain = ctx.answers.certificate.domain
    try:
        return tls.served(domain, 443, domain, ctx.services.endpoints).serial
    except Unreachable:
        return ""


def record_sets(aws: "Aws", zone_id: str, name: str) -> list[dict[str, Any]]:
    """All record sets of exactly this name, in Route53's own form."""
    found: list[dict[str, Any]] = []
    start: dict[str, Any] = {"StartRecordName": name}
    with aws.explained("route53:ListResourceRecordSets"):
        while True:
            page: Any = aws.client("route53").list_resource_record_sets(HostedZoneId=zone_id, **start)
            here = [each for each in page["ResourceRecordSets"] if each["Name"].rstrip(".").lower() == name]
            found += here
            if not page["IsTruncated"] or page["NextRecordName"].rstrip(".").lower() != name:
                return found
            start = {
                "StartRecordName": page["NextRecordName"],
                "StartRecordType": page["NextRecordType"],
                **(
                    {"StartRecordIdentifier": page["NextRecordIdentifier"]}
                    if "NextRecordIdentifier" in page
                    else {}
                ),
            }


def _values(values: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"Value": value} for value in sorted(values)]


def zones_above(aws: "Aws", domain: str) -> list[ZoneFacts]:
    """Public zones of the name and its parents, the nearest first; one request a level.

    The list begins at the name asked for, in the order of reversed labels: only exact names count.
    """
    labels = domain.split(".")
    above = [".".join(labels[start:]) for start in range(len(labels) - 1)]

    def ask(name: str) -> list[ZoneFacts]:
        with aws.explained("route53:ListHostedZonesByName"):
            page = aws.client("route53").list_hosted_zones_by_name(DNSName=name, MaxItems=MOST_ZONES)
        return [
            ZoneFacts(zone_id=zone["Id"].rpartition("/")[2], name=name)
            for zone in page["HostedZones"]
            if zone["Name"].rstrip(".").lower() == name
            and not zone.get("Config", {}).get("PrivateZone", False)
        ]

    return [zone for zones in side_by_side([partial(ask, name) for name in above]) for zone in zones]


def _named_zone(aws: "Aws", zone_id: str) -> ZoneFacts:
    try:
        with aws.explained("route53:GetHostedZone"):
            found = aws.client("route53").get_hosted_zone(Id=zone_id)["HostedZone"]
    except NotFound as error:
        raise NotFound(
            Problem(
                "zone-missing",
                f"There is no hosted zone {zone_id}.",
                "It may be in another AWS account.",
                "Correct dns.hosted_zone_id, or name that account's profile in dns.aws_profile.",
                error.problem.raw,
            )
        ) from error
    return ZoneFacts(zone_id=zone_id, name=found["Name"].rstrip(".").lower())


def with_delegation(ctx: "Context", zone: ZoneFacts, warnings: list[Problem]) -> ZoneFacts:
    """`warnings` learns where the world cannot be asked; the zone then counts as delegated."""
    with ctx.services.dns_aws.explained("route53:GetHostedZone"):
        found = ctx.services.dns_aws.client("route53").get_hosted_zone(Id=zone.zone_id)
    servers = tuple(
        sorted(s.rstrip(".").lower() for s in found.get("DelegationSet", {}).get("NameServers", ()))
    )
    try:
        delegated_to = tuple(sorted(ctx.services.resolver.delegation(zone.name)))
    except Unreachable as error:
        warnings.append(error.problem)
        return dataclasses.replace(zone, name_servers=servers, is_delegated=bool(servers))
    # A name server or two of another zone may be left at the registrar; most of them decide.
    is_delegated = 2 * len(set(servers) & set(delegated_to)) > len(delegated_to)
    if not is_delegated and delegated_to and not any(ROUTE53 in name for name in delegated_to):
        is_delegated = _have_addresses_of(ctx, delegated_to, servers)
    return dataclasses.replace(
        zone, name_servers=servers, delegated_to=delegated_to, is_delegated=is_delegated
    )


def _have_addresses_of(ctx: "Context", delegated_to: tuple[str, ...], servers: tuple[str, ...]) -> bool:
    """Whether most are the zone's own servers by other names, as with white-label name servers."""

    def addresses(name: str) -> set[str]:
        try:
            return {*ctx.services.resolver.public(name, "A"), *ctx.services.resolver.public(name, "AAAA")}
        except Unreachable:
            return set()

    found = side_by_side([partial(addresses, name) for name in (*servers, *delegated_to)])
    own = set[str]().union(*found[: len(servers)])
    return 2 * sum(bool(each & own) for each in found[len(servers) :]) > len(delegated_to)


def _choose(ctx: "Context", candidates: tuple[ZoneFacts, ...]) -> tuple[ZoneFacts | None, Problem | None]:
    """The nearest zone that the world asks; where that cannot be told of two, the operator decides."""
    domain, wanted = ctx.answers.certificate.domain, ctx.answers.dns.hosted_zone_id
    if not candidates:
        return None, _no_zone(ctx, domain)
    if wanted and not _is_within(domain, candidates[0].name):
        return None, _other_zone(candidates[0], domain)
    delegated = [zone for zone in candidates if zone.is_delegated]
    nearest = [zone for zone in delegated if zone.name == delegated[0].name]
    if len(nearest) > 1:
        return None, _two_zones(nearest)
    if nearest:
        return nearest[0], None
    return candidates[0], _not_delegated(candidates[0])


def _is_within(domain: str, zone: str) -> bool:
    return domain == zone or domain.endswith(f".{zone}")


def _no_zone(ctx: "Context", domain: str) -> Problem:
    profile = ctx.answers.dns.aws_profile or ctx.answers.connect.aws_profile or "default"
    return Problem(
        "zone-missing",
        f"There is no public hosted zone for {domain} in this AWS account.",
        f"The profile {profile} has none of that name or of a name above it; private zones do not count.",
        'Name the zone\'s account in dns.aws_profile, or set dns.provider to "manual".',
    )


def _other_zone(zone: ZoneFacts, domain: str) -> Problem:
    return Problem(
        "zone-of-other-name",
        f"The hosted zone {zone.zone_id} is {zone.name}: {domain} does not lie in it.",
        "A record of that name cannot be made there.",
        "Correct dns.hosted_zone_id, or leave it empty.",
    )


def _two_zones(zones: list[ZoneFacts]) -> Problem:
    listed = ", ".join(zone.zone_id for zone in zones)
    return Problem(
        "zones-alike",
        f"There are several public hosted zones {zones[0].name}: {listed}.",
        "The world asks only one of them, and which one cannot be found out from here.",
        "Set dns.hosted_zone_id to the one that the domain's registrar names the servers of.",
    )


def _not_delegated(zone: ZoneFacts) -> Problem:
    asked = ", ".join(zone.delegated_to)
    why = f"It asks {asked}." if asked else "Nobody leads it to any name servers for that name."
    servers = ", ".join(zone.name_servers) or "its own name servers"
    return Problem(
        "zone-not-delegated",
        f"The world does not ask the hosted zone {zone.name} ({zone.zone_id}).",
        f"{why} A record in the zone would change nothing.",
        f"At the registrar, or in the parent zone, set the name servers of {zone.name} to {servers}.",
    )


def _cut_off(zone: ZoneFacts, domain: str, listed: list[dict[str, Any]]) -> Iterator[Problem]:
    """NS records of a name below the zone's own lead resolvers away from it (RFC 1034, 4.2.1)."""
    servers = [text_of(each) for each in listed if each["Type"] == "NS"]
    if servers and domain != zone.name:
        yield Problem(
            "domain-delegated-away",
            f"The zone {zone.name} hands {domain} over to other name servers.",
            f"It holds {servers[0]} for it, so its other records of that name count for nothing.",
            "Delete those NS records, or set the record where they lead.",
        )


def _claimed(aws: "Aws", zone: ZoneFacts, domain: str, listed: list[dict[str, Any]]) -> Iterator[Problem]:
    """external-dns marks its records by a TXT of the same name, or of the name behind the record's type."""
    prefixed = [name for kind in ("a", "cname") if _is_within(name := f"{kind}-{domain}", zone.name)]
    try:
        lists = side_by_side([partial(record_sets, aws, zone.zone_id, name) for name in prefixed])
    except WizardError:
        lists = []
    texts = [text_of(each) for found in (listed, *lists) for each in found if each["Type"] == "TXT"]
    if any(EXTERNAL_DNS in text for text in texts):
        yield Problem(
            "external-dns",
            f"external-dns says that the record of {domain} is its own.",
            "It may set it back to its own value, within minutes.",
            f"Take {domain} away from external-dns, then delete its TXT record.",
        )


def _own_texts(ctx: "Context") -> tuple[str, ...]:
    """Records that this setup made, by its journal."""
    made = [
        text_of(record)
        for entry in ctx.journal.standing(StepId.DNS)
        for record in (*entry.receipt.get("made", ()), *entry.notes.get("making", ()))
    ]
    return tuple(dict.fromkeys(made))
