"""Plans user, policy and access key from answers and facts, without looking at anything."""

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wizard import names, ownership, rules
from wizard.answers import Answers
from wizard.events import Verb
from wizard.facts import AccessKeyFacts, UserFacts
from wizard.step import Change, Consent, Plan
from wizard.steps._user_blockers import user_blockers
from wizard.steps._user_owner import marks
from wizard.steps._user_policy import says_the_same

MOST_POLICY_VERSIONS = 5
OUR_TAGS = (ownership.TAG, ownership.PLACE_TAG)
NEVER = datetime.fromtimestamp(0, UTC)


def plan_user(answers: Answers, facts: UserFacts) -> Plan:
    """Empty once the policy is attached and the Secret holds an active key of the user."""
    if blockers := user_blockers(answers, facts):
        return Plan(blockers=blockers)
    if answers.user.kind == "existing-secret":
        return Plan()
    key_changes, key_consents, notes = _access_key(answers, facts)
    changes = (
        *_user(answers, facts),
        *_policy(answers, facts),
        *_attachment(answers, facts),
        *key_changes,
    )
    return Plan(changes, (*_adoptions(answers, facts, changes), *key_consents), (), notes)


def wanted_policy(answers: Answers, facts: UserFacts) -> dict[str, Any]:
    """The guide's policy, in the partition of the caller's ARN."""
    partition = facts.policy_arn.split(":")[1] if facts.policy_arn else "aws"
    return dict(rules.registry_policy(answers.bucket.name, partition))


def key_fault(facts: UserFacts) -> str:
    """Why the Secret's key is of no use, "" if it is."""
    if not facts.secret_is_complete:
        return "The cluster has no access key yet."
    held = facts.secret_access_key_id
    for key in facts.access_keys:
        if key.access_key_id == held:
            return "" if key.is_active else f"The access key {held} in the Secret is inactive."
    return f"The access key {held} in the Secret is not one of the user's (any more)."


def _user(answers: Answers, facts: UserFacts) -> list[Change]:
    user, name, setup = answers.user, answers.user.name, answers.setup
    tags = marks(setup, facts.home)
    if not facts.user_exists:
        options = {"user-name": name, "path": user.path}
        told = f"Create the IAM user {name}"
        if user.permissions_boundary:
            options["permissions-boundary"] = user.permissions_boundary
            told += f" within the boundary {user.permissions_boundary}"
        params = {"name": name, "path": user.path, "boundary": user.permissions_boundary, "tags": tags}
        command = _command("create-user", tags, **options)
        return [Change("create-user", Verb.CREATE, "IAM user", name, told, params, "", command)]
    changes = []
    if facts.user_tags.get(ownership.TAG) != setup or facts.user_elsewhere:
        former = {key: value for key, value in facts.user_tags.items() if key in OUR_TAGS}
        changes.append(
            Change(
                "tag-user",
                Verb.ADOPT,
                "IAM user",
                name,
                f"Mark the IAM user {name} as used by the setup {setup}",
                {"name": name, "tags": tags, "former": former},
                command=_command("tag-user", tags, **{"user-name": name}),
            )
        )
    if user.permissions_boundary and user.permissions_boundary != facts.user_boundary:
        options = {"user-name": name, "permissions-boundary": user.permissions_boundary}
        changes.append(
            Change(
                "set-boundary",
                Verb.CHANGE,
                "IAM user",
                name,
                f"Put the boundary {user.permissions_boundary} on the IAM user {name}",
                {"name": name, "wanted": user.permissions_boundary, "former": facts.user_boundary},
                command=_command("put-user-permissions-boundary", **options),
            )
        )
    return changes


def _policy(answers: Answers, facts: UserFacts) -> list[Change]:
    user, tags = answers.user, marks(answers.setup, facts.home)
    document = wanted_policy(answers, facts)
    text = json.dumps(document)
    if not facts.policy_exists:
        params = {
            "arn": facts.policy_arn,
            "name": user.policy,
            "path": user.path,
            "document": document,
            "tags": tags,
        }
        options = {"policy-name": user.policy, "path": user.path, "policy-document": text}
        told = f"Create the policy {user.policy}: only what a registry needs, only in {answers.bucket.name}"
        return [
            Change(
                "create-policy",
                Verb.CREATE,
                "IAM policy",
                user.policy,
                told,
                params,
                command=_command("create-policy", tags, **options),
            )
        ]
    if says_the_same(facts.policy_document, document):
        return []
    former = next((each.version_id for each in facts.policy_versions if each.is_default), "")
    spare = sorted((v for v in facts.policy_versions if not v.is_default), key=lambda v: v.created)
    is_full = len(facts.policy_versions) >= MOST_POLICY_VERSIONS
    doomed = spare[0].version_id if is_full and spare else ""
    told = f"Give the policy {user.policy} a new version for the bucket {answers.bucket.name}"
    if doomed:
        told += f"; its oldest version {doomed} is deleted, AWS keeps five"
    options = {"policy-arn": facts.policy_arn, "policy-document": text}
    return [
        Change(
            "change-policy",
            Verb.CHANGE,
            "IAM policy",
            user.policy,
            told,
            {"arn": facts.policy_arn, "document": document, "former": former, "doomed": doomed},
            command=_command("create-policy-version", **options) + " --set-as-default",
        )
    ]


def _attachment(answers: Answers, facts: UserFacts) -> list[Change]:
    if facts.policy_is_attached:
        return []
    user = answers.user
    return [
        Change(
            "attach-policy",
            Verb.CHANGE,
            "IAM user",
            user.name,
            f"Attach the policy {user.policy} to the IAM user {user.name}",
            {"name": user.name, "arn": facts.policy_arn},
            command=_command(
                "attach-user-policy", **{"user-name": user.name, "policy-arn": facts.policy_arn}
            ),
        )
    ]


def _access_key(
    answers: Answers, facts: UserFacts
) -> tuple[list[Change], tuple[Consent, ...], tuple[str, ...]]:
    fault = key_fault(facts)
    if not fault:
        return [], (), ()
    user, changes, consents = answers.user, list[Change](), tuple[Consent, ...]()
    standing = [key for key in facts.access_keys if key.access_key_id not in facts.lost_access_key_ids]
    if len(standing) >= facts.access_keys_quota:
        doomed = _dispensable(answers, facts, standing)
        consents = (Consent("delete_access_key", doomed, _which_key(user.name, standing, doomed)),)
        changes.append(
            Change(
                "delete-access-key",
                Verb.DELETE,
                "access key",
                doomed,
                f"Delete the access key {doomed} of the IAM user {user.name}",
                {"name": user.name, "access_key_id": doomed},
                command=_command("delete-access-key", **{"user-name": user.name, "access-key-id": doomed}),
            )
        )
    changes.append(
        Change(
            "create-access-key",
            Verb.CREATE,
            "access key",
            user.name,
            f"Create an access key for {user.name} and put it into the Secret {user.secret_name}",
            {"name": user.name, "secret": user.secret_name},
            command=_command("create-access-key", **{"user-name": user.name})
            + f"\nkubectl -n {answers.connect.namespace} create secret generic {user.secret_name} "
            f'--from-literal={names.S3_ACCESS_KEY_ID}="$ACCESS_KEY_ID" '
            f'--from-literal={names.S3_SECRET_ACCESS_KEY}="$SECRET_ACCESS_KEY"',
        )
    )
    notes = (f"{fault} A new one is made.",) if facts.secret_is_complete else ()
    return changes, consents, notes


def _dispensable(answers: Answers, facts: UserFacts, keys: list[AccessKeyFacts]) -> str:
    """The one the operator has named, else the one least likely to be missed."""
    named = answers.consent.delete_access_key
    if named in {key.access_key_id for key in keys}:
        return named
    held = facts.secret_access_key_id

    def worth(key: AccessKeyFacts) -> tuple[bool, bool, datetime, datetime]:
        return key.is_active, key.access_key_id != held, key.last_used or NEVER, key.created

    return min(keys, key=worth).access_key_id


def _which_key(user: str, keys: list[AccessKeyFacts], doomed: str) -> str:
    told = "; ".join(_described(key) for key in keys)
    return (
        f"The IAM user {user} has {len(keys)} access keys, and AWS allows no more: {told}. "
        f"A new one is needed. May {doomed} be deleted? Whatever uses it stops working."
    )


def _described(key: AccessKeyFacts) -> str:
    state = "active" if key.is_active else "inactive"
    used = f"last used {key.last_used:%Y-%m-%d}" if key.last_used else "never used, as far as AWS tells"
    return f"{key.access_key_id} ({state}, made {key.created:%Y-%m-%d}, {used})"


def _adoptions(answers: Answers, facts: UserFacts, changes: tuple[Change, ...]) -> list[Consent]:
    consents, user = [], answers.user
    touched = {change.action for change in changes}
    if facts.user_exists and (facts.user_owner != answers.setup or facts.user_elsewhere) and touched:
        told = " ".join(f"{change.summary}." for change in changes if change.kind != "IAM policy")
        why = f" {facts.user_elsewhere}" if facts.user_elsewhere else ""
        consents.append(
            Consent(
                "adopt",
                "user",
                f"The IAM user {user.name} exists already and this setup did not make it.{why} Adopt it? "
                f"{told}",
            )
        )
    if "change-policy" in touched and (facts.policy_owner != answers.setup or facts.policy_elsewhere):
        why = f" {facts.policy_elsewhere}" if facts.policy_elsewhere else ""
        consents.append(
            Consent(
                "adopt",
                "policy",
                f"The policy {user.policy} exists already, says something else, and this setup did not make "
                f"it.{why} Change it? Everything it is attached to is affected.",
            )
        )
    return consents


def _command(operation: str, tags: Mapping[str, str] | None = None, /, **options: str) -> str:
    parts = ["aws", "iam", operation]
    for name, value in options.items():
        parts += [f"--{name}", value]
    if tags:
        parts += ["--tags", *(f"Key={key},Value={value}" for key, value in tags.items())]
    return shlex.join(parts)


def described_tags(tags: Mapping[str, str]) -> list[Any]:
    """IAM's form of tags."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
