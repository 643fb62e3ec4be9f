"""Where moto's S3 is more lenient than Amazon's: names, owners, defaults, tags, batch deletion."""

import re
from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.calls import Call
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.gate import Account, AfterMends, Mends
from wizard.practice.aws.permissions import denial, may
from wizard.practice.aws.s3_listing import list_buckets
from wizard.practice.aws.s3_uploads import check_completion, check_upload, list_uploads, note_upload
from wizard.practice.aws.s3_versions import (
    bring_versions_back,
    delete_object,
    delete_suspended,
    is_suspended,
    remember_versions,
)

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
IP_SHAPED = re.compile(r"\d+\.\d+\.\d+\.\d+")
RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_ENDS = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mrap")
NAMESPACE_HEADER = "x-amz-bucket-namespace"
HARMLESS_ACLS = frozenset({"private", "bucket-owner-full-control"})
LIFECYCLE_ACTIONS = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransitions",
    "AbortIncompleteMultipartUpload",
)
TAG_TEXT = re.compile(r"[\w\s+=.:/@-]*")
MOST_TAGS, LONGEST_TAG_KEY, LONGEST_TAG_VALUE = 50, 128, 256


def is_bucket_name(name: str) -> bool:
    """Source: "General purpose bucket naming rules" in the S3 user guide."""
    return (
        BUCKET_NAME.fullmatch(name) is not None
        and IP_SHAPED.fullmatch(name) is None
        and ".." not in name
        and not name.startswith(RESERVED_STARTS)
        and not name.endswith(RESERVED_ENDS)
    )


def check_new_bucket(account: Account, call: Call) -> None:
    name = call.path["Bucket"]
    is_regional = call.headers.get(NAMESPACE_HEADER) == "account-regional"
    suffix = f"-{account.number}-{call.aws_region}-an"
    if not is_bucket_name(name) or is_regional != name.endswith(suffix if is_regional else "-an"):
        raise AwsError(
            "InvalidBucketName", "The specified bucket is not valid.", details={"BucketName": name}
        )
    _, owner = moto_parts.bucket_owners().get(name, ("aws", account.number))
    if owner != account.number:
        message = (
            "The requested bucket name is not available. The bucket namespace is shared by all users of the "
            "system. Please select a different name and try again."
        )
        raise AwsError("BucketAlreadyExists", message, 409, details={"BucketName": name})


def give_defaults(account: Account, call: Call, headers: dict[str, str]) -> None:
    """Since April 2023 new buckets are private, without ACLs and encrypted; moto's are bare."""
    bucket = moto_parts.backend("s3", account.number, "").buckets[call.path["Bucket"]]
    if bucket.public_access_block is None:
        bucket.public_access_block = moto_parts.part("s3.models", "PublicAccessBlock")(*["true"] * 4)
    if not bucket.ownership_rule:
        bucket.ownership_rule = "BucketOwnerEnforced"
    if not bucket.encryption:
        restore_encryption(account, call, headers)


def restore_encryption(account: Account, call: Call, _headers: dict[str, str]) -> None:
    """A bucket cannot be without encryption: deleting the setting brings SSE-S3 back."""
    bucket = moto_parts.backend("s3", account.number, "").buckets[call.path["Bucket"]]
    default = {"SSEAlgorithm": "AES256"}
    bucket.encryption = {"Rule": {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": "false"}}


def say_no_to_bucket_keys(account: Account, call: Call, _headers: dict[str, str]) -> None:
    """S3 always tells whether it uses a bucket key; moto only where it was asked to."""
    rule = moto_parts.backend("s3", account.number, "").buckets[call.path["Bucket"]].encryption["Rule"]
    rule.setdefault("BucketKeyEnabled", "false")


def check_tags(_: Account, call: Call) -> None:
    """Source: "Using cost allocation S3 bucket tags" and "Tag restrictions" in AWS's guides."""
    tags = (call.params.get("Tagging") or {}).get("TagSet") or []
    if len(tags) > MOST_TAGS:
        raise AwsError("BadRequest", f"Bucket tag count cannot be greater than {MOST_TAGS}")
    for tag in tags:
        key, value = str(tag.get("Key", "")), str(tag.get("Value") or "")
        if not 0 < len(key) <= LONGEST_TAG_KEY or not TAG_TEXT.fullmatch(key):
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid", details={"TagKey": key})
        if len(value) > LONGEST_TAG_VALUE or not TAG_TEXT.fullmatch(value):
            message = "The TagValue you have provided is invalid"
            raise AwsError("InvalidTag", message, details={"TagKey": key, "TagValue": value})


def keep_empty_values(account: Account, call: Call, _headers: dict[str, str]) -> None:
    """A tag's value may be empty, which moto takes for none."""
    tags = {tag["Key"]: tag.get("Value") or "" for tag in call.params["Tagging"].get("TagSet") or []}
    moto_parts.backend("s3", account.number, "").put_bucket_tagging(call.path["Bucket"], tags)


def check_lifecycle(_: Account, call: Call) -> None:
    """Source: S3 user guide, "Lifecycle configuration elements"."""
    rules = (call.params.get("LifecycleConfiguration") or {}).get("Rules") or []
    if len({"Filter" in rule for rule in rules}) > 1:
        raise AwsError("InvalidRequest", "Filter element can only be used in Lifecycle V2.")
    for rule in rules:
        if not any(rule.get(action) for action in LIFECYCLE_ACTIONS):
            raise AwsError("InvalidRequest", "At least one action needs to be specified in a rule")
        aborting = rule.get("AbortIncompleteMultipartUpload")
        if aborting and int(aborting.get("DaysAfterInitiation") or 0) <= 0:
            message = (
                "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"
            )
            raise AwsError("InvalidArgument", message)


def before_write(account: Account, call: Call) -> None:
    check_acl(account, call)
    remember_versions(account, call)


def check_acl(account: Account, call: Call) -> None:
    wanted = call.headers.get("x-amz-acl")
    if wanted is None or wanted in HARMLESS_ACLS:
        return
    bucket = moto_parts.backend("s3", account.number, "").buckets.get(call.path["Bucket"])
    if bucket is not None and bucket.ownership_rule == "BucketOwnerEnforced":
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")


def delete_objects(account: Account, call: Call) -> dict[str, Any] | None:
    """Keys that may not be deleted are errors of their own, the others go; a quiet answer names none."""
    assert call.caller is not None
    bucket, errors, allowed = call.path["Bucket"], [], []
    wanted = (call.params.get("Delete") or {}).get("Objects") or []
    if not 0 < len(wanted) <= 1000:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise AwsError("MalformedXML", message)
    for item in wanted:
        resource = f"arn:aws:s3:::{bucket}/{item['Key']}"
        action = "s3:DeleteObjectVersion" if item.get("VersionId") else "s3:DeleteObject"
        decision = may(call, call.caller, account.number, action, resource)
        if decision.is_allowed:
            allowed.append(item)
        else:
            refusal = denial("s3", call.caller, action, resource, decision)
            errors.append({"Key": item["Key"], "Code": refusal.code, "Message": refusal.message})
    is_quiet = bool(call.params["Delete"].get("Quiet"))
    if not errors and not is_quiet and not is_suspended(account, call):
        return None
    deleted = [_delete_one(account, call, item["Key"], item.get("VersionId")) for item in allowed]
    return {"Errors": errors, "Deleted": [] if is_quiet else deleted}


def _delete_one(account: Account, call: Call, key: str, version: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"Key": key} | ({"VersionId": version} if version else {})
    if is_suspended(account, call):
        marker = delete_suspended(account, call, key, version)
        if marker.get("DeleteMarker"):
            told |= {"DeleteMarker": True, "DeleteMarkerVersionId": marker["VersionId"]}
        return told
    backend = moto_parts.backend("s3", account.number, "")
    _, meta = backend.delete_object(call.path["Bucket"], key, version_id=version)
    if meta.get("delete-marker") and not version:
        told |= {"DeleteMarker": True, "DeleteMarkerVersionId": meta["version-id"]}
    return told


BEFORE: Mends = {
    ("s3", "CreateBucket"): check_new_bucket,
    ("s3", "ListBuckets"): list_buckets,
    ("s3", "DeleteObject"): delete_object,
    ("s3", "DeleteObjects"): delete_objects,
    ("s3", "PutObject"): before_write,
    ("s3", "CopyObject"): before_write,
    ("s3", "CreateMultipartUpload"): check_acl,
    ("s3", "UploadPart"): check_upload,
    ("s3", "UploadPartCopy"): check_upload,
    ("s3", "CompleteMultipartUpload"): check_completion,
    ("s3", "ListMultipartUploads"): list_uploads,
    ("s3", "PutBucketTagging"): check_tags,
    ("s3", "PutBucketLifecycleConfiguration"): check_lifecycle,
}
AFTER: AfterMends = {
    ("s3", "CreateBucket"): give_defaults,
    ("s3", "DeleteBucketEncryption"): restore_encryption,
    ("s3", "PutBucketEncryption"): say_no_to_bucket_keys,
    ("s3", "PutBucketTagging"): keep_empty_values,
    ("s3", "PutObject"): bring_versions_back,
    ("s3", "CopyObject"): bring_versions_back,
    ("s3", "CreateMultipartUpload"): note_upload,
    ("s3", "CompleteMultipartUpload"): bring_versions_back,
}
