"""Puts the former record back, where the record is still the one that this setup made."""

from typing import TYPE_CHECKING, Any

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
    former = _before_us(ctx, entry)
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


def _before_us(ctx: "Context", entry: "Entry") -> list[dict[str, Any]]:
    """What was there before this setup's first change: the balancer of an earlier one is gone by now."""
    former = list(entry.change.params["former"])
    for earlier in reversed(ctx.journal.standing(ctx.step)):
        made = list(earlier.receipt.get("made") or earlier.notes.get("making") or [])
        is_same = earlier.change.params["domain"] == entry.change.params["domain"]
        if earlier.number < entry.number and is_same and made and are_same(former, made):
            former = list(earlier.change.params["former"])
    return former
