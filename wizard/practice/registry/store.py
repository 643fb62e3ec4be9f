"""The bucket, with the real registry's keys below `docker/registry/v2/`.

Source: distribution's registry/storage/paths.go.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from wizard.practice.registry.settings import Storage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_BYTES = 2**18
LARGEST_COPY = 32 * 2**20
LINK_S = 20 * 60


class StorageError(Exception):
    """S3 said no, or nothing."""


class Store:
    """Paths are relative to `docker/registry/v2/`; every method may raise StorageError. Thread-safe."""

    def __init__(self, storage: Storage) -> None:
        self.bucket, self.chunk_size = storage.bucket, storage.chunk_size
        self._root = f"{storage.root}/docker/registry/v2/".lstrip("/")
        self._put_args: dict[str, Any] = {"ACL": storage.acl, "ContentType": "application/octet-stream"}
        if storage.is_encrypted:
            self._put_args["ServerSideEncryption"] = "aws:kms" if storage.key_id else "AES256"
        if storage.key_id:
            self._put_args["SSEKMSKeyId"] = storage.key_id
        self.client = _client(storage)

    def key(self, path: str) -> str:
        return self._root + path

    def read(self, path: str) -> bytes | None:
        """The contents of a small object, or None."""
        found = self.call("get_object", Key=self.key(path), missing=True)
        return found["Body"].read() if found else None

    def size(self, path: str) -> int | None:
        found = self.call("head_object", Key=self.key(path), missing=True)
        if found is None:
            # The answer has no body to say whether it is the bucket that is missing.
            self.check()
            return None
        return int(found["ContentLength"])

    def stream(self, path: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""
        if start >= end:
            return iter(())
        found = self.call("get_object", Key=self.key(path), Range=f"bytes={start}-{end - 1}")
        chunks: Iterator[bytes] = found["Body"].iter_chunks(READ_BYTES)
        return chunks

    def put(self, path: str, content: bytes) -> None:
        self.call("put_object", Key=self.key(path), Body=content, **self._put_args)

    def create_multipart(self, path: str) -> str:
        return str(self.call("create_multipart_upload", Key=self.key(path), **self._put_args)["UploadId"])

    def names(self, prefix: str) -> Iterator[str]:
        """The paths that begin with `prefix`."""
        more: dict[str, Any] = {}
        while True:
            page = self.call("list_objects_v2", Prefix=self.key(prefix), **more)
            yield from (item["Key"].removeprefix(self._root) for item in page.get("Contents", ()))
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, prefix: str) -> bool:
        """Deletes all that begins with `prefix`, in batches; False if there was nothing."""
        names = list(self.names(prefix))
        for first in range(0, len(names), 1000):
            batch = [{"Key": self.key(name)} for name in names[first : first + 1000]]
            self.call("delete_objects", Delete={"Objects": batch, "Quiet": True})
        return bool(names)

    def copy(self, source: str, target: str, size: int) -> None:
        """Within the bucket; what is large in parts, as S3 asks for."""
        place = {"Bucket": self.bucket, "Key": self.key(source)}
        if size <= LARGEST_COPY:
            self.call("copy_object", Key=self.key(target), CopySource=place, **self._put_args)
            return
        upload, parts = self.create_multipart(target), []
        for number, first in enumerate(range(0, size, LARGEST_COPY), 1):
            copied = self.call(
                "upload_part_copy",
                Key=self.key(target),
                UploadId=upload,
                PartNumber=number,
                CopySource=place,
                CopySourceRange=f"bytes={first}-{min(first + LARGEST_COPY, size) - 1}",
            )
            parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
        self.call(
            "complete_multipart_upload",
            Key=self.key(target),
            UploadId=upload,
            MultipartUpload={"Parts": parts},
        )

    def link_to(self, path: str, method: Literal["get_object", "head_object"]) -> str:
        """A presigned URL for 20 minutes."""
        return self.client.generate_presigned_url(
            method, Params={"Bucket": self.bucket, "Key": self.key(path)}, ExpiresIn=LINK_S
        )

    def check(self) -> None:
        """Asks for one key, as the real one's health check does; an empty bucket is healthy."""
        self.call("list_objects_v2", Prefix=self._root, MaxKeys=1)

    def call(self, method: str, *, missing: bool = False, **params: Any) -> Any:
        """One S3 call on the bucket; with `missing`, None for what is not there."""
        try:
            return getattr(self.client, method)(Bucket=self.bucket, **params)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            code = error.response.get("Error", {}).get("Code", "")
            if missing and status == 404 and code != "NoSuchBucket":
                return None
            message = error.response.get("Error", {}).get("Message", "")
            raise StorageError(f"s3aws: {code}: {message}\n\tstatus code: {status}") from error
        except BotoCoreError as error:
            raise StorageError(f"s3aws: RequestError: send request failed\ncaused by: {error}") from error


def _client(storage: Storage) -> "S3Client":
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=32,
        # Presigned URLs are of version 2 by default, which new regions refuse.
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 2},
        s3={"addressing_style": "path" if storage.is_path_style else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies={},
    )
    session = boto3.Session(
        storage.access_key or None, storage.secret_key or None, region_name=storage.region
    )
    return session.client("s3", endpoint_url=storage.endpoint or None, config=config)
