"""The domain leads to the balancer: by an alias record in Route53, or by a record made by hand."""

from collections.abc import Callable
from functools import partial

from wizard.answers import Answers
from wizard.errors import Problem, Unreachable, WizardError
from wizard.events import StepId
from wizard.facts import DeployFacts, DnsFacts, FactBook
from wizard.journal import Entry
from wizard.step import Change, Check, CheckResult, Context, Plan, Receipt
from wizard.steps._dns_plan import SET_RECORD, plan_dns
from wizard.steps._dns_records import are_right, joined, plain


class DnsStep:
    id = StepId.DNS

    def inspect(self, ctx: Context) -> DnsFacts:
        """Raises WizardError where Route53, or for the manual provider the cluster, cannot be asked."""
        from wizard.steps._dns_look import look_at_route53, look_from_outside

        if not ctx.answers.certificate.domain:
            return DnsFacts()
        return look_from_outside(ctx) if ctx.answers.dns.provider == "manual" else look_at_route53(ctx)

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        return plan_dns(answers, facts)

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:
        from wizard.steps._dns_apply import await_record, set_record

        return set_record(ctx, change, entry) if change.action == SET_RECORD else await_record(ctx, change)

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        domain = ctx.answers.certificate.domain
        if ctx.answers.dns.provider == "manual":
            record = Check("record", f"{domain} leads to the load balancer", partial(_check_by_hand, ctx))
            return record, _serial(ctx)
        return (
            Check(
                "delegation",
                "the internet asks this hosted zone for the name",
                partial(_check_delegation, ctx),
            ),
            Check("record", "the alias record leads to the load balancer", partial(_check_record, ctx)),
            Check(
                "authoritative",
                "the zone's own name servers know it",
                partial(_tried, partial(_check_authoritative, ctx)),
                after=("record",),
            ),
            Check(
                "public",
                "a public resolver knows it",
                partial(_tried, partial(_check_public, ctx)),
                after=("record", "delegation"),
            ),
            _serial(ctx),
        )

    def probed(self, answers: Answers, facts: FactBook) -> str:  # noqa: ARG002 - no check of this step writes
        return ""

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:  # noqa: ARG002 - the bucket's
        from wizard.steps._dns_undo import undo_dns

        return undo_dns(ctx, entry)


def _serial(ctx: Context) -> Check:
    title = f"https://{ctx.answers.certificate.domain} shows the registry's certificate"
    return Check("serial", title, partial(_check_serial, ctx), after=("record",))


def _facts(ctx: Context) -> DnsFacts:
    return ctx.facts.dns or DnsFacts()


def _check_delegation(ctx: Context) -> CheckResult:
    facts = _facts(ctx)
    if facts.zone is None:
        return _failed(
            "zone-missing", "No hosted zone was found for the domain.", "", "Set dns.hosted_zone_id."
        )
    if not facts.zone.is_delegated:
        servers = ", ".join(facts.zone.name_servers)
        return _failed(
            "zone-not-delegated",
            f"The world does not ask the hosted zone {facts.zone.name}.",
            f"It asks {', '.join(facts.zone.delegated_to) or 'nobody'}.",
            f"Set the name servers of {facts.zone.name} at its registrar to {servers}.",
        )
    if not facts.zone.delegated_to:
        return CheckResult.skipped("The parent's name servers could not be asked from here.")
    claimed = next((each for each in facts.warnings if each.code == "external-dns"), None)
    return CheckResult.warning(claimed) if claimed else CheckResult.passed(facts.zone.name)


def _check_record(ctx: Context) -> CheckResult:
    facts, deploy = _facts(ctx), ctx.facts.deploy or DeployFacts()
    domain, now = ctx.answers.certificate.domain, joined(facts.records)
    if deploy.balancer and are_right(facts.records, domain, deploy.balancer):
        return CheckResult.passed(now)
    hostname = deploy.balancer.dns_name if deploy.balancer else deploy.balancer_hostname
    if not hostname:
        return _failed(
            "balancer-missing", "There is no load balancer.", "", "Carry out the step deploy first."
        )
    if deploy.balancer is None and now == f"A alias {plain(hostname)}":
        return CheckResult.passed(now)
    return _failed(
        "record-elsewhere",
        f"The record of {domain} does not lead to {plain(hostname)}.",
        f"It is: {now or 'absent'}.",
        "Run `kube-registry apply` to set it.",
    )


def _check_authoritative(ctx: Context) -> CheckResult:
    zone, domain = _facts(ctx).zone, ctx.answers.certificate.domain
    if zone is None:
        return CheckResult.skipped("There is no hosted zone.")
    answers = ctx.services.resolver.authoritative(zone.name, domain, "A", name_servers=zone.name_servers)
    if silent := sorted(server for server, found in answers.items() if not found):
        return _failed(
            "authority-ignorant",
            f"{silent[0]} knows no address of {domain}.",
            "The change may still be on its way, or the load balancer has no address.",
            "Run the check again in a minute.",
        )
    return CheckResult.passed(f"{len(answers)} name servers")


def _check_public(ctx: Context) -> CheckResult:
    domain = ctx.answers.certificate.domain
    if found := ctx.services.resolver.public(domain, "A"):
        return CheckResult.passed(", ".join(sorted(found)))
    return _failed(
        "not-public",
        f"Public resolvers know no address of {domain}.",
        "They may still remember that there was none (up to 15 minutes).",
        "Run the check again in some minutes.",
    )


def _check_by_hand(ctx: Context) -> CheckResult:
    from wizard.steps._dns_apply import by_hand

    facts, domain = _facts(ctx), ctx.answers.certificate.domain
    if facts.is_right:
        return CheckResult.passed(joined(facts.records))
    if facts.warnings:
        return CheckResult.warning(facts.warnings[0])
    target = facts.target or "the load balancer"
    return _failed(
        "record-elsewhere",
        f"{domain} does not lead to {target}.",
        f"It is: {joined(facts.records) or 'absent'}.",
        by_hand(domain, target),
    )


def _check_serial(ctx: Context) -> CheckResult:
    """What clients see; a resolver near this machine may still have the old address."""
    from wizard.services import tls
    from wizard.steps._dns_look import wanted_serial

    domain, wanted = ctx.answers.certificate.domain, wanted_serial(ctx)
    if not wanted:
        return CheckResult.skipped("There is no certificate to compare with.")
    try:
        served = tls.served(domain, 443, domain, ctx.services.endpoints)
    except WizardError as error:
        if ctx.answers.deploy.scheme == "internal":
            return CheckResult.warning(error.problem)
        return CheckResult.failed(_told(ctx, error.problem))
    if served.serial == wanted:
        return CheckResult.passed(f"serial {served.serial}")
    return CheckResult.failed(
        _told(
            ctx,
            Problem(
                "other-certificate",
                f"https://{domain} shows another certificate than the Secret's.",
                f"It shows the serial {served.serial}.",
                "Run the step deploy again.",
            ),
        )
    )


def _told(ctx: Context, problem: Problem) -> Problem:
    """Where a resolver near this machine lags behind the public ones, that is what is to be said."""
    domain, resolver = ctx.answers.certificate.domain, ctx.services.resolver
    try:
        here, outside = set(resolver.lookup(domain, "A")), set(resolver.public(domain, "A"))
    except Unreachable:
        return problem
    if not outside or here & outside:
        return problem
    return Problem(
        "stale-resolver",
        f"This machine's resolver still has an old answer for {domain}.",
        f"It says {', '.join(sorted(here)) or 'nothing'}; public resolvers say {', '.join(sorted(outside))}.",
        "Wait until its cache runs out, or flush it, then run the check again.",
        str(problem),
    )


def _tried(check: Callable[[], CheckResult]) -> CheckResult:
    """Where port 53 is blocked nothing is wrong with the record."""
    try:
        return check()
    except Unreachable as error:
        return CheckResult.skipped(error.problem.what)


def _failed(code: str, what: str, why: str, fix: str) -> CheckResult:
    return CheckResult.failed(Problem(code, what, why, fix))
