"""ListBuckets in pages, as boto3 asks for them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

Client = Callable[..., Any]
Refused = Callable[..., Any]
NAMES = [f"listed-{number}" for number in range(5)]


@pytest.fixture
def s3(client: Client) -> Iterator[Any]:
    made = client("s3")
    for name in NAMES:
        made.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield made
    for name in NAMES:
        made.delete_bucket(Bucket=name)


def test_pages_hold_all_in_order_and_tell_regions(s3: Any) -> None:
    pages = list(s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 2}))
    assert [[each["Name"] for each in page["Buckets"]] for page in pages] == [
        NAMES[:2],
        NAMES[2:4],
        NAMES[4:],
    ]
    assert {each["BucketRegion"] for page in pages for each in page["Buckets"]} == {"eu-west-1"}


def test_one_page_unless_pages_are_asked_for(s3: Any) -> None:
    found = s3.list_buckets()
    assert [each["Name"] for each in found["Buckets"]] == NAMES
    assert "ContinuationToken" not in found
    assert [each["Name"] for each in s3.list_buckets(Prefix="listed-3")["Buckets"]] == ["listed-3"]


def test_garbage_is_refused(s3: Any, refused: Refused) -> None:
    refused("InvalidArgument", s3.list_buckets, ContinuationToken="!")
    refused("InvalidArgument", s3.list_buckets, MaxBuckets=20_000)
