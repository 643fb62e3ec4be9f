"""Which IAM actions an operation needs, and on which resources.

Source: the "Actions, resources, and condition keys" pages of the service authorization reference.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from wizard.practice.aws import moto_parts
from wizard.practice.aws.callers import Caller
from wizard.practice.aws.calls import Call
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.policies import Decision, Document, Question, decide, parse_document

Need = tuple[str, str]

OBJECT_ACTIONS = {
    "PutObject": "PutObject",
    "CopyObject": "PutObject",
    "PostObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "GetObjectAttributes": "GetObject",
    "SelectObjectContent": "GetObject",
    "DeleteObject": "DeleteObject",
}
BUCKET_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketCors": "PutBucketCORS",
}
VERSIONED = {"GetObject": "GetObjectVersion", "DeleteObject": "DeleteObjectVersion"}
HARMLESS_ACLS = frozenset({"", "private", "bucket-owner-full-control"})
FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})


def authorize(call: Call, caller: Caller, account: str, needs: Iterable[Need]) -> None:
    """AwsError, worded as AWS does, for the first thing that the caller may not do."""
    for action, resource in needs:
        decision = may(call, caller, account, action, resource)
        if not decision.is_allowed:
            raise denial(call.service, caller, action, resource, decision)


def may(call: Call, caller: Caller, account: str, action: str, resource: str) -> Decision:
    if caller.is_internal or action in FREE:
        return Decision(is_allowed=True)
    question = Question(action, resource, caller.arn, _context(call, caller))
    return decide(question, caller.policies, caller.boundary, _bucket_policy(call, account))


def denial(service: str, caller: Caller, action: str, resource: str, decision: Decision) -> AwsError:
    start = f"User: {caller.arn} is not authorized to perform: {action}"
    if service == "ec2":
        message = f"You are not authorized to perform this operation. {start} {decision.reason}"
        return AwsError("UnauthorizedOperation", message, 403)
    named = f'"{resource}"' if service == "s3" else resource
    return AwsError("AccessDenied", f"{start} on resource: {named} {decision.reason}", 403)


def needs_of(call: Call, account: str) -> list[Need]:
    """The (action, resource) pairs of a call; a batch delete is judged key by key elsewhere."""
    if call.service == "s3":
        return _s3_needs(call)
    if call.service == "iam":
        return [(f"iam:{call.operation}", _iam_resource(call, account))]
    if call.service == "sts":
        return [(f"sts:{call.operation}", str(call.params.get("RoleArn", "*")))]
    if call.service == "route53":
        return [(f"route53:{call.operation}", _route53_resource(call))]
    if call.service in {"elb", "elbv2"}:
        resources = _balancer_resources(call, account)
        return [(f"elasticloadbalancing:{call.operation}", resource) for resource in resources]
    return [(f"ec2:{call.operation}", "*")]


def _s3_needs(call: Call) -> list[Need]:
    operation, bucket, key = call.operation, call.path.get("Bucket"), call.path.get("Key")
    if operation == "DeleteObjects":
        return []
    if bucket is None:
        return [("s3:ListAllMyBuckets" if operation == "ListBuckets" else f"s3:{operation}", "*")]
    if key is None:
        return [(f"s3:{BUCKET_ACTIONS.get(operation, operation)}", f"arn:aws:s3:::{bucket}")]
    action = OBJECT_ACTIONS.get(operation, operation)
    if "versionId" in call.arguments:
        action = VERSIONED.get(action, action)
    needs = [(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")]
    if source := call.headers.get("x-amz-copy-source"):
        needs.append(("s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}"))
    if call.headers.get("x-amz-acl", "") not in HARMLESS_ACLS:
        needs.append(("s3:PutObjectAcl", f"arn:aws:s3:::{bucket}/{key}"))
    return needs


def _iam_resource(call: Call, account: str) -> str:
    params, iam = call.params, moto_parts.backend("iam", account, "")
    start = f"arn:aws:iam::{account}"
    for name in ("PolicySourceArn", "PolicyArn"):
        if (
            name in params
            and "UserName" not in params
            and "RoleName" not in params
            and "GroupName" not in params
        ):
            return str(params[name])
    for kind, known in (("User", iam.users), ("Role", iam.roles), ("Group", iam.groups)):
        wanted = params.get(f"{kind}Name")
        if wanted is not None:
            found = next((entity for entity in known.values() if entity.name == wanted), None)
            return str(found.arn) if found else f"{start}:{kind.lower()}{params.get('Path', '/')}{wanted}"
    if call.operation == "CreatePolicy":
        return f"{start}:policy{params.get('Path', '/')}{params.get('PolicyName')}"
    if call.operation in {"GetAccountSummary", "ListPolicies"}:
        return "*"
    if call.operation in {"ListUsers", "ListRoles", "ListGroups"}:
        return f"{start}:{call.operation[4:-1].lower()}{params.get('PathPrefix', '/')}"
    return call.caller.arn if call.caller else "*"


def _route53_resource(call: Call) -> str:
    kind = "hostedzone"
    found = call.path.get("Id") or call.path.get("ResourceId")
    if call.operation == "GetChange":
        kind = "change"
    elif call.operation in {"ChangeTagsForResource", "ListTagsForResource"}:
        kind = call.path.get("ResourceType", kind)
    return f"arn:aws:route53:::{kind}/{found.rpartition('/')[2]}" if found else "*"


def _balancer_resources(call: Call, account: str) -> list[str]:
    if call.operation.startswith("Describe"):
        return ["*"]
    params, start = call.params, f"arn:aws:elasticloadbalancing:{call.aws_region}:{account}:loadbalancer/"
    if call.service == "elb":
        names = params.get("LoadBalancerNames") or [params.get("LoadBalancerName", "*")]
        return [start + str(name) for name in names]
    arns: Any = params.get("ResourceArns")
    for name in ("LoadBalancerArn", "ListenerArn", "TargetGroupArn", "ResourceArn", "RuleArn"):
        arns = arns or ([params[name]] if name in params else None)
    kind = {"CreateLoadBalancer": "net/*", "CreateTargetGroup": "*"}.get(call.operation, "*")
    return [str(arn) for arn in arns] if arns else [start + kind]


def _bucket_policy(call: Call, account: str) -> Document | None:
    if not call.bucket:
        return None
    bucket = moto_parts.backend("s3", account, "").buckets.get(call.bucket)
    return parse_document(bucket.policy.decode()) if bucket is not None and bucket.policy else None


def _context(call: Call, caller: Caller) -> dict[str, str]:
    context = {
        "aws:principalarn": caller.arn,
        "aws:userid": caller.unique_id,
        "aws:username": caller.user_name or "",
        "aws:sourceip": str(call.environ.get("REMOTE_ADDR", "127.0.0.1")),
        "aws:securetransport": "false",
        "aws:requestedregion": call.aws_region,
    }
    if call.service == "s3":
        for name in ("prefix", "delimiter", "max-keys"):
            if name in call.arguments:
                context[f"s3:{name}"] = call.arguments[name]
        for name in ("x-amz-acl", "x-amz-server-side-encryption"):
            if name in call.headers:
                context[f"s3:{name}"] = call.headers[name]
    if call.service == "iam":
        if "PermissionsBoundary" in call.params:
            context["iam:permissionsboundary"] = str(call.params["PermissionsBoundary"])
        if "PolicyArn" in call.params:
            context["iam:policyarn"] = str(call.params["PolicyArn"])
    return context
