"""Where moto's IAM is more lenient than Amazon's or incomplete: names, conflicts, boundaries, simulation."""

import re
from datetime import timedelta
from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.callers import new_secret, user_boundary
from wizard.practice.aws.calls import Call
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.gate import Account, Mends
from wizard.practice.aws.policies import Decision, Question, decide

NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
PATH = re.compile(r"/|/[\x21-\x7e]+/")
LONGEST = {"UserName": 64, "RoleName": 64, "GroupName": 128, "PolicyName": 128}
KEYS_A_USER = 2


def _iam(account: Account) -> Any:
    return moto_parts.backend("iam", account.number, "")


def check_names(_: Account, call: Call) -> None:
    """The messages are IAM's own for its API parameters."""
    for parameter, longest in LONGEST.items():
        name = call.params.get(parameter)
        if name is None:
            continue
        lower = parameter[0].lower() + parameter[1:]
        if NAME.fullmatch(name) is None:
            message = (
                f"The specified value for {lower} is invalid. It must contain only alphanumeric characters "
                "and/or the following: +=,.@_-"
            )
            raise AwsError("ValidationError", message)
        if len(name) > longest:
            message = (
                f"1 validation error detected: Value at '{lower}' failed to satisfy constraint: "
                f"Member must have length less than or equal to {longest}"
            )
            raise AwsError("ValidationError", message)
    path = call.params.get("Path")
    if path is not None and PATH.fullmatch(path) is None:
        message = (
            "The specified value for path is invalid. It must begin and end with / and contain only "
            "alphanumeric characters and/or / characters."
        )
        raise AwsError("ValidationError", message)


def create_user(account: Account, call: Call) -> dict[str, Any]:
    """Unlike moto's: names are unique regardless of case, and the permissions boundary is kept."""
    check_names(account, call)
    name, boundary = call.params["UserName"], call.params.get("PermissionsBoundary")
    with account.lock:
        if any(known.lower() == name.lower() for known in _iam(account).users):
            raise AwsError("EntityAlreadyExists", f"User with name {name} already exists.", 409)
        if boundary is not None:
            _check_policy(account, boundary)
        user = _iam(account).create_user(
            account.aws_region, name, call.params.get("Path", "/"), call.params.get("Tags", [])
        )
        if boundary is not None:
            _bind(user, boundary)
    return {"User": user}


def put_boundary(account: Account, call: Call) -> dict[str, Any]:
    user = _iam(account).get_user(call.params["UserName"])
    _check_policy(account, call.params["PermissionsBoundary"])
    _bind(user, call.params["PermissionsBoundary"])
    return {}


def delete_boundary(account: Account, call: Call) -> dict[str, Any]:
    user = _iam(account).get_user(call.params["UserName"])
    if user_boundary(user) is None:
        raise AwsError("NoSuchEntity", f"User {user.name} does not have a permissions boundary.", 404)
    user.permissions_boundary = None
    return {}


def _bind(user: Any, arn: str) -> None:
    user.permissions_boundary = {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": arn,
    }


def _check_policy(account: Account, arn: str) -> None:
    if arn not in _iam(account).managed_policies:
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404)


def check_new_policy(account: Account, call: Call) -> None:
    check_names(account, call)
    name = call.params["PolicyName"]
    if any(known.name.lower() == name.lower() for known in _iam(account).managed_policies.values()):
        raise AwsError(
            "EntityAlreadyExists",
            f"A policy called {name} already exists. Duplicate names are not allowed.",
            409,
        )


def check_policy_is_free(account: Account, call: Call) -> None:
    iam, arn = _iam(account), call.params["PolicyArn"]
    owners = [*iam.users.values(), *iam.roles.values(), *iam.groups.values()]
    bound = any(user_boundary(user) == arn for user in iam.users.values())
    if bound or any(arn in owner.managed_policies for owner in owners):
        raise AwsError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    policy = iam.managed_policies.get(arn)
    if policy is not None and len(policy.versions) > 1:
        message = (
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy."
        )
        raise AwsError("DeleteConflict", message, 409)


def check_user_is_bare(account: Account, call: Call) -> None:
    iam = _iam(account)
    user = iam.users.get(call.params["UserName"])
    if user is None:
        return
    left = {
        "must delete access keys first": user.access_keys,
        "must detach all policies first": user.managed_policies,
        "must delete policies first": user.policies,
        "must remove users from group first": iam.get_groups_for_user(user.name),
        "must delete login profile first": user.password,
        "must delete MFA device first": user.mfa_devices,
    }
    for reason, found in left.items():
        if found:
            raise AwsError("DeleteConflict", f"Cannot delete entity, {reason}.", 409)


def create_access_key(account: Account, call: Call) -> dict[str, Any]:
    """Real secrets hold `/` and `+`, which must be escaped in many places; moto's do not."""
    name = call.params.get("UserName") or (call.caller.user_name if call.caller else None)
    with account.lock:
        key = _iam(account).create_access_key(name)
        key.secret_access_key = new_secret()
    return {"AccessKey": key}


def get_user(account: Account, call: Call) -> dict[str, Any]:
    """Without a name it is the caller, whom moto cannot tell."""
    name = call.params.get("UserName") or (call.caller.user_name if call.caller else None)
    if name is None:
        raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
    return {"User": _iam(account).get_user(name)}


def simulate(account: Account, call: Call) -> dict[str, Any]:
    """SimulatePrincipalPolicy: one result for every action on every resource."""
    source = call.params["PolicySourceArn"]
    if ":assumed-role/" in source or not source.startswith("arn:aws"):
        raise AwsError(
            "InvalidInput", f"Invalid Entity Arn: {source} does not clearly define entity type and name."
        )
    user = next((user for user in _iam(account).users.values() if user.arn == source), None)
    if user is None:
        raise AwsError("NoSuchEntity", f"The entity {source} cannot be found.", 404)
    principal = account.callers.user(user)
    context = {
        entry["ContextKeyName"].lower(): str((entry.get("ContextKeyValues") or [""])[0])
        for entry in call.params.get("ContextEntries", [])
    }
    context |= {"aws:username": user.name, "aws:principalarn": user.arn, "aws:userid": user.id}
    boundary = principal.boundary
    if call.params.get("PermissionsBoundaryPolicyInputList"):
        raise NotImplementedError
    results = [
        _simulated(
            action,
            resource,
            decide(Question(action, resource, user.arn, context), principal.policies, boundary),
        )
        for action in call.params["ActionNames"]
        for resource in call.params.get("ResourceArns") or ["*"]
    ]
    return {"EvaluationResults": results, "IsTruncated": False}


def _simulated(action: str, resource: str, decision: Decision) -> dict[str, Any]:
    verdict = "allowed" if decision.is_allowed else "explicitDeny" if decision.is_denied else "implicitDeny"
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": verdict,
        "MatchedStatements": [],
        "MissingContextValues": [],
        "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": not decision.is_bounded},
    }


def caller_identity(account: Account, call: Call) -> dict[str, Any]:
    assert call.caller is not None
    return {"UserId": call.caller.unique_id, "Account": account.number, "Arn": call.caller.arn}


def session_token(account: Account, call: Call) -> dict[str, Any]:
    assert call.caller is not None
    if call.caller.user_name is None:
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    ends = account.now() + timedelta(seconds=int(call.params.get("DurationSeconds", 43_200)))
    keys = account.callers.new_session(call.caller.user_name, ends)
    return {
        "Credentials": {
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "SessionToken": keys.session_token,
            "Expiration": ends,
        }
    }


def count_attachment_once(account: Account, call: Call) -> None:
    """Attaching again changes nothing; moto would count it as one more, and never let the policy go."""
    with account.lock:
        user = _iam(account).users.get(call.params["UserName"])
        policy = user.managed_policies.get(call.params["PolicyArn"]) if user else None
        if policy is not None:
            policy.detach_from(user)


BEFORE: Mends = {
    ("iam", "CreateUser"): create_user,
    ("iam", "GetUser"): get_user,
    ("iam", "DeleteUser"): check_user_is_bare,
    ("iam", "PutUserPermissionsBoundary"): put_boundary,
    ("iam", "DeleteUserPermissionsBoundary"): delete_boundary,
    ("iam", "CreatePolicy"): check_new_policy,
    ("iam", "DeletePolicy"): check_policy_is_free,
    ("iam", "PutUserPolicy"): check_names,
    ("iam", "AttachUserPolicy"): count_attachment_once,
    ("iam", "CreateAccessKey"): create_access_key,
    ("iam", "SimulatePrincipalPolicy"): simulate,
    ("sts", "GetCallerIdentity"): caller_identity,
    ("sts", "GetSessionToken"): session_token,
}
