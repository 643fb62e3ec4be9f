"""Manifests and tags: links in a repository to blobs that describe images."""

import hashlib
import json
import re
from collections.abc import Container
from typing import Any

from wizard.practice.registry.errors import ApiError, digest_invalid
from wizard.practice.registry.store import Store
from wizard.practice.registry.uploads import blob_path, layer_path

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
KNOWN = {OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST}


class Manifests:
    """`reference` is a tag or a digest. Thread-safe; raises ApiError and StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, name: str, reference: str, content: bytes, media_type: str) -> str:
        """Returns the digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        manifest = _parsed(content)
        if _is_digest(reference) and reference != digest:
            raise digest_invalid()
        kind = media_type.partition(";")[0].strip()
        if kind not in KNOWN:
            detail = f"unsupported manifest media type and no default available: {kind}"
            raise ApiError(400, "MANIFEST_INVALID", "manifest invalid", detail)
        if manifest.get("mediaType", kind) != kind:
            detail = f"mediaType in manifest should be '{kind}' not '{manifest['mediaType']}'"
            raise ApiError(400, "MANIFEST_INVALID", "manifest invalid", detail)
        self._check_parts(name, manifest)
        self._store.put(blob_path(digest), content)
        self._store.put(_revision(name, digest), digest.encode())
        if not _is_digest(reference):
            tag = f"{_tags(name)}{reference}/"
            self._store.put(f"{tag}index/{digest.replace(':', '/')}/link", digest.encode())
            self._store.put(f"{tag}current/link", digest.encode())
        return digest

    def get(self, name: str, reference: str, accepted: Container[str]) -> tuple[str, str, bytes]:
        """Digest, media type, content; for a list that is not accepted, its part for linux/amd64."""
        digest, media_type, content = self._find(name, reference)
        if media_type == OCI_MANIFEST and media_type not in accepted:
            message = "OCI manifest found, but accept header does not support OCI manifests"
            raise ApiError(404, "MANIFEST_UNKNOWN", message)
        if media_type == DOCKER_LIST and media_type not in accepted and not _is_digest(reference):
            parts = [part for part in _parsed(content)["manifests"] if _is_common(part)]
            if not parts:
                raise _unknown(name, reference)
            if DOCKER_MANIFEST not in accepted:
                raise ApiError(400, "MANIFEST_INVALID", "Schema 2 manifest not supported by client")
            return self._find(name, parts[0]["digest"])
        return digest, media_type, content

    def _find(self, name: str, reference: str) -> tuple[str, str, bytes]:
        digest = self.resolve(name, reference)
        content = self._store.read(blob_path(digest))
        if content is None:
            raise _unknown(name, reference)
        manifest = _parsed(content)
        default = OCI_INDEX if "manifests" in manifest else OCI_MANIFEST
        return digest, str(manifest.get("mediaType") or default), content

    def resolve(self, name: str, reference: str) -> str:
        """The digest; ApiError MANIFEST_UNKNOWN if there is none."""
        if _is_digest(reference):
            link = self._store.read(_revision(name, reference))
        else:
            link = self._store.read(f"{_tags(name)}{reference}/current/link")
        if link is None:
            raise _unknown(name, reference)
        return link.decode()

    def delete(self, name: str, reference: str) -> None:
        """A tag alone, or a digest with all the tags that lead to it; the blobs stay, as in the real one."""
        if not _is_digest(reference):
            if not self._store.remove(f"{_tags(name)}{reference}/"):
                raise _unknown(name, reference)
            return
        self.resolve(name, reference)
        for tag in self.tags(name):
            if self._store.read(f"{_tags(name)}{tag}/current/link") == reference.encode():
                self._store.remove(f"{_tags(name)}{tag}/")
        self._store.remove(_revision(name, reference))

    def tags(self, name: str) -> list[str]:
        """Sorted; empty for a repository that has none."""
        links = (path.removeprefix(_tags(name)) for path in self._store.names(_tags(name)))
        return sorted(link.removesuffix("/current/link") for link in links if link.endswith("/current/link"))

    def exists(self, name: str) -> bool:
        return next(self._store.names(f"repositories/{name}/_manifests/"), None) is not None

    def repositories(self) -> list[str]:
        prefix = "repositories/"
        paths = (path.removeprefix(prefix) for path in self._store.names(prefix))
        return sorted({path.partition("/_manifests/")[0] for path in paths if "/_manifests/" in path})

    def _check_parts(self, name: str, manifest: dict[str, Any]) -> None:
        layers = [manifest.get("config"), *(manifest.get("layers") or ())]
        wanted = [layer for layer in layers if layer and not layer.get("urls")]
        missing = [
            part["digest"] for part in wanted if self._store.size(layer_path(name, part["digest"])) is None
        ]
        missing += [
            part["digest"]
            for part in manifest.get("manifests") or ()
            if self._store.size(_revision(name, part["digest"])) is None
        ]
        if missing:
            raise ApiError(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", missing[0])


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
        parts = [manifest.get("config"), *(manifest.get("layers") or ()), *(manifest.get("manifests") or ())]
        is_sound = all(part is None or _is_digest(part["digest"]) for part in parts)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ApiError(400, "MANIFEST_INVALID", "manifest invalid", str(error)) from error
    if not is_sound or manifest.get("schemaVersion") != 2:
        raise ApiError(400, "MANIFEST_INVALID", "manifest invalid", "unrecognized manifest schema version")
    return dict(manifest)


def _is_common(part: dict[str, Any]) -> bool:
    platform = part.get("platform") or {}
    return (platform.get("architecture"), platform.get("os")) == ("amd64", "linux")


def _is_digest(reference: str) -> bool:
    return DIGEST.fullmatch(reference) is not None


def _revision(name: str, digest: str) -> str:
    return f"repositories/{name}/_manifests/revisions/{digest.replace(':', '/')}/link"


def _tags(name: str) -> str:
    return f"repositories/{name}/_manifests/tags/"


def _unknown(name: str, reference: str) -> ApiError:
    kind = "Revision" if _is_digest(reference) else "Tag"
    return ApiError(404, "MANIFEST_UNKNOWN", "manifest unknown", {"Name": name, kind: reference})
