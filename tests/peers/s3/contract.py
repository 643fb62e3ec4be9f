"""What the two sides of the S3 contract have in common, and where one of them is known to depart from it.

What is expected is what Amazon documents.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.peers.differences import Difference, Differences
from wizard.practice.aws import AwsKeys

REGION = "eu-west-1"
PLACE: Any = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
# A bucket that another account has, on both sides.
FOREIGN_BUCKET = "taken-by-someone-else"

# Where the practice world does not do what Amazon documents, and the other server does.
DIFFERENCES: Differences = {}

# Where the other server does not do what Amazon documents, and the practice world does: these are no
# differences of practice. `documented` is the page of Amazon's API reference, `harmless` the test that shows
# what the other server does instead, and that the wizard goes on with it or stops before anything is made.
OTHER = ("other",)


def _not_offered(feature: str, harmless: str, documented: str) -> Difference:
    return Difference(f"It does not offer {feature}.", harmless, OTHER, documented)


_IS_SAID = "test_what_the_server_lacks_is_said_with_the_answer_that_does_without"
# Whole features that it says it does not have: test_what_is_not_offered_says_so.
NOT_OFFERED: Differences = {
    "test_a_new_bucket_is_encrypted_and_private": _not_offered(
        "bucket encryption and public access blocks", _IS_SAID, "GetBucketEncryption"
    ),
    "test_encryption_is_read_back_and_never_goes": _not_offered(
        "bucket encryption", _IS_SAID, "PutBucketEncryption"
    ),
    "test_a_key_of_kms_is_read_back": _not_offered("bucket encryption", _IS_SAID, "PutBucketEncryption"),
    "test_a_public_access_block_is_read_back_and_goes": _not_offered(
        "public access blocks", _IS_SAID, "PutPublicAccessBlock"
    ),
    "test_lifecycle_rules_are_read_back_and_go": _not_offered(
        "lifecycle rules", _IS_SAID, "PutBucketLifecycleConfiguration"
    ),
    "test_a_lifecycle_rule_that_does_nothing_is_refused": _not_offered(
        "lifecycle rules", _IS_SAID, "PutBucketLifecycleConfiguration"
    ),
}

DEPARTURES: Differences = {
    "test_buckets_are_listed_by_region": Difference(
        "It lists those of its only region for any.",
        "test_buckets_of_any_region_are_those_of_its_own",
        OTHER,
        "ListBuckets",
    ),
    "test_adjacent_dots_are_refused": Difference(
        "It takes such a name.", "test_adjacent_dots_never_reach_it", OTHER, "CreateBucket"
    ),
    "test_a_location_is_needed_outside_us_east_1": Difference(
        "It makes the bucket in its only region.",
        "test_the_wizard_always_names_the_region",
        OTHER,
        "CreateBucket",
    ),
    "test_a_location_elsewhere_is_refused": Difference(
        "It says InvalidLocationConstraint: it knows one region only.",
        "test_nothing_is_made_in_a_region_that_it_has_not",
        OTHER,
        "CreateBucket",
    ),
    "test_a_head_from_another_region_tells_the_right_one": Difference(
        "It answers 400 without x-amz-bucket-region.",
        "test_a_bucket_seen_from_another_region_is_never_taken_for_absent",
        OTHER,
        "HeadBucket",
    ),
    "test_system_tags_are_refused": Difference(
        "It has no system tags.", "test_a_tag_like_a_system_tag_is_kept", OTHER, "PutBucketTagging"
    ),
    "test_a_public_acl_is_refused": Difference(
        "It ignores the ACLs of objects.", "test_a_public_acl_makes_nothing_public", OTHER, "PutObject"
    ),
    "test_a_quiet_batch_names_only_errors": Difference(
        "It names all keys.", "test_what_a_quiet_batch_names_is_no_error", OTHER, "DeleteObjects"
    ),
    "test_uploads_are_listed_page_by_page": Difference(
        "It refuses the marker that it gave.",
        "test_uploads_come_on_one_page_up_to_a_thousand",
        OTHER,
        "ListMultipartUploads",
    ),
    "test_a_page_may_end_between_two_uploads_of_a_key": Difference(
        "It refuses the marker that it gave.",
        "test_uploads_come_on_one_page_up_to_a_thousand",
        OTHER,
        "ListMultipartUploads",
    ),
    "test_a_batch_has_1_to_1000_keys": Difference(
        "It has no limit, and takes an empty batch.",
        "test_batches_are_within_amazons_limit",
        OTHER,
        "DeleteObjects",
    ),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers. `keys` are of an account that may make buckets."""

    name: str
    url: str
    keys: AwsKeys

    def client(self, keys: AwsKeys | None = None, *, region: str = REGION) -> Any:
        """An unmodified client that asks once; whoever makes it closes it."""
        keys = keys or self.keys
        with pytest.MonkeyPatch.context() as patch:
            # Fixtures wider than a test come before the environment that a test has.
            patch.delenv("AWS_PROFILE", raising=False)
            for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
                patch.setenv(name, os.devnull)
            return boto3.Session().client(
                "s3",
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id=keys.access_key_id,
                aws_secret_access_key=keys.secret_access_key,
                config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4", proxies={}),
            )


@dataclass(frozen=True, slots=True)
class Refusal:
    """`region` is the header that tells where the bucket is, "" without one."""

    code: str
    status: int
    region: str = ""


def refusal(ask: Callable[..., object], **arguments: Any) -> Refusal:
    """How a call is refused; AssertionError where it is not."""
    try:
        told = ask(**arguments)
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        headers = metadata["HTTPHeaders"]
        return Refusal(
            error.response["Error"]["Code"],
            metadata["HTTPStatusCode"],
            headers.get("x-amz-bucket-region", ""),
        )
    raise AssertionError(f"not refused: {told}")


def refused(code: str, status: int, ask: Callable[..., object], **arguments: Any) -> None:
    """Asserts code and status; the region is left out."""
    told = refusal(ask, **arguments)
    assert (told.code, told.status) == (code, status)
