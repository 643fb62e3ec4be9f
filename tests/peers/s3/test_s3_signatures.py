"""Who may ask: keys, signatures, clocks and presigned addresses, both servers alike."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
from botocore.exceptions import ClientError

from tests.peers.s3.contract import REGION, Side, refused
from wizard.errors import CredentialsError
from wizard.practice.aws import AwsKeys
from wizard.services.aws.errors import aws_error

pytestmark = pytest.mark.peers
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`clock(off)` lets the client's clock be wrong by that much."""

    def turn(off: timedelta) -> None:
        def now(*_: object, **__: object) -> datetime:
            return (datetime.now(UTC) + off).replace(tzinfo=None)

        monkeypatch.setattr("botocore.auth.get_current_datetime", now)

    return turn


def code_in(reply: requests.Response) -> str:
    """Of the error document."""
    found = ET.fromstring(reply.text)  # noqa: S314 - from a server of this test
    assert found.tag == "Error"
    assert reply.headers["Content-Type"].partition(";")[0] in {"text/xml", "application/xml"}
    return found.findtext("Code") or ""


class TestKeys:
    def test_an_unknown_key_is_refused(self, s3_side: Side, bucket: str) -> None:
        keys = AwsKeys("AKIANOBODYHASTHISKEY", s3_side.keys.secret_access_key)
        with contextlib.closing(s3_side.client(keys)) as client:
            refused("InvalidAccessKeyId", 403, client.list_objects_v2, Bucket=bucket)
            refused("InvalidAccessKeyId", 403, client.put_object, Bucket=bucket, Key="k", Body=b"")
            refused("InvalidAccessKeyId", 403, client.list_buckets)
            refused("403", 403, client.head_bucket, Bucket=bucket)

    def test_a_wrong_secret_is_refused(self, s3_side: Side, bucket: str) -> None:
        keys = AwsKeys(s3_side.keys.access_key_id, "not the secret")
        with contextlib.closing(s3_side.client(keys)) as client:
            refused("SignatureDoesNotMatch", 403, client.list_objects_v2, Bucket=bucket)
            refused("SignatureDoesNotMatch", 403, client.put_object, Bucket=bucket, Key="k", Body=b"")
            refused("403", 403, client.head_bucket, Bucket=bucket)

    def test_nobody_is_refused(self, s3_side: Side, session: requests.Session, bucket: str) -> None:
        reply = session.get(f"{s3_side.url}/{bucket}?list-type=2", timeout=60)
        assert (reply.status_code, code_in(reply)) == (403, "AccessDenied")

    def test_what_was_signed_must_not_be_changed(
        self, s3: Any, s3_side: Side, session: requests.Session, bucket: str
    ) -> None:
        s3.put_object(Bucket=bucket, Key="k", Body=b"of another")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "j"})
        reply = session.get(url.replace(f"{bucket}/j", f"{bucket}/k"), timeout=60)
        assert (reply.status_code, code_in(reply)) == (403, "SignatureDoesNotMatch")
        assert s3_side.keys.secret_access_key not in reply.text


class TestClocks:
    @pytest.mark.parametrize("off", [QUARTER * 2, -QUARTER * 2], ids=["fast", "slow"])
    def test_a_wrong_clock_is_told(self, s3: Any, bucket: str, clock: Any, off: timedelta) -> None:
        clock(off)
        refused("RequestTimeTooSkewed", 403, s3.list_objects_v2, Bucket=bucket)

    @pytest.mark.parametrize("off", [QUARTER * 0.9, -QUARTER * 0.9], ids=["fast", "slow"])
    def test_a_clock_may_be_a_little_off(self, s3: Any, bucket: str, clock: Any, off: timedelta) -> None:
        clock(off)
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


class TestPresigned:
    def test_an_address_serves_for_what_it_was_signed(
        self, s3: Any, session: requests.Session, bucket: str
    ) -> None:
        """The registry sends those who pull there; keys have characters that are to be escaped."""
        key = "docker/registry/v2/a b+c=é&d"
        put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
        assert session.put(put, data=b"layer", timeout=60).status_code == 200
        get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
        reply = session.get(get, timeout=60)
        assert (reply.status_code, reply.content) == (200, b"layer")
        reply = session.get(get, headers={"Range": "bytes=1-2"}, timeout=60)
        assert (reply.status_code, reply.content) == (206, b"ay")
        head = s3.generate_presigned_url("head_bucket", Params={"Bucket": bucket})
        reply = session.head(head, timeout=60)
        assert (reply.status_code, reply.headers["x-amz-bucket-region"]) == (200, REGION)

    def test_it_serves_for_no_other_method(self, s3: Any, session: requests.Session, bucket: str) -> None:
        get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        reply = session.put(get, data=b"", timeout=60)
        assert (reply.status_code, code_in(reply)) == (403, "SignatureDoesNotMatch")

    def test_it_runs_out(self, s3: Any, session: requests.Session, bucket: str, clock: Any) -> None:
        clock(-timedelta(minutes=2))
        get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
        reply = session.get(get, timeout=60)
        assert (reply.status_code, code_in(reply)) == (403, "AccessDenied")
        assert "expired" in reply.text

    def test_it_may_have_been_signed_long_ago(
        self, s3: Any, session: requests.Session, bucket: str, clock: Any
    ) -> None:
        s3.put_object(Bucket=bucket, Key="k", Body=b"")
        clock(-timedelta(minutes=30))
        get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=3600)
        assert session.get(get, timeout=60).status_code == 200


@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_the_wizard_finds_the_same_words_for_both(s3_side: Side, bucket: str, wrong: str) -> None:
    right = s3_side.keys
    keys = AwsKeys("AKIANOBODYHASTHISKEY", "x") if wrong == "key" else AwsKeys(right.access_key_id, "x")
    with contextlib.closing(s3_side.client(keys)) as client, pytest.raises(ClientError) as caught:
        client.list_objects_v2(Bucket=bucket)
    told = aws_error(caught.value, "s3:ListBucket")
    assert isinstance(told, CredentialsError)
    assert told.problem.code == f"aws-{'key' if wrong == 'key' else 'signature'}-refused"
