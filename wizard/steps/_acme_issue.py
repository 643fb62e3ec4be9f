"""Gets a certificate: order, proof, signing request, download; each step can be gone on from.

The order's address is in the journal before anything is proven, and the key in the Secret before the order
is made, so that a run that was cut off costs neither a certificate nor the CA's patience.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from wizard import attempts, names
from wizard.attempts import Attempts
from wizard.errors import Problem, Unreachable, WizardError
from wizard.events import StepId
from wizard.facts import ChainFacts
from wizard.journal import Entry
from wizard.polling import NotReady
from wizard.services import certificates
from wizard.services.acme import Acme, Authorization, Order, RateLimited, read_directory
from wizard.step import Change, Context, Receipt
from wizard.steps._acme_account import keep_terms, open_account, register_again, tell_new_terms
from wizard.steps._acme_chain import chain_in
from wizard.steps._acme_checks import reading, require
from wizard.steps._acme_limits import limits_remembered, refuse_if_limited
from wizard.steps._acme_methods import Method, clean_after, method_for
from wizard.steps._acme_secret import PRODUCTION_SLOT, Slot, install, next_key, ready_key

CA_S = 180.0
OPEN = frozenset({"pending", "ready"})
LATER = "Run the same command again: it goes on with this order."


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of which CA, and how the domain is proven.

    `replaces` is the identifier of the certificate before (RFC 9773, 4.1), "" for none.
    """

    directory: str
    method: str
    replaces: str = ""
    slot: Slot = PRODUCTION_SLOT


@dataclass(frozen=True, slots=True)
class Pair:
    """A chain in the order that servers send it, and its key; both PEM."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)


def issue(ctx: Context, change: Change, entry: Entry) -> Receipt:
    """The certificate takes its place in the Secret. Raises WizardError; what came before stays usable."""
    if (done := _already_done(ctx, change)) is not None:
        clean_up(ctx)
        return receipt(done)
    directory = str(change.params["directory"])
    pair = obtain(ctx, entry, Wish(directory, ctx.answers.certificate.method))
    install(ctx, pair.cert_pem, pair.key_pem, issued_by=directory)
    return receipt(certificates.read_chain(pair.cert_pem, pair.key_pem))


def obtain(ctx: Context, entry: Entry, wish: Wish) -> Pair:
    """A new pair for the answers' names; its key stands in the Secret as next.key until it is installed.

    `entry` is the journal's for this change: its notes hold the order and what is to be cleaned up. An order
    that an interrupted run has begun is gone on with. Raises WizardError.
    """
    acme = open_account(ctx, wish.directory, wish.slot)
    try:
        tell_new_terms(ctx, acme, wish.slot)
        order = _unfinished(ctx, acme, wish)
        pem, key_pem = _from_order(ctx, acme, entry, order, wish)
        keep_terms(ctx, acme, wish.slot)
    finally:
        acme.close()
        clean_up(ctx)
    return Pair(certificates.arrange(pem, key_pem), key_pem)


def clean_up(ctx: Context) -> None:
    """Removes what interrupted runs have left in webroots and zones.

    Not before their orders are done with: the CA may be about to look.
    """
    for entry in ctx.journal.standing(StepId.CERTIFICATE):
        if entry.state == "intended" or entry.notes.get("txt"):
            clean_after(ctx, entry)


def _already_done(ctx: Context, change: Change) -> ChainFacts | None:
    """The certificate that a run put into the Secret without being able to say so."""
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    chain = chain_in(ctx, found)
    if found is None or chain is None or not chain.key_matches:
        return None
    is_other = chain.serial != change.params["former_serial"]
    is_ours = found.data.get(names.ISSUED_BY) == str(change.params["directory"]).encode()
    is_right = not certificates.missing(chain.names, ctx.answers.certificate.names)
    return chain if is_other and is_ours and is_right else None


def _unfinished(ctx: Context, acme: Acme, wish: Wish) -> Order | None:
    """The newest order of an interrupted run, if it can still end in a certificate for the prepared key."""
    for entry in reversed(ctx.journal.standing(StepId.CERTIFICATE)):
        url = entry.notes.get("order")
        if entry.state != "intended" or not url or entry.notes.get("directory") != wish.directory:
            continue
        order = _looked_up(acme, str(url))
        if order is None:
            return None
        _count_failure(ctx, acme, order, wish.directory)
        return order if _is_wanted(ctx, entry, order) and _is_usable(ctx, acme, order) else None
    return None


def _wanted(ctx: Context) -> dict[str, object]:
    """What an order and its signing request are for, as the journal keeps it."""
    wanted = ctx.answers.certificate
    return {"names": sorted(wanted.names), "profile": wanted.profile, "key_type": wanted.key_type}


def _is_wanted(ctx: Context, entry: Entry, order: Order) -> bool:
    """An order has no kind of key before its signing request is handed in."""
    wanted = _wanted(ctx)
    if order.status in OPEN:
        wanted.pop("key_type")
    return all(entry.notes.get(key, value) == value for key, value in wanted.items())


def _count_failure(ctx: Context, acme: Acme, order: Order, directory: str) -> None:
    """What the CA has found after the run was cut off: it counts all the same."""
    ledger = Attempts(ctx.journal.path)
    if order.status != "invalid" or ledger.knows(order.url, attempts.FAILED, directory):
        return
    if any(acme.authorization(url).status == "invalid" for url in order.authorizations):
        ledger.came_of(order.url, attempts.FAILED, directory, order.domains)


def _looked_up(acme: Acme, url: str) -> Order | None:
    try:
        return acme.order(url)
    except (Unreachable, RateLimited):
        raise
    except WizardError:
        return None  # the CA has forgotten it, or it is another account's


def _is_usable(ctx: Context, acme: Acme, order: Order) -> bool:
    if order.status in OPEN:
        return True
    key_pem = next_key(ctx)
    if order.status == "processing":
        return bool(key_pem)
    if order.status != "valid" or not key_pem:
        return False
    return certificates.read_chain(acme.certificate(order), key_pem).key_matches


def _from_order(
    ctx: Context, acme: Acme, entry: Entry, order: Order | None, wish: Wish
) -> tuple[bytes, bytes]:
    """The chain as the CA sends it; a new order is made only after the way was tried."""
    method = method_for(ctx, entry, wish.method)
    ledger = Attempts(ctx.journal.path)
    try:
        if order is None or order.status == "pending":
            method.open()
            _try_the_way(ctx, method, wish)
        key_pem, request = ready_key(ctx, ctx.answers.certificate.names)
        with limits_remembered(ctx, wish.directory):
            if order is None:
                order = _new_order(ctx, acme, wish, ledger)
            entry.note(order=order.url, directory=wish.directory, **_wanted(ctx))
            if order.status == "pending":
                _prove(ctx, acme, method, order, wish)
    finally:
        method.cleanup()
    with limits_remembered(ctx, wish.directory):
        return _finished(ctx, acme, order, request, wish), key_pem


def _try_the_way(ctx: Context, method: Method, wish: Wish) -> None:
    wanted = ctx.answers.certificate
    ca = read_directory(wish.directory, ctx.services.endpoints, ca_file=wanted.ca_file)
    account = ctx.facts.certificate.account_uri if ctx.facts.certificate else ""
    require(ctx, (*reading(ctx, method.kind, ca, account), *method.checks()))


def _new_order(ctx: Context, acme: Acme, wish: Wish, ledger: Attempts) -> Order:
    """A CA refuses `replaces` for what was replaced before, or is another account's: then it is left out.

    The order of a run that was cut off may have replaced it, or a certificate that never got into service.
    Some CAs call it an internal error of theirs that they do not find what is to be replaced.
    """
    wanted = ctx.answers.certificate
    refuse_if_limited(ctx, wish.directory)
    ledger.note(attempts.ORDER, wish.directory, wanted.names)
    try:
        return acme.new_order(wanted.names, profile=wanted.profile, replaces=wish.replaces)
    except (RateLimited, Unreachable) as error:
        if not wish.replaces or error.problem.code != "acme-server-internal":
            raise
    except WizardError as error:
        if error.problem.code == "acme-account-does-not-exist":
            register_again(ctx, acme, wish.directory, wish.slot)
        elif not wish.replaces:
            raise
    return acme.new_order(wanted.names, profile=wanted.profile)


def _prove(ctx: Context, acme: Acme, method: Method, order: Order, wish: Wish) -> None:
    """All proofs are shown before the CA is told to look at the first."""
    pending = {}
    for url in order.authorizations:
        found = acme.authorization(url)
        if found.status != "pending":
            _must_be_valid(ctx, found, order, wish)
            continue
        challenge = next((each for each in found.challenges if each.kind == method.kind), None)
        if challenge is None:
            raise WizardError(_not_offered(method.kind, found.domain))
        method.perform(challenge)
        pending[url] = challenge
    method.settle()
    for challenge in pending.values():
        acme.answer(challenge)
    for url, challenge in pending.items():
        _must_be_valid(ctx, _judgement(ctx, acme, url, challenge.domain), order, wish)


def _judgement(ctx: Context, acme: Acme, url: str, domain: str) -> Authorization:
    not_before = datetime.now(UTC)

    def looked() -> Authorization:
        nonlocal not_before
        if datetime.now(UTC) < not_before:
            raise NotReady("the CA asked for a moment")
        seen = acme.authorization(url)
        if seen.status == "pending":
            not_before = acme.wait_until or not_before
            raise NotReady("the CA has not looked yet")
        return seen

    return ctx.wait(looked, what=f"the CA to look at {domain}", deadline_s=CA_S, every_s=0.05, fix=LATER)


def _must_be_valid(ctx: Context, found: Authorization, order: Order, wish: Wish) -> None:
    if found.status == "valid":
        return
    if found.status == "invalid":
        Attempts(ctx.journal.path).came_of(order.url, attempts.FAILED, wish.directory, order.domains)
    raise WizardError(found.problem or _ended(f"The proof for {found.domain}", found.status))


def _finished(ctx: Context, acme: Acme, order: Order, request: bytes, wish: Wish) -> bytes:
    wanted, not_before = order, datetime.now(UTC)

    def issued() -> Order:
        nonlocal not_before
        if datetime.now(UTC) < not_before:
            raise NotReady("the CA asked for a moment")
        seen = acme.order(wanted.url)
        if seen.status == "ready":
            seen = acme.finalize(seen, request)
        if seen.status in {"pending", "ready", "processing"}:
            not_before = acme.wait_until or not_before
            raise NotReady(f"the order is {seen.status}")
        return seen

    order = ctx.wait(issued, what="the CA to issue the certificate", deadline_s=CA_S, every_s=0.05, fix=LATER)
    if order.status != "valid" or not order.certificate_url:
        raise WizardError(order.problem or _ended("The order", order.status))
    Attempts(ctx.journal.path).came_of(order.url, attempts.ISSUED, wish.directory, order.domains)
    return _chosen(ctx, acme, order)


def _chosen(ctx: Context, acme: Acme, order: Order) -> bytes:
    """The CA's own chain, unless the answers prefer another root and the CA offers it."""
    preferred = ctx.answers.certificate.preferred_chain
    if not preferred:
        return acme.certificate(order)
    offered = acme.chains(order)
    found = [each for each in offered if certificates.leads_to(each, preferred)]
    if not found:
        ctx.note(f"The CA offers no chain that leads to {preferred}; its own choice is taken.")
    return (found or offered)[0]


def _not_offered(kind: str, domain: str) -> Problem:
    return Problem(
        "challenge-not-offered",
        f"The CA does not offer {kind} for {domain}.",
        "It accepts other proofs only.",
        "Choose another method, or another CA in [certificate] directory.",
    )


def _ended(what: str, status: str) -> Problem:
    return Problem(
        "acme-ended",
        f"{what} ended as {status}.",
        "The CA gives no reason; it may have expired, or somebody with the account's key gave it up.",
        "Run the same command again; it makes a new order.",
    )


def receipt(chain: ChainFacts) -> Receipt:
    """What the journal keeps of a certificate."""
    return {
        "serial": chain.serial,
        "names": list(chain.names),
        "not_after": chain.not_after.isoformat(),
        "secret": names.CERTIFICATE_SECRET,
    }
