"""What the other server does where it departs from what Amazon documents, and why that harms nobody."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.peers.s3.contract import PLACE, Side
from wizard.steps._bucket_undo import _abort_uploads
from wizard.steps._proof_image import BATCH, _delete
from wizard.steps._s3_probe import remove_versions

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def other(other_side: Side) -> Iterator[Any]:
    with contextlib.closing(other_side.client()) as client:
        yield client


@pytest.fixture
def theirs(other: Any) -> str:
    """A new bucket there."""
    name = f"t-{secrets.token_hex(8)}"
    other.create_bucket(Bucket=name, **PLACE)
    return name


def test_buckets_of_any_region_are_those_of_its_own(other: Any, other_side: Side, theirs: str) -> None:
    """The wizard lists them to read from one: that works from the region it was listed for."""
    far = "us-west-2"
    assert theirs in [each["Name"] for each in other.list_buckets(BucketRegion=far)["Buckets"]]
    with contextlib.closing(other_side.client(region=far)) as client:
        assert client.list_objects_v2(Bucket=theirs)["KeyCount"] == 0


def test_a_public_acl_makes_nothing_public(other: Any, other_side: Side, theirs: str) -> None:
    other.put_object(Bucket=theirs, Key="k", Body=b"v", ACL="public-read")
    with requests.Session() as anybody:
        anybody.trust_env = False
        assert anybody.get(f"{other_side.url}/{theirs}/k", timeout=60).status_code == 403


def test_what_a_quiet_batch_names_is_no_error(other: Any, theirs: str) -> None:
    other.put_object(Bucket=theirs, Key="k", Body=b"v")
    told = other.delete_objects(Bucket=theirs, Delete={"Objects": [{"Key": "k"}], "Quiet": True})
    assert ([each["Key"] for each in told["Deleted"]], told.get("Errors", [])) == (["k"], [])
    other.put_object(Bucket=theirs, Key="k", Body=b"v")
    assert remove_versions(other, theirs) == 1


def test_uploads_come_on_one_page_up_to_a_thousand(other: Any, theirs: str) -> None:
    for number in range(5):
        other.create_multipart_upload(Bucket=theirs, Key=f"k{number // 2}")
    page = other.list_multipart_uploads(Bucket=theirs)
    assert (page["MaxUploads"], page["IsTruncated"], len(page["Uploads"])) == (1000, False, 5)
    _abort_uploads(other, theirs)
    assert other.list_multipart_uploads(Bucket=theirs).get("Uploads", []) == []


def test_batches_are_within_amazons_limit(other: Any, theirs: str) -> None:
    sent: list[int] = []

    def count(params: Any, **_: object) -> None:
        sent.append(len(params["Delete"]["Objects"]))

    event = "provide-client-params.s3.DeleteObjects"
    other.meta.events.register(event, count)
    try:
        for keys in (0, 1, BATCH, BATCH + 1):
            _delete(other, theirs, [str(number) for number in range(keys)])
    finally:
        other.meta.events.unregister(event, count)
    assert sent == [1, 1000, 1000, 1]
