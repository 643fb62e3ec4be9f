"""The account at the CA: its key is in a Secret before the CA hears of it, so none is ever lost."""

import json

from pydantic import SecretStr

from wizard import attempts, names
from wizard.attempts import Attempts
from wizard.errors import Problem, WizardError
from wizard.secret_variables import EAB_HMAC
from wizard.services import certificates
from wizard.services.acme import Acme
from wizard.services.cluster import SecretContents
from wizard.step import Change, Context, Receipt
from wizard.steps._acme_limits import limits_remembered, refuse_if_limited
from wizard.steps._acme_look import account_in, binding_problem
from wizard.steps._acme_plan import terms_changed
from wizard.steps._acme_secret import (
    NEXT_ACCOUNT_KEY,
    PRODUCTION_SLOT,
    Slot,
    put_account,
    put_next_account_key,
    take_next_account_key,
)

ACCOUNT_KEY_TYPE = "ecdsa-p256"


def register(ctx: Context, change: Change) -> Receipt:
    """A new account, or the one whose key an interrupted run has left in the Secret."""
    directory = str(change.params["directory"])
    uri = ensure_account(ctx, directory, PRODUCTION_SLOT, terms=str(change.params.get("terms", "")))
    return {"directory": directory, "uri": uri}


def ensure_account(ctx: Context, directory: str, slot: Slot, *, terms: str = "") -> str:
    """The account's address; made where the Secret has none for this CA.

    `terms` is the address of those that were shown, "" for those that the CA names now.
    """
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    uri, known = account_in(found, slot)
    is_same = found is not None and known == directory
    if is_same and uri:
        return uri
    key_pem = found.data[slot.key] if found and is_same else b""
    if not key_pem:
        key_pem = certificates.new_key(ACCOUNT_KEY_TYPE)
        put_account(ctx, key_pem, slot, {"directory": directory, "uri": ""})
    acme = _client(ctx, directory, key_pem)
    try:
        uri, terms = _sign_up(ctx, acme, directory), terms or acme.terms
    finally:
        acme.close()
    put_account(ctx, key_pem, slot, {"directory": directory, "uri": uri, "terms": terms})
    return uri


def open_account(ctx: Context, directory: str, slot: Slot = PRODUCTION_SLOT) -> Acme:
    """A client that signs as the account in the Secret; to be closed. Raises WizardError."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    uri, known = account_in(found, slot)
    if found is None or not uri or known != directory:
        raise WizardError(
            Problem(
                "account-missing",
                f"There is no account at {directory} in the Secret {names.ACME_ACCOUNT_SECRET}.",
                "It was changed while this run went on.",
                "Run the same command again; it makes a new account.",
            )
        )
    acme = _client(ctx, directory, found.data[slot.key])
    acme.use(uri)
    return acme


def register_again(ctx: Context, acme: Acme, directory: str, slot: Slot = PRODUCTION_SLOT) -> None:
    """For a CA that has forgotten the account: the same key makes a new one."""
    uri = _sign_up(ctx, acme, directory)
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    if found is not None:
        told = _told(found, slot) | {"directory": directory, "uri": uri, "terms": acme.terms}
        put_account(ctx, found.data[slot.key], slot, told)


def tell_new_terms(ctx: Context, acme: Acme, slot: Slot) -> None:
    """A plan has told of them already; a renewal has none."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    known = _told(found, slot).get("terms", "") if found else ""
    planned = ctx.facts.certificate.terms if ctx.facts.certificate else ""
    if known and acme.terms not in {"", known, planned}:
        ctx.note(terms_changed(acme.terms))


def keep_terms(ctx: Context, acme: Acme, slot: Slot) -> None:
    """The account has had a certificate under these terms: they are told of no more."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    told = _told(found, slot) if found else {}
    if found is not None and told and acme.terms and told.get("terms") != acme.terms:
        put_account(ctx, found.data[slot.key], slot, told | {"terms": acme.terms})


def change_key(ctx: Context, change: Change) -> Receipt:
    """The account goes on with a new key; the next one is in the Secret before the CA hears of it.

    A run that was cut off may have told the CA already: then only the Secret is left to be changed.
    """
    directory, cluster = str(change.params["directory"]), ctx.services.cluster
    acme = open_account(ctx, directory)
    try:
        found = cluster.read_secret(names.ACME_ACCOUNT_SECRET)
        assert found
        key_pem = found.data.get(NEXT_ACCOUNT_KEY, b"")
        if not key_pem:
            key_pem = certificates.new_key(ACCOUNT_KEY_TYPE)
            put_next_account_key(ctx, key_pem)
        uri, _ = account_in(found)
        if not _knows(ctx, directory, key_pem, uri):
            acme.change_key(key_pem)
    finally:
        acme.close()
    take_next_account_key(ctx)
    return {"directory": directory, "uri": uri}


def _knows(ctx: Context, directory: str, key_pem: bytes, uri: str) -> bool:
    """Whether the account has this key already."""
    acme = _client(ctx, directory, key_pem)
    try:
        acme.use(uri)
        return acme.has_this_key()
    finally:
        acme.close()


def give_up(ctx: Context, directory: str) -> str:
    """Deactivates the Secret's account, if it is one of this CA; says what came of it. Changes no Secret."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    uri, known = account_in(found, PRODUCTION_SLOT)
    if found is None or not uri or known != directory:
        return "No account was made."
    try:
        acme = _client(ctx, directory, found.data[names.ACME_ACCOUNT_KEY])
        acme.use(uri)
        try:
            acme.deactivate()
        finally:
            acme.close()
    except WizardError as error:
        return f"The account stays at the CA: {error.problem.what}"
    return "The account at the CA is deactivated."


def _client(ctx: Context, directory: str, key_pem: bytes) -> Acme:
    return Acme(directory, key_pem, ctx.services.endpoints, ca_file=ctx.answers.certificate.ca_file)


def _sign_up(ctx: Context, acme: Acme, directory: str) -> str:
    wanted, ledger = ctx.answers.certificate, Attempts(ctx.journal.path)
    if wanted.eab_kid and (problem := binding_problem(ctx)):
        raise WizardError(problem)
    hmac_key = ctx.vault.secret(EAB_HMAC)
    binding = (wanted.eab_kid, hmac_key or SecretStr("")) if wanted.eab_kid else None
    refuse_if_limited(ctx, directory)
    ledger.note(attempts.ACCOUNT, directory)
    with limits_remembered(ctx, directory):
        return acme.register(contact=wanted.email, external_account=binding)


def _told(found: SecretContents, slot: Slot) -> dict[str, str]:
    try:
        told: dict[str, str] = dict(json.loads(found.data[slot.file]))
    except (KeyError, TypeError, ValueError):
        return {}
    return told
