"""The bucket that holds the images: made or adopted, private, encrypted, tidied, and tried out."""

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from wizard.answers import Answers, BucketAnswers
from wizard.errors import Problem
from wizard.events import StepId
from wizard.facts import BucketFacts, FactBook
from wizard.journal import Entry
from wizard.step import Change, Check, CheckResult, Context, Plan, Receipt
from wizard.steps._bucket_plan import plan_bucket

if TYPE_CHECKING:
    from wizard.steps._s3_probe import S3Probe


class BucketStep:
    id = StepId.BUCKET

    def inspect(self, ctx: Context) -> BucketFacts:
        """Raises WizardError where AWS cannot be asked."""
        from wizard.steps._bucket_look import look_at_bucket

        name = ctx.answers.bucket.name
        if not name:
            return BucketFacts()
        facts = look_at_bucket(ctx.services.aws, name, unminded=_unminded(ctx.answers.bucket))
        if facts.state == "mine" and not facts.owner and _was_interrupted(ctx, name):
            return dataclasses.replace(facts, owner=ctx.answers.setup)
        return facts

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        return plan_bucket(answers, facts.bucket or BucketFacts(aws_region=answers.connect.aws_region))

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:
        from wizard.steps._bucket_apply import apply_bucket

        return apply_bucket(ctx, change, entry)

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        facts = ctx.facts.bucket or BucketFacts()
        return (
            Check("owner", "the bucket is yours and in the right region", partial(_check_owner, ctx, facts)),
            Check(
                "settings",
                "encryption, public access block and clean-up rule are set",
                partial(_check_settings, ctx, facts),
                after=("owner",),
            ),
            Check(
                "objects",
                "put, get, list and delete an object",
                partial(_check_objects, ctx),
                writes=True,
                after=("owner",),
            ),
            Check(
                "multipart",
                "finish one multipart upload and abort another",
                partial(_check_multipart, ctx),
                writes=True,
                after=("owner",),
            ),
        )

    def probed(self, answers: Answers, facts: FactBook) -> str:
        seen = facts.bucket or BucketFacts()
        return f"{answers.bucket.name} {seen.aws_region} {seen.encryption} {seen.kms_key_id}".strip()

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:
        from wizard.steps._bucket_undo import undo_bucket

        return undo_bucket(ctx, entry, delete_bucket=delete_bucket)


def _unminded(wanted: BucketAnswers) -> tuple[str, ...]:
    """Actions that read settings which the answers leave as they are."""
    left = {
        "s3:GetEncryptionConfiguration": wanted.encryption == "keep",
        "s3:GetBucketPublicAccessBlock": not wanted.block_public_access,
        "s3:GetLifecycleConfiguration": not wanted.abort_incomplete_days,
    }
    return tuple(action for action, is_left in left.items() if is_left)


def _was_interrupted(ctx: Context, name: str) -> bool:
    """Made by this setup, but not marked yet: the run ended between the two requests."""
    return any(
        entry.state == "intended"
        and entry.change.action == "create-bucket"
        and entry.change.params["name"] == name
        and not entry.notes.get("refused")
        for entry in ctx.journal.standing(StepId.BUCKET)
    )


def _check_owner(ctx: Context, facts: BucketFacts) -> CheckResult:
    name = ctx.answers.bucket.name
    if facts.state == "mine":
        return CheckResult.passed(f"{name} in {facts.aws_region}")
    plan = plan_bucket(ctx.answers, facts)
    if plan.blockers:
        return CheckResult.failed(plan.blockers[0])
    return CheckResult.failed(
        Problem(
            "bucket-missing",
            f"The bucket {name} is not there.",
            "It was deleted since, and the images with it.",
            "Run `kube-registry apply` to make it again.",
        )
    )


def _check_settings(ctx: Context, facts: BucketFacts) -> CheckResult:
    """Read back: the plan from fresh facts must be empty."""
    open_changes = plan_bucket(ctx.answers, facts).changes
    if not open_changes:
        days = facts.abort_incomplete_days
        tidied = f"broken uploads go after {days} days" if days else "broken uploads stay"
        return CheckResult.passed(f"{facts.encryption or 'not encrypted'}, {tidied}")
    return CheckResult.failed(
        Problem(
            "bucket-settings-differ",
            f"The bucket {facts.name} is not set as it should be.",
            f"Not so: {open_changes[0].summary}.",
            "Run `kube-registry apply` to set it.",
        )
    )


def _check_objects(ctx: Context) -> CheckResult:
    with _probe(ctx, "objects") as probe:
        probe.objects()
    return CheckResult.passed("as you")


def _check_multipart(ctx: Context) -> CheckResult:
    with _probe(ctx, "multipart") as probe:
        probe.multipart()
    return CheckResult.passed("as you")


def _probe(ctx: Context, purpose: str) -> "S3Probe":
    from wizard.steps._s3_probe import S3Probe

    aws = ctx.services.aws
    client = aws.client("s3")
    return S3Probe(client, ctx.answers.bucket.name, purpose, operator=client, profile=aws.profile)
