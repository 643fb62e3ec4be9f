"""Blob uploads, kept in S3 alone so that any replica can go on with them.

The data is a multipart upload in progress, as the real registry has it. Only its last part may be smaller
than 5 MiB, so an upload that goes on after such a part is begun anew with what is there.
"""

import base64
import binascii
import hashlib
import hmac
import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wizard.practice.registry.store import Store

if TYPE_CHECKING:
    from hashlib import _Hash

MIN_PART = 5 * 2**20
HASHES = 64


class UploadUnknown(Exception):
    """No such upload, or not in this repository."""


class StateInvalid(Exception):
    """A `_state` that this registry, by its HTTP secret, has not signed."""


class DigestMismatch(Exception):
    """The content is not what its digest says."""


class States:
    """The signed `_state` of an upload: what replicas with the same HTTP secret believe each other."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def pack(self, name: str, upload: str, offset: int) -> str:
        state = {"Name": name, "UUID": upload, "Offset": offset, "StartedAt": _now()}
        message = json.dumps(state, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(message) + message).decode()

    def unpack(self, text: str, name: str, upload: str) -> int:
        """The offset; raises StateInvalid."""
        try:
            packed = base64.urlsafe_b64decode(text)
            signature, message = packed[:32], packed[32:]
            state = json.loads(message) if hmac.compare_digest(signature, self._sign(message)) else {}
        except (binascii.Error, ValueError) as error:
            raise StateInvalid from error
        if (state.get("Name"), state.get("UUID")) != (name, upload):
            raise StateInvalid
        return int(state["Offset"])

    def _sign(self, message: bytes) -> bytes:
        return hmac.new(self._secret, message, hashlib.sha256).digest()


class Uploads:
    """Thread-safe; hashes that go on from request to request are a shortcut, not a state."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._hashes: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()

    def create(self, name: str) -> str:
        upload = str(uuid.uuid4())
        self._store.put(f"{_folder(name, upload)}startedat", _now().encode())
        self._store.create_multipart(f"{_folder(name, upload)}data")
        return upload

    def size(self, name: str, upload: str) -> int:
        return sum(part["Size"] for part in self._open(name, upload)[1])

    def append(self, name: str, upload: str, offset: int, chunks: Iterable[bytes]) -> int:
        """Returns the size that the upload has now; StateInvalid if it was not at `offset`.

        What came before `chunks` broke is kept.
        """
        session, parts = self._open(name, upload)
        writer = _Writer(self._store, f"{_folder(name, upload)}data", session, parts)
        if writer.size != offset:
            raise StateInvalid
        hashed = self._take_hash(upload, writer.size)
        try:
            for chunk in chunks:
                if hashed:
                    hashed.update(chunk)
                writer.write(chunk)
        finally:
            writer.flush()
            if hashed:
                self._keep_hash(upload, writer.size, hashed)
        return writer.size

    def commit(self, name: str, upload: str, offset: int, digest: str) -> None:
        """Makes a blob of the repository of it; raises DigestMismatch, and then the upload is gone."""
        session, parts = self._open(name, upload)
        path, size = f"{_folder(name, upload)}data", sum(part["Size"] for part in parts)
        if size != offset:
            raise StateInvalid
        _complete(self._store, path, session, parts)
        hashed = self._take_hash(upload, size) or self._hash(path, size)
        try:
            if f"sha256:{hashed.hexdigest()}" != digest:
                raise DigestMismatch
            if self._store.size(blob_path(digest)) is None:
                self._store.copy(path, blob_path(digest), size)
            self._store.put(layer_path(name, digest), digest.encode())
        finally:
            self._store.remove(_folder(name, upload))

    def cancel(self, name: str, upload: str) -> None:
        session, _ = self._open(name, upload)
        key = self._store.key(f"{_folder(name, upload)}data")
        self._store.call("abort_multipart_upload", Key=key, UploadId=session)
        self._store.remove(_folder(name, upload))

    def _open(self, name: str, upload: str) -> tuple[str, list[dict[str, Any]]]:
        """The multipart upload and its parts."""
        key = self._store.key(f"{_folder(name, upload)}data")
        found = self._store.call("list_multipart_uploads", Prefix=key).get("Uploads", ())
        sessions = [item["UploadId"] for item in found if item["Key"] == key]
        if not sessions:
            raise UploadUnknown
        parts: list[dict[str, Any]] = []
        marker = 0
        while True:
            page = self._store.call("list_parts", Key=key, UploadId=sessions[0], PartNumberMarker=marker)
            parts += page.get("Parts", ())
            if not page.get("IsTruncated"):
                return sessions[0], parts
            marker = page["NextPartNumberMarker"]

    def _hash(self, path: str, size: int) -> "_Hash":
        hashed = hashlib.sha256()
        for chunk in self._store.stream(path, 0, size):
            hashed.update(chunk)
        return hashed

    def _take_hash(self, upload: str, size: int) -> "_Hash | None":
        with self._lock:
            known, hashed = self._hashes.pop(upload, (-1, None))
        if known == size:
            return hashed
        return None if size else hashlib.sha256()

    def _keep_hash(self, upload: str, size: int, hashed: "_Hash") -> None:
        with self._lock:
            self._hashes[upload] = size, hashed
            while len(self._hashes) > HASHES:
                self._hashes.popitem(last=False)


class _Writer:
    """Gathers chunks into parts; `size` counts what has been written before, too."""

    def __init__(self, store: Store, path: str, session: str, parts: list[dict[str, Any]]) -> None:
        self._store, self._path, self._session = store, path, session
        self._parts = parts
        self._pending = bytearray()
        self.size: int = sum(part["Size"] for part in parts)

    def write(self, chunk: bytes) -> None:
        if not self._pending and self._parts and self._parts[-1]["Size"] < MIN_PART:
            self._begin_anew()
        self._pending += chunk
        self.size += len(chunk)
        if len(self._pending) >= self._store.chunk_size:
            self.flush()

    def flush(self) -> None:
        if not self._pending:
            return
        body, self._pending, number = self._pending, bytearray(), len(self._parts) + 1
        sent = self._store.call(
            "upload_part",
            Key=self._store.key(self._path),
            UploadId=self._session,
            PartNumber=number,
            Body=body,
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"], "Size": len(body)})

    def _begin_anew(self) -> None:
        size = self.size
        _complete(self._store, self._path, self._session, self._parts)
        self._session, self._parts = self._store.create_multipart(self._path), []
        if size < MIN_PART:
            for chunk in self._store.stream(self._path, 0, size):
                self._pending += chunk
            return
        copied = self._store.call(
            "upload_part_copy",
            Key=self._store.key(self._path),
            UploadId=self._session,
            PartNumber=1,
            CopySource={"Bucket": self._store.bucket, "Key": self._store.key(self._path)},
        )
        self._parts.append({"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"], "Size": size})


def blob_path(digest: str) -> str:
    algorithm, _, hexadecimal = digest.partition(":")
    return f"blobs/{algorithm}/{hexadecimal[:2]}/{hexadecimal}/data"


def layer_path(name: str, digest: str) -> str:
    return f"repositories/{name}/_layers/{digest.replace(':', '/')}/link"


def _complete(store: Store, path: str, session: str, parts: list[dict[str, Any]]) -> None:
    key = store.key(path)
    if not parts:
        store.call("abort_multipart_upload", Key=key, UploadId=session)
        store.put(path, b"")
        return
    listed = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    store.call("complete_multipart_upload", Key=key, UploadId=session, MultipartUpload={"Parts": listed})


def _folder(name: str, upload: str) -> str:
    return f"repositories/{name}/_uploads/{upload}/"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
