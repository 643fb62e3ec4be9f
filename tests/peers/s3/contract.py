"""What the two sides of the S3 contract have in common, and where one of them is known to depart from it.

What is expected is what Amazon documents. A test that is named below has to fail on that side: one that
passes again is to be struck out.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from wizard.practice.aws import AwsKeys

REGION = "eu-west-1"
PLACE: Any = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
# A bucket that another account has, on both sides.
FOREIGN_BUCKET = "taken-by-someone-else"

# Where the practice world answers otherwise, and why it may stay so.
DIFFERENCES: Mapping[str, str] = {}

# Whole features that the other server says it does not have: test_what_is_not_offered_says_so shows it.
NOT_OFFERED: Mapping[str, str] = {
    "test_a_new_bucket_is_encrypted_and_private": "bucket encryption and public access blocks",
    "test_encryption_is_read_back_and_never_goes": "bucket encryption",
    "test_a_key_of_kms_is_read_back": "bucket encryption",
    "test_a_public_access_block_is_read_back_and_goes": "public access blocks",
    "test_lifecycle_rules_are_read_back_and_go": "lifecycle rules",
    "test_a_lifecycle_rule_that_does_nothing_is_refused": "lifecycle rules",
}

# Where the other server departs from what Amazon documents; the wizard relies on Amazon's answer.
DEPARTURES: Mapping[str, str] = {
    "test_buckets_are_listed_by_region": "It lists those of its only region for any.",
    "test_adjacent_dots_are_refused": "It takes such a name.",
    "test_a_location_is_needed_outside_us_east_1": "It makes the bucket in its only region.",
    "test_a_location_elsewhere_is_refused": "It says InvalidLocationConstraint: it knows one region only.",
    "test_a_head_from_another_region_tells_the_right_one": "It answers 400 without x-amz-bucket-region.",
    "test_system_tags_are_refused": "It has no system tags.",
    "test_a_public_acl_is_refused": "It ignores the ACLs of objects.",
    "test_a_quiet_batch_names_only_errors": "It names all keys.",
    "test_uploads_are_listed_page_by_page": "It refuses the marker that it gave.",
    "test_a_page_may_end_between_two_uploads_of_a_key": "It refuses the marker that it gave.",
    "test_a_batch_has_1_to_1000_keys": "It has no limit, and takes an empty batch.",
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
