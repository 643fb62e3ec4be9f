"""Reads the IAM user, its policy and keys, and the Secret in the cluster that holds one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from wizard import names, ownership
from wizard.answers import UserAnswers
from wizard.errors import AccessDenied, NotFound, Problem
from wizard.facts import AccessKeyFacts, PolicyVersionFacts, SecretFacts, UserFacts
from wizard.parallel import side_by_side
from wizard.services.aws.errors import FOREIGN

if TYPE_CHECKING:
    from wizard.services import Services
    from wizard.services.aws import Aws

Found = dict[str, Any]
MOST_AT_ONCE = 1000


def look_at_user(services: "Services", wanted: UserAnswers) -> UserFacts:
    """Raises WizardError; a look that is refused becomes a problem that names the action."""
    if wanted.kind == "existing-secret":
        return UserFacts(**_secret(services, wanted.secret_name))
    seen = _Look(services.aws)
    found: Found = {}
    for part in side_by_side(
        [
            lambda: _user(seen, wanted),
            lambda: _policy(seen, wanted),
            lambda: _secret(services, wanted.secret_name),
        ]
    ):
        found |= part
    attached = found.pop("attached")
    found["policy_is_attached"] = found["policy_arn"] in attached
    found["quotas_used_up"] = _quotas_used_up(seen, found, len(attached))
    return UserFacts(problems=tuple(seen.problems), **found)


@dataclass(slots=True)
class _Look:
    aws: "Aws"
    problems: list[Problem] = field(default_factory=list)

    def ask(self, action: str, read: Callable[[], Any]) -> Any:
        """None where the thing is absent, or the look is refused (then there is a problem)."""
        try:
            return read()
        except FOREIGN as error:
            told = self.aws.explain(error, action)
            if isinstance(told, NotFound):
                return None
            if not isinstance(told, AccessDenied):
                raise told from error
            self.problems.append(told.problem)
            return None


def policy_arn(aws: "Aws", wanted: UserAnswers) -> str:
    who = aws.identity()
    return f"arn:{who.partition}:iam::{who.account_id}:policy{wanted.path}{wanted.policy}"


def _user(seen: _Look, wanted: UserAnswers) -> Found:
    iam, name = seen.aws.client("iam"), wanted.name
    user = seen.ask("iam:GetUser", lambda: iam.get_user(UserName=name)["User"])
    if user is None:
        return {"attached": ()}
    tags = {tag["Key"]: tag["Value"] for tag in user.get("Tags", [])}
    attached = seen.ask(
        "iam:ListAttachedUserPolicies",
        lambda: [
            each["PolicyArn"]
            for page in iam.get_paginator("list_attached_user_policies").paginate(UserName=name)
            for each in page["AttachedPolicies"]
        ],
    )
    keys = seen.ask("iam:ListAccessKeys", lambda: iam.list_access_keys(UserName=name)["AccessKeyMetadata"])
    boundary = user.get("PermissionsBoundary") or {}
    return {
        "user_exists": True,
        "user_arn": user["Arn"],
        "user_owner": ownership.owner_of_tags(tags),
        "user_boundary": boundary.get("PermissionsBoundaryArn", ""),
        "user_tags": tags,
        "attached": tuple(attached or ()),
        **_keys(seen, keys or []),
    }


def _keys(seen: _Look, listed: list[Mapping[str, Any]]) -> Found:
    """When each was last used, and how many there may be, is asked only where it decides something."""
    iam, is_crowded = seen.aws.client("iam"), len(listed) > 1

    def last_used(key: str) -> datetime | None:
        answer = iam.get_access_key_last_used(AccessKeyId=key)
        return answer.get("AccessKeyLastUsed", {}).get("LastUsedDate")

    def ask_last_used(key: str) -> datetime | None:
        found: datetime | None = _or_none(seen, "iam:GetAccessKeyLastUsed", partial(last_used, key))
        return found

    facts = [
        AccessKeyFacts(
            access_key_id=key["AccessKeyId"],
            is_active=key["Status"] == "Active",
            created=key["CreateDate"],
            last_used=ask_last_used(key["AccessKeyId"]) if is_crowded else None,
        )
        for key in listed
    ]
    quota = None
    if is_crowded:
        quota = _or_none(
            seen,
            "iam:GetAccountSummary",
            lambda: iam.get_account_summary()["SummaryMap"].get("AccessKeysPerUserQuota"),
        )
    return {"access_keys": tuple(facts), "access_keys_quota": quota or 2}


def _quotas_used_up(seen: _Look, found: Found, attached: int) -> tuple[str, ...]:
    """Of what is not there yet; it is asked for only where something is to be made."""
    if found["policy_is_attached"]:
        return ()
    iam = seen.aws.client("iam")
    told: Mapping[str, int] = (
        _or_none(seen, "iam:GetAccountSummary", lambda: iam.get_account_summary()["SummaryMap"]) or {}
    )
    counts = {
        "Users": None if found.get("user_exists") else told.get("Users"),
        "Policies": None if found.get("policy_exists") else told.get("Policies"),
        "AttachedPoliciesPerUser": attached,
    }
    quotas = {name: told.get(f"{name}Quota") for name in counts}
    return tuple(
        name
        for name, count in counts.items()
        if count is not None and (quota := quotas[name]) is not None and count >= quota
    )


def _or_none(seen: _Look, action: str, read: Callable[[], Any]) -> Any:
    """None where the look is refused: it would only have been good to know."""
    try:
        return read()
    except FOREIGN as error:
        told = seen.aws.explain(error, action)
        if not isinstance(told, AccessDenied | NotFound):
            raise told from error
        return None


def _policy(seen: _Look, wanted: UserAnswers) -> Found:
    iam, arn = seen.aws.client("iam"), policy_arn(seen.aws, wanted)
    policy = seen.ask("iam:GetPolicy", lambda: iam.get_policy(PolicyArn=arn)["Policy"])
    if policy is None:
        if not seen.problems:
            _find_elsewhere(seen, wanted)
        return {"policy_arn": arn}
    version = policy["DefaultVersionId"]
    document, versions = side_by_side(
        [
            lambda: seen.ask("iam:GetPolicyVersion", lambda: document_of(iam, arn, version)),
            lambda: seen.ask(
                "iam:ListPolicyVersions", lambda: iam.list_policy_versions(PolicyArn=arn)["Versions"]
            ),
        ]
    )
    tags = {tag["Key"]: tag["Value"] for tag in policy.get("Tags", [])}
    return {
        "policy_arn": arn,
        "policy_exists": True,
        "policy_owner": ownership.owner_of_tags(tags),
        "policy_tags": tags,
        "policy_document": document,
        "policy_versions": tuple(
            PolicyVersionFacts(
                version_id=each["VersionId"],
                is_default=each["IsDefaultVersion"],
                created=each["CreateDate"],
            )
            for each in versions or ()
        ),
    }


def document_of(iam: Any, arn: str, version: str) -> Mapping[str, Any]:
    """The document of one version; botocore has decoded it already."""
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return found if isinstance(found, dict) else {}


def _find_elsewhere(seen: _Look, wanted: UserAnswers) -> None:
    """Policy names are unique in an account, whatever their path and case."""
    paginator = seen.aws.client("iam").get_paginator("list_policies")
    asked = paginator.paginate(Scope="Local", PaginationConfig={"PageSize": MOST_AT_ONCE})
    pages = _or_none(seen, "iam:ListPolicies", lambda: list(asked))
    for page in pages or ():
        for policy in page["Policies"]:
            if policy["PolicyName"].lower() == wanted.policy.lower():
                seen.problems.append(
                    Problem(
                        "policy-elsewhere",
                        f"The policy name {wanted.policy} is taken by {policy['Arn']}.",
                        "IAM names are unique in an account, whatever their path and capitals.",
                        f"Set user.path to {policy['Path']} and user.policy to {policy['PolicyName']}, "
                        "or choose another user.policy.",
                    )
                )


def _secret(services: "Services", name: str) -> Found:
    contents = services.cluster.read_secret(name)
    if contents is None:
        return {"secret": SecretFacts(name=name)}
    key_id = contents.data.get(names.S3_ACCESS_KEY_ID, b"").decode(errors="replace").strip()
    return {
        "secret": contents.facts,
        "secret_access_key_id": key_id,
        "secret_is_complete": bool(key_id and contents.data.get(names.S3_SECRET_ACCESS_KEY)),
    }
