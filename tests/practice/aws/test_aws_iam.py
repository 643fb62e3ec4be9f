"""IAM's rules on names, limits, conflicts and summaries."""

import json
from collections.abc import Callable
from typing import Any

import pytest

DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
)


@pytest.fixture(scope="module")
def iam(client: Callable[..., Any]) -> Any:
    return client("iam")


@pytest.mark.parametrize("name", ["with space", "slash/ed", "ümlaut", "x" * 65, "quote'", "semi;colon"])
def test_a_bad_user_name_is_refused(name: str, iam: Any, refused: Callable[..., Any]) -> None:
    refused("ValidationError", iam.create_user, UserName=name)


def test_good_names_paths_and_tags_are_kept(iam: Any) -> None:
    user = iam.create_user(UserName="a+b=c,d.e@f_g-h", Path="/teams/", Tags=[{"Key": "k", "Value": "v"}])[
        "User"
    ]
    assert user["Arn"] == "arn:aws:iam::123456789012:user/teams/a+b=c,d.e@f_g-h"
    assert iam.list_user_tags(UserName=user["UserName"])["Tags"] == [{"Key": "k", "Value": "v"}]
    assert [u["UserName"] for u in iam.list_users(PathPrefix="/teams/")["Users"]] == [user["UserName"]]


def test_a_bad_path_is_refused(iam: Any, refused: Callable[..., Any]) -> None:
    refused("ValidationError", iam.create_user, UserName="pathless", Path="no-slash")


def test_names_are_unique_regardless_of_case(iam: Any, refused: Callable[..., Any]) -> None:
    iam.create_user(UserName="Someone")
    message, status = refused("EntityAlreadyExists", iam.create_user, UserName="someone")
    assert (message, status) == ("User with name someone already exists.", 409)
    iam.create_policy(PolicyName="Some-Policy", PolicyDocument=DOCUMENT)
    refused("EntityAlreadyExists", iam.create_policy, PolicyName="some-policy", PolicyDocument=DOCUMENT)


def test_missing_things_are_missing(iam: Any, refused: Callable[..., Any]) -> None:
    nothing = "arn:aws:iam::123456789012:policy/nothing"
    for call, arguments in (
        (iam.get_user, {"UserName": "nobody"}),
        (iam.delete_user, {"UserName": "nobody"}),
        (iam.create_access_key, {"UserName": "nobody"}),
        (iam.get_policy, {"PolicyArn": nothing}),
        (iam.delete_policy, {"PolicyArn": nothing}),
        (iam.attach_user_policy, {"UserName": "practice-admin", "PolicyArn": nothing}),
        (iam.put_user_permissions_boundary, {"UserName": "practice-admin", "PermissionsBoundary": nothing}),
    ):
        assert refused("NoSuchEntity", call, **arguments)[1] == 404


def test_a_third_access_key_is_refused_and_the_summary_says_so(iam: Any, refused: Callable[..., Any]) -> None:
    iam.create_user(UserName="keys")
    made = [iam.create_access_key(UserName="keys")["AccessKey"]["AccessKeyId"] for _ in range(2)]
    assert refused("LimitExceeded", iam.create_access_key, UserName="keys")[1] == 409
    assert [k["AccessKeyId"] for k in iam.list_access_keys(UserName="keys")["AccessKeyMetadata"]] == made
    assert all(key.startswith("AKIA") and len(key) == 20 for key in made)
    summary = iam.get_account_summary()["SummaryMap"]
    quotas = {"AccessKeysPerUserQuota": 2, "VersionsPerPolicyQuota": 5, "AttachedPoliciesPerUserQuota": 10}
    assert {name: summary[name] for name in quotas} == quotas


def test_last_use_of_a_key_is_told(
    iam: Any, client: Callable[..., Any], new_user: Callable[..., Any]
) -> None:
    keys = new_user("used")
    unused = iam.get_access_key_last_used(AccessKeyId=keys.access_key_id)["AccessKeyLastUsed"]
    assert unused["ServiceName"] == "N/A"
    client("sts", keys).get_caller_identity()
    assert iam.get_access_key_last_used(AccessKeyId=keys.access_key_id)["UserName"] == "used"


def test_a_policy_has_at_most_five_versions(iam: Any, refused: Callable[..., Any]) -> None:
    arn = iam.create_policy(PolicyName="versions", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=DOCUMENT, SetAsDefault=True)
    refused("LimitExceeded", iam.create_policy_version, PolicyArn=arn, PolicyDocument=DOCUMENT)
    assert refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)[1] == 409
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    for version in versions:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


def test_a_policy_document_must_be_one(iam: Any, refused: Callable[..., Any]) -> None:
    for text in (
        "{",
        "[]",
        '{"Version":"2012-10-17"}',
        '{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}',
    ):
        refused("MalformedPolicyDocument", iam.create_policy, PolicyName="broken", PolicyDocument=text)


def test_nothing_in_use_is_deleted(iam: Any, refused: Callable[..., Any]) -> None:
    arn = iam.create_policy(PolicyName="attached", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    iam.create_user(UserName="busy")
    iam.attach_user_policy(UserName="busy", PolicyArn=arn)
    iam.put_user_policy(UserName="busy", PolicyName="inline", PolicyDocument=DOCUMENT)
    key = iam.create_access_key(UserName="busy")["AccessKey"]["AccessKeyId"]
    message, status = refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    assert (message, status) == ("Cannot delete a policy attached to entities.", 409)
    reasons = []
    reasons.append(refused("DeleteConflict", iam.delete_user, UserName="busy")[0])
    iam.delete_access_key(UserName="busy", AccessKeyId=key)
    reasons.append(refused("DeleteConflict", iam.delete_user, UserName="busy")[0])
    iam.detach_user_policy(UserName="busy", PolicyArn=arn)
    reasons.append(refused("DeleteConflict", iam.delete_user, UserName="busy")[0])
    iam.delete_user_policy(UserName="busy", PolicyName="inline")
    assert reasons == [
        "Cannot delete entity, must delete access keys first.",
        "Cannot delete entity, must detach all policies first.",
        "Cannot delete entity, must delete policies first.",
    ]
    iam.delete_user(UserName="busy")
    iam.delete_policy(PolicyArn=arn)


def test_without_a_name_it_is_the_caller(client: Callable[..., Any], new_user: Callable[..., Any]) -> None:
    keys = new_user(
        "self", {"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::*:user/${aws:username}"}
    )
    own = client("iam", keys)
    assert own.get_user()["User"]["UserName"] == "self"
    assert own.create_access_key()["AccessKey"]["UserName"] == "self"
    assert len(own.list_access_keys()["AccessKeyMetadata"]) == 2


def test_a_user_is_made_with_a_boundary(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="bound", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    made = iam.create_user(UserName="bound-user", PermissionsBoundary=arn)["User"]
    assert made["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


def test_a_policy_that_is_attached_twice_is_attached_once(iam: Any) -> None:
    """The SDK tries again when an answer gets lost."""
    arn = iam.create_policy(PolicyName="twice", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    iam.create_user(UserName="twice")
    for _ in range(2):
        iam.attach_user_policy(UserName="twice", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    iam.detach_user_policy(UserName="twice", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    iam.delete_user(UserName="twice")
