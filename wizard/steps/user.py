"""The registry's own IAM user: one policy, one key, the key in a Secret, and the proof that it fits."""

import dataclasses
from functools import partial

from wizard.answers import Answers
from wizard.errors import Problem
from wizard.events import StepId
from wizard.facts import FactBook, UserFacts
from wizard.journal import Entry
from wizard.step import Change, Check, CheckResult, Context, Plan, Receipt
from wizard.steps._user_plan import key_fault, plan_user, wanted_policy
from wizard.steps._user_policy import says_the_same


class UserStep:
    id = StepId.USER

    def inspect(self, ctx: Context) -> UserFacts:
        """Raises WizardError where AWS or the cluster cannot be asked."""
        from wizard.steps._user_keys import lost_keys
        from wizard.steps._user_look import look_at_user
        from wizard.steps._user_owner import told_apart

        facts = look_at_user(ctx.services, ctx.answers.user)
        name, held = ctx.answers.user.name, facts.secret_access_key_id
        lost = lost_keys(ctx.journal, name, facts.access_keys, held)
        return dataclasses.replace(told_apart(ctx, facts), lost_access_key_ids=lost)

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        return plan_user(answers, facts.user or UserFacts())

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:
        from wizard.steps._user_apply import apply_user

        return apply_user(ctx, change, entry)

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        facts = ctx.facts.user or UserFacts()
        is_ours = ctx.answers.user.kind == "iam-user"
        policy = Check(
            "policy",
            "the policy is attached and says what the guide says",
            partial(_check_policy, ctx, facts),
        )
        # A check that was skipped counts as passed for those after it, so each names all that it needs.
        needed = ("policy", "key") if is_ours else ("key",)
        key = Check("key", "the Secret holds an access key that is active", partial(_check_key, ctx, facts))
        return (
            *((policy,) if is_ours else ()),
            key,
            Check(
                "rights",
                "the key can do all that the registry does",
                partial(_prove, "prove_rights", ctx, facts),
                writes=True,
                after=needed,
            ),
            Check(
                "no-other-bucket",
                "the key cannot list or read other buckets",
                partial(_prove, "prove_no_other_bucket", ctx, facts),
                writes=True,
                after=(*needed, "rights"),
            ),
            Check(
                "no-iam",
                "the key cannot call IAM",
                partial(_prove, "prove_no_iam", ctx, facts),
                writes=True,
                after=(*needed, "rights"),
            ),
        )

    def probed(self, answers: Answers, facts: FactBook) -> str:
        key_id = facts.user.secret_access_key_id if facts.user else ""
        return f"{key_id} {answers.bucket.name}"

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:  # noqa: ARG002 - of the protocol
        from wizard.steps._user_undo import undo_user

        return undo_user(ctx, entry)


def _prove(name: str, ctx: Context, facts: UserFacts) -> CheckResult:
    from wizard.steps import _user_proof

    result: CheckResult = getattr(_user_proof, name)(ctx, facts)
    return result


def _check_policy(ctx: Context, facts: UserFacts) -> CheckResult:
    user = ctx.answers.user
    if not facts.policy_exists or not facts.policy_is_attached:
        what = "is not there" if not facts.policy_exists else f"is not attached to the IAM user {user.name}"
    elif not says_the_same(facts.policy_document, wanted_policy(ctx.answers, facts)):
        what = f"does not say what a registry in {ctx.answers.bucket.name} needs"
    else:
        return CheckResult.passed(user.policy)
    return CheckResult.failed(
        Problem(
            "policy-wrong",
            f"The policy {user.policy} {what}.",
            "It was changed outside of this setup.",
            "Run `kube-registry apply` to put it right.",
        )
    )


def _check_key(ctx: Context, facts: UserFacts) -> CheckResult:
    if ctx.answers.user.kind == "existing-secret":
        fault = "" if facts.secret_is_complete else f"The Secret {ctx.answers.user.secret_name} holds no key."
    else:
        fault = key_fault(facts)
    if not fault:
        return CheckResult.passed(facts.secret_access_key_id)
    return CheckResult.failed(
        Problem("key-unusable", fault, "The registry cannot reach its bucket.", "Run `kube-registry apply`.")
    )
