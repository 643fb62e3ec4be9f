"""ListBuckets page by page and in order, as Amazon's: moto cuts the list off and gives no token."""

import base64
import binascii
from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.calls import Call
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.gate import Account

MOST_BUCKETS = 10_000


def list_buckets(account: Account, call: Call) -> dict[str, Any]:
    """Source: S3 API reference, ListBuckets; `BucketRegion` is told only where a page was asked for."""
    asked = call.arguments
    stored = moto_parts.backend("s3", account.number, "").buckets
    prefix, region, after = asked.get("prefix", ""), asked.get("bucket-region", ""), _after(asked)
    most = _most(asked.get("max-buckets", ""))
    is_paged = bool(asked.keys() & {"max-buckets", "continuation-token", "prefix", "bucket-region"})
    found = [
        bucket
        for name, bucket in sorted(stored.items())
        if name.startswith(prefix) and name > after and region in {"", bucket.region_name}
    ]
    page = found[:most]
    answer: dict[str, Any] = {
        "Owner": {"ID": account.number},
        "Buckets": [
            {"Name": bucket.name, "CreationDate": bucket.creation_date}
            | ({"BucketRegion": bucket.region_name} if is_paged else {})
            for bucket in page
        ],
    }
    if len(found) > most:
        answer["ContinuationToken"] = base64.urlsafe_b64encode(page[-1].name.encode()).decode()
    return answer | ({"Prefix": prefix} if prefix else {})


def _most(asked: str) -> int:
    if not asked:
        return MOST_BUCKETS
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked) <= MOST_BUCKETS):
        raise AwsError(
            "InvalidArgument", f"Argument max-buckets must be an integer between 1 and {MOST_BUCKETS}."
        )
    return int(asked)


def _after(asked: dict[str, str]) -> str:
    try:
        return base64.b64decode(asked.get("continuation-token", ""), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise AwsError("InvalidArgument", "The continuation token provided is incorrect.") from error
