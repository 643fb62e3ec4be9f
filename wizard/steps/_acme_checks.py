"""What is tried before the CA is asked: each its own check, each with a name by which it is overridden."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from wizard.checks import run_checks
from wizard.errors import Problem, Unreachable, WizardError
from wizard.events import CheckStatus
from wizard.services import web
from wizard.services.acme import Directory
from wizard.step import Check, CheckResult, Context
from wizard.steps._acme_caa import forbidden_by
from wizard.steps._acme_preflight import UNSURE, look_for, stale_ipv6

ANSWERED = frozenset({"probe-not-found", "probe-wrong-content"})
WRONG_CLOCK_S, CLOCK_WRONG = 300, "clock-wrong"
LED_AWAY = frozenset({"probe-redirected", "probe-redirect-loop"})


def reading(ctx: Context, kind: str, ca: Directory, account_uri: str) -> tuple[Check, ...]:
    """Those that only ask the DNS; `kind` is the challenge, `account_uri` "" where none is known."""
    clock = Check("clock", "this machine's clock is right", partial(check_clock, ca))
    caa = Check("caa", "no CAA record forbids this CA", partial(_check_caa, ctx, kind, ca, account_uri))
    if kind == "dns-01":
        from wizard.steps._acme_dns import zone_check

        return clock, zone_check(ctx), caa
    return (
        clock,
        Check("delegation", "the domain's zone is delegated", partial(_check_delegation, ctx)),
        Check("address", "the domain has an address", partial(_check_address, ctx), after=("delegation",)),
        caa,
    )


def probing(ctx: Context, token: str, content: str) -> tuple[Check, ...]:
    """Those that fetch a file of the wizard's own by the domain, as the CA will."""
    probe = _Probe(ctx, token, content)
    return (
        Check("port-80", "port 80 of the domain answers", probe.check_port),
        Check(
            "redirects", "its redirects are those that the CA follows", probe.check_way, after=("port-80",)
        ),
        Check("probe", "it serves the wizard's file", probe.check_bytes, after=("redirects",)),
        Check("stale-aaaa", "its IPv6 addresses serve it too", probe.check_ipv6, after=("probe",)),
    )


def reaching(ctx: Context) -> tuple[Check, ...]:
    """For a file that is put there later: whether anything answers."""
    return (Check("port-80", "port 80 of the domain answers", _Probe(ctx, "kube-registry", "").check_port),)


def require(ctx: Context, checks: Sequence[Check]) -> None:
    """Runs them as a checklist; raises WizardError with the first that failed and was not overridden."""
    listed = [
        replace(
            each,
            name=f"before-{each.name}",
            after=tuple(f"before-{name}" for name in each.after),
            run=partial(leniently, ctx, each),
        )
        for each in checks
    ]
    found = run_checks(ctx.step, listed, ctx.emit, ctx.cancel, may_write=True, why_not="")
    for result in found.values():
        if result.status is CheckStatus.FAILED:
            raise WizardError(result.problem or Problem("preflight-failed", result.detail))


def leniently(ctx: Context, check: Check) -> CheckResult:
    """The check's result; a failure that the answers override is a warning."""
    try:
        result = check.run()
    except WizardError as error:
        result = CheckResult.failed(error.problem)
    if result.status is not CheckStatus.FAILED or result.problem is None:
        return result
    if is_overridden(ctx, check.name):
        told = replace(result.problem, fix=f"The CA is asked all the same. {result.problem.fix}")
        return CheckResult.warning(told)
    return CheckResult.failed(_with_way_out(result.problem, check.name))


def is_overridden(ctx: Context, name: str) -> bool:
    wanted = ctx.answers.certificate
    return not wanted.preflight or name in wanted.overridden


def _with_way_out(problem: Problem, name: str) -> Problem:
    way = f' If you know better, add "{name}" to [certificate] overridden.'
    return problem if way in problem.fix else replace(problem, fix=problem.fix + way)


class _Probe:
    """One fetch a name, whichever check asks first; the checks share what came of it."""

    def __init__(self, ctx: Context, token: str, content: str) -> None:
        self._ctx, self._token, self._content = ctx, token, content
        self._lock = threading.Lock()
        self._problems: list[Problem] | None = None

    def check_port(self) -> CheckResult:
        return self._judged(lambda code: code not in ANSWERED | LED_AWAY | {UNSURE}, "it answers")

    def check_way(self) -> CheckResult:
        for problem in self._found():
            if problem.code == UNSURE:
                return CheckResult.warning(problem)
        return self._judged(lambda code: code in LED_AWAY, "")

    def check_bytes(self) -> CheckResult:
        judged = self._judged(lambda code: code in ANSWERED, "")
        if judged.status is CheckStatus.PASSED and self._found():
            return CheckResult.skipped("Not tried: what it needs did not pass.")
        return judged

    def check_ipv6(self) -> CheckResult:
        endpoints, resolver = self._ctx.services.endpoints, self._ctx.services.resolver
        with web.session(endpoints) as session:
            found = [
                stale_ipv6(session, endpoints, resolver, name, self._token, self._content)
                for name in self._ctx.answers.certificate.names
            ]
        gravest = (CheckStatus.FAILED, CheckStatus.SKIPPED, CheckStatus.PASSED)
        return min(found, key=lambda result: gravest.index(result.status))

    def _judged(self, is_mine: Callable[[str], bool], detail: str) -> CheckResult:
        mine = [problem for problem in self._found() if is_mine(problem.code)]
        return CheckResult.failed(mine[0]) if mine else CheckResult.passed(detail)

    def _found(self) -> list[Problem]:
        with self._lock:
            if self._problems is None:
                self._problems = list(self._fetched())
            return self._problems

    def _fetched(self) -> list[Problem]:
        endpoints, wanted = self._ctx.services.endpoints, self._ctx.answers.certificate
        with web.session(endpoints) as session:
            found = [look_for(session, endpoints, each, self._token, self._content) for each in wanted.names]
        return [problem for problem in found if problem]


def check_clock(ca: Directory) -> CheckResult:
    """By the CA's own; what is issued may not be valid yet here, or due too early."""
    skew_s = ca.clock_skew_s
    if abs(skew_s) <= WRONG_CLOCK_S:
        return CheckResult.passed()
    way = "ahead" if skew_s > 0 else "behind"
    return CheckResult.warning(
        Problem(
            CLOCK_WRONG,
            f"This machine's clock is {abs(skew_s) / 60:.0f} minutes {way} of the CA's.",
            "Whether certificates hold is judged by the clock.",
            "Set the clock, best by NTP.",
        )
    )


def _check_delegation(ctx: Context) -> CheckResult:
    """A name that public resolvers know is delegated, whatever zone it lies in."""
    seen = []
    for name in ctx.answers.certificate.names:
        zone, servers = zone_of(ctx, name)
        if not servers and not _public(ctx, name):
            return CheckResult.failed(
                Problem(
                    "zone-not-delegated",
                    f"No name server of the world answers for {name}.",
                    "Neither it nor a name above it is led to name servers that know it.",
                    "At the domain's registrar, set the name servers of its DNS host.",
                )
            )
        seen.append(zone or name)
    return CheckResult.passed(", ".join(dict.fromkeys(seen)))


def _check_address(ctx: Context) -> CheckResult:
    """A and AAAA as the zone's own servers give them, each of them: no cache stands in between."""
    seen: list[str] = []
    for name in ctx.answers.certificate.names:
        zone, servers = zone_of(ctx, name)
        found = _by_server(ctx, zone, servers, name)
        addresses = {each for values in found.values() for each in values}
        late = [server for server, values in found.items() if not values]
        if addresses and late:
            return CheckResult.failed(_not_everywhere(name, late[0]))
        addresses = addresses or {*_public(ctx, name)}
        if not addresses:
            return CheckResult.failed(_absent(name))
        seen += sorted(addresses)
    return CheckResult.passed(", ".join(dict.fromkeys(seen)))


def zone_of(ctx: Context, name: str) -> tuple[str, tuple[str, ...]]:
    """The nearest zone above the name, and its name servers; ("", ()) where none can be found."""
    labels = name.split(".")
    for start in range(len(labels) - 1):
        zone = ".".join(labels[start:])
        if servers := ctx.services.resolver.public(zone, "NS"):
            return zone, servers
    return "", ()


def _by_server(ctx: Context, zone: str, servers: tuple[str, ...], name: str) -> dict[str, tuple[str, ...]]:
    """Empty where port 53 is blocked here: public resolvers have to do then."""
    if not servers:
        return {}
    resolver = ctx.services.resolver
    try:
        four = resolver.authoritative(zone, name, "A", name_servers=servers)
        six = resolver.authoritative(zone, name, "AAAA", name_servers=servers)
    except Unreachable:
        return {}
    return {server: (*four.get(server, ()), *six.get(server, ())) for server in {**four, **six}}


def _public(ctx: Context, name: str) -> tuple[str, ...]:
    resolver = ctx.services.resolver
    return resolver.public(name, "A") + resolver.public(name, "AAAA")


def _check_caa(ctx: Context, kind: str, ca: Directory, account_uri: str) -> CheckResult:
    if not ca.caa_identities:
        return CheckResult.passed("the CA names no identity for CAA")
    for name in ctx.answers.certificate.names:
        if problem := forbidden_by(ctx.services.resolver, name, kind, ca.caa_identities, account_uri):
            return CheckResult.failed(problem)
    return CheckResult.passed(ca.caa_identities[0])


def _absent(name: str) -> Problem:
    return Problem(
        "domain-absent",
        f"{name} does not exist in the public DNS.",
        "The CA looks the name up and then asks its web server: it needs an A record.",
        f"Create an A record for {name} that leads to the web server.",
    )


def _not_everywhere(name: str, server: str) -> Problem:
    return Problem(
        "address-not-everywhere",
        f"The name servers of {name} do not agree: {server} knows no address of it.",
        "The CA asks any of them, from several places.",
        "Wait until all of the zone's name servers know the record, then try again.",
    )
