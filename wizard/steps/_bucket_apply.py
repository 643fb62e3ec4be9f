"""Carries out a bucket's changes; each looks first, so that it may be run again after a crash."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from wizard.errors import Conflict, NotFound, Problem
from wizard.polling import NotReady
from wizard.services.aws.errors import FOREIGN
from wizard.step import Change, Context, Receipt
from wizard.steps import _bucket_lifecycle as lifecycle
from wizard.steps._bucket_plan import ABORT_RULE_ID

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from wizard.journal import Entry

KNOWN_WITHIN_S = 60.0


def apply_bucket(ctx: Context, change: Change, entry: "Entry") -> Receipt:
    """Raises WizardError, with the action that was refused."""
    if change.action == "create-bucket":
        return _create(ctx, change, entry)
    action, put = _PUTS[change.action]
    with ctx.services.aws.explained(action):
        put(ctx.services.aws.client("s3"), change.params["name"], change.params["wanted"])
    return {"name": change.params["name"]}


def _create(ctx: Context, change: Change, entry: "Entry") -> Receipt:
    """HeadBucket before CreateBucket: in us-east-1 a second CreateBucket answers 200 and resets the ACL.

    Elsewhere than in us-east-1 the region has to be named. Source: S3 API, CreateBucket.
    """
    aws, name, region = ctx.services.aws, change.params["name"], change.params["aws_region"]
    if not is_there(ctx, name):
        place: Any = {}
        if region != "us-east-1":
            place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            aws.client("s3").create_bucket(Bucket=name, **place)
        except FOREIGN as error:
            _explain_refusal(ctx, name, entry, error)

        def known() -> bool:
            if not is_there(ctx, name):
                raise NotReady("AWS does not know the new bucket everywhere yet")
            return True

        ctx.wait(known, what=f"the bucket {name} to be there", deadline_s=KNOWN_WITHIN_S)
    with aws.explained("s3:PutBucketTagging"):
        put_tags(aws.client("s3"), name, change.params["tags"])
    return {"name": name, "aws_region": region}


def _explain_refusal(ctx: Context, name: str, entry: "Entry", error: Exception) -> None:
    """Notes a plain refusal: a bucket of that name that turns up later is then not taken for ours.

    After a 5xx it may be there all the same.
    """
    code, status = "", 0
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "BucketAlreadyOwnedByYou":
        return
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and code:
        entry.note(refused=code)
    if code == "BucketAlreadyExists":
        raise Conflict(
            Problem(
                "bucket-taken",
                f"The bucket name {name} is taken.",
                "Another AWS account has it; bucket names are shared by all accounts.",
                "Choose another bucket.name, for example with your organisation's name in front.",
                str(error),
            )
        ) from error
    raise ctx.services.aws.explain(error, "s3:CreateBucket") from error


def is_there(ctx: Context, name: str) -> bool:
    """Whether the caller's account has the bucket; raises WizardError where somebody else has it."""
    aws = ctx.services.aws
    try:
        aws.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=aws.identity().account_id)
    except FOREIGN as error:
        told = aws.explain(error, "s3:ListBucket")
        if isinstance(told, NotFound):
            return False
        raise told from error
    return True


def get_tags(client: "S3Client", name: str) -> dict[str, str]:
    try:
        return {tag["Key"]: tag["Value"] for tag in client.get_bucket_tagging(Bucket=name)["TagSet"]}
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchTagSet":
            raise
        return {}


def put_tags(client: "S3Client", name: str, wanted: Mapping[str, str]) -> None:
    """Merged into the tags that are there: S3 only takes the whole set."""
    now = get_tags(client, name)
    if wanted.items() <= now.items():
        return
    write_tags(client, name, {**now, **wanted})


def write_tags(client: "S3Client", name: str, tags: Mapping[str, str]) -> None:
    if not tags:
        client.delete_bucket_tagging(Bucket=name)
        return
    listed: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
    client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": listed})


def write_encryption(client: "S3Client", name: str, rules: Any) -> None:
    if rules is None:
        client.delete_bucket_encryption(Bucket=name)
        return
    client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})


def write_public_access_block(client: "S3Client", name: str, block: Any) -> None:
    if block is None:
        client.delete_public_access_block(Bucket=name)
        return
    client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)


def put_own_rule(client: "S3Client", name: str, wanted: Any) -> None:
    """Puts our lifecycle rule among those that are there now, or takes it out where `wanted` is None."""
    document = get_lifecycle(client, name)
    write_rules(client, name, document, lifecycle.beside(others_in(document), wanted))


def restore_own_rule(client: "S3Client", name: str, former: Any, rewritten: Any) -> None:
    """Our rule as it was, and without one the rules of others in the form that they had."""
    document = get_lifecycle(client, name)
    others = others_in(document)
    rules = lifecycle.beside(others, former) if former else lifecycle.given_back(others, rewritten)
    write_rules(client, name, document, rules)


def others_in(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [rule for rule in document.get("Rules", []) if rule.get("ID") != ABORT_RULE_ID]


def write_rules(client: "S3Client", name: str, document: Mapping[str, Any], rules: Any) -> None:
    """S3 only takes the whole document; its transition default is handed back as it came."""
    if not rules:
        client.delete_bucket_lifecycle(Bucket=name)
        return
    more: Any = {}
    if default := document.get("TransitionDefaultMinimumObjectSize"):
        more = {"TransitionDefaultMinimumObjectSize": default}
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules}, **more)


def get_lifecycle(client: "S3Client", name: str) -> dict[str, Any]:
    try:
        return dict(client.get_bucket_lifecycle_configuration(Bucket=name))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchLifecycleConfiguration":
            raise
        return {}


_PUTS: Mapping[str, tuple[str, "Callable[[S3Client, str, Any], None]"]] = {
    "tag-bucket": ("s3:PutBucketTagging", put_tags),
    "set-encryption": ("s3:PutEncryptionConfiguration", write_encryption),
    "block-public-access": ("s3:PutBucketPublicAccessBlock", write_public_access_block),
    "set-abort-rule": ("s3:PutLifecycleConfiguration", put_own_rule),
}
