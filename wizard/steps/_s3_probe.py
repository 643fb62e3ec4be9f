"""Does to a bucket what the registry will do, under a prefix of its own, and takes all of it away again.

The registry's S3 driver sends the ACL `private` with every object, so the probe does too.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from wizard.errors import Problem, WizardError, wizard_error
from wizard.names import PROBE_PREFIX
from wizard.services.aws.errors import FOREIGN, aws_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


class S3Probe:
    """A context manager: what `client` could not remove, `operator` removes at the end, versions included.

    `purpose` is a place of its own in the bucket, with one probe at a time: what a run that was cut off left
    there, or an upload whose answer was lost, is removed at the end too.
    """

    def __init__(
        self, client: "S3Client", bucket: str, purpose: str, *, operator: "S3Client", profile: str = ""
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._operator = operator
        self._profile = profile
        self._place = f"{PROBE_PREFIX}{purpose}/"
        self._prefix = f"{self._place}{secrets.token_hex(8)}/"
        self._keys: set[str] = set()
        self._uploads: dict[str, str] = {}
        self._is_versioned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._find_what_is_left()
        for upload, key in self._uploads.items():
            with suppress(*FOREIGN):
                self._operator.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
        with suppress(*FOREIGN):
            if self._keys:
                self._operator.delete_objects(Bucket=self._bucket, Delete=_all_of(self._keys))
            if self._is_versioned:
                remove_versions(self._operator, self._bucket, self._place)

    def _find_what_is_left(self) -> None:
        with suppress(*FOREIGN):
            listed = self._operator.list_multipart_uploads(Bucket=self._bucket, Prefix=self._place)
            self._uploads |= {
                each.get("UploadId", ""): each.get("Key", "") for each in listed.get("Uploads", [])
            }
        with suppress(*FOREIGN):
            page = self._operator.list_objects_v2(Bucket=self._bucket, Prefix=self._place)
            self._keys |= {each.get("Key", "") for each in page.get("Contents", [])}

    def knock(self) -> None:
        """The cheapest request, to see whether the key is known at all."""
        with self._asked("s3:ListBucket"):
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def objects(self) -> None:
        """Put, get, list, delete, and the bucket's location. Raises WizardError naming the action refused."""
        key, body = f"{self._prefix}object", f"kube-registry was here: {self._prefix}".encode()
        with self._asked("s3:PutObject"):
            self._keys.add(key)
            put = self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ACL="private")
            self._saw_version(put)
        with self._asked("s3:GetObject"):
            read = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        with self._asked("s3:ListBucket"):
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix)
            listed = [found.get("Key") for found in page.get("Contents", [])]
        if read != body or key not in listed:
            raise wizard_error(
                "bucket-forgets",
                f"The bucket {self._bucket} does not give back what was put into it.",
                why="The object came back changed, or is not in the listing.",
                fix="Use a bucket on AWS, or a store that is strongly consistent.",
            )
        with self._asked("s3:GetBucketLocation"):
            self._client.get_bucket_location(Bucket=self._bucket)
        self._delete([key])

    def multipart(self) -> None:
        """One upload finished and one aborted, with the listings the registry makes to resume uploads."""
        key = f"{self._prefix}multipart"
        upload = self._begin(key)
        with self._asked("s3:PutObject"):
            part = self._client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"part"
            )
        with self._asked("s3:ListMultipartUploadParts"):
            self._client.list_parts(Bucket=self._bucket, Key=key, UploadId=upload)
        with self._asked("s3:ListBucketMultipartUploads"):
            self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._prefix)
        with self._asked("s3:PutObject"):
            self._keys.add(key)
            done = self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
            )
            del self._uploads[upload]
            self._saw_version(done)
        second = self._begin(key)
        with self._asked("s3:AbortMultipartUpload"):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=second)
            del self._uploads[second]
        self._delete([key])

    def _begin(self, key: str) -> str:
        with self._asked("s3:PutObject"):
            made = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ACL="private")
        self._uploads[made["UploadId"]] = key
        return made["UploadId"]

    def _delete(self, keys: list[str]) -> None:
        """As the driver does it, by DeleteObjects, which tells a refusal, and a marker, for each key."""
        with self._asked("s3:DeleteObject"):
            wanted: Any = {**_all_of(keys), "Quiet": False}
            answer = self._client.delete_objects(Bucket=self._bucket, Delete=wanted)
            self._is_versioned |= any(each.get("DeleteMarker") for each in answer.get("Deleted", []))
            for refused in answer.get("Errors", []):
                told: Any = {"Code": refused.get("Code", ""), "Message": refused.get("Message", "")}
                raise ClientError({"Error": told, "ResponseMetadata": _metadata(403)}, "DeleteObjects")
        self._keys -= set(keys)

    def _saw_version(self, answer: Any) -> None:
        """A version is told of, "null" where their keeping is suspended, unless none were ever kept."""
        self._is_versioned = self._is_versioned or "VersionId" in answer

    @contextmanager
    def _asked(self, action: str) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            raise told_of(aws_error(error, action, profile=self._profile), self._bucket) from error


def told_of(error: WizardError, bucket: str) -> WizardError:
    """A bucket that vanished is said by its name."""
    if error.problem.code == "aws-not-found":
        raw = error.problem.raw
        error.problem = Problem(
            "bucket-missing",
            f"The bucket {bucket} is not there.",
            "It was deleted since, or was made a moment ago and is not known everywhere yet.",
            "Run the same command again.",
            raw,
        )
    return error


def remove_versions(client: "S3Client", bucket: str, prefix: str = "") -> int:
    """Deletes every version and delete marker under a prefix, a thousand at a time; returns how many.

    Raises botocore's errors; ClientError too where single keys are refused.
    """
    removed, keeps_versions = 0, _keeps_versions(client, bucket)
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        doomed: list[ObjectIdentifierTypeDef] = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            if keeps_versions and "VersionId" in each
            else {"Key": each["Key"]}
            for each in found
            if "Key" in each
        ]
        if not doomed:
            continue
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
        for refused in answer.get("Errors", []):
            told: Any = {"Code": refused.get("Code", ""), "Message": refused.get("Message", "")}
            raise ClientError({"Error": told, "ResponseMetadata": _metadata(403)}, "DeleteObjects")
        removed += len(doomed)
    return removed


def _keeps_versions(client: "S3Client", bucket: str) -> bool:
    """Also where versioning is suspended: its "null" version must be named, or a marker takes its place."""
    try:
        return "Status" in client.get_bucket_versioning(Bucket=bucket)
    except ClientError:
        return False


def _all_of(keys: Any) -> Any:
    return {"Objects": [{"Key": key} for key in sorted(keys)], "Quiet": True}


def _metadata(status: int) -> Any:
    return {"HTTPStatusCode": status}
