"""The rights that a person needs for a whole setup, its checks and its undo, as the README lists them.

What connect asks for, by the answers, is in `rights`; a test holds it to be among these.
"""

from itertools import chain
from typing import Any

from wizard.answers import from_mapping
from wizard.steps.connect.rights import Right, kubernetes_rights

BUCKET_ACTIONS = (
    *("CreateBucket", "DeleteBucket", "ListBucket", "GetBucketLocation"),
    *("GetBucketTagging", "PutBucketTagging", "GetBucketVersioning"),
    *("GetEncryptionConfiguration", "PutEncryptionConfiguration"),
    *("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    *("GetLifecycleConfiguration", "PutLifecycleConfiguration"),
    *("ListBucketMultipartUploads", "ListBucketVersions"),
)
OBJECT_ACTIONS = (
    *("PutObject", "PutObjectAcl", "GetObject", "DeleteObject", "DeleteObjectVersion"),
    *("AbortMultipartUpload", "ListMultipartUploadParts"),
)
USER_ACTIONS = (
    *("GetUser", "CreateUser", "DeleteUser", "TagUser", "UntagUser"),
    *("ListAccessKeys", "CreateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed"),
    *("ListAttachedUserPolicies", "AttachUserPolicy", "DetachUserPolicy"),
    *("PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"),
)
POLICY_ACTIONS = (
    *("GetPolicy", "GetPolicyVersion", "ListPolicyVersions", "CreatePolicy", "DeletePolicy", "TagPolicy"),
    *("CreatePolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"),
)
ACCOUNT_ACTIONS = (
    *("sts:GetCallerIdentity", "s3:ListAllMyBuckets", "ec2:DescribeInstances"),
    *("iam:ListPolicies", "iam:GetAccountSummary", "iam:SimulatePrincipalPolicy", "iam:GetRole"),
    *("route53:ListHostedZonesByName", "route53:GetHostedZone", "route53:GetChange"),
    *("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancerAttributes"),
    *("elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeListenerAttributes"),
)
ZONE_ACTIONS = ("ListResourceRecordSets", "ChangeResourceRecordSets")


def iam_policy() -> dict[str, Any]:
    """With the words BUCKET, ACCOUNT and ZONE, and the default names of user and policy."""
    user, policy = "registry-access", "registry-access-policy"
    statements = (
        ("s3", BUCKET_ACTIONS, "arn:aws:s3:::BUCKET"),
        ("s3", OBJECT_ACTIONS, "arn:aws:s3:::BUCKET/*"),
        ("iam", USER_ACTIONS, f"arn:aws:iam::ACCOUNT:user/{user}"),
        ("iam", POLICY_ACTIONS, f"arn:aws:iam::ACCOUNT:policy/{policy}"),
        ("", ACCOUNT_ACTIONS, "*"),
        ("route53", ZONE_ACTIONS, "arn:aws:route53:::hostedzone/ZONE"),
    )
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [f"{service}:{action}" if service else action for action in actions],
                "Resource": resource,
            }
            for service, actions, resource in statements
        ],
    }


def cluster_role() -> dict[str, Any]:
    """A Role for both kinds of workload; all in it is asked for by connect, or looked at if it is allowed."""
    workloads = ({"workload": kind} for kind in ("Deployment", "ReplicationController"))
    asked = chain.from_iterable(
        kubernetes_rights(from_mapping({"deploy": deploy}), makes_namespace=False) for deploy in workloads
    )
    rules: dict[tuple[str, str], list[str]] = {}
    for right in (*asked, *_LOOKED_AT, *_RECORDED):
        resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
        verbs = rules.setdefault((right.group, resource), [])
        verbs += [right.verb] if right.verb not in verbs else []
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "kube-registry-operator"},
        "rules": [
            {"apiGroups": [group], "resources": [resource], "verbs": verbs}
            for (group, resource), verbs in rules.items()
        ],
    }


_LOOKED_AT = (
    *(Right("list", resource) for resource in ("secrets", "services", "replicationcontrollers")),
    Right("list", "deployments", "apps"),
    Right("list", "endpointslices", "discovery.k8s.io"),
)
_RECORDED = (
    *(Right(verb, "configmaps") for verb in ("get", "create", "update", "delete", "list")),
    *(Right(verb, "leases", "coordination.k8s.io") for verb in ("get", "create", "update", "delete")),
)
