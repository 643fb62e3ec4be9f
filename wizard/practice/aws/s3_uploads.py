"""Multipart uploads as Amazon's S3 treats them: parts in their order, listings that page and tell when.

Source: S3 API, CompleteMultipartUpload and ListMultipartUploads.
"""

from typing import Any
from urllib.parse import quote

from wizard.practice.aws import moto_parts
from wizard.practice.aws.calls import Call
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.gate import Account
from wizard.practice.aws.s3_versions import remember_versions

MOST_UPLOADS = 1000


def note_upload(account: Account, call: Call, _headers: dict[str, str]) -> None:
    """Remembers when an upload was begun and by whom, which moto does not."""
    assert call.caller is not None
    bucket = moto_parts.backend("s3", account.number, "").buckets[call.path["Bucket"]]
    for upload in list(bucket.multiparts.values()):
        if not hasattr(upload, "initiated"):
            upload.initiated = account.now()
            upload.initiator = {"ID": call.caller.arn, "DisplayName": call.caller.user_name or ""}


def check_upload(account: Account, call: Call) -> None:
    bucket = moto_parts.backend("s3", account.number, "").buckets[call.path["Bucket"]]
    upload = call.arguments.get("uploadId", "")
    if upload not in bucket.multiparts:
        message = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
            "aborted or completed."
        )
        raise AwsError("NoSuchUpload", message, 404, details={"UploadId": upload})


def check_completion(account: Account, call: Call) -> None:
    """To complete an upload once more is no error."""
    bucket = moto_parts.backend("s3", account.number, "").buckets[call.path["Bucket"]]
    made_by = getattr(getattr(bucket.keys.get(call.path["Key"]), "multipart", None), "id", "")
    if made_by != call.arguments.get("uploadId"):
        check_upload(account, call)
        _check_part_order(call)
        remember_versions(account, call)


def _check_part_order(call: Call) -> None:
    parts = (call.params.get("MultipartUpload") or {}).get("Parts") or []
    numbers = [part.get("PartNumber", 0) for part in parts]
    if numbers != sorted(set(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise AwsError("InvalidPartOrder", message)


def list_uploads(account: Account, call: Call) -> dict[str, Any] | None:
    """A page of them, ordered by key; None leaves what is folded by a delimiter to moto."""
    asked = call.arguments
    if asked.get("delimiter"):
        return None
    prefix, marker = asked.get("prefix", ""), asked.get("key-marker", "")
    after = (marker, asked.get("upload-id-marker", "") or "\U0010ffff")
    most = _most(asked.get("max-uploads", ""))
    bucket = moto_parts.backend("s3", account.number, "").buckets[call.path["Bucket"]]
    found = sorted(
        (upload for upload in list(bucket.multiparts.values()) if upload.key_name.startswith(prefix)),
        key=lambda upload: (upload.key_name, upload.id),
    )
    rest = [upload for upload in found if not marker or (upload.key_name, upload.id) > after]
    page, is_truncated = rest[:most], len(rest) > most
    is_encoded = asked.get("encoding-type") == "url"
    answer: dict[str, Any] = {
        "Bucket": call.path["Bucket"],
        "KeyMarker": marker,
        "UploadIdMarker": asked.get("upload-id-marker", ""),
        "Prefix": prefix,
        "MaxUploads": most,
        "IsTruncated": is_truncated,
        "Uploads": [_told(account, upload, is_encoded=is_encoded) for upload in page],
    }
    if is_truncated and page:
        answer |= {"NextKeyMarker": answer["Uploads"][-1]["Key"], "NextUploadIdMarker": page[-1].id}
    return answer | ({"EncodingType": "url"} if is_encoded else {})


def _most(asked: str) -> int:
    if asked and not (asked.isascii() and asked.isdigit()):
        raise AwsError("InvalidArgument", "Provided max-uploads not an integer or within integer range")
    return min(int(asked or MOST_UPLOADS), MOST_UPLOADS)


def _told(account: Account, upload: Any, *, is_encoded: bool) -> dict[str, Any]:
    initiator = getattr(upload, "initiator", {})
    return {
        "Key": quote(upload.key_name) if is_encoded else upload.key_name,
        "UploadId": upload.id,
        "Initiated": getattr(upload, "initiated", account.now()),
        "StorageClass": upload.storage or "STANDARD",
        "Initiator": initiator,
        "Owner": initiator,
    }
