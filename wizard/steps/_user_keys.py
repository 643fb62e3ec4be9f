"""The access key's way from AWS's answer into the cluster's Secret, and nowhere else."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from wizard import names
from wizard.errors import NotFound, Problem, WizardError
from wizard.events import StepId
from wizard.facts import AccessKeyFacts
from wizard.polling import NotReady
from wizard.step import Change, Context, Receipt

if TYPE_CHECKING:
    from wizard.journal import Entry, Journal

MADE_WITHIN = timedelta(minutes=30)
KNOWN_WITHIN_S = 60.0


def lost_keys(journal: "Journal", user: str, keys: Iterable[AccessKeyFacts], held: str) -> tuple[str, ...]:
    """Keys that an interrupted run made and could not store: not seen before it, and not in the Secret.

    Only keys made about when that run was: one that somebody made by hand later is not ours.
    """
    begun = [
        entry
        for entry in journal.standing(StepId.USER)
        if entry.change.action == "create-access-key"
        and entry.state == "intended"
        and entry.change.params["name"] == user
        and "seen" in entry.notes
    ]
    return tuple(
        key.access_key_id
        for key in keys
        if key.access_key_id != held
        and any(key.access_key_id not in e.notes["seen"] and _is_of(e.time, key) for e in begun)
    )


def _is_of(began: datetime, key: AccessKeyFacts) -> bool:
    return abs(key.created - began) < MADE_WITHIN


def list_keys(ctx: Context, user: str) -> list[AccessKeyFacts]:
    with ctx.services.aws.explained("iam:ListAccessKeys"):
        listed = ctx.services.aws.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    return [
        AccessKeyFacts(
            access_key_id=key["AccessKeyId"], is_active=key["Status"] == "Active", created=key["CreateDate"]
        )
        for key in listed
    ]


def held_key_id(ctx: Context, secret: str) -> str:
    """The access key ID in the Secret, "" where it holds none or is not there."""
    contents = ctx.services.cluster.read_secret(secret)
    return contents.data.get(names.S3_ACCESS_KEY_ID, b"").decode(errors="replace") if contents else ""


def create_key(ctx: Context, change: Change, entry: "Entry") -> Receipt:
    """The Secret is there before the key is made, so a cluster that refuses it costs no key."""
    aws, user, secret = ctx.services.aws, change.params["name"], change.params["secret"]
    cluster, setup = ctx.services.cluster, ctx.answers.setup
    present, held = list_keys(ctx, user), held_key_id(ctx, secret)
    lost = lost_keys(ctx.journal, user, present, held)
    for key_id in lost:
        delete_key(ctx, user, key_id)
    if not cluster.secret_facts(secret).exists:
        cluster.write_secret(secret, {}, setup=setup)
    entry.note(seen=[key.access_key_id for key in present if key.access_key_id not in lost])

    def make() -> Any:
        try:
            with aws.explained("iam:CreateAccessKey"):
                return aws.iam_once().create_access_key(UserName=user)["AccessKey"]
        except NotFound as error:
            raise NotReady("AWS does not know the new user everywhere yet") from error

    made = ctx.wait(make, what=f"an access key for {user}", deadline_s=KNOWN_WITHIN_S)
    key_id = str(made["AccessKeyId"])
    try:
        entry.note(access_key_id=key_id)
        contents = {
            names.S3_ACCESS_KEY_ID: key_id.encode(),
            names.S3_SECRET_ACCESS_KEY: made["SecretAccessKey"].encode(),
        }
        cluster.write_secret(secret, contents, setup=setup)
    except BaseException as error:
        _take_back(ctx, user, key_id, error)
        raise
    return {"access_key_id": key_id, "secret": secret}


def _take_back(ctx: Context, user: str, key_id: str, error: BaseException) -> None:
    """A key whose secret is stored nowhere is of no use to anyone."""
    try:
        delete_key(ctx, user, key_id)
    except WizardError as second:
        raise WizardError(
            Problem(
                "key-left-behind",
                f"The new access key {key_id} could neither be stored nor deleted again.",
                f"{error.problem.what if isinstance(error, WizardError) else 'The run was cut off.'} "
                f"{second.problem.what}",
                f"Run the same command again, or: aws iam delete-access-key --user-name {user} "
                f"--access-key-id {key_id}",
            )
        ) from error


def delete_key(ctx: Context, user: str, key_id: str) -> bool:
    """False where the key or its user is gone already."""
    try:
        with ctx.services.aws.explained("iam:DeleteAccessKey"):
            ctx.services.aws.client("iam").delete_access_key(UserName=user, AccessKeyId=key_id)
    except NotFound:
        return False
    return True


def undo_key(ctx: Context, entry: "Entry") -> str:
    """The keys this entry made, and the Secret while it is still ours and holds no other key."""
    user, secret = entry.change.params["name"], entry.change.params["secret"]
    known = {entry.receipt.get("access_key_id"), entry.notes.get("access_key_id")} - {None}
    # First what AWS alone can take back: the cluster may be gone for good, and its key must not outlive it.
    gone = [key_id for key_id in sorted(map(str, known)) if delete_key(ctx, user, key_id)]
    held = held_key_id(ctx, secret)
    if entry.state == "intended":
        with suppress(NotFound):
            lost = lost_keys(ctx.journal, user, list_keys(ctx, user), held)
            gone += [key_id for key_id in lost if delete_key(ctx, user, key_id)]
    told = f"Deleted the access key {', '.join(gone)}." if gone else "The access key is gone already."
    cluster = ctx.services.cluster
    facts = cluster.secret_facts(secret)
    if not facts.exists:
        return told
    if facts.owner != ctx.answers.setup or (held and held not in known):
        return f"{told} The Secret {secret} holds another key or is not ours, so it stays."
    cluster.delete("v1", "Secret", secret)
    return f"{told} Deleted the Secret {secret}."
