"""Plans a bucket from answers and facts, without looking at anything."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from wizard import ownership, rules
from wizard.answers import Answers
from wizard.errors import Problem, Remedy
from wizard.events import Verb
from wizard.facts import BucketFacts
from wizard.step import Change, Consent, Plan
from wizard.steps import _bucket_lifecycle as lifecycle

ABORT_RULE_ID = "kube-registry-abort-incomplete-uploads"
BLOCK_ALL: Mapping[str, bool] = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)
KIND = "S3 bucket"
STORAGE_COST = "about $0.023 a GB and month, $0.005 for 1,000 uploads"
KMS_COST = "about $0.03 for 10,000 requests to KMS"


def plan_bucket(answers: Answers, facts: BucketFacts) -> Plan:
    """Empty once the bucket is there, marked as the setup's, and set as the answers say."""
    wanted = answers.bucket
    if blocker := _blocker(answers, facts):
        return Plan(blockers=(blocker,))
    changes = [_creation(answers, facts)] if facts.state == "absent" else []
    changes += [
        change
        for change in (
            _tagging(answers, facts),
            _encryption(answers, facts),
            _public_access_block(answers, facts),
            _abort_rule(answers, facts),
        )
        if change
    ]
    consents: tuple[Consent, ...] = ()
    if changes and facts.state == "mine" and facts.owner != answers.setup:
        told = " ".join(f"{change.summary}." for change in changes)
        question = f"The bucket {wanted.name} exists already and this setup did not make it. Adopt it? {told}"
        consents = (Consent("adopt", "bucket", question),)
    return Plan(tuple(changes), consents, (), _notes(answers, facts))


def abort_rule(days: int) -> dict[str, Any]:
    return {
        "ID": ABORT_RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
    }


def _blocker(answers: Answers, facts: BucketFacts) -> Problem | None:
    name = answers.bucket.name
    if not name:
        return Problem(
            "answer-missing", "The bucket has no name yet.", "", "Set bucket.name to a name of your own."
        )
    if facts.state == "mine" and facts.owner and facts.owner != answers.setup:
        return Problem(
            "bucket-of-other-setup",
            f"The bucket {name} belongs to the setup {facts.owner}.",
            "Two registries in one bucket would overwrite each other.",
            "Choose another bucket.name.",
        )
    if facts.state == "absent":
        if answers.bucket.create:
            return None
        return Problem(
            "bucket-missing",
            f"There is no bucket {name}.",
            "bucket.create is false, so it has to be there already.",
            "Set bucket.create to true, or bucket.name to a bucket that exists.",
            remedy=Remedy("set", "bucket", "create", True),
        )
    return {
        "mine-elsewhere": Problem(
            "bucket-elsewhere",
            f"The bucket lives in {facts.aws_region}.",
            f"{name} is yours, but a registry needs its bucket in its own region.",
            f"Set connect.aws_region to {facts.aws_region}, or choose another bucket.name.",
            remedy=Remedy("set", "connect", "aws_region", facts.aws_region),
        ),
        "taken": Problem(
            "bucket-taken",
            f"The bucket name {name} is taken.",
            "Another AWS account has it; bucket names are shared by all accounts.",
            "Choose another bucket.name, for example with your organisation's name in front.",
        ),
        "forbidden": Problem(
            "bucket-forbidden",
            f"AWS does not let you look at the bucket {name}.",
            "It is yours and its policy shuts you out, or your own policy lacks s3:ListBucket.",
            f"Allow s3:ListBucket on {name}, or choose another bucket.name.",
        ),
    }.get(facts.state)


def _creation(answers: Answers, facts: BucketFacts) -> Change:
    name, region = answers.bucket.name, facts.aws_region
    return Change(
        "create-bucket",
        Verb.CREATE,
        KIND,
        name,
        f"Create the bucket {name} in {region}",
        {"name": name, "aws_region": region, "tags": {ownership.TAG: answers.setup}},
        STORAGE_COST,
        _command("create-bucket", name, **_place(region)),
    )


def _place(region: str) -> dict[str, str]:
    if region == "us-east-1":
        return {"region": region}
    return {"region": region, "create-bucket-configuration": f"LocationConstraint={region}"}


def _tagging(answers: Answers, facts: BucketFacts) -> Change | None:
    if facts.state == "absent" or facts.tags.get(ownership.TAG) == answers.setup:
        return None
    name = answers.bucket.name
    tags = {**facts.tags, ownership.TAG: answers.setup}
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return Change(
        "tag-bucket",
        Verb.CHANGE if facts.owner == answers.setup else Verb.ADOPT,
        KIND,
        name,
        f"Mark the bucket {name} as used by the setup {answers.setup}",
        {"name": name, "wanted": {ownership.TAG: answers.setup}, "former": None},
        command=_command("put-bucket-tagging", name, tagging={"TagSet": listed}),
    )


def _encryption(answers: Answers, facts: BucketFacts) -> Change | None:
    wanted, name = answers.bucket.encryption, answers.bucket.name
    if wanted in {"keep", facts.encryption}:
        return None
    if facts.encryption.startswith("aws:kms") and wanted == "aws:kms":
        return None
    rule: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": wanted}}
    if wanted == "aws:kms":
        rule["BucketKeyEnabled"] = True
    former = list(facts.encryption_rules) if facts.encryption_rules else None
    instead = f" instead of {facts.encryption}" if facts.encryption else ""
    return Change(
        "set-encryption",
        Verb.CHANGE,
        KIND,
        name,
        f"Encrypt new objects in {name} with {wanted}{instead}",
        {"name": name, "wanted": [rule], "former": former},
        KMS_COST if wanted == "aws:kms" else "",
        _command(
            "put-bucket-encryption", name, **{"server-side-encryption-configuration": {"Rules": [rule]}}
        ),
    )


def _public_access_block(answers: Answers, facts: BucketFacts) -> Change | None:
    """An answer of false leaves the block as it is: the wizard opens nothing."""
    if not answers.bucket.block_public_access or facts.blocks_public_access:
        return None
    name = answers.bucket.name
    former = dict(facts.public_access_block) if facts.public_access_block else None
    wanted = dict(BLOCK_ALL)
    return Change(
        "block-public-access",
        Verb.CHANGE,
        KIND,
        name,
        f"Block all public access to {name}",
        {"name": name, "wanted": wanted, "former": former},
        command=_command("put-public-access-block", name, **{"public-access-block-configuration": wanted}),
    )


def _abort_rule(answers: Answers, facts: BucketFacts) -> Change | None:
    """Another rule that clears away as soon is as good as ours."""
    days, name = answers.bucket.abort_incomplete_days, answers.bucket.name
    own = own_rule(facts.lifecycle_rules)
    wanted = abort_rule(days) if days else None
    shortest = facts.abort_incomplete_days
    is_served = own is None and shortest is not None and shortest <= days
    if is_same_rule(own, wanted) or is_served:
        return None
    others = [rule for rule in facts.lifecycle_rules if rule.get("ID") != ABORT_RULE_ID]
    document = {"Rules": lifecycle.beside(others, wanted)}
    told = (
        f"Clear away broken uploads in {name} after {days} days" if days else f"Keep broken uploads in {name}"
    )
    rewritten = lifecycle.old_ones(others) if wanted else []
    if rewritten:
        told += ", and write its older rules in the form that S3 takes beside it"
    return Change(
        "set-abort-rule",
        Verb.CHANGE,
        KIND,
        name,
        told,
        {"name": name, "wanted": wanted, "former": own, "rewritten": rewritten},
        command=_command("put-bucket-lifecycle-configuration", name, **{"lifecycle-configuration": document}),
    )


def own_rule(found: "tuple[Mapping[str, Any], ...]") -> dict[str, Any] | None:
    return next((dict(rule) for rule in found if rule.get("ID") == ABORT_RULE_ID), None)


def is_same_rule(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """S3 gives an empty filter back in more than one way, so only what we set is compared."""
    return _essence(one) == _essence(other)


def _essence(rule: Mapping[str, Any] | None) -> object:
    if rule is None:
        return None
    return rule.get("Status"), (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")


def _notes(answers: Answers, facts: BucketFacts) -> tuple[str, ...]:
    notes = [rules.bucket_name_warning(answers.bucket.name)]
    if facts.kms_key_id and answers.bucket.encryption != "AES256":
        notes.append(
            f"Objects are encrypted with the KMS key {facts.kms_key_id}: its policy must allow "
            "kms:GenerateDataKey and kms:Decrypt to the registry's user, or multipart uploads fail."
        )
    return tuple(filter(None, notes))


def _command(operation: str, bucket: str, **options: Any) -> str:
    parts = ["aws", "s3api", operation, "--bucket", bucket]
    for name, value in options.items():
        parts += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    return shlex.join(parts)
