"""Takes a bucket's changes back: former values where nobody changed them since, the bucket if it is empty."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wizard import ownership
from wizard.errors import WizardError, wizard_error
from wizard.names import PROBE_PREFIX, PROOF_FOLDER
from wizard.step import Context
from wizard.steps import _bucket_apply as writing
from wizard.steps._bucket_look import look_at_bucket
from wizard.steps._bucket_plan import is_same_rule, own_rule
from wizard.steps._s3_probe import remove_versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from wizard.facts import BucketFacts
    from wizard.journal import Entry


def undo_bucket(ctx: Context, entry: "Entry", *, delete_bucket: str = "") -> str:
    """A sentence; raises WizardError where something had to be left that a later undo could take."""
    name = entry.change.params["name"]
    needed = _READS[entry.change.action]
    facts = look_at_bucket(ctx.services.aws, name, unminded=set(_READS.values()) - {needed})
    if facts.state in {"absent", "taken"}:
        return f"The bucket {name} is gone already."
    if facts.state != "mine":
        raise wizard_error(
            "bucket-not-seen",
            f"The bucket {name} cannot be seen from here, so it was left as it is.",
            why=f"s3:ListBucket is refused, or connect.aws_region is not {facts.aws_region}.",
            fix="Set that right, then run undo again.",
        )
    is_creation = entry.change.action == "create-bucket"
    if not is_creation and _is_made_here(ctx, name):
        return f"That setting of {name} goes with the bucket."
    for problem in facts.problems:
        raise WizardError(problem)  # what may not be seen was not changed for that
    if is_creation:
        return _remove(ctx, facts, entry, delete_bucket)
    return _restore(ctx, facts, entry)


def _is_made_here(ctx: Context, name: str) -> bool:
    return any(
        entry.change.action == "create-bucket"
        and entry.change.params["name"] == name
        and not entry.notes.get("refused")
        for entry in ctx.journal.standing(ctx.step)
    )


def _restore(ctx: Context, facts: "BucketFacts", entry: "Entry") -> str:
    name, wanted, former = facts.name, entry.change.params["wanted"], entry.change.params["former"]
    client, action = ctx.services.aws.client("s3"), entry.change.action
    if not _is_as_left(action, facts, wanted):
        return f"That setting of {name} was changed since, so it stays as it is."
    with ctx.services.aws.explained(_ACTIONS[action]):
        if action == "tag-bucket":
            tags = {key: value for key, value in facts.tags.items() if key != ownership.TAG}
            writing.write_tags(client, name, tags)
        elif action == "set-encryption":
            writing.write_encryption(client, name, former)
        elif action == "block-public-access":
            writing.write_public_access_block(client, name, former)
        else:
            writing.restore_own_rule(client, name, former, entry.change.params.get("rewritten", ()))
    return f"The bucket {name} has its former {_WORDS[action]} again."


def _is_as_left(action: str, facts: "BucketFacts", wanted: Any) -> bool:
    if action == "tag-bucket":
        return bool(facts.owner == wanted[ownership.TAG])
    if action == "set-encryption":
        return bool(facts.encryption == wanted[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])
    if action == "block-public-access":
        return facts.blocks_public_access
    return is_same_rule(own_rule(facts.lifecycle_rules), wanted)


_READS: Mapping[str, str] = {
    "create-bucket": "s3:GetBucketTagging",
    "tag-bucket": "s3:GetBucketTagging",
    "set-encryption": "s3:GetEncryptionConfiguration",
    "block-public-access": "s3:GetBucketPublicAccessBlock",
    "set-abort-rule": "s3:GetLifecycleConfiguration",
}
_ACTIONS: Mapping[str, str] = {
    "tag-bucket": "s3:PutBucketTagging",
    "set-encryption": "s3:PutEncryptionConfiguration",
    "block-public-access": "s3:PutBucketPublicAccessBlock",
    "set-abort-rule": "s3:PutLifecycleConfiguration",
}
_WORDS: Mapping[str, str] = {
    "tag-bucket": "tags",
    "set-encryption": "encryption",
    "block-public-access": "public access block",
    "set-abort-rule": "clean-up rule",
}


def _remove(ctx: Context, facts: "BucketFacts", entry: "Entry", delete_bucket: str) -> str:
    """Only a bucket that carries our tag, or that the interrupted creation can only just have made."""
    name, aws = facts.name, ctx.services.aws
    is_ours = facts.owner == ctx.answers.setup or (not facts.owner and entry.state == "intended")
    if not is_ours or entry.notes.get("refused"):
        return f"The bucket {name} is not marked as this setup's, so it stays."
    client = aws.client("s3")
    with aws.explained("s3:ListBucketVersions"):
        remove_versions(client, name, PROBE_PREFIX)
        is_empty = _is_empty(client, name)
    with aws.explained("s3:ListBucketMultipartUploads"):
        begun = None if not is_empty else _foreign_upload(client, name)
    if (begun or not is_empty) and delete_bucket != name:
        held = f"an unfinished upload to {begun}" if begun else "images"
        raise wizard_error(
            "bucket-not-empty",
            f"The bucket {name} holds {held}, so it was kept.",
            why="Undo deletes what others have stored only when the bucket is named.",
            fix=f"To delete it with all it holds, run undo again with --delete-bucket {name}",
        )
    removed = 0
    with aws.explained("s3:DeleteObjectVersion"):
        if not is_empty:
            removed = remove_versions(client, name)
        _abort_uploads(client, name)
    with aws.explained("s3:DeleteBucket"):
        client.delete_bucket(Bucket=name, ExpectedBucketOwner=aws.identity().account_id)
    told = f" with {removed} objects" if removed else ""
    return f"The bucket {name} was deleted{told}."


def _is_empty(client: "S3Client", name: str) -> bool:
    found = client.list_object_versions(Bucket=name, MaxKeys=1)
    return not found.get("Versions") and not found.get("DeleteMarkers")


def _foreign_upload(client: "S3Client", name: str) -> str | None:
    """The key of an upload that neither a probe nor a proof has begun: it may be somebody's image."""
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            if not upload.get("Key", "").startswith((PROBE_PREFIX, PROOF_FOLDER)):
                return upload.get("Key", "")
    return None


def _abort_uploads(client: "S3Client", name: str) -> None:
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            client.abort_multipart_upload(
                Bucket=name, Key=upload.get("Key", ""), UploadId=upload.get("UploadId", "")
            )
