"""What users may do, over the real protocols: the guide's policy, boundaries, denials, and simulation."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from wizard.practice.aws import AwsKeys, AwsServer

BUCKET = "team-registry"
BUCKET_ACTIONS = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
OBJECT_ACTIONS = [
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
]
GUIDE = (
    {"Effect": "Allow", "Action": BUCKET_ACTIONS, "Resource": f"arn:aws:s3:::{BUCKET}"},
    {"Effect": "Allow", "Action": OBJECT_ACTIONS, "Resource": f"arn:aws:s3:::{BUCKET}/*"},
)
PLACE = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}


@pytest.fixture(scope="module", autouse=True)
def buckets(client: Callable[..., Any]) -> None:
    for name in (BUCKET, "other-bucket"):
        client("s3").create_bucket(Bucket=name, **PLACE)


@pytest.fixture(scope="module")
def registry(client: Callable[..., Any], new_user: Callable[..., AwsKeys]) -> Any:
    """S3 as the registry's user, who has the guide's policy and nothing else."""
    return client("s3", new_user("registry", *GUIDE))


def test_the_guides_policy_lets_the_registry_do_its_work(registry: Any) -> None:
    registry.head_bucket(Bucket=BUCKET)
    assert registry.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == "eu-west-1"
    registry.put_object(Bucket=BUCKET, Key="docker/one", Body=b"1", ACL="private")
    assert registry.get_object(Bucket=BUCKET, Key="docker/one")["Body"].read() == b"1"
    assert registry.head_object(Bucket=BUCKET, Key="docker/one")["ContentLength"] == 1
    upload = registry.create_multipart_upload(Bucket=BUCKET, Key="docker/big", ACL="private")["UploadId"]
    which = {"Bucket": BUCKET, "Key": "docker/big", "UploadId": upload}
    part = registry.upload_part(**which, PartNumber=1, Body=b"x" * 10)["ETag"]
    assert len(registry.list_parts(**which)["Parts"]) == 1
    assert len(registry.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == 1
    registry.complete_multipart_upload(**which, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    source = {"Bucket": BUCKET, "Key": "docker/big"}
    registry.copy_object(Bucket=BUCKET, Key="docker/copy", CopySource=source)
    found = registry.list_objects_v2(Bucket=BUCKET, Prefix="docker/")["Contents"]
    assert [item["Key"] for item in found] == ["docker/big", "docker/copy", "docker/one"]
    keys = [{"Key": item["Key"]} for item in found]
    assert len(registry.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})["Deleted"]) == 3
    other = registry.create_multipart_upload(Bucket=BUCKET, Key="docker/aborted")["UploadId"]
    registry.abort_multipart_upload(Bucket=BUCKET, Key="docker/aborted", UploadId=other)
    assert "Contents" not in registry.list_objects_v2(Bucket=BUCKET)


def test_the_guides_policy_allows_nothing_more(registry: Any, refused: Callable[..., Any]) -> None:
    message, status = refused("AccessDenied", registry.put_object, Bucket="other-bucket", Key="k", Body=b"")
    assert status == 403
    assert message == (
        "User: arn:aws:iam::123456789012:user/registry is not authorized to perform: s3:PutObject "
        'on resource: "arn:aws:s3:::other-bucket/k" because no identity-based policy allows the '
        "s3:PutObject action"
    )
    refused("403", registry.head_bucket, Bucket="other-bucket")
    refused("AccessDenied", registry.list_buckets)
    refused("AccessDenied", registry.get_bucket_encryption, Bucket=BUCKET)
    refused("AccessDenied", registry.delete_bucket, Bucket=BUCKET)
    refused("AccessDenied", registry.create_bucket, Bucket="third-bucket", **PLACE)
    source = {"Bucket": "other-bucket", "Key": "k"}
    refused("AccessDenied", registry.copy_object, Bucket=BUCKET, Key="stolen", CopySource=source)


def test_deleting_many_is_judged_key_by_key(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys]
) -> None:
    own = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{BUCKET}/own/*"}
    for key in ("own/a", "own/b", "else/c"):
        client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
    keys = [{"Key": key} for key in ("own/a", "else/c", "own/b")]
    answer = client("s3", new_user("cleaner", own)).delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    assert [item["Key"] for item in answer["Deleted"]] == ["own/a", "own/b"]
    assert [(item["Key"], item["Code"]) for item in answer["Errors"]] == [("else/c", "AccessDenied")]
    left = client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [item["Key"] for item in left] == ["else/c"]
    client("s3").delete_object(Bucket=BUCKET, Key="else/c")


def test_a_missing_key_is_hidden_from_whoever_may_not_list(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], registry: Any, refused: Callable[..., Any]
) -> None:
    reader = new_user("reader", {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    refused("NoSuchKey", registry.get_object, Bucket=BUCKET, Key="missing")
    refused("AccessDenied", client("s3", reader).get_object, Bucket=BUCKET, Key="missing")
    refused("403", client("s3", reader).head_object, Bucket=BUCKET, Key="missing")
    refused("NoSuchBucket", client("s3", reader).get_object, Bucket="no-such-bucket", Key="missing")


def test_a_prefix_condition_is_kept(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    condition = {"StringLike": {"s3:prefix": ["docker/*"]}}
    lister = new_user(
        "prefixed", {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}
    )
    s3 = client("s3", lister)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="docker/registry")["KeyCount"] == 0
    refused("AccessDenied", s3.list_objects_v2, Bucket=BUCKET)
    refused("AccessDenied", s3.list_objects_v2, Bucket=BUCKET, Prefix="other")


def test_an_explicit_denial_wins_and_is_named(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    keys = new_user(
        "denied",
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:Create*", "Resource": "*"},
    )
    message, _ = refused("AccessDenied", client("iam", keys).create_user, UserName="x")
    assert message == (
        "User: arn:aws:iam::123456789012:user/denied is not authorized to perform: iam:CreateUser on "
        "resource: arn:aws:iam::123456789012:user/x with an explicit deny in an identity-based policy"
    )
    assert client("iam", keys).list_users()["Users"]


def test_a_permissions_boundary_bounds_and_is_named(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    iam = client("iam")
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    arn = iam.create_policy(PolicyName="only-s3", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    keys = new_user("bounded", {"Effect": "Allow", "Action": ["s3:*", "iam:*"], "Resource": "*"})
    iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=arn)
    assert iam.get_user(UserName="bounded")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    assert client("s3", keys).list_buckets()["Buckets"]
    message, _ = refused("AccessDenied", client("iam", keys).list_users)
    assert message.endswith("because no permissions boundary allows the iam:ListUsers action")
    refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    iam.delete_user_permissions_boundary(UserName="bounded")
    assert client("iam", keys).list_users()["Users"]
    assert "PermissionsBoundary" not in iam.get_user(UserName="bounded")["User"]
    iam.delete_policy(PolicyArn=arn)


def test_attached_policies_and_groups_count_by_their_default_version(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    iam, keys = client("iam"), new_user("member")
    statement = {"Effect": "Allow", "Action": "route53:List*", "Resource": "*"}
    allow = json.dumps({"Version": "2012-10-17", "Statement": statement})
    none = json.dumps({"Version": "2012-10-17", "Statement": {**statement, "Action": "route53:Get*"}})
    arn = iam.create_policy(PolicyName="lister", PolicyDocument=allow)["Policy"]["Arn"]
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName="member")
    refused("AccessDenied", client("route53", keys).list_hosted_zones)
    iam.attach_group_policy(GroupName="team", PolicyArn=arn)
    assert client("route53", keys).list_hosted_zones()["HostedZones"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=none, SetAsDefault=True)
    refused("AccessDenied", client("route53", keys).list_hosted_zones)


@pytest.mark.parametrize(
    ("service", "call", "arguments", "action", "code"),
    [
        ("route53", "list_hosted_zones", {}, "route53:ListHostedZones", "AccessDenied"),
        ("elb", "describe_load_balancers", {}, "elasticloadbalancing:DescribeLoadBalancers", "AccessDenied"),
        (
            "elbv2",
            "describe_load_balancers",
            {},
            "elasticloadbalancing:DescribeLoadBalancers",
            "AccessDenied",
        ),
        ("ec2", "describe_instances", {}, "ec2:DescribeInstances", "UnauthorizedOperation"),
        ("iam", "get_account_summary", {}, "iam:GetAccountSummary", "AccessDenied"),
        (
            "sts",
            "assume_role",
            {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "me"},
            "sts:AssumeRole",
            "AccessDenied",
        ),
    ],
)
def test_every_service_refuses_in_its_own_dialect_and_obeys_a_grant(
    service: str,
    call: str,
    arguments: dict[str, str],
    action: str,
    code: str,
    client: Callable[..., Any],
    new_user: Callable[..., AwsKeys],
    refused: Callable[..., Any],
) -> None:
    name = f"{service}-{call}".replace("_", "-")
    keys = new_user(name)
    message, status = refused(code, getattr(client(service, keys), call), **arguments)
    assert status == 403
    assert f"user/{name} is not authorized to perform: {action}" in message
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}
    client("iam").put_user_policy(UserName=name, PolicyName="grant", PolicyDocument=json.dumps(document))
    assert getattr(client(service, keys), call)(**arguments)


def test_grants_on_one_resource_do_not_reach_another(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    zone = client("route53").list_hosted_zones()["HostedZones"][0]["Id"].rpartition("/")[2]
    keys = new_user(
        "narrow",
        {"Effect": "Allow", "Action": "route53:*", "Resource": f"arn:aws:route53:::hostedzone/{zone}"},
        {"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::123456789012:user/teams/*"},
    )
    assert client("route53", keys).list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    refused("AccessDenied", client("route53", keys).get_hosted_zone, Id="ZOTHER")
    refused("AccessDenied", client("iam", keys).create_user, UserName="plain")
    client("iam", keys).create_user(UserName="inside", Path="/teams/")
    assert client("iam", keys).get_user(UserName="inside")["User"]["Path"] == "/teams/"
    refused("AccessDenied", client("iam", keys).delete_user, UserName="narrow")
    client("iam", keys).delete_user(UserName="inside")


def test_a_bucket_policy_denies_and_grants(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], registry: Any, refused: Callable[..., Any]
) -> None:
    keys = new_user("guest")
    arn = "arn:aws:iam::123456789012:user/"
    statements = [
        {
            "Effect": "Deny",
            "Principal": {"AWS": f"{arn}registry"},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"{arn}guest"},
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{BUCKET}",
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    client("s3").put_bucket_policy(Bucket=BUCKET, Policy=policy)
    message, _ = refused("AccessDenied", registry.get_object, Bucket=BUCKET, Key="any")
    assert message.endswith("with an explicit deny in a resource-based policy")
    assert client("s3", keys).list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    client("s3").delete_bucket_policy(Bucket=BUCKET)
    refused("AccessDenied", client("s3", keys).list_objects_v2, Bucket=BUCKET)


def test_simulation_tells_before_what_will_be_refused(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    new_user(
        "planned",
        {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::mine*"},
        {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
    )
    iam, arn = client("iam"), "arn:aws:iam::123456789012:user/planned"
    results = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["s3:CreateBucket", "s3:DeleteBucket", "iam:CreateUser"],
        ResourceArns=["arn:aws:s3:::mine"],
    )["EvaluationResults"]
    assert [(r["EvalActionName"], r["EvalDecision"]) for r in results] == [
        ("s3:CreateBucket", "allowed"),
        ("s3:DeleteBucket", "explicitDeny"),
        ("iam:CreateUser", "implicitDeny"),
    ]
    operator = client("sts").get_caller_identity()["Arn"]
    own = iam.simulate_principal_policy(PolicySourceArn=operator, ActionNames=["iam:CreateUser"])
    assert [r["EvalDecision"] for r in own["EvaluationResults"]] == ["allowed"]
    refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=f"{arn}2", ActionNames=["a:b"])


def test_a_fault_can_be_scripted(
    aws: AwsServer, client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    def slow_down(service: str, operation: str) -> tuple[int, dict[str, str], bytes] | None:
        is_it = (service, operation) == ("s3", "ListBuckets")
        return (503, {}, b"<Error><Code>SlowDown</Code><Message>.</Message></Error>") if is_it else None

    aws.settings.fault = slow_down
    assert refused("SlowDown", client("s3").list_buckets)[1] == 503
    assert client("sts").get_caller_identity()
    aws.settings.fault = None
    assert client("s3").list_buckets()
