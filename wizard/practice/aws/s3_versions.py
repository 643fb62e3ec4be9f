"""Versions while their keeping is suspended, which moto takes for never having been enabled.

What is written then has the version "null" and replaces only that one; a deletion puts a marker "null" in its
place. Source: S3 user guide, "Working with objects in a versioning-suspended bucket".
"""

from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.calls import Call
from wizard.practice.aws.gate import Account

NULL = "null"
VERSION_HEADER = "x-amz-version-id"


def stored_bucket(account: Account, call: Call) -> Any:
    """What moto keeps of it, None where it is absent."""
    return moto_parts.backend("s3", account.number, "").buckets.get(call.path["Bucket"])


def is_suspended(account: Account, call: Call) -> bool:
    return getattr(stored_bucket(account, call), "versioning_status", None) == "Suspended"


def remember_versions(account: Account, call: Call) -> None:
    """For a write by moto, which drops and closes them."""
    if is_suspended(account, call):
        call.versions = _without(stored_bucket(account, call), call.path["Key"], NULL)
        for version in call.versions:
            version.dispose = _stay_open


def bring_versions_back(account: Account, call: Call, headers: dict[str, str]) -> None:
    """Besides, the answer tells of a version only where some may be kept."""
    bucket, key = stored_bucket(account, call), call.path["Key"]
    if bucket.versioning_status:
        headers.setdefault(VERSION_HEADER, NULL)
    else:
        headers.pop(VERSION_HEADER, None)
    if is_suspended(account, call):
        for version in call.versions:
            vars(version).pop("dispose", None)
        with account.lock:
            bucket.keys.setlist(key, [*call.versions, *bucket.keys.getlist(key, [])[-1:]])


def delete_object(account: Account, call: Call) -> dict[str, Any] | None:
    if not is_suspended(account, call):
        return None
    return delete_suspended(account, call, call.path["Key"], call.arguments.get("versionId"))


def delete_suspended(account: Account, call: Call, key: str, version: str | None) -> dict[str, Any]:
    """What the answer says of it, in the words of DeleteObject."""
    bucket = stored_bucket(account, call)
    with account.lock:
        before = bucket.keys.getlist(key, [])
        left = _without(bucket, key, version or NULL)
        told: dict[str, Any] = {"VersionId": version or NULL}
        if version is None and before:
            marker = moto_parts.part("s3.models", "FakeDeleteMarker")(key=before[-1])
            marker._version_id = NULL  # noqa: SLF001 - moto has no other way
            left.append(marker)
            told["DeleteMarker"] = True
        bucket.keys.setlist(key, left)
        if not left:
            bucket.keys.pop(key)
    return told


def _stay_open() -> None:
    """In the place of moto's `dispose`."""


def _without(bucket: Any, key: str, version: str) -> list[Any]:
    return [each for each in bucket.keys.getlist(key, []) if str(each.version_id) != version]
