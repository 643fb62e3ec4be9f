"""What `check` says of the next renewal: when, by which way, and whether that way works now. Reads only."""

from functools import partial

from wizard.errors import Problem, WizardError
from wizard.events import CheckStatus
from wizard.facts import CertificateFacts
from wizard.services.acme import read_directory
from wizard.step import Check, CheckResult, Context
from wizard.steps._acme_checks import CLOCK_WRONG, leniently, reaching, reading
from wizard.steps._acme_limits import problem_now
from wizard.steps._acme_methods import MANUAL, kind_of
from wizard.steps._acme_plan import HTTP_METHODS, RENEW_BY_DNS
from wizard.steps._acme_renew import way_of, when_due


def upkeep_checks(ctx: Context) -> tuple[Check, ...]:
    """Besides those that the step itself has: they ask the CA, which a second `apply` has no need to."""
    facts = ctx.facts.certificate
    if facts is None or facts.chain is None:
        return ()
    return (Check("renewal", "it can be renewed", partial(_check_renewal, ctx, facts), after=("stored",)),)


def trouble_of(ctx: Context, way: str, directory: str) -> Problem | None:
    """The preflight without an order: what would stop a renewal now, as far as reading tells.

    A wrong clock stops none, but is told where nothing else is.
    """
    if problem := problem_now(ctx, directory):
        return problem
    wanted, facts = ctx.answers.certificate, ctx.facts.certificate or CertificateFacts()
    try:
        ca = read_directory(directory, ctx.services.endpoints, ca_file=wanted.ca_file)
        checks = (*reading(ctx, kind_of(way), ca, facts.account_uri), *_of_way(ctx, way))
    except WizardError as error:
        return error.problem
    doubt = None
    for check in checks:
        result = leniently(ctx, check)
        if result.status is CheckStatus.FAILED:
            return result.problem or Problem("preflight-failed", result.detail)
        if result.problem and result.problem.code == CLOCK_WRONG:
            doubt = result.problem
    return doubt


def _of_way(ctx: Context, way: str) -> tuple[Check, ...]:
    """A webroot gets no file: whether port 80 answers, and it can be written, says enough."""
    wanted = ctx.answers.certificate
    if way == "dns-route53":
        return (Check("rights", "TXT records may be set", partial(_check_rights, ctx)),)
    if way == "standalone":
        return (Check("probe", "the wizard's own server can be reached", partial(_check_standalone, ctx)),)
    if wanted.webroot == MANUAL:
        return reaching(ctx)
    return (*reaching(ctx), Check("webroot", "the webroot can be written", partial(_check_webroot, ctx)))


def _check_renewal(ctx: Context, facts: CertificateFacts) -> CheckResult:
    assert facts.chain
    way = way_of(ctx.answers.certificate)
    if way == "import":
        until = f"{facts.chain.not_after:%Y-%m-%d}"
        return CheckResult.passed(
            f"by hand: bring the next one in before {until}, then run `kube-registry apply`"
        )
    due = when_due(ctx)
    word = "by the CA's word" if due.is_by_ca else "with a third of its life left"
    problem = trouble_of(ctx, way, facts.directory)
    if problem is None:
        return CheckResult.passed(f"next on {due.at:%Y-%m-%d} ({word}), by {way}, which works now")
    if problem.code == CLOCK_WRONG:
        return CheckResult.warning(problem)
    fix = problem.fix
    if way in HTTP_METHODS:
        fix = f'Set [certificate] renew_by = "dns-route53" where the zone is in Route53; else: {fix}'
    found = Problem(
        "renewal-would-fail",
        f"The next renewal, on {due.at:%Y-%m-%d} by {way}, would not work now.",
        f"{problem.what} {problem.why}".strip(),
        fix,
        problem.raw,
        RENEW_BY_DNS if way in HTTP_METHODS else None,
    )
    return CheckResult.failed(found) if facts.is_due else CheckResult.warning(found)


def _check_rights(ctx: Context) -> CheckResult:
    """By simulation, where that may be asked for."""
    from wizard.steps._acme_dns import find_spot

    aws, action = ctx.services.dns_aws, "route53:ChangeResourceRecordSets"
    for domain in ctx.answers.certificate.names:
        zone = find_spot(ctx, domain).zone
        arn = f"arn:{aws.identity().partition}:route53:::hostedzone/{zone.zone_id}"
        if aws.denied_actions([(action, arn)]):
            return CheckResult.failed(
                Problem(
                    "renewal-denied",
                    f"{aws.identity().arn} may not change records of the zone {zone.name}.",
                    "The proof for the CA is a TXT record there.",
                    f"Add {action} on {arn} to its policy.",
                )
            )
    return CheckResult.passed()


def _check_standalone(ctx: Context) -> CheckResult:
    """The wizard's server answers for a moment."""
    from wizard.steps._acme_http import ByItself

    method = ByItself(ctx)
    method.open()
    try:
        for check in method.checks():
            result = leniently(ctx, check)
            if result.status is CheckStatus.FAILED:
                return result
    finally:
        method.cleanup()
    return CheckResult.passed()


def _check_webroot(ctx: Context) -> CheckResult:
    from wizard.services.webroot import Webroot

    problem = Webroot(ctx.answers.certificate.webroot).problem()
    return CheckResult.failed(problem) if problem else CheckResult.passed()
