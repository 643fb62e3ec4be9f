"""Takes certificate and account back: our Secrets go, others get their former contents again."""

from collections.abc import Callable, Mapping
from functools import partial

from wizard import names
from wizard.errors import WizardError
from wizard.journal import Entry
from wizard.services import certificates
from wizard.services.cluster import SecretContents
from wizard.step import Context
from wizard.steps._acme_account import give_up
from wizard.steps._acme_methods import clean_after
from wizard.steps._acme_plan import CHANGE_KEY, REGISTER, REHEARSE
from wizard.steps._acme_secret import KEPT_ACCOUNT, KEPT_PAIR, put_back


def undo(ctx: Context, entry: Entry) -> str:
    """Can be run again; says what came of it."""
    clean_after(ctx, entry)
    if entry.change.action == REHEARSE:
        return "A rehearsal leaves nothing to take back."
    if entry.change.action == CHANGE_KEY:
        return "The account's key goes with the account."
    if entry.change.action == REGISTER:
        farewell = partial(give_up, ctx, str(entry.change.params["directory"]))
        return _undo_secret(ctx, entry, names.ACME_ACCOUNT_SECRET, KEPT_ACCOUNT, farewell)
    return _undo_secret(
        ctx,
        entry,
        names.CERTIFICATE_SECRET,
        KEPT_PAIR,
        lambda: "The certificate is not revoked; it runs out by itself.",
    )


def _undo_secret(
    ctx: Context, entry: Entry, name: str, kept: Mapping[str, str], farewell: Callable[[], str]
) -> str:
    """`farewell` is called while the Secret is still there, and says what comes of what it stood for."""
    cluster = ctx.services.cluster
    found = cluster.read_secret(name)
    if found is None:
        return f"The Secret {name} is gone already."
    if found.facts.owner == ctx.answers.setup:
        told = farewell()
        cluster.delete("v1", "Secret", name)
        return f"Deleted the Secret {name}. {told}"
    if found.facts.owner:
        return f"Left the Secret {name} alone: it belongs to the setup {found.facts.owner} now."
    if not _is_still_ours(entry, found):
        return f"Left the Secret {name} alone: it does not hold any more what was put there."
    told = farewell()
    put_back(ctx, name, found, kept)
    return f"Put the Secret {name} back as it was. {told}"


def _is_still_ours(entry: Entry, found: SecretContents) -> bool:
    """Whether the Secret holds what this entry put there, in whole or, if it was cut off, in part."""
    if entry.change.action == REGISTER:
        account = found.data.get(names.ACME_ACCOUNT_FILE, b"")
        return str(entry.change.params["directory"]).encode() in account
    if names.ISSUED_BY not in found.data:
        return names.NEXT_PRIVATE_KEY in found.data
    serial = entry.receipt.get("serial")
    return serial is None or serial == _serial(found)


def _serial(found: SecretContents) -> str:
    try:
        return certificates.read_chain(found.data.get(names.CERTIFICATE_KEY, b""), None).serial
    except WizardError:
        return ""
