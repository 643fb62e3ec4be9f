"""The next certificate in place of the present one, and the way back where it does not get into service."""

from dataclasses import dataclass
from datetime import UTC, datetime

from wizard import names
from wizard.answers import CertificateAnswers
from wizard.errors import WizardError, wizard_error
from wizard.events import StepId, Verb
from wizard.facts import ChainFacts
from wizard.journal import Entry
from wizard.services import certificates, renewal_info
from wizard.step import Change, Context, Receipt
from wizard.steps._acme_chain import chain_in
from wizard.steps._acme_issue import Pair, Wish, clean_up, obtain, receipt
from wizard.steps._acme_plan import RENEW, RESTORE
from wizard.steps._acme_secret import NEXT_CERTIFICATE, former_pair, install, put_former_back

KEPT = "kept"
"""In a receipt: the pair was not asked for, it was left by a renewal whose rollout had failed."""


@dataclass(frozen=True, slots=True)
class Due:
    """When to renew; `is_by_ca`: the CA said so. `replaces` is for the order, "" for a CA without ARI."""

    at: datetime
    is_by_ca: bool = False
    explanation: str = ""
    replaces: str = ""

    def is_now(self) -> bool:
        return datetime.now(UTC) >= self.at


def way_of(wanted: CertificateAnswers) -> str:
    """By which method it is renewed; "import" where nobody can."""
    return wanted.renew_by or wanted.method


def when_due(ctx: Context) -> Due:
    """By the CA's word, else with a third of the life left. Raises WizardError where there is none."""
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    chain = chain_in(ctx, found)
    if found is None or chain is None:
        raise _nothing_to_renew()
    by_dates = Due(chain.not_after - (chain.not_after - chain.not_before) / 3)
    directory = found.data.get(names.ISSUED_BY, b"").decode("utf-8", "replace")
    if not directory:
        return by_dates
    pem, ca_file = found.data[names.CERTIFICATE_KEY], ctx.answers.certificate.ca_file
    window = renewal_info.suggested(directory, pem, ctx.services.endpoints, ca_file=ca_file)
    if window is None:
        return by_dates
    replaces = renewal_info.certificate_id(pem)
    return Due(window.moment(chain.serial), True, window.explanation, replaces)


def renewal(ctx: Context, chain: ChainFacts, directory: str, due: Due) -> Change:
    """What is about to be done, for the journal."""
    wanted = ctx.answers.certificate
    way = way_of(wanted)
    is_same_ca = ctx.facts.certificate is not None and ctx.facts.certificate.issued_by == directory
    return Change(
        RENEW,
        Verb.CHANGE,
        "certificate",
        wanted.domain,
        f"Get the next certificate for {', '.join(wanted.names)} from {directory} by {way}",
        {
            "domain": wanted.domain,
            "directory": directory,
            "former_serial": chain.serial,
            "existed": True,
            "way": way,
            "replaces": due.replaces if is_same_ca else "",
        },
    )


def renew(ctx: Context, change: Change, entry: Entry) -> Receipt:
    """The next pair takes its place in the Secret, the present one is kept beside it.

    A pair that an earlier renewal could not bring into service is tried again: the CA is not asked for more.
    """
    directory = str(change.params["directory"])
    kept = _kept_pair(ctx, directory)
    if kept:
        ctx.note(
            "The certificate that could not be rolled out last time is tried again; no new one is asked for."
        )
    wish = Wish(directory, str(change.params["way"]), str(change.params["replaces"]))
    pair = kept or obtain(ctx, entry, wish)
    install(ctx, pair.cert_pem, pair.key_pem, issued_by=directory)
    clean_up(ctx)
    made = receipt(certificates.read_chain(pair.cert_pem, pair.key_pem))
    return {**made, KEPT: bool(kept)}


def restoring(ctx: Context) -> Change | None:
    """The way back to the pair before, None where this setup's last deed was no renewal, or it ran out."""
    entries = [e for e in ctx.journal.standing(StepId.CERTIFICATE) if e.change.action in {RENEW, RESTORE}]
    if not entries or entries[-1].change.action != RENEW:
        return None
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    pair = former_pair(found) if found else None
    chain = chain_in(ctx, found)
    if pair is None or chain is None:
        return None
    try:
        former = certificates.read_chain(*pair)
    except WizardError:
        return None
    if not former.key_matches or former.serial == chain.serial or former.not_after <= datetime.now(UTC):
        return None
    return Change(
        RESTORE,
        Verb.CHANGE,
        "certificate",
        ctx.answers.certificate.domain,
        f"Put the former certificate back, serial {former.serial}",
        {
            "serial": former.serial,
            "failed_serial": chain.serial,
            "is_tried_again": not entries[-1].receipt.get(KEPT, False),
        },
    )


def restore(ctx: Context, change: Change) -> Receipt:
    """The pair before takes its place again; the other one is kept for the next try, but only once."""
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    chain = chain_in(ctx, found)
    if found is None or chain is None:
        raise _nothing_to_renew()
    if chain.serial != change.params["serial"]:
        put_former_back(ctx, found, keeps_other=bool(change.params["is_tried_again"]))
        found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
        chain = chain_in(ctx, found)
    if chain is None or chain.serial != change.params["serial"]:
        raise wizard_error(
            "former-certificate-gone",
            f"The former certificate is no longer in the Secret {names.CERTIFICATE_SECRET}.",
            why="Somebody changed the Secret meanwhile.",
            fix="Run `kube-registry check`; it says what is served now.",
        )
    return receipt(chain)


def _kept_pair(ctx: Context, directory: str) -> Pair | None:
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    if found is None or NEXT_CERTIFICATE not in found.data:
        return None
    pem, key_pem = found.data[NEXT_CERTIFICATE], found.data.get(names.NEXT_PRIVATE_KEY, b"")
    try:
        chain = certificates.read_chain(pem, key_pem)
    except WizardError:
        return None
    is_fresh = chain.key_matches and not certificates.is_due(chain, datetime.now(UTC))
    is_for_us = not certificates.missing(chain.names, ctx.answers.certificate.names)
    is_of_ca = found.data.get(names.ISSUED_BY) == directory.encode()
    return Pair(pem, key_pem) if is_fresh and is_for_us and is_of_ca else None


def _nothing_to_renew() -> WizardError:
    return wizard_error(
        "nothing-to-renew",
        f"The Secret {names.CERTIFICATE_SECRET} holds no certificate that could be renewed.",
        why="The setup is not finished, or somebody removed it.",
        fix="Run `kube-registry apply`; it gets one.",
    )
