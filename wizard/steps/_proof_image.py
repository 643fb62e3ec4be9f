"""An image that nobody else has: pushed, pulled, seen in the bucket, and removed again to the last key."""

import json
import os
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from wizard import names
from wizard.errors import WizardError, wizard_error
from wizard.services.aws import Aws
from wizard.services.aws.errors import FOREIGN
from wizard.services.registry import MANIFEST_TYPE, Registry, digest_of
from wizard.steps._proof_blobs import (
    FILE,
    LAYER_BYTES,
    TAG,
    are_ours,
    blob_key,
    linked,
    without_foreign,
)
from wizard.steps._s3_probe import remove_versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

END_OF_ARCHIVE = 2 * tarfile.BLOCKSIZE
REPOSITORY = names.PROOF_FOLDER
BATCH = 1000  # S3 DeleteObjects


class ProofImage:
    """Its bytes are random, so that none of its blobs can be one that somebody else needs."""

    def __init__(self, architecture: str = "amd64") -> None:
        self._architecture = architecture
        self.tag = f"{TAG}{secrets.token_hex(8)}"
        self.layer_digest = ""
        self.manifest_digest = ""

    def push(self, registry: Registry) -> None:
        layer = _layer()
        self.layer_digest = registry.push_blob(names.PROOF_REPOSITORY, layer)
        config = self._config()
        registry.push_blob(names.PROOF_REPOSITORY, config)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
                "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
            }
        ).encode()
        self.manifest_digest = registry.put_manifest(names.PROOF_REPOSITORY, self.tag, manifest)

    def pull(self, registry: Registry) -> str:
        """Compares digests; returns the host that the layer came from, "" for the registry itself."""
        manifest = registry.get_manifest(names.PROOF_REPOSITORY, self.tag)
        layer = registry.pull_blob(names.PROOF_REPOSITORY, self.layer_digest)
        for sent, got in ((self.manifest_digest, manifest.digest), (self.layer_digest, layer.digest)):
            if sent != got:
                raise wizard_error(
                    "pulled-differs",
                    "What was pulled is not what was pushed.",
                    why=f"Pushed {sent}, pulled {got}.",
                    fix="Look for a proxy that changes what passes through it.",
                )
        return layer.came_from

    def find_in(self, aws: Aws, bucket: str) -> str:
        """The key of the layer in the bucket; raises where the registry wrote somewhere else."""
        key = blob_key(self.layer_digest)
        with aws.explained("s3:ListBucket"):
            found = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if [each.get("Size") for each in found] == [LAYER_BYTES]:
            return key
        raise wizard_error(
            "not-in-bucket",
            f"The pushed layer is not in the bucket {bucket}.",
            why="The registry that answers writes to another bucket or another place.",
            fix="Run the steps deploy and dns again: the name may lead to another registry.",
        )

    def _config(self) -> bytes:
        """Unique by the layer's digest: `{}` would be the same blob for everybody."""
        root = {"type": "layers", "diff_ids": [self.layer_digest]}
        return json.dumps({"architecture": self._architecture, "os": "linux", "rootfs": root}).encode()


def _layer() -> bytes:
    """An archive with one file of random bytes: a node that pulls it unpacks it too."""
    content = os.urandom(LAYER_BYTES - tarfile.BLOCKSIZE - END_OF_ARCHIVE)
    header = tarfile.TarInfo(FILE)
    header.size = len(content)
    return header.tobuf() + content + bytes(END_OF_ARCHIVE)


def remove_all(aws: Aws, bucket: str) -> int:
    """Removes what proofs have pushed, earlier ones too: links, tags, and the blobs by their exact keys.

    What somebody else has put into the proof's repository stays. The blobs go first: an interrupted run
    leaves the links by which the next one finds them. Raises WizardError where something is left.
    """
    client = aws.client("s3")
    with aws.explained("s3:DeleteObject"):
        found = list(_keys(client, bucket, REPOSITORY))
        all_linked = linked(found)
        ours = are_ours(client, bucket, all_linked)
        keys, blobs = without_foreign(found, all_linked - ours), sorted(map(blob_key, ours))
        _delete(client, bucket, blobs)
        _delete(client, bucket, keys)
        uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=REPOSITORY).get("Uploads", [])
        for upload in uploads:
            client.abort_multipart_upload(
                Bucket=bucket, Key=upload.get("Key", ""), UploadId=upload.get("UploadId", "")
            )
        still_there = [key for prefix in (REPOSITORY, *blobs) for key in _keys(client, bucket, prefix)]
        left = without_foreign(still_there, all_linked - ours)
    # Only a bucket with versions has more to remove, and not everybody may list them.
    with suppress(*FOREIGN):
        for prefix in (*blobs, *([REPOSITORY] if ours == all_linked else keys)):
            remove_versions(client, bucket, prefix)
    if left:
        raise wizard_error(
            "proof-left",
            f"{len(left)} objects of the proof are still in the bucket {bucket}.",
            why=f"The first is {left[0]}.",
            fix="Remove them by hand, or run `kube-registry check --push` to try again.",
        )
    return len(keys) + len(blobs)


def remove_after_failure(aws: Aws, bucket: str) -> None:
    """The same, where another error is about to be told."""
    with suppress(WizardError):
        remove_all(aws, bucket)


def _keys(client: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            yield found.get("Key", "")


def _delete(client: "S3Client", bucket: str, keys: list[str]) -> None:
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        client.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
        )


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
