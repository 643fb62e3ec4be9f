"""Reads a bucket: whose it is, where it lives, and the settings that the wizard minds."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from wizard import ownership
from wizard.errors import AccessDenied, Problem
from wizard.facts import BucketFacts
from wizard.parallel import side_by_side
from wizard.services.aws import offers
from wizard.services.aws.errors import FOREIGN
from wizard.steps._bucket_plan import BLOCK_ALL

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from wizard.services.aws import Aws

REGION_HEADER = "x-amz-bucket-region"


def look_at_bucket(aws: "Aws", name: str, *, unminded: Collection[str] = ()) -> BucketFacts:
    """For an absent bucket `aws_region` is where it would be made. Raises WizardError.

    A look that is refused or not offered is a problem, unless its action is `unminded`: the answers leave
    that setting be.
    """
    account = aws.identity().account_id
    state, region = _whose(aws, name, account)
    if state != "mine":
        return BucketFacts(name=name, state=state, aws_region=region or aws.region)
    if region != aws.region:
        return BucketFacts(name=name, state="mine-elsewhere", aws_region=region)
    return _settings(aws, name, region, unminded)


def _whose(aws: "Aws", name: str, account: str) -> tuple[str, str]:
    """(state, region); botocore follows the redirect to another region by itself."""
    client = aws.client("s3")
    status, region = _head(aws, name, ExpectedBucketOwner=account)
    if status == 200:
        return "mine", region or _location(aws, name)
    if status == 404:
        return "absent", ""
    if status == 403 and _head(aws, name)[0] == 200:
        return "taken", region
    try:
        listed = client.list_buckets(Prefix=name, MaxBuckets=1).get("Buckets", [])
    except FOREIGN:
        return "forbidden", region
    return ("forbidden" if any(found.get("Name") == name for found in listed) else "taken"), region


def _head(aws: "Aws", name: str, **more: str) -> tuple[int, str]:
    """HTTP status and region, "" where that is not told; only 200, 301, 400, 403 and 404 are answers."""
    try:
        found: Mapping[str, Any] = aws.client("s3").head_bucket(Bucket=name, **more)
    except ClientError as error:
        told: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
        status = int(told.get("HTTPStatusCode", 0))
        if status not in {301, 400, 403, 404}:
            raise aws.explain(error, "s3:ListBucket") from error
        return status, str(told.get("HTTPHeaders", {}).get(REGION_HEADER, ""))
    except FOREIGN as error:
        raise aws.explain(error, "s3:ListBucket") from error
    headers = found["ResponseMetadata"].get("HTTPHeaders", {})
    return 200, str(found.get("BucketRegion") or headers.get(REGION_HEADER, ""))


def _location(aws: "Aws", name: str) -> str:
    """GetBucketLocation has two odd answers: nothing for us-east-1, EU for eu-west-1."""
    with aws.explained("s3:GetBucketLocation"):
        found: object = aws.client("s3").get_bucket_location(Bucket=name).get("LocationConstraint")
    told = str(found) if found else ""
    return {"": "us-east-1", "EU": "eu-west-1"}.get(told, told)


def _settings(aws: "Aws", name: str, region: str, unminded: Collection[str]) -> BucketFacts:
    client, problems = aws.client("s3"), list[Problem]()

    def ask(action: str, absent: str, read: "Callable[[S3Client], Any]") -> "Callable[[], Any]":
        def work() -> Any:
            try:
                return read(client)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code", "") == absent:
                    return None
                told = aws.explain(error, action)
                if not isinstance(told, AccessDenied) and told.problem.code != offers.CODE:
                    raise told from error
                if action not in unminded:
                    problems.append(told.problem)
                return None
            except FOREIGN as error:
                raise aws.explain(error, action) from error

        return work

    encryption, block, lifecycle, tags = side_by_side(
        [
            ask(
                "s3:GetEncryptionConfiguration",
                "ServerSideEncryptionConfigurationNotFoundError",
                lambda s3: _plain(
                    s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
                ),
            ),
            ask(
                "s3:GetBucketPublicAccessBlock",
                "NoSuchPublicAccessBlockConfiguration",
                lambda s3: _plain(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]),
            ),
            ask(
                "s3:GetLifecycleConfiguration",
                "NoSuchLifecycleConfiguration",
                lambda s3: _plain(s3.get_bucket_lifecycle_configuration(Bucket=name).get("Rules", [])),
            ),
            ask(
                "s3:GetBucketTagging",
                "NoSuchTagSet",
                lambda s3: {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]},
            ),
        ]
    )
    default = ((encryption or [{}])[0]).get("ApplyServerSideEncryptionByDefault", {})
    return BucketFacts(
        problems=tuple(problems),
        name=name,
        state="mine",
        aws_region=region,
        owner=ownership.owner_of_tags(tags),
        encryption=default.get("SSEAlgorithm", ""),
        kms_key_id=default.get("KMSMasterKeyID", ""),
        blocks_public_access=blocks_all(block),
        abort_incomplete_days=shortest_abort_days(lifecycle or []),
        lifecycle_rules=tuple(lifecycle or []),
        public_access_block=block,
        encryption_rules=tuple(encryption) if encryption else None,
        tags=tags or {},
    )


def blocks_all(block: Mapping[str, bool] | None) -> bool:
    """All four switches on."""
    return bool(block) and all((block or {}).get(name, False) for name in BLOCK_ALL)


def shortest_abort_days(rules: "list[dict[str, Any]]") -> int | None:
    """The days after which broken uploads of the whole bucket are cleared away, None for never."""
    days = [
        int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        for rule in rules
        if rule.get("Status") == "Enabled"
        and rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
        and _is_for_all(rule)
    ]
    return min(days, default=None)


def _is_for_all(rule: Mapping[str, Any]) -> bool:
    limits = {key: value for key, value in (rule.get("Filter") or {}).items() if value not in ("", None)}
    return not limits and not rule.get("Prefix")


def _plain(found: Any) -> Any:
    """Dates as text: facts and journal are JSON all through, and S3 takes dates back as text."""
    return json.loads(json.dumps(found, default=lambda date: date.isoformat()))
