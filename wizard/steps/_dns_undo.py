"""Puts the former record back, where the record is still the one that this setup made."""

from typing import TYPE_CHECKING

from wizard.errors import NotFound
from wizard.steps._dns_apply import address_sets, change_records
from wizard.steps._dns_plan import AWAIT_RECORD
from wizard.steps._dns_records import are_same, facts_of, joined

if TYPE_CHECKING:
    from wizard.journal import Entry
    from wizard.step import Context


def undo_dns(ctx: "Context", entry: "Entry") -> str:
    """A sentence; raises WizardError where Route53 refuses."""
    params = entry.change.params
    domain = params["domain"]
    if entry.change.action == AWAIT_RECORD:
        before = f" It was {params['former']} before." if params["former"] else ""
        return f"The record of {domain} was made by hand, at your DNS host: remove it there.{before}"
    former = list(params["former"])
    made = list(entry.receipt.get("made") or entry.notes.get("making") or [])
    try:
        present = address_sets(ctx, params["zone_id"], domain)
    except NotFound:
        return f"The hosted zone {params['zone']} is gone, and the record of {domain} with it."
    if are_same(present, former):
        return f"The record of {domain} is as it was before."
    if not made or not are_same(present, made):
        now = joined(facts_of(each) for each in present) or "gone"
        return f"The record of {domain} was changed since ({now}), so it stays as it is."
    change_records(ctx, params["zone_id"], present, former, entry)
    if former:
        return f"The record of {domain} is {joined(map(facts_of, former))} again."
    return f"Deleted the record of {domain}."
