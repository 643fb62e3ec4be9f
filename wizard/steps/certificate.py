"""Step 4: the certificate for the domain, from a CA by ACME or from files, in a Secret of the cluster."""

from collections.abc import Callable
from functools import partial

from wizard import names
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.events import StepId
from wizard.facts import CertificateFacts, ChainFacts, FactBook
from wizard.journal import Entry
from wizard.step import Change, Check, CheckResult, Context, Plan, Receipt
from wizard.steps._acme_plan import (
    CHANGE_KEY,
    HTTP_METHODS,
    ISSUE,
    REGISTER,
    REHEARSE,
    RENEW,
    RESTORE,
    plan_certificate,
    renewal_hint,
    undecided,
)

UPKEEP = frozenset({RENEW, RESTORE, CHANGE_KEY})


class CertificateStep:
    """See wizard.step.Step; a certificate that holds is left as it is."""

    id = StepId.CERTIFICATE

    def inspect(self, ctx: Context) -> CertificateFacts:
        from wizard.steps._acme_look import look

        return look(ctx) if ctx.answers.certificate.domain else CertificateFacts()

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        return plan_certificate(answers, facts.certificate)

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:
        if change.action == REGISTER:
            from wizard.steps._acme_account import register

            return register(ctx, change)
        if change.action == REHEARSE:
            from wizard.steps._acme_rehearse import rehearse

            return rehearse(ctx, change, entry)
        if change.action == ISSUE:
            from wizard.steps._acme_issue import issue

            return issue(ctx, change, entry)
        if change.action in UPKEEP:
            return _upkeep(ctx, change, entry)
        from wizard.steps._acme_import import bring_in

        return bring_in(ctx)

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        facts = ctx.facts.certificate or CertificateFacts()
        stored = Check("stored", "certificate and key are in their Secret", partial(_check_stored, facts))
        if facts.chain is None:
            return (stored,)
        looks: tuple[tuple[str, str, Callable[[], CheckResult]], ...] = (
            ("key", "the key belongs to the certificate", partial(_check_key, facts.chain)),
            ("names", "the certificate is for the domain", partial(_check_names, ctx, facts.chain)),
            ("chain", "the chain leads to a trusted root", partial(_check_chain, ctx, facts.chain)),
            ("days", "the certificate is not about to run out", partial(_check_days, ctx, facts)),
        )
        if ctx.answers.certificate.method in HTTP_METHODS:
            looks += (("renewal-way", "the way of its renewal is decided", partial(_check_way, ctx)),)
        return (stored, *(Check(name, title, run, after=("stored",)) for name, title, run in looks))

    def probed(self, answers: Answers, facts: FactBook) -> str:  # noqa: ARG002 - no check of this step writes
        return ""

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:  # noqa: ARG002 - the bucket's
        from wizard.steps._acme_undo import undo

        return undo(ctx, entry)


def _upkeep(ctx: Context, change: Change, entry: Entry) -> Receipt:
    """What only `renew` does."""
    from wizard.steps import _acme_renew

    if change.action == RENEW:
        return _acme_renew.renew(ctx, change, entry)
    if change.action == RESTORE:
        return _acme_renew.restore(ctx, change)
    from wizard.steps._acme_account import change_key

    return change_key(ctx, change)


def _check_stored(facts: CertificateFacts) -> CheckResult:
    keys = facts.secret.keys if facts.secret else ()
    missing = [key for key in (names.CERTIFICATE_KEY, names.PRIVATE_KEY) if key not in keys]
    if not missing and facts.chain:
        return CheckResult.passed(f"Secret {names.CERTIFICATE_SECRET}")
    why = (
        f"{' and '.join(missing)} missing." if missing else "What it holds is not a certificate in PEM form."
    )
    return CheckResult.failed(
        Problem(
            "certificate-missing",
            f"The Secret {names.CERTIFICATE_SECRET} holds no usable certificate.",
            why,
            "Run `kube-registry apply` to get one.",
        )
    )


def _check_key(chain: ChainFacts) -> CheckResult:
    if chain.key_matches:
        return CheckResult.passed(f"serial {chain.serial}")
    return CheckResult.failed(
        Problem(
            "key-mismatch",
            f"The key in the Secret {names.CERTIFICATE_SECRET} does not belong to the certificate.",
            "The registry would not start with this pair.",
            "Run `kube-registry apply` to get a new pair.",
        )
    )


def _check_names(ctx: Context, chain: ChainFacts) -> CheckResult:
    from wizard.services.certificates import missing

    found = ", ".join(chain.names)
    if not (lacking := missing(chain.names, ctx.answers.certificate.names)):
        return CheckResult.passed(found)
    return CheckResult.failed(
        Problem(
            "certificate-names",
            f"The certificate is not for {' and '.join(lacking)}.",
            f"It is for {found or 'no name'}.",
            "Run `kube-registry apply` to get one for all names.",
        )
    )


def _check_chain(ctx: Context, chain: ChainFacts) -> CheckResult:
    if not chain.chain_error:
        return CheckResult.passed(chain.issuer)
    if ctx.answers.certificate.directory == "staging":
        return CheckResult.warning(
            Problem(
                "staging-certificate",
                "No client trusts this certificate: it is a rehearsal.",
                "The staging CA's roots are in no trust store.",
                'When all else works, set [certificate] directory = "production".',
            )
        )
    return CheckResult.failed(
        Problem(
            "certificate-chain",
            "Clients would refuse the certificate.",
            chain.chain_error,
            "For a private CA, name its root as [endpoints] ca_file; else get another certificate.",
        )
    )


def _check_way(ctx: Context) -> CheckResult:
    if problem := undecided(ctx.answers.certificate):
        return CheckResult.warning(problem)
    wanted = ctx.answers.certificate
    return CheckResult.passed(renewal_hint(wanted) or f"by {wanted.renew_by}")


def _check_days(ctx: Context, facts: CertificateFacts) -> CheckResult:
    from datetime import UTC, datetime

    assert facts.chain
    left = (facts.chain.not_after - datetime.now(UTC)).days
    if not facts.is_due:
        wanted = ctx.answers.certificate
        hint = "" if wanted.method in HTTP_METHODS else renewal_hint(wanted)
        return CheckResult.passed(f"{left} days left; {hint}" if hint else f"{left} days left")
    if facts.is_expired:
        return CheckResult.failed(
            Problem(
                "certificate-expired",
                f"The certificate ran out on {facts.chain.not_after:%Y-%m-%d}.",
                "No client accepts it any more.",
                "Run `kube-registry apply` to get the next one.",
            )
        )
    return CheckResult.warning(
        Problem(
            "certificate-due",
            f"The certificate runs out on {facts.chain.not_after:%Y-%m-%d}.",
            f"{left} days are left, and nobody else reminds you.",
            "Run `kube-registry renew` to get the next one.",
        )
    )
