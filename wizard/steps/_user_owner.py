"""Tells what this setup made from what another one of the same name made: the default name is everybody's."""

import dataclasses
from collections.abc import Mapping

from wizard import ownership
from wizard.events import StepId
from wizard.facts import UserFacts
from wizard.place import Place, home
from wizard.step import Context

_MAKING_USERS = frozenset({"create-user", "tag-user"})
_MAKING_POLICIES = frozenset({"create-policy", "change-policy"})
UNKNOWN = "It carries the name of this setup, but nothing here remembers making it."


def told_apart(ctx: Context, facts: UserFacts) -> UserFacts:
    """The facts with what speaks against that user and policy, marked with this setup's name, are its own."""
    if ctx.answers.user.kind == "existing-secret":
        return facts
    here = home(ctx.answers, ctx.services)
    changes = [entry.change for entry in ctx.journal.standing(StepId.USER)]
    name, arn = ctx.answers.user.name, facts.policy_arn
    knows_user = any(c.action in _MAKING_USERS and c.params["name"] == name for c in changes)
    knows_policy = any(c.action in _MAKING_POLICIES and c.params["arn"] == arn for c in changes)
    setup = ctx.answers.setup
    return dataclasses.replace(
        facts,
        home=here.mark,
        user_elsewhere=_against(facts.user_tags, setup, here, is_known=knows_user),
        # What it says is changed: that takes more than a mark that others can read and write.
        policy_elsewhere=_against(facts.policy_tags, setup, here, is_known=knows_policy)
        or ("" if knows_policy or facts.policy_owner != setup else UNKNOWN),
    )


def marks(setup: str, place: str) -> dict[str, str]:
    """The tags of a thing that a setup makes; `place` is "" where the cluster is not known."""
    return {ownership.TAG: setup} | ({ownership.PLACE_TAG: place} if place else {})


def _against(tags: Mapping[str, str], setup: str, here: Place, *, is_known: bool) -> str:
    """A mark counts for more than the journal, which has none for what an earlier version made."""
    if ownership.owner_of_tags(tags) != setup:
        return ""
    if not (mark := tags.get(ownership.PLACE_TAG, "")):
        return "" if is_known else UNKNOWN
    other = Place.from_mark(mark)
    if not here.is_other_home(other):
        return ""
    return f"Its tags say: made for the namespace {other.namespace} of the cluster {other.kube_server}."
