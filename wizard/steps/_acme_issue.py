"""Gets a certificate: order, proof, signing request, download; each step can be gone on from.

The order's address is in the journal before anything is proven, and the key in the Secret before the order
is finished, so that a run that was cut off costs neither a certificate nor the CA's patience.
"""

from wizard import names
from wizard.errors import Problem, Unreachable, WizardError
from wizard.events import StepId
from wizard.facts import ChainFacts
from wizard.journal import Entry
from wizard.polling import NotReady
from wizard.services import certificates
from wizard.services.acme import Acme, Authorization, Order
from wizard.step import Change, Context, Receipt
from wizard.steps._acme_account import open_account, register_again
from wizard.steps._acme_look import chain_in
from wizard.steps._acme_methods import Method, clean_after, method_for
from wizard.steps._acme_plan import ISSUE
from wizard.steps._acme_secret import install, next_key, ready_key

CA_S = 180.0
LATER = "Run the same command again: it goes on with this order."


def issue(ctx: Context, change: Change, entry: Entry) -> Receipt:
    """Raises WizardError; whatever came before stays usable."""
    clean_up(ctx)
    if (done := _already_done(ctx, change)) is not None:
        return _receipt(done)
    directory = str(change.params["directory"])
    acme = open_account(ctx, directory)
    try:
        order = _unfinished(ctx, acme, change)
        pem = _from_order(ctx, acme, entry, order, directory)
    finally:
        acme.close()
    key_pem = next_key(ctx)
    pem = certificates.arrange(pem, key_pem)
    install(ctx, pem, key_pem, issued_by=directory)
    return _receipt(certificates.read_chain(pem, key_pem))


def clean_up(ctx: Context) -> None:
    """Removes the files that interrupted runs have left in webroots."""
    for entry in ctx.journal.standing(StepId.CERTIFICATE):
        if entry.state == "intended":
            clean_after(entry.notes)


def _already_done(ctx: Context, change: Change) -> ChainFacts | None:
    """The certificate that a run put into the Secret without being able to say so."""
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    chain = chain_in(ctx, found)
    if found is None or chain is None or not chain.key_matches:
        return None
    is_other = chain.serial != change.params["former_serial"]
    is_ours = found.data.get(names.ISSUED_BY) == str(change.params["directory"]).encode()
    is_right = certificates.covers(chain.names, str(change.params["domain"]))
    return chain if is_other and is_ours and is_right else None


def _unfinished(ctx: Context, acme: Acme, change: Change) -> Order | None:
    """The newest order of an interrupted run, if it can still end in a certificate for the prepared key."""
    for entry in reversed(ctx.journal.standing(StepId.CERTIFICATE)):
        url = entry.notes.get("order")
        if entry.state != "intended" or entry.change.action != ISSUE or not url:
            continue
        is_same = all(entry.change.params.get(key) == change.params[key] for key in ("directory", "domain"))
        order = _looked_up(acme, str(url)) if is_same else None
        return order if order is not None and _is_usable(ctx, acme, order) else None
    return None


def _looked_up(acme: Acme, url: str) -> Order | None:
    try:
        return acme.order(url)
    except Unreachable:
        raise
    except WizardError:
        return None  # the CA has forgotten it, or it is another account's


def _is_usable(ctx: Context, acme: Acme, order: Order) -> bool:
    if order.status in {"pending", "ready"}:
        return True
    key_pem = next_key(ctx)
    if order.status == "processing":
        return bool(key_pem)
    if order.status != "valid" or not key_pem:
        return False
    return certificates.read_chain(acme.certificate(order), key_pem).key_matches


def _from_order(ctx: Context, acme: Acme, entry: Entry, order: Order | None, directory: str) -> bytes:
    """The chain as the CA sends it; a new order is made only after the way was tried."""
    method = method_for(ctx, entry)
    try:
        if order is None or order.status == "pending":
            method.prepare()
        key_pem = ready_key(ctx)
        if order is None:
            order = _new_order(ctx, acme, directory)
        entry.note(order=order.url)
        if order.status == "pending":
            for url in order.authorizations:
                _prove(ctx, acme, method, url)
    finally:
        method.cleanup()
    return _finished(ctx, acme, order, key_pem)


def _new_order(ctx: Context, acme: Acme, directory: str) -> Order:
    wanted = ctx.answers.certificate
    try:
        return acme.new_order([wanted.domain], profile=wanted.profile)
    except WizardError as error:
        if error.problem.code != "acme-account-does-not-exist":
            raise
    register_again(ctx, acme, directory)
    return acme.new_order([wanted.domain], profile=wanted.profile)


def _prove(ctx: Context, acme: Acme, method: Method, url: str) -> None:
    found = acme.authorization(url)
    if found.status == "pending":
        challenge = next((each for each in found.challenges if each.kind == method.kind), None)
        if challenge is None:
            raise WizardError(
                Problem(
                    "challenge-not-offered",
                    f"The CA does not offer {method.kind} for {found.domain}.",
                    "It accepts other proofs only.",
                    "Choose another method, or another CA in [certificate] directory.",
                )
            )
        method.perform(challenge)
        acme.answer(challenge)

        def looked() -> Authorization:
            seen = acme.authorization(url)
            if seen.status == "pending":
                raise NotReady("the CA has not looked yet")
            return seen

        found = ctx.wait(
            looked, what=f"the CA to look at {found.domain}", deadline_s=CA_S, every_s=0.05, fix=LATER
        )
    if found.status != "valid":
        raise WizardError(found.problem or _ended(f"The proof for {found.domain}", found.status))


def _finished(ctx: Context, acme: Acme, order: Order, key_pem: bytes) -> bytes:
    wanted = order
    request = certificates.signing_request(key_pem, order.domains)

    def issued() -> Order:
        seen = acme.order(wanted.url)
        if seen.status == "ready":
            seen = acme.finalize(seen, request)
        if seen.status in {"pending", "ready", "processing"}:
            raise NotReady(f"the order is {seen.status}")
        return seen

    order = ctx.wait(issued, what="the CA to issue the certificate", deadline_s=CA_S, every_s=0.05, fix=LATER)
    if order.status != "valid" or not order.certificate_url:
        raise WizardError(order.problem or _ended("The order", order.status))
    return acme.certificate(order)


def _ended(what: str, status: str) -> Problem:
    return Problem(
        "acme-ended",
        f"{what} ended as {status}.",
        "The CA gives no reason; it may have expired, or somebody with the account's key gave it up.",
        "Run the same command again; it makes a new order.",
    )


def _receipt(chain: ChainFacts) -> Receipt:
    return {
        "serial": chain.serial,
        "names": list(chain.names),
        "not_after": chain.not_after.isoformat(),
        "secret": names.CERTIFICATE_SECRET,
    }
