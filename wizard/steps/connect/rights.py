"""Which Kubernetes verbs and AWS actions the later steps will need, for the answers given. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from wizard.answers import Answers
from wizard.facts import FactBook


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource in our namespace, or in the whole cluster."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    is_clusterwide: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'/' if self.subresource else ''}{self.subresource}"


def kubernetes_rights(answers: Answers, *, makes_namespace: bool) -> tuple[Right, ...]:
    """Server-side apply needs patch, and create for what is not there yet."""
    changing = ("get", "create", "patch", "delete")
    is_deployment = answers.deploy.workload == "Deployment"
    workload, group = ("deployments", "apps") if is_deployment else ("replicationcontrollers", "")
    found = [Right(verb, "secrets") for verb in ("get", "create", "update", "delete")]
    found += [Right(verb, "services") for verb in changing]
    found += [Right(verb, workload, group) for verb in changing]
    found += [Right("list", "pods"), Right("get", "pods", subresource="log"), Right("list", "events")]
    if not is_deployment:
        found.append(Right("delete", "pods"))
    if makes_namespace:
        found.append(Right("create", "namespaces", is_clusterwide=True))
    return tuple(found)


def record_rights() -> tuple[Right, ...]:
    """For the setup's record and its lock, which a setup can do without."""
    return Right("create", "configmaps"), Right("create", "leases", "coordination.k8s.io")


def aws_actions(answers: Answers, partition: str, account_id: str) -> list[tuple[str, str]]:
    """Pairs of action and resource ARN for bucket, user and balancer."""
    found = list(_bucket_actions(answers, partition))
    if answers.user.kind == "iam-user":
        found += _user_actions(answers, partition, account_id)
    balancer = ["DescribeLoadBalancers"]
    if answers.deploy.load_balancer != "nlb":
        balancer.append("DescribeLoadBalancerAttributes")
    return found + [(f"elasticloadbalancing:{action}", "*") for action in balancer]


def dns_actions(answers: Answers, partition: str) -> list[tuple[str, str]]:
    """The same for Route53; records only where the zone is known, for rights often hold for one zone."""
    if answers.dns.provider != "route53":
        return []
    found = [("route53:ListHostedZonesByName", "*")]
    if zone := answers.dns.hosted_zone_id:
        arn = f"arn:{partition}:route53:::hostedzone/{zone}"
        found.append(("route53:GetHostedZone", arn))
        found += [(f"route53:{name}ResourceRecordSets", arn) for name in ("List", "Change")]
        found.append(("route53:GetChange", f"arn:{partition}:route53:::change/*"))
    return found


def still_needed(denied: tuple[str, ...], book: FactBook) -> tuple[str, ...]:
    """Without those whose work is done already: then nobody has to be allowed to do it again."""
    return tuple(action for action in denied if not (action in _DONE and _DONE[action](book)))


def _bucket_actions(answers: Answers, partition: str) -> Iterator[tuple[str, str]]:
    bucket = answers.bucket
    if not bucket.name:
        return
    arn = f"arn:{partition}:s3:::{bucket.name}"
    on_bucket = ("ListBucket", "GetBucketLocation", "GetBucketTagging", "PutBucketTagging")
    for action in (*on_bucket, "ListBucketMultipartUploads"):
        yield f"s3:{action}", arn
    if bucket.create:
        yield "s3:CreateBucket", arn
    if bucket.encryption != "keep":
        yield "s3:GetEncryptionConfiguration", arn
        yield "s3:PutEncryptionConfiguration", arn
    if bucket.block_public_access:
        yield "s3:GetBucketPublicAccessBlock", arn
        yield "s3:PutBucketPublicAccessBlock", arn
    if bucket.abort_incomplete_days:
        yield "s3:GetLifecycleConfiguration", arn
        yield "s3:PutLifecycleConfiguration", arn
    on_object = (
        "PutObject",
        "PutObjectAcl",
        "GetObject",
        "DeleteObject",
        "AbortMultipartUpload",
        "ListMultipartUploadParts",
    )
    for action in on_object:
        yield f"s3:{action}", f"{arn}/*"


def _user_actions(answers: Answers, partition: str, account_id: str) -> Iterator[tuple[str, str]]:
    user = answers.user
    user_arn = f"arn:{partition}:iam::{account_id}:user{user.path}{user.name}"
    policy_arn = f"arn:{partition}:iam::{account_id}:policy{user.path}{user.policy}"
    on_keys = ("ListAccessKeys", "CreateAccessKey", "DeleteAccessKey")
    on_policies = ("ListAttachedUserPolicies", "AttachUserPolicy")
    for action in ("GetUser", "TagUser", *on_keys, *on_policies):
        yield f"iam:{action}", user_arn
    for action in ("GetPolicy", "GetPolicyVersion", "ListPolicyVersions", "CreatePolicy", "TagPolicy"):
        yield f"iam:{action}", policy_arn
    if user.create:
        yield "iam:CreateUser", user_arn
    if user.permissions_boundary:
        yield "iam:PutUserPermissionsBoundary", user_arn


_DONE: Mapping[str, Callable[[FactBook], bool]] = {
    "s3:CreateBucket": lambda book: book.bucket is not None and book.bucket.state == "mine",
    "s3:PutBucketTagging": lambda book: book.bucket is not None and bool(book.bucket.owner),
    "iam:CreateUser": lambda book: book.user is not None and book.user.user_exists,
    "iam:TagUser": lambda book: book.user is not None and bool(book.user.user_owner),
    "iam:CreatePolicy": lambda book: book.user is not None and book.user.policy_exists,
    "iam:TagPolicy": lambda book: book.user is not None and book.user.policy_exists,
    # A new user gets its boundary by CreateUser.
    "iam:PutUserPermissionsBoundary": lambda book: (
        book.user is None or not book.user.user_exists or bool(book.user.user_boundary)
    ),
    "iam:AttachUserPolicy": lambda book: book.user is not None and book.user.policy_is_attached,
    "iam:CreateAccessKey": lambda book: book.user is not None and book.user.secret_is_complete,
    "iam:DeleteAccessKey": lambda book: book.user is not None and book.user.secret_is_complete,
}
