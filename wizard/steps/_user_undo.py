"""Takes the changes to IAM and to the Secret back, as long as they are still ours."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wizard import ownership
from wizard.errors import Conflict, NotFound, wizard_error
from wizard.step import Context
from wizard.steps._user_keys import undo_key
from wizard.steps._user_look import document_of
from wizard.steps._user_policy import as_text, says_the_same

if TYPE_CHECKING:
    from wizard.journal import Entry


def undo_user(ctx: Context, entry: "Entry") -> str:
    """A sentence; raises WizardError where something had to be left that a later undo could take."""
    try:
        return _UNDOS[entry.change.action](ctx, entry)
    except NotFound:
        return f"The {entry.change.kind} {entry.change.name} is gone already."


def _is_ours(ctx: Context, entry: "Entry", tags: Any) -> bool:
    """Not where another setup of the same name, elsewhere, has taken it over since."""
    found = {tag["Key"]: tag["Value"] for tag in tags}
    made_with, place = entry.change.params.get("tags", {}), found.get(ownership.PLACE_TAG)
    is_moved = place is not None and place != made_with.get(ownership.PLACE_TAG, place)
    return ownership.owner_of_tags(found) == ctx.answers.setup and not is_moved


def _user(ctx: Context, entry: "Entry") -> str:
    aws, name = ctx.services.aws, entry.change.params["name"]
    iam = aws.client("iam")
    with aws.explained("iam:GetUser"):
        found = iam.get_user(UserName=name)["User"]
    if not _is_ours(ctx, entry, found.get("Tags", [])):
        return f"The IAM user {name} is not marked as this setup's, so it stays."
    try:
        with aws.explained("iam:DeleteUser"):
            iam.delete_user(UserName=name)
    except Conflict as error:
        raise wizard_error(
            "user-in-use",
            f"The IAM user {name} was kept: something was added to it since.",
            why=error.problem.what,
            fix="Remove its other keys, policies and groups, then run undo again.",
            raw=error.problem.raw,
        ) from error
    return f"Deleted the IAM user {name}."


def _tag(ctx: Context, entry: "Entry") -> str:
    aws, name = ctx.services.aws, entry.change.params["name"]
    iam = aws.client("iam")
    with aws.explained("iam:UntagUser"):
        if not _is_ours(ctx, entry, iam.get_user(UserName=name)["User"].get("Tags", [])):
            return f"The IAM user {name} is not marked as this setup's (any more)."
        if former := entry.change.params.get("former"):
            iam.tag_user(UserName=name, Tags=[{"Key": key, "Value": value} for key, value in former.items()])
        if spare := [key for key in entry.change.params["tags"] if key not in (former or {})]:
            iam.untag_user(UserName=name, TagKeys=spare)
    return f"The IAM user {name} has its former tags again."


def _boundary(ctx: Context, entry: "Entry") -> str:
    aws, params = ctx.services.aws, entry.change.params
    name, iam = params["name"], aws.client("iam")
    with aws.explained("iam:PutUserPermissionsBoundary"):
        now = iam.get_user(UserName=name)["User"].get("PermissionsBoundary") or {}
        if now.get("PermissionsBoundaryArn") != params["wanted"]:
            return f"The boundary of {name} was changed since, so it stays as it is."
        if params["former"]:
            iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=params["former"])
        else:
            iam.delete_user_permissions_boundary(UserName=name)
    return f"The IAM user {name} has its former boundary again."


def _policy(ctx: Context, entry: "Entry") -> str:
    aws, arn, name = ctx.services.aws, entry.change.params["arn"], entry.change.name
    iam = aws.client("iam")
    with aws.explained("iam:GetPolicy"):
        found = iam.get_policy(PolicyArn=arn)["Policy"]
    if not _is_ours(ctx, entry, found.get("Tags", [])):
        return f"The policy {name} is not marked as this setup's, so it stays."
    if found.get("AttachmentCount", 0):
        raise wizard_error(
            "policy-in-use",
            f"The policy {name} was kept: it is attached to something else by now.",
            why="Whoever attached it would lose those rights.",
            fix="Detach it, then run undo again.",
        )
    with aws.explained("iam:DeletePolicy"):
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        iam.delete_policy(PolicyArn=arn)
    return f"Deleted the policy {name}."


def _policy_version(ctx: Context, entry: "Entry") -> str:
    """The former version is put in force again; one that had to make room comes back under a new number.

    Each part looks first: an undo that was cut off between two of them is gone on with.
    """
    aws, params, name = ctx.services.aws, entry.change.params, entry.change.name
    arn, former, iam = params["arn"], params["former"], aws.client("iam")
    with aws.explained("iam:SetDefaultPolicyVersion"):
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        numbers = [each["VersionId"] for each in versions]
        current = next(each["VersionId"] for each in versions if each["IsDefaultVersion"])
        ours = entry.receipt.get("version") or entry.notes.get("made") or current
        if current != former:
            is_ours = current == ours and says_the_same(document_of(iam, arn, current), params["document"])
            if not is_ours or former not in numbers:
                return f"The policy {name} was changed since, so it stays as it is."
            entry.note(made=ours)
            iam.set_default_policy_version(PolicyArn=arn, VersionId=former)
        if ours in numbers and ours != former:
            iam.delete_policy_version(PolicyArn=arn, VersionId=ours)
            numbers.remove(ours)
        told = f"The policy {name} has its former version {former} in force again."
        deleted = entry.notes.get("deleted_document")
        if not deleted:
            return told
        if not any(says_the_same(document_of(iam, arn, number), deleted) for number in numbers):
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=as_text(deleted), SetAsDefault=False)
    return f"{told} Its old version {entry.notes['deleted_version']} is back too, under a new number."


def _attachment(ctx: Context, entry: "Entry") -> str:
    aws, params = ctx.services.aws, entry.change.params
    with aws.explained("iam:DetachUserPolicy"):
        aws.client("iam").detach_user_policy(UserName=params["name"], PolicyArn=params["arn"])
    return f"Detached the policy {params['arn'].rpartition('/')[2]} from {params['name']}."


def _deleted_key(_: Context, entry: "Entry") -> str:
    key_id = entry.change.params["access_key_id"]
    return f"The access key {key_id} was deleted with your consent; AWS cannot bring it back."


_UNDOS: Mapping[str, "Callable[[Context, Entry], str]"] = {
    "create-user": _user,
    "tag-user": _tag,
    "set-boundary": _boundary,
    "create-policy": _policy,
    "change-policy": _policy_version,
    "attach-policy": _attachment,
    "delete-access-key": _deleted_key,
    "create-access-key": undo_key,
}
