"""A rehearsal: the whole issuance at the CA's staging directory, where a mistake costs nothing."""

from wizard.journal import Entry
from wizard.step import Change, Context, Receipt
from wizard.steps._acme_account import ensure_account
from wizard.steps._acme_issue import Wish, obtain
from wizard.steps._acme_secret import STAGING_SLOT


def rehearse(ctx: Context, change: Change, entry: Entry) -> Receipt:
    """The certificate that comes of it is thrown away; its key goes on to the real one."""
    directory, wanted = str(change.params["directory"]), ctx.answers.certificate
    ensure_account(ctx, directory, STAGING_SLOT)
    obtain(ctx, entry, Wish(directory, wanted.method, slot=STAGING_SLOT))
    ctx.note("The rehearsal with the staging CA went well.")
    return {"directory": directory, "names": sorted(wanted.names), "method": wanted.method}
