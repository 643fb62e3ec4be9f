"""What there is of a certificate, and what stands in the way of another: reads only."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from wizard import names
from wizard.errors import Problem, WizardError
from wizard.events import CheckStatus, StepId
from wizard.facts import CertificateFacts, SecretFacts
from wizard.parallel import side_by_side
from wizard.secret_variables import EAB_HMAC
from wizard.services import certificates
from wizard.services.cluster import SecretContents
from wizard.step import Context
from wizard.steps._acme_chain import chain_in
from wizard.steps._acme_checks import leniently
from wizard.steps._acme_import import with_files
from wizard.steps._acme_methods import MANUAL, kind_of
from wizard.steps._acme_plan import REHEARSE, needs_account, why_needed
from wizard.steps._acme_secret import PRODUCTION_SLOT, Slot

REHEARSAL_HOLDS = timedelta(days=7)
Learn = Callable[[CertificateFacts], CertificateFacts]


def look(ctx: Context) -> CertificateFacts:
    """Two requests where the certificate is right; the CA and the domain are asked only where it is not."""
    facts = _present(ctx)
    if ctx.answers.certificate.method == "import":
        facts = with_files(ctx, facts)
        return _ask_route53(ctx)(facts) if why_needed(ctx.answers, facts) else facts
    if not why_needed(ctx.answers, facts):
        return facts
    wanted: list[Callable[[], Learn]] = [
        partial(_ask_ca, ctx, facts),
        partial(_ask_route53, ctx),
        partial(_try_webroot, ctx),
        partial(_try_binding, ctx, facts),
        partial(_try_limits, ctx, facts),
    ]
    for learn in side_by_side(wanted):
        facts = learn(facts)
    return facts


def account_in(contents: SecretContents | None, slot: Slot = PRODUCTION_SLOT) -> tuple[str, str]:
    """Address and directory of the account, "" where the Secret does not say."""
    if contents is None or slot.key not in contents.data:
        return "", ""
    try:
        found = json.loads(contents.data[slot.file])
        return str(found["uri"]), str(found["directory"])
    except (KeyError, TypeError, ValueError):
        return "", ""


def _present(ctx: Context) -> CertificateFacts:
    cluster = ctx.services.cluster
    secrets = (names.CERTIFICATE_SECRET, names.ACME_ACCOUNT_SECRET)
    found, account = side_by_side([partial(cluster.read_secret, name) for name in secrets])
    chain = chain_in(ctx, found)
    now = datetime.now(UTC)
    uri, account_directory = account_in(account)
    wanted, endpoints = ctx.answers.certificate, ctx.services.endpoints
    directory = endpoints.directory(wanted.directory)
    staging = endpoints.staging_of(directory, wanted.staging_first)
    return CertificateFacts(
        secret=found.facts if found else SecretFacts(name=names.CERTIFICATE_SECRET),
        chain=chain,
        is_due=chain is not None and certificates.is_due(chain, now),
        is_expired=chain is not None and now >= chain.not_after,
        issued_by=found.data.get(names.ISSUED_BY, b"").decode("utf-8", "replace") if found else "",
        directory=directory,
        staging_directory=staging,
        is_rehearsed=bool(staging) and _is_rehearsed(ctx, staging, now),
        account_secret=account.facts if account else SecretFacts(name=names.ACME_ACCOUNT_SECRET),
        account_uri=uri,
        account_directory=account_directory,
        account_terms=_terms_in(account),
    )


def _is_rehearsed(ctx: Context, staging: str, now: datetime) -> bool:
    """Whether the same was rehearsed not long ago, by the journal."""
    wanted = ctx.answers.certificate
    same = {"directory": staging, "names": sorted(wanted.names), "method": wanted.method}
    return any(
        entry.state == "done" and entry.receipt == same and now - entry.time < REHEARSAL_HOLDS
        for entry in ctx.journal.standing(StepId.CERTIFICATE)
        if entry.change.action == REHEARSE
    )


def _terms_in(account: SecretContents | None) -> str:
    """The address of the terms that were agreed to, "" where it is not known."""
    try:
        return str(json.loads(account.data[names.ACME_ACCOUNT_FILE])["terms"]) if account else ""
    except (KeyError, TypeError, ValueError):
        return ""


def _ask_ca(ctx: Context, facts: CertificateFacts) -> Learn:
    """What the CA says of itself, and what the DNS says to what it would ask."""
    from wizard.services.acme import read_directory
    from wizard.steps._acme_checks import reading

    endpoints, wanted = ctx.services.endpoints, ctx.answers.certificate
    try:
        found = read_directory(facts.directory, endpoints, ca_file=wanted.ca_file)
    except WizardError as error:
        return partial(blocked, problem=error.problem)
    account = "" if needs_account(facts) else facts.account_uri
    checks = reading(ctx, kind_of(wanted.method), found, account)
    results = side_by_side([partial(leniently, ctx, check) for check in checks])
    problems = [each.problem for each in results if each.status is CheckStatus.FAILED and each.problem]
    warnings = [each.problem for each in results if each.status is CheckStatus.WARNING and each.problem]
    return lambda facts: replace(
        facts,
        terms=found.terms,
        needs_external_account=found.needs_external_account,
        profiles=tuple(found.profiles),
        problems=(*facts.problems, *problems[:1]),
        warnings=(*facts.warnings, *warnings),
    )


def _ask_route53(ctx: Context) -> Learn:
    """Whether dns-route53 can be recommended: the zone is there. Says nothing where AWS cannot be asked."""
    from wizard.steps._dns_look import zones_above

    try:
        found = zones_above(ctx.services.dns_aws, ctx.answers.certificate.domain)
    except WizardError:
        return lambda facts: facts
    zone = found[0].name if found else ""
    return lambda facts: replace(facts, found_zone=zone, is_route53_seen=True)


def _try_webroot(ctx: Context) -> Learn:
    """Whether the one of the answers will do; where they name none, whether a usual one is here."""
    from wizard.services.webroot import Webroot, usual_webroot

    wanted = ctx.answers.certificate
    named = wanted.webroot if wanted.webroot != MANUAL else ""
    problem = Webroot(named).problem() if named else None
    if problem and wanted.method == "webroot":
        return partial(blocked, problem=problem)
    found = named if named and not problem else usual_webroot()
    return lambda facts: replace(facts, found_webroot=found)


def _try_binding(ctx: Context, facts: CertificateFacts) -> Learn:
    is_used = ctx.answers.certificate.eab_kid and needs_account(facts)
    problem = binding_problem(ctx) if is_used else None
    return partial(blocked, problem=problem) if problem else lambda facts: facts


def binding_problem(ctx: Context) -> Problem | None:
    """Why no account can be bound, whatever the CA says; None where one may be."""
    from wizard.services.acme import hmac_unreadable, is_hmac_key

    hmac_key = ctx.vault.secret(EAB_HMAC)
    if hmac_key:
        return None if is_hmac_key(hmac_key) else hmac_unreadable()
    return Problem(
        "eab-hmac-missing",
        "The HMAC key of the external account binding is not known.",
        "It is a secret, so it does not stand in the answers.",
        f"Set {EAB_HMAC} to the HMAC key that the CA gave you with [certificate] eab_kid.",
    )


def _try_limits(ctx: Context, facts: CertificateFacts) -> Learn:
    from wizard.steps._acme_limits import problem_now, what_is_left

    left, problem = what_is_left(ctx), problem_now(ctx, facts.directory)

    def learn(facts: CertificateFacts) -> CertificateFacts:
        known = replace(facts, limits=left)
        return blocked(known, problem) if problem else known

    return learn


def blocked(facts: CertificateFacts, problem: Problem) -> CertificateFacts:
    return replace(facts, problems=(*facts.problems, problem))
