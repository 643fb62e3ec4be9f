"""Objects, listings, versions and multipart uploads, as the wizard, its probe and the registry use them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.peers.s3.contract import REGION, refused
from wizard.steps._bucket_undo import _abort_uploads, _is_empty
from wizard.steps._proof_image import _keys
from wizard.steps._s3_probe import S3Probe, remove_versions

pytestmark = pytest.mark.peers
KEYS = ["docker/registry/v2/a b+c=é&d", "docker/registry/v2/x", "docker/y", "z"]
PART = 5 * 1024 * 1024


@pytest.fixture
def full(s3: Any, bucket: str) -> str:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ACL="private")
    return bucket


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def listed(s3: Any, bucket: str, **more: str) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, **more).get("Contents", [])]


def uploads(s3: Any, bucket: str, **more: Any) -> list[tuple[str, str]]:
    found = s3.list_multipart_uploads(Bucket=bucket, **more).get("Uploads", [])
    return [(upload["Key"], upload["UploadId"]) for upload in found]


def begun(s3: Any, bucket: str, key: str) -> str:
    return str(s3.create_multipart_upload(Bucket=bucket, Key=key, ACL="private")["UploadId"])


class TestObjects:
    def test_what_is_put_is_got(self, s3: Any, bucket: str) -> None:
        for body in (b"first", b"second", b""):
            put = s3.put_object(Bucket=bucket, Key=KEYS[0], Body=body, ACL="private")
            assert "VersionId" not in put
            found = s3.get_object(Bucket=bucket, Key=KEYS[0])
            assert (found["Body"].read(), found["ETag"], found["ContentLength"]) == (
                body,
                put["ETag"],
                len(body),
            )
            assert found["ContentType"] == "binary/octet-stream"
        head = s3.head_object(Bucket=bucket, Key=KEYS[0])
        assert (head["ContentLength"], head["ContentType"]) == (0, "binary/octet-stream")

    def test_ranges(self, s3: Any, full: str) -> None:
        found = s3.get_object(Bucket=full, Key="z", Range="bytes=0-0")
        assert (found["Body"].read(), found["ContentRange"]) == (b"z", "bytes 0-0/1")
        refused("InvalidRange", 416, s3.get_object, Bucket=full, Key="z", Range="bytes=1-")

    def test_an_absent_object(self, s3: Any, bucket: str) -> None:
        refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="absent")
        refused("404", 404, s3.head_object, Bucket=bucket, Key="absent")
        s3.delete_object(Bucket=bucket, Key="absent")

    def test_a_copy(self, s3: Any, full: str) -> None:
        """So the registry's driver moves a finished upload to its place."""
        s3.copy_object(Bucket=full, Key="moved", CopySource={"Bucket": full, "Key": KEYS[0]}, ACL="private")
        assert s3.get_object(Bucket=full, Key="moved")["Body"].read() == KEYS[0].encode()

    def test_a_public_acl_is_refused(self, s3: Any, bucket: str) -> None:
        refused(
            "AccessControlListNotSupported",
            400,
            s3.put_object,
            Bucket=bucket,
            Key="k",
            Body=b"",
            ACL="public-read",
        )

    def test_a_body_that_was_damaged_is_refused(self, s3: Any, bucket: str) -> None:
        other = "XUFAKrxLKna5cZ2REBfFkg=="
        refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"damaged", ContentMD5=other)
        assert listed(s3, bucket) == []


class TestListing:
    def test_by_prefix_in_order_and_page_by_page(self, s3: Any, full: str) -> None:
        assert listed(s3, full) == KEYS
        assert listed(s3, full, Prefix="docker/registry/") == KEYS[:2]
        first = s3.list_objects_v2(Bucket=full, MaxKeys=3)
        assert (first["KeyCount"], first["IsTruncated"]) == (3, True)
        rest = listed(s3, full, ContinuationToken=first["NextContinuationToken"])
        assert [found["Key"] for found in first["Contents"]] + rest == KEYS
        assert list(_keys(s3, full, "docker/")) == KEYS[:3]

    def test_by_delimiter(self, s3: Any, full: str) -> None:
        page = s3.list_objects_v2(Bucket=full, Delimiter="/")
        assert [found["Prefix"] for found in page["CommonPrefixes"]] == ["docker/"]
        assert [found["Key"] for found in page["Contents"]] == ["z"]

    def test_nothing(self, s3: Any, bucket: str) -> None:
        page = s3.list_objects_v2(Bucket=bucket, Prefix="none/")
        assert (page["KeyCount"], page.get("Contents", [])) == (0, [])


class TestBatch:
    def test_present_and_absent_keys_go(self, s3: Any, full: str) -> None:
        wanted = [{"Key": KEYS[0]}, {"Key": "absent"}]
        told = s3.delete_objects(Bucket=full, Delete={"Objects": wanted})
        assert sorted(each["Key"] for each in told["Deleted"]) == sorted([KEYS[0], "absent"])
        assert "Errors" not in told
        assert listed(s3, full) == KEYS[1:]

    def test_a_quiet_batch_names_only_errors(self, s3: Any, full: str) -> None:
        told = s3.delete_objects(Bucket=full, Delete={"Objects": [{"Key": "z"}], "Quiet": True})
        assert listed(s3, full) == KEYS[:3]
        assert (told.get("Deleted", []), told.get("Errors", [])) == ([], [])

    def test_a_batch_has_1_to_1000_keys(self, s3: Any, bucket: str) -> None:
        for count in (0, 1001):
            wanted = {"Objects": [{"Key": str(number)} for number in range(count)]}
            refused("MalformedXML", 400, s3.delete_objects, Bucket=bucket, Delete=wanted)


class TestVersions:
    def test_a_bucket_that_keeps_none_lists_null_versions(self, s3: Any, full: str) -> None:
        page = s3.list_object_versions(Bucket=full)
        assert [(found["Key"], found["VersionId"]) for found in page["Versions"]] == [
            (k, "null") for k in KEYS
        ]
        assert "DeleteMarkers" not in page

    def test_a_deleted_object_is_hidden_and_comes_back(self, s3: Any, versioned: str) -> None:
        put = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
        marker = s3.delete_object(Bucket=versioned, Key="k")
        assert marker["DeleteMarker"] is True
        assert listed(s3, versioned) == []
        page = s3.list_object_versions(Bucket=versioned)
        assert [found["VersionId"] for found in page["Versions"]] == [put]
        assert [found["VersionId"] for found in page["DeleteMarkers"]] == [marker["VersionId"]]
        assert not _is_empty(s3, versioned)
        s3.delete_object(Bucket=versioned, Key="k", VersionId=marker["VersionId"])
        assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"1"

    @pytest.mark.parametrize("last", ["Enabled", "Suspended"])
    def test_all_versions_and_markers_are_removed(self, s3: Any, full: str, last: str) -> None:
        """As undo does it: objects from before, versions, markers, and what came after."""
        for status in ("Enabled", last):
            s3.put_bucket_versioning(Bucket=full, VersioningConfiguration={"Status": status})
            for key in KEYS[:3]:
                s3.put_object(Bucket=full, Key=key, Body=status.encode())
            s3.delete_object(Bucket=full, Key=KEYS[2])
        assert remove_versions(s3, full) > len(KEYS)
        assert _is_empty(s3, full)
        s3.delete_bucket(Bucket=full)

    def test_only_those_under_a_prefix_are_removed(self, s3: Any, full: str) -> None:
        assert remove_versions(s3, full, "docker/registry/") == 2
        assert listed(s3, full) == KEYS[2:]


class TestMultipart:
    def test_an_upload_is_seen_and_finished(self, s3: Any, bucket: str) -> None:
        before = datetime.now(UTC) - timedelta(seconds=2)
        upload = begun(s3, bucket, KEYS[0])
        part = s3.upload_part(Bucket=bucket, Key=KEYS[0], UploadId=upload, PartNumber=1, Body=b"part")
        parts = s3.list_parts(Bucket=bucket, Key=KEYS[0], UploadId=upload)["Parts"]
        assert [(each["PartNumber"], each["ETag"], each["Size"]) for each in parts] == [(1, part["ETag"], 4)]
        found = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
        assert [(each["Key"], each["UploadId"]) for each in found] == [(KEYS[0], upload)]
        assert before <= found[0]["Initiated"] <= datetime.now(UTC) + timedelta(seconds=1)
        assert listed(s3, bucket) == []
        done = s3.complete_multipart_upload(
            Bucket=bucket,
            Key=KEYS[0],
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        assert done["ETag"].endswith('-1"')
        assert "VersionId" not in done
        assert s3.get_object(Bucket=bucket, Key=KEYS[0])["Body"].read() == b"part"
        assert uploads(s3, bucket) == []

    def test_a_part_may_be_a_copy(self, s3: Any, full: str) -> None:
        upload = begun(s3, full, "copied")
        source = {"Bucket": full, "Key": KEYS[1]}
        which = {"Bucket": full, "Key": "copied", "UploadId": upload}
        part = s3.upload_part_copy(**which, PartNumber=1, CopySource=source)["CopyPartResult"]
        s3.complete_multipart_upload(
            **which, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        )
        assert s3.get_object(Bucket=full, Key="copied")["Body"].read() == KEYS[1].encode()

    def test_an_aborted_upload_is_gone(self, s3: Any, bucket: str) -> None:
        which = {"Bucket": bucket, "Key": "k", "UploadId": begun(s3, bucket, "k")}
        s3.abort_multipart_upload(**which)
        assert uploads(s3, bucket) == []
        for ask in (s3.list_parts, s3.abort_multipart_upload):
            refused("NoSuchUpload", 404, ask, **which)
        refused("NoSuchUpload", 404, s3.upload_part, **which, PartNumber=1, Body=b"")
        none: Any = {"Parts": [{"PartNumber": 1, "ETag": '"00"'}]}
        refused("NoSuchUpload", 404, s3.complete_multipart_upload, **which, MultipartUpload=none)

    def test_uploads_are_listed_by_prefix(self, s3: Any, bucket: str) -> None:
        made = sorted((key, begun(s3, bucket, key)) for key in ("a", "b/1", "b/2", "b/3"))
        assert sorted(uploads(s3, bucket)) == made
        assert sorted(uploads(s3, bucket, Prefix="b/")) == made[1:]
        assert uploads(s3, bucket, Prefix="none/") == []

    def test_uploads_are_listed_page_by_page(self, s3: Any, bucket: str) -> None:
        made = sorted((key, begun(s3, bucket, key)) for key in ("a", "b/1", "b/2", "b/3"))
        pages = s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": 2}
        )
        found = [page["Uploads"] for page in pages]
        assert [len(page) for page in found] == [2, 2]
        assert sorted((each["Key"], each["UploadId"]) for page in found for each in page) == made

    def test_a_page_may_end_between_two_uploads_of_a_key(self, s3: Any, bucket: str) -> None:
        made = {begun(s3, bucket, "k") for _ in range(3)}
        first = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2)
        assert first["IsTruncated"] is True
        after = {"KeyMarker": first["NextKeyMarker"], "UploadIdMarker": first["NextUploadIdMarker"]}
        found = uploads(s3, bucket, MaxUploads=2) + uploads(s3, bucket, **after)
        assert {upload for _, upload in found} == made

    def test_all_of_a_buckets_uploads_are_aborted(self, s3: Any, bucket: str) -> None:
        for key in KEYS:
            begun(s3, bucket, key)
        _abort_uploads(s3, bucket)
        assert uploads(s3, bucket) == []

    def test_bad_parts_are_refused(self, s3: Any, bucket: str) -> None:
        which = {"Bucket": bucket, "Key": "k", "UploadId": begun(s3, bucket, "k")}
        tags = {
            number: s3.upload_part(**which, PartNumber=number, Body=body)["ETag"]
            for number, body in {1: bytes(PART), 2: bytes(PART), 3: b"small", 4: b"last"}.items()
        }

        def parts(*numbers: int) -> Any:
            return {"Parts": [{"PartNumber": number, "ETag": tags[number]} for number in numbers]}

        complete = s3.complete_multipart_upload
        refused("InvalidPartOrder", 400, complete, **which, MultipartUpload=parts(2, 1))
        refused("EntityTooSmall", 400, complete, **which, MultipartUpload=parts(1, 3, 4))
        wrong = {"Parts": [{"PartNumber": 1, "ETag": tags[3]}]}
        refused("InvalidPart", 400, complete, **which, MultipartUpload=wrong)
        complete(**which, MultipartUpload=parts(1, 4))
        assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == PART + 4


class TestTheWizardsProbe:
    @pytest.mark.parametrize("status", ["", "Enabled", "Suspended"])
    def test_it_passes_and_leaves_nothing(self, s3: Any, full: str, status: str) -> None:
        if status:
            s3.put_bucket_versioning(Bucket=full, VersioningConfiguration={"Status": status})
        before = s3.list_object_versions(Bucket=full)
        with S3Probe(s3, full, "test", operator=s3) as probe:
            probe.knock()
            probe.objects()
            probe.multipart()
        after = s3.list_object_versions(Bucket=full)
        assert [each["Key"] for each in after["Versions"]] == [each["Key"] for each in before["Versions"]]
        assert after.get("DeleteMarkers", []) == before.get("DeleteMarkers", [])
        assert uploads(s3, full) == []

    def test_it_finds_a_bucket_gone(self, s3: Any) -> None:
        refused("NoSuchBucket", 404, s3.create_multipart_upload, Bucket=f"gone-{REGION}", Key="k")
