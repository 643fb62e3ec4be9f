"""Which blobs in the proof's repository a proof has pushed: a person may have put others there."""

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# More than one chunk of the registry's S3 driver (10 MiB), so that it has to upload in parts.
LAYER_BYTES = 11 * 1024 * 1024
FILE = "kube-registry-proof"
LONGEST_DOCUMENT = 16 * 1024
TAG = "proof-"
_LINK = re.compile(r"/(?:_layers|_manifests/revisions)/sha256/([0-9a-f]{64})/link$")
_TAG = re.compile(r"/_manifests/tags/([^/]+)/")
_CONFIG, _MANIFEST = {"architecture", "os", "rootfs"}, {"schemaVersion", "mediaType", "config", "layers"}


def blob_key(digest: str) -> str:
    """Where the registry keeps a blob (distribution, registry/storage/paths.go)."""
    hexadecimal = digest.removeprefix("sha256:")
    return f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"


def linked(keys: Iterable[str]) -> set[str]:
    """The digests that the repository's keys lead to."""
    return {f"sha256:{found[1]}" for key in keys if (found := _LINK.search(key))}


def are_ours(client: "S3Client", bucket: str, digests: Iterable[str]) -> set[str]:
    """Those that a proof pushed, cut off or not; a blob that is gone already counts too."""
    return {digest for digest in digests if _is_ours(client, bucket, digest)}


def without_foreign(keys: Iterable[str], foreign: Iterable[str]) -> list[str]:
    """The repository's keys but for what leads to others' blobs, by digest or by tag."""
    kept = {digest.removeprefix("sha256:") for digest in foreign}
    return [
        key
        for key in keys
        if not any(part in kept for part in key.split("/"))
        and not ((tag := _TAG.search(key)) and not tag[1].startswith(TAG))
    ]


def _is_ours(client: "S3Client", bucket: str, digest: str) -> bool:
    key = blob_key(digest)
    found = client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
    size = next((each.get("Size", 0) for each in found if each.get("Key") == key), None)
    if size is None:
        return True
    if not (0 < size <= LONGEST_DOCUMENT or size == LAYER_BYTES):
        return False
    span = f"bytes=0-{LONGEST_DOCUMENT - 1}"
    head = client.get_object(Bucket=bucket, Key=key, Range=span)["Body"].read()
    return head.startswith(f"{FILE}\0".encode()) if size == LAYER_BYTES else _is_our_document(head)


def _is_our_document(content: bytes) -> bool:
    try:
        found: Any = json.loads(content)
        if set(found) == _MANIFEST:
            return [layer["size"] for layer in found["layers"]] == [LAYER_BYTES]
        return set(found) == _CONFIG and len(found["rootfs"]["diff_ids"]) == 1
    except (ValueError, KeyError, TypeError):
        return False
