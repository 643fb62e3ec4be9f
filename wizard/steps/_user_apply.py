"""Carries out the changes to IAM; each looks first, so that it may be run again after a crash."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wizard.errors import Conflict, NotFound, Problem
from wizard.polling import NotReady
from wizard.step import Change, Context, Receipt
from wizard.steps._user_keys import create_key, delete_key
from wizard.steps._user_look import document_of
from wizard.steps._user_plan import MOST_POLICY_VERSIONS, described_tags
from wizard.steps._user_policy import as_text, says_the_same

if TYPE_CHECKING:
    from wizard.journal import Entry

KNOWN_WITHIN_S = 60.0


def apply_user(ctx: Context, change: Change, entry: "Entry") -> Receipt:
    """Raises WizardError, with the action that was refused."""
    return _ACTS[change.action](ctx, change, entry)


def _create_user(ctx: Context, change: Change, _: "Entry") -> Receipt:
    aws, name = ctx.services.aws, change.params["name"]
    iam = aws.client("iam")
    try:
        with aws.explained("iam:GetUser"):
            user = iam.get_user(UserName=name)["User"]
    except NotFound:
        boundary: Any = {}
        if change.params["boundary"]:
            boundary = {"PermissionsBoundary": change.params["boundary"]}
        with aws.explained("iam:CreateUser"):
            user = iam.create_user(
                UserName=name,
                Path=change.params["path"],
                Tags=described_tags(change.params["tags"]),
                **boundary,
            )["User"]
        return {"arn": user["Arn"]}
    if not _bears(user.get("Tags", []), change):
        raise _appeared("IAM user", name)
    return {"arn": user["Arn"]}


def _tag_user(ctx: Context, change: Change, _: "Entry") -> Receipt:
    aws, name = ctx.services.aws, change.params["name"]
    with aws.explained("iam:TagUser"):
        aws.client("iam").tag_user(UserName=name, Tags=described_tags(change.params["tags"]))
    return {"name": name}


def _set_boundary(ctx: Context, change: Change, _: "Entry") -> Receipt:
    aws, params = ctx.services.aws, change.params
    with aws.explained("iam:PutUserPermissionsBoundary"):
        aws.client("iam").put_user_permissions_boundary(
            UserName=params["name"], PermissionsBoundary=params["wanted"]
        )
    return {"name": params["name"]}


def _create_policy(ctx: Context, change: Change, _: "Entry") -> Receipt:
    aws, params = ctx.services.aws, change.params
    iam = aws.client("iam")
    try:
        with aws.explained("iam:GetPolicy"):
            found = iam.get_policy(PolicyArn=params["arn"])["Policy"]
    except NotFound:
        with aws.explained("iam:CreatePolicy"):
            made = iam.create_policy(
                PolicyName=params["name"],
                Path=params["path"],
                PolicyDocument=as_text(params["document"]),
                Tags=described_tags(params["tags"]),
            )
        return {"arn": made["Policy"].get("Arn", params["arn"])}
    if not _bears(found.get("Tags", []), change):
        raise _appeared("policy", params["name"])
    return {"arn": params["arn"]}


def _change_policy(ctx: Context, change: Change, entry: "Entry") -> Receipt:
    """AWS keeps five versions: the oldest that is not in force goes, its document is noted first."""
    aws, params = ctx.services.aws, change.params
    arn, iam = params["arn"], aws.client("iam")
    with aws.explained("iam:ListPolicyVersions"):
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    current = next(each["VersionId"] for each in versions if each["IsDefaultVersion"])
    with aws.explained("iam:GetPolicyVersion"):
        if says_the_same(document_of(iam, arn, current), params["document"]):
            return {"arn": arn, "version": current}
        spare = sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])
        if len(versions) >= MOST_POLICY_VERSIONS:
            doomed = spare[0]["VersionId"]
            entry.note(deleted_version=doomed, deleted_document=document_of(iam, arn, doomed))
            iam.delete_policy_version(PolicyArn=arn, VersionId=doomed)
    with aws.explained("iam:CreatePolicyVersion"):
        made = iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=as_text(params["document"]), SetAsDefault=True
        )
    return {"arn": arn, "version": made["PolicyVersion"].get("VersionId", "")}


def _attach_policy(ctx: Context, change: Change, _: "Entry") -> Receipt:
    aws, params = ctx.services.aws, change.params

    def attach() -> bool:
        try:
            with aws.explained("iam:AttachUserPolicy"):
                aws.client("iam").attach_user_policy(UserName=params["name"], PolicyArn=params["arn"])
        except NotFound as error:
            raise NotReady("AWS does not know the new user or policy everywhere yet") from error
        return True

    ctx.wait(attach, what="the policy to be attached", deadline_s=KNOWN_WITHIN_S)
    return {"name": params["name"], "arn": params["arn"]}


def _delete_key(ctx: Context, change: Change, _: "Entry") -> Receipt:
    delete_key(ctx, change.params["name"], change.params["access_key_id"])
    return {"access_key_id": change.params["access_key_id"]}


def _bears(tags: Any, change: Change) -> bool:
    """Whether a thing that appeared bears the marks that this very change would have given it."""
    found = {tag["Key"]: tag["Value"] for tag in tags}
    return all(found.get(key) == value for key, value in change.params["tags"].items())


def _appeared(kind: str, name: str) -> Conflict:
    return Conflict(
        Problem(
            "appeared-meanwhile",
            f"The {kind} {name} was made by somebody else a moment ago.",
            "It was not there when the plan was made.",
            "Run the same command again: it asks whether to adopt it.",
        )
    )


_ACTS: Mapping[str, "Callable[[Context, Change, Entry], Receipt]"] = {
    "create-user": _create_user,
    "tag-user": _tag_user,
    "set-boundary": _set_boundary,
    "create-policy": _create_policy,
    "change-policy": _change_policy,
    "attach-policy": _attach_policy,
    "delete-access-key": _delete_key,
    "create-access-key": create_key,
}
