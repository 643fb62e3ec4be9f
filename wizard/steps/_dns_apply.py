"""Sets the record in one batch, then waits until the zone, its name servers and the world know it."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from wizard.errors import Conflict, Problem, Unreachable, wizard_error
from wizard.polling import NotReady, WaitedTooLong
from wizard.steps._dns_look import (
    address_type,
    leads_to,
    record_sets,
    served_serial,
    target_of,
    wanted_serial,
)
from wizard.steps._dns_plan import changes
from wizard.steps._dns_records import ADDRESS_TYPES, addresses_in, are_same, facts_of, joined, longest_ttl_s

if TYPE_CHECKING:
    from wizard.journal import Entry
    from wizard.step import Change, Context, Receipt

INSYNC_WITHIN_S = 300.0
MARGIN_S = 120.0
ABSENCE_CACHED_S = 900
"""Route53's SOA record has a TTL of 900 s: that long resolvers remember that a name is absent (RFC 2308)."""
LONGEST_WAIT_S = 3600.0
BY_HAND_WITHIN_S = 3600.0


def set_record(ctx: "Context", change: "Change", entry: "Entry") -> "Receipt":
    """Raises Conflict where the record is no longer what the plan saw."""
    params = change.params
    zone_id, domain, wanted = params["zone_id"], params["domain"], list(params["wanted"])
    former = list(params["former"])
    if not wanted:
        raise wizard_error(
            "balancer-missing",
            f"There is no load balancer yet that {domain} could lead to.",
            why="The step deploy makes it.",
            fix="Carry out the step deploy first.",
        )
    present = address_sets(ctx, zone_id, domain)
    if not are_same(present, wanted):
        if not are_same(present, former):
            raise _changed_meanwhile(domain, present)
        entry.note(making=wanted)
        change_records(ctx, zone_id, former, wanted, entry)
        _settle(ctx, params, former)
    return {"zone_id": zone_id, "made": wanted, "former": former}


def change_records(
    ctx: "Context",
    zone_id: str,
    former: list[dict[str, Any]],
    wanted: list[dict[str, Any]],
    entry: "Entry",
) -> None:
    """Deletes the one and creates the other in one batch, and waits until all of Route53 knows."""
    aws = ctx.services.dns_aws
    batch: Any = {"Comment": f"kube-registry {ctx.answers.setup}", "Changes": changes(former, wanted)}
    with aws.explained("route53:ChangeResourceRecordSets"):
        try:
            made = aws.client("route53").change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "InvalidChangeBatch":
                raise _refused_batch(error) from error
            raise
    change_id = made["ChangeInfo"]["Id"].rpartition("/")[2]
    entry.note(route53_change=change_id)

    def in_sync() -> bool:
        with aws.explained("route53:GetChange"):
            status = aws.client("route53").get_change(Id=change_id)["ChangeInfo"]["Status"]
        if status != "INSYNC":
            raise NotReady(f"Route53 is still passing it on ({status})")
        return True

    ctx.wait(in_sync, what="all name servers of Route53 to know the change", deadline_s=INSYNC_WITHIN_S)


def address_sets(ctx: "Context", zone_id: str, domain: str) -> list[dict[str, Any]]:
    found = record_sets(ctx.services.dns_aws, zone_id, domain)
    return [each for each in found if each["Type"] in ADDRESS_TYPES]


def await_record(ctx: "Context", change: "Change") -> "Receipt":
    """Shows the record to make, and waits until the world leads to the balancer."""
    domain, target = change.params["domain"], target_of(ctx)
    if not target:
        raise wizard_error(
            "balancer-missing",
            f"There is no load balancer yet that {domain} could lead to.",
            why="The step deploy makes it.",
            fix="Carry out the step deploy first.",
        )
    ctx.note(by_hand(domain, target))

    def is_there() -> bool:
        if not leads_to(ctx, target):
            raise NotReady(f"{domain} does not lead there yet")
        return True

    ctx.wait(
        is_there,
        what=f"{domain} to lead to {target}",
        deadline_s=BY_HAND_WITHIN_S,
        slowest_s=10.0,
        fix=f"Make the record at your DNS host, then run the same command again. {by_hand(domain, target)}",
    )
    return {"domain": domain, "target": target}


def by_hand(domain: str, target: str) -> str:
    """What to enter at a DNS host."""
    if kind := address_type(target):
        return f"Make this record at your DNS host: {domain}. {kind} {target}"
    return (
        f"Make this record at your DNS host, in place of others of that name: {domain}. CNAME {target}. "
        f"(Where {domain} is the zone's own name, no CNAME is allowed: use ALIAS or ANAME.)"
    )


def _settle(ctx: "Context", params: "Any", former: list[dict[str, Any]]) -> None:
    """A cache may hold the old answer for its TTL: what it held is waited out, and told apart."""
    domain, old = params["domain"], addresses_in(former)
    resolver, zone = ctx.services.resolver, ctx.facts.dns.zone if ctx.facts.dns else None
    servers = zone.name_servers if zone else ()

    def authority_knows() -> bool:
        try:
            answers = resolver.authoritative(params["zone"], domain, "A", name_servers=servers)
        except Unreachable:
            return True  # port 53 is blocked here: INSYNC has to do
        late = [server for server, found in answers.items() if not found or old & {*found}]
        if late:
            raise NotReady(f"{late[0]} does not know it yet")
        return True

    ctx.wait(authority_knows, what=f"the name servers of {params['zone']}", deadline_s=MARGIN_S)
    cached_s = longest_ttl_s(former) if former else ABSENCE_CACHED_S
    deadline_s = min(cached_s + MARGIN_S, LONGEST_WAIT_S)
    ctx.wait(
        lambda: _is_public(ctx, domain, old),
        what=f"public resolvers to know the new address of {domain}",
        deadline_s=deadline_s,
        slowest_s=5.0,
    )
    _await_serial(ctx, domain, deadline_s)


def _is_public(ctx: "Context", domain: str, old: frozenset[str]) -> bool:
    try:
        found = {*ctx.services.resolver.public(domain, "A"), *ctx.services.resolver.public(domain, "CNAME")}
    except Unreachable:
        return True  # whether the domain shows our certificate decides then
    if not found:
        raise NotReady("the name is not known yet")
    if found & old:
        raise NotReady(f"still {', '.join(sorted(found))}")
    return True


def _await_serial(ctx: "Context", domain: str, deadline_s: float) -> None:
    """The machine's own resolver may lag behind the public ones; verify says so where it goes on."""
    wanted = wanted_serial(ctx)

    def shows_ours() -> bool:
        seen = served_serial(ctx)
        if not seen:
            raise NotReady(f"{domain} does not answer by TLS yet")
        if seen != wanted:
            raise NotReady("it shows another certificate")
        return True

    if not wanted or ctx.answers.deploy.scheme == "internal":
        return
    try:
        ctx.wait(shows_ours, what=f"{domain} to show the registry's certificate", deadline_s=deadline_s)
    except WaitedTooLong as error:
        ctx.note(error.problem.what)


def _changed_meanwhile(domain: str, present: list[dict[str, Any]]) -> Conflict:
    now = joined(facts_of(each) for each in present) or "no record"
    return Conflict(
        Problem(
            "record-changed",
            f"The record of {domain} was changed a moment ago.",
            f"It is now: {now}. That is not what the plan was made for.",
            "Run the same command again.",
        )
    )


def _refused_batch(error: ClientError) -> Conflict:
    if "does not lie within the target zone" in str(error):
        return Conflict(
            Problem(
                "alias-zone-id",
                "Route53 refused the alias: its zone ID is not that of the load balancer.",
                "Each kind and region of load balancers has a zone ID of its own; older ones differ.",
                "Run the same command again: the ID is read from AWS anew.",
                str(error),
            )
        )
    return Conflict(
        Problem(
            "record-refused",
            "Route53 refused the change of the record; nothing was changed.",
            "Somebody changed the record a moment ago, or it is protected by a policy or another service.",
            "Run the same command again; if it stays, look at the record in the Route53 console.",
            str(error),
        )
    )
