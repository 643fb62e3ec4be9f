"""S3 as strict as Amazon's: names, owners, regions, defaults, settings read back."""

import gc
import hashlib
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from wizard.practice.aws import AwsServer
from wizard.practice.aws.s3 import is_bucket_name

PLACE = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}


@pytest.fixture(scope="module")
def s3(client: Callable[..., Any]) -> Any:
    return client("s3")


@pytest.mark.parametrize("name", ["abc", "a-b.c", "1ab", "x" * 63, "team-registry-2026"])
def test_good_names(name: str) -> None:
    assert is_bucket_name(name)


BAD_STARTS = ("-ab", ".ab", "xn--ab", "sthree-a", "amzn-s3-demo-a")
BAD_ENDS = ("ab-", "a-s3alias", "a--ol-s3", "a--x-s3", "a--table-s3", "a.mrap", "abc\n")


@pytest.mark.parametrize(
    "name", ["ab", "x" * 64, "Team", "a_b", "a..b", "192.168.5.4", *BAD_STARTS, *BAD_ENDS]
)
def test_bad_names(name: str) -> None:
    assert not is_bucket_name(name)


@pytest.mark.parametrize("name", ["Team-Registry", "a_b_c", "192.168.5.4", "a-s3alias", "reserved-an"])
def test_a_bad_name_is_refused(name: str, s3: Any, refused: Callable[..., Any]) -> None:
    refused("InvalidBucketName", s3.create_bucket, Bucket=name, **PLACE)


def test_an_account_regional_name_has_its_namespace_at_the_end(s3: Any, refused: Callable[..., Any]) -> None:
    right = {"Bucket": "team-123456789012-eu-west-1-an", "BucketNamespace": "account-regional"}
    s3.create_bucket(**right, **PLACE)
    wrong = {"Bucket": "team-210987654321-eu-west-1-an", "BucketNamespace": "account-regional"}
    refused("InvalidBucketName", s3.create_bucket, **wrong, **PLACE)


def test_a_new_bucket_is_private_encrypted_and_without_acls(s3: Any, refused: Callable[..., Any]) -> None:
    s3.create_bucket(Bucket="fresh", **PLACE)
    block = s3.get_public_access_block(Bucket="fresh")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    rules = s3.get_bucket_encryption(Bucket="fresh")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    owner = s3.get_bucket_ownership_controls(Bucket="fresh")["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket="fresh")
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket="fresh")
    s3.delete_bucket_encryption(Bucket="fresh")
    assert s3.get_bucket_encryption(Bucket="fresh")["ServerSideEncryptionConfiguration"]["Rules"]


def test_settings_are_read_back_as_they_were_put(s3: Any) -> None:
    s3.create_bucket(Bucket="settings", **PLACE)
    rule = {
        "ID": "r",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    s3.put_bucket_lifecycle_configuration(Bucket="settings", LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="settings")["Rules"] == [rule]
    tags = [{"Key": "kubernetes", "Value": "yes"}, {"Key": "kube-registry:setup", "Value": "team"}]
    s3.put_bucket_tagging(Bucket="settings", Tagging={"TagSet": tags})
    assert sorted(s3.get_bucket_tagging(Bucket="settings")["TagSet"], key=str) == sorted(tags, key=str)
    kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:eu-west-1:123456789012:key/k"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": kms, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket="settings", ServerSideEncryptionConfiguration=rules)
    found = s3.get_bucket_encryption(Bucket="settings")["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert (found["ApplyServerSideEncryptionByDefault"], found["BucketKeyEnabled"]) == (kms, True)
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket="settings", ServerSideEncryptionConfiguration=rules)
    found = s3.get_bucket_encryption(Bucket="settings")["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert found["BucketKeyEnabled"] is False


def test_lifecycle_rules_of_two_ages_do_not_mix(s3: Any, refused: Callable[..., Any]) -> None:
    s3.create_bucket(Bucket="ages", **PLACE)
    one = {"ID": "one", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 3}}
    two = {"ID": "two", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3}}
    put = s3.put_bucket_lifecycle_configuration
    message, status = refused(
        "InvalidRequest", put, Bucket="ages", LifecycleConfiguration={"Rules": [one, two]}
    )
    assert (message, status) == ("Filter element can only be used in Lifecycle V2.", 400)
    put(Bucket="ages", LifecycleConfiguration={"Rules": [one]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="ages")["Rules"] == [one]


def test_own_and_foreign_buckets_are_told_apart(s3: Any, refused: Callable[..., Any]) -> None:
    s3.create_bucket(Bucket="mine", **PLACE)
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="mine", **PLACE)
    message, status = refused(
        "BucketAlreadyExists", s3.create_bucket, Bucket="taken-by-someone-else", **PLACE
    )
    assert (status, message.startswith("The requested bucket name is not available.")) == (409, True)
    refused("403", s3.head_bucket, Bucket="taken-by-someone-else")
    refused("AccessDenied", s3.list_objects_v2, Bucket="taken-by-someone-else")
    refused("404", s3.head_bucket, Bucket="nobody-has-this")
    refused("NoSuchBucket", s3.list_objects_v2, Bucket="nobody-has-this")
    assert "taken-by-someone-else" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_regions_are_told_and_redirected(
    s3: Any, client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    assert s3.head_bucket(Bucket="mine")["BucketRegion"] == "eu-west-1"
    far = client("s3", region="us-east-1")
    far.create_bucket(Bucket="far-away")
    assert far.head_bucket(Bucket="far-away")["BucketRegion"] == "us-east-1"
    url = s3.generate_presigned_url("head_bucket", Params={"Bucket": "far-away"})
    reply = requests.head(url, timeout=60)
    assert (reply.status_code, reply.headers["x-amz-bucket-region"]) == (301, "us-east-1")
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "far-away"})
    assert "<Code>PermanentRedirect</Code>" in requests.get(url, timeout=60).text
    foreign = s3.generate_presigned_url("head_bucket", Params={"Bucket": "taken-by-someone-else"})
    assert requests.head(foreign, timeout=60).headers["x-amz-bucket-region"] == "eu-west-1"
    assert s3.get_bucket_location(Bucket="far-away").get("LocationConstraint") is None
    refused("IllegalLocationConstraintException", s3.create_bucket, Bucket="nowhere")
    refused(
        "IllegalLocationConstraintException",
        client("s3", region="eu-central-1").create_bucket,
        Bucket="there",
        **PLACE,
    )


def test_only_acls_that_change_nothing_are_taken(s3: Any, refused: Callable[..., Any]) -> None:
    s3.create_bucket(Bucket="acls", **PLACE)
    s3.put_object(Bucket="acls", Key="k", Body=b"", ACL="private")
    s3.put_object(Bucket="acls", Key="k", Body=b"", ACL="bucket-owner-full-control")
    refused(
        "AccessControlListNotSupported", s3.put_object, Bucket="acls", Key="k", Body=b"", ACL="public-read"
    )
    s3.put_bucket_ownership_controls(
        Bucket="acls", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    s3.put_object(Bucket="acls", Key="k", Body=b"", ACL="public-read")


def test_large_bodies_and_ranges_come_back_whole(s3: Any) -> None:
    s3.create_bucket(Bucket="large", **PLACE)
    body = bytes(range(256)) * 4096 * 6
    which = {"Bucket": "large", "Key": "blob"}
    upload = s3.create_multipart_upload(**which)["UploadId"]
    size, parts = 5 * 1024 * 1024, []
    for number, start in enumerate(range(0, len(body), size), 1):
        made = s3.upload_part(**which, UploadId=upload, PartNumber=number, Body=body[start : start + size])
        parts.append({"PartNumber": number, "ETag": made["ETag"]})
    s3.complete_multipart_upload(**which, UploadId=upload, MultipartUpload={"Parts": parts})
    whole = s3.get_object(**which)["Body"].read()
    assert hashlib.sha256(whole).digest() == hashlib.sha256(body).digest()
    assert s3.get_object(**which, Range="bytes=5-9")["Body"].read() == body[5:10]
    s3.delete_object(**which)


def test_objects_that_are_gone_hold_no_file(s3: Any) -> None:
    """A deleted or replaced object's file must close, or a long session runs out of files and disk."""
    process = psutil.Process()
    s3.create_bucket(Bucket="files", **PLACE)
    before = process.num_fds()
    for _ in range(10):
        s3.put_object(Bucket="files", Key="same", Body=bytes(6_000_000))
    s3.delete_object(Bucket="files", Key="same")
    gc.collect()
    assert process.num_fds() <= before + 3


def test_a_full_bucket_is_not_deleted(s3: Any, refused: Callable[..., Any]) -> None:
    s3.create_bucket(Bucket="full", **PLACE)
    s3.put_object(Bucket="full", Key="k", Body=b"")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket="full")
    s3.delete_object(Bucket="full", Key="k")
    s3.delete_bucket(Bucket="full")
    refused("404", s3.head_bucket, Bucket="full")


def test_the_transfer_manager_works(s3: Any, tmp_path: Any) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"0123456789" * 1_000_000)
    s3.create_bucket(Bucket="transfers", **PLACE)
    s3.upload_file(str(source), "transfers", "k")
    s3.download_file("transfers", "k", str(target))
    assert source.read_bytes() == target.read_bytes()


@pytest.mark.parametrize(
    "body", [b"", b"<", b"<Delete></Delete>", b"<Delete><Object/></Delete>", b"\xff\xfe"]
)
def test_a_broken_batch_gets_a_4xx(body: bytes, s3: Any, aws: AwsServer) -> None:
    s3.create_bucket(Bucket=f"broken-{len(body)}", **PLACE)
    url = f"{aws.url}/broken-{len(body)}?delete"
    request = AWSRequest("POST", url, data=body)
    keys = Credentials(aws.admin.access_key_id, aws.admin.secret_access_key)
    S3SigV4Auth(keys, "s3", "eu-west-1").add_auth(request)
    reply = requests.post(url, data=body, headers=dict(request.headers), timeout=60)
    assert 400 <= reply.status_code < 500
    assert "SignatureDoesNotMatch" not in reply.text
