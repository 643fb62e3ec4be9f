"""The account at the CA: its key is in a Secret before the CA hears of it, so none is ever lost."""

import os

from pydantic import SecretStr

from wizard import names
from wizard.errors import Problem, WizardError
from wizard.services import certificates
from wizard.services.acme import Acme
from wizard.step import Change, Context, Receipt
from wizard.steps._acme_look import EAB_VARIABLE, account_in
from wizard.steps._acme_secret import put_account

ACCOUNT_KEY_TYPE = "ecdsa-p256"


def register(ctx: Context, change: Change) -> Receipt:
    """A new account, or the one whose key an interrupted run has left in the Secret."""
    directory = str(change.params["directory"])
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    uri, known = account_in(found)
    is_same = found is not None and known == directory
    if is_same and uri:
        return {"directory": directory, "uri": uri}
    key_pem = found.data[names.ACME_ACCOUNT_KEY] if found and is_same else b""
    if not key_pem:
        key_pem = certificates.new_key(ACCOUNT_KEY_TYPE)
        put_account(ctx, key_pem, directory=directory, uri="")
    acme = _client(ctx, directory, key_pem)
    try:
        uri = _sign_up(ctx, acme)
    finally:
        acme.close()
    put_account(ctx, key_pem, directory=directory, uri=uri)
    return {"directory": directory, "uri": uri}


def open_account(ctx: Context, directory: str) -> Acme:
    """A client that signs as the account in the Secret; to be closed. Raises WizardError."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    uri, known = account_in(found)
    if found is None or not uri or known != directory:
        raise WizardError(
            Problem(
                "account-missing",
                f"There is no account at {directory} in the Secret {names.ACME_ACCOUNT_SECRET}.",
                "It was changed while this run went on.",
                "Run the same command again; it makes a new account.",
            )
        )
    acme = _client(ctx, directory, found.data[names.ACME_ACCOUNT_KEY])
    acme.use(uri)
    return acme


def register_again(ctx: Context, acme: Acme, directory: str) -> None:
    """For a CA that has forgotten the account: the same key makes a new one."""
    uri = _sign_up(ctx, acme)
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    if found is not None:
        put_account(ctx, found.data[names.ACME_ACCOUNT_KEY], directory=directory, uri=uri)


def _client(ctx: Context, directory: str, key_pem: bytes) -> Acme:
    return Acme(directory, key_pem, ctx.services.endpoints, ca_file=ctx.answers.certificate.ca_file)


def _sign_up(ctx: Context, acme: Acme) -> str:
    wanted = ctx.answers.certificate
    hmac_key = os.environ.get(EAB_VARIABLE, "")
    binding = (wanted.eab_kid, SecretStr(hmac_key)) if wanted.eab_kid else None
    return acme.register(contact=wanted.email, external_account=binding)
