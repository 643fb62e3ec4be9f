"""Shows dns-01 proofs (RFC 8555, 8.4): a TXT record in Route53, where a CNAME may have led the name to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from wizard.errors import AccessDenied, Problem, Unreachable, WizardError
from wizard.facts import ZoneFacts
from wizard.journal import Entry
from wizard.polling import NotReady
from wizard.services.acme import Challenge
from wizard.services.txt_records import TxtRecords
from wizard.step import Check, CheckResult, Context
from wizard.steps._dns_look import with_delegation, zones_above

INSYNC_WITHIN_S = 300.0
KNOWN_WITHIN_S = 180.0
LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the proof of a domain belongs: the record's name, once CNAMEs were followed, and its zone."""

    name: str
    zone: ZoneFacts


class InRoute53:
    """One TXT value a proof; every one is in the journal before it is in the zone."""

    kind = "dns-01"

    def __init__(self, ctx: Context, entry: Entry) -> None:
        self._ctx, self._entry = ctx, entry
        self._spots: dict[str, Spot] = {}
        self._shown: list[tuple[Spot, str, str]] = []

    def open(self) -> None:
        """Finds every zone; raises WizardError where there is none that can be written."""
        for domain in self._ctx.answers.certificate.names:
            self._spots[domain] = find_spot(self._ctx, domain)

    def checks(self) -> Sequence[Check]:
        """Those that only ask the DNS say all that can be said beforehand."""
        return ()

    def perform(self, challenge: Challenge) -> None:
        spot = self._spots[challenge.domain]
        left = [*self._entry.notes.get("txt", ()), [spot.zone.zone_id, spot.name, challenge.content]]
        self._entry.note(txt=left)
        change_id = _records(self._ctx, spot.zone.zone_id).add(spot.name, challenge.content)
        self._shown.append((spot, challenge.content, change_id))

    def settle(self) -> None:
        """INSYNC is Route53's word; the zone's name servers are asked too, each of them."""
        for spot, content, change_id in self._shown:
            self._await_sync(spot, change_id)
            self._await_servers(spot, content)

    def cleanup(self) -> None:
        remove_left(self._ctx, self._entry)

    def _await_sync(self, spot: Spot, change_id: str) -> None:
        records = _records(self._ctx, spot.zone.zone_id)

        def in_sync() -> bool:
            if change_id and not records.is_in_sync(change_id):
                raise NotReady("Route53 says PENDING")
            return True

        self._ctx.wait(
            in_sync, what=f"all of Route53 to know the TXT record {spot.name}", deadline_s=INSYNC_WITHIN_S
        )

    def _await_servers(self, spot: Spot, content: str) -> None:
        resolver, zone = self._ctx.services.resolver, spot.zone

        def all_know() -> bool:
            try:
                answers = resolver.authoritative(zone.name, spot.name, "TXT", name_servers=zone.name_servers)
            except Unreachable:
                return True  # port 53 is blocked here: INSYNC has to do
            late = [server for server, found in answers.items() if content not in map(_plain, found)]
            if late:
                raise NotReady(f"{late[0]} does not know it yet")
            return True

        self._ctx.wait(
            all_know,
            what=f"the name servers of {zone.name} to know the TXT record {spot.name}",
            deadline_s=KNOWN_WITHIN_S,
            fix=f"Check that {spot.name} is not handed over to other name servers, then run it again.",
        )


def remove_left(ctx: Context, entry: Entry) -> None:
    """Takes an entry's TXT values out of their zones; what cannot be taken stays in it, and is told."""
    left = []
    for zone_id, name, content in entry.notes.get("txt", ()):
        try:
            _records(ctx, str(zone_id)).remove(str(name), str(content))
        except WizardError as error:
            left.append([zone_id, name, content])
            ctx.note(f"The TXT record {name} could not be taken back: {error.problem.what}")
    if left != entry.notes.get("txt", []):
        entry.note(txt=left)


def find_spot(ctx: Context, domain: str) -> Spot:
    """Raises WizardError where the name that the CA would ask for lies in no zone of this account."""
    name = _followed(ctx, f"_acme-challenge.{domain}")
    zones = _zones(ctx, name)
    if not zones:
        raise WizardError(_no_zone(ctx, domain, name))
    delegated = [zone for zone in zones if zone.is_delegated]
    return Spot(name, (delegated or zones)[0])


def zone_check(ctx: Context) -> Check:
    """Whether the world asks the zones that the proofs would be put into."""
    return Check("delegation", "the world asks the hosted zone", partial(_check_zones, ctx))


def _check_zones(ctx: Context) -> CheckResult:
    spots = [find_spot(ctx, domain) for domain in ctx.answers.certificate.names]
    for spot in spots:
        if not spot.zone.is_delegated:
            return CheckResult.failed(_not_delegated(spot.zone))
    return CheckResult.passed(", ".join(dict.fromkeys(spot.zone.name for spot in spots)))


def _followed(ctx: Context, name: str) -> str:
    """The name at the end of the CNAMEs, as the CA follows them."""
    for _ in range(LONGEST_CHAIN):
        try:
            found = ctx.services.resolver.public(name, "CNAME")
        except Unreachable:
            return name
        if not found:
            return name
        name = found[-1]
    return name


def _zones(ctx: Context, name: str) -> list[ZoneFacts]:
    """Zones that hold the name, the nearest first; the one of the answers alone where it is named."""
    aws, wanted = ctx.services.dns_aws, ctx.answers.dns.hosted_zone_id
    found = zones_above(aws, name)
    if wanted and any(zone.zone_id == wanted for zone in found):
        found = [zone for zone in found if zone.zone_id == wanted]
    return [_delegated(ctx, zone) for zone in found]


def _delegated(ctx: Context, zone: ZoneFacts) -> ZoneFacts:
    """A role for renewals alone may not look at the zone: its name servers are then those of the world."""
    try:
        return with_delegation(ctx, zone, [])
    except AccessDenied:
        try:
            servers = ctx.services.resolver.delegation(zone.name)
        except Unreachable:
            servers = ()
        return ZoneFacts(
            zone_id=zone.zone_id,
            name=zone.name,
            name_servers=servers,
            delegated_to=servers,
            is_delegated=True,
        )


def _records(ctx: Context, zone_id: str) -> TxtRecords:
    return TxtRecords(ctx.services.dns_aws, zone_id, f"kube-registry {ctx.answers.setup}")


def _plain(text: str) -> str:
    """A TXT value without quotes, its strings joined (RFC 7208, 3.3)."""
    return "".join(text.strip('"').split('" "'))


def _no_zone(ctx: Context, domain: str, name: str) -> Problem:
    profile = ctx.answers.dns.aws_profile or ctx.answers.connect.aws_profile or "default"
    led = (
        "" if name == f"_acme-challenge.{domain}" else f" (a CNAME leads there from _acme-challenge.{domain})"
    )
    return Problem(
        "zone-missing",
        f"There is no public hosted zone for {name}{led} in this AWS account.",
        f"The profile {profile} has none of that name or of a name above it, so no TXT record can be set.",
        "Name the zone's account in dns.aws_profile, or choose another method.",
    )


def _not_delegated(zone: ZoneFacts) -> Problem:
    asked = ", ".join(zone.delegated_to)
    servers = ", ".join(zone.name_servers) or "its own name servers"
    return Problem(
        "zone-not-delegated",
        f"The world does not ask the hosted zone {zone.name} ({zone.zone_id}).",
        f"It asks {asked}." if asked else "Nobody leads it to any name servers for that name.",
        f"At the registrar, or in the parent zone, set the name servers of {zone.name} to {servers}.",
    )
