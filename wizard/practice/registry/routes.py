"""The distribution API: which path is answered by what (OCI distribution-spec 1.1)."""

import json
import re
from collections.abc import Callable
from urllib.parse import urlencode

from wizard.practice.registry.errors import ApiError, blob_unknown, unsupported, upload_invalid
from wizard.practice.registry.manifests import Manifests
from wizard.practice.registry.messages import Request, Response
from wizard.practice.registry.store import Store
from wizard.practice.registry.uploads import (
    DigestMismatch,
    StateInvalid,
    States,
    Uploads,
    UploadUnknown,
    blob_path,
    layer_path,
)

PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME = rf"(?P<name>{PART}(?:/{PART})*)"
DIGEST = r"(?P<digest>sha256:[0-9a-f]{64})"
LARGEST_MANIFEST = 4 * 2**20
PAGE = 100
JSON = {"Content-Type": "application/json; charset=utf-8"}
YEAR = "max-age=31536000"
RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Handler = Callable[[Request, dict[str, str]], Response]


class Routes:
    """`answer` raises ApiError and StorageError."""

    def __init__(self, store: Store, states: States, *, can_delete: bool, does_redirect: bool) -> None:
        self._store, self._states = store, states
        self._can_delete, self._does_redirect = can_delete, does_redirect
        self._uploads, self._manifests = Uploads(store), Manifests(store)
        table: list[tuple[str, Handler]] = [
            (r"/v2/?", lambda _request, _found: Response(200, JSON, b"{}")),
            (r"/v2/_catalog", self._catalog),
            (rf"/v2/{NAME}/tags/list", self._tags),
            (rf"/v2/{NAME}/manifests/(?P<reference>\w[\w.-]{{0,127}}|sha256:[0-9a-f]{{64}})", self._manifest),
            (rf"/v2/{NAME}/blobs/{DIGEST}", self._blob),
            (rf"/v2/{NAME}/blobs/uploads/?", self._new_upload),
            (rf"/v2/{NAME}/blobs/uploads/(?P<upload>[0-9a-f-]{{36}})", self._upload),
        ]
        self._table = [(re.compile(pattern), handler) for pattern, handler in table]

    def answer(self, request: Request) -> Response:
        for pattern, handler in self._table:
            if found := pattern.fullmatch(request.path):
                return handler(request, found.groupdict())
        return Response(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n")

    def _catalog(self, request: Request, _: dict[str, str]) -> Response:
        _allow(request, "GET", "HEAD")
        return _page(request, {}, "repositories", self._manifests.repositories(), PAGE)

    def _tags(self, request: Request, found: dict[str, str]) -> Response:
        _allow(request, "GET", "HEAD")
        name = found["name"]
        tags = self._manifests.tags(name)
        if not tags and not self._manifests.exists(name):
            message = "repository name not known to registry"
            raise ApiError(404, "NAME_UNKNOWN", message, {"name": name})
        return _page(request, {"name": name}, "tags", tags, None)

    def _manifest(self, request: Request, found: dict[str, str]) -> Response:
        _allow(request, "GET", "HEAD", "PUT", "DELETE")
        name, reference = found["name"], found["reference"]
        if request.method == "PUT":
            content, media_type = request.content(LARGEST_MANIFEST), request.headers.get("Content-Type", "")
            digest = self._manifests.put(name, reference, content, media_type)
            location = f"{request.base_url}/v2/{name}/manifests/{digest}"
            return Response(201, {"Location": location, "Docker-Content-Digest": digest})
        if request.method == "DELETE":
            self._check_delete()
            self._manifests.delete(name, reference)
            return Response(202)
        digest, media_type, content = self._manifests.get(name, reference)
        headers = {"Docker-Content-Digest": digest, "Etag": f'"{digest}"'}
        if request.headers.get("If-None-Match", "").strip('"') == digest:
            return Response(304, headers)
        return Response(200, {**headers, "Content-Type": media_type}, content)

    def _blob(self, request: Request, found: dict[str, str]) -> Response:
        _allow(request, "GET", "HEAD", "DELETE")
        name, digest = found["name"], found["digest"]
        if self._store.size(layer_path(name, digest)) is None:
            raise blob_unknown(digest)
        if request.method == "DELETE":
            self._check_delete()
            self._store.remove(layer_path(name, digest))
            return Response(202, {"Docker-Content-Digest": digest})
        path = blob_path(digest)
        size = self._store.size(path)
        if size is None:
            raise blob_unknown(digest)
        headers = {"Docker-Content-Digest": digest, "Etag": f'"{digest}"', "Cache-Control": YEAR}
        if self._does_redirect:
            link = self._store.link_to(path, "head_object" if request.method == "HEAD" else "get_object")
            return Response(307, {**headers, "Location": link})
        headers |= {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        start, end = _range(request.headers.get("Range", ""), size)
        status = 200 if (start, end) == (0, size) else 206
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        body = self._store.stream(path, start, end) if request.method == "GET" else b""
        return Response(status, headers, body, end - start)

    def _new_upload(self, request: Request, found: dict[str, str]) -> Response:
        _allow(request, "POST")
        name, mount, source = found["name"], request.query.get("mount", ""), request.query.get("from", "")
        if re.fullmatch(DIGEST, mount) and re.fullmatch(NAME, source):
            is_there = self._store.size(layer_path(source, mount)) is not None
            if is_there and self._store.size(blob_path(mount)) is not None:
                self._store.put(layer_path(name, mount), mount.encode())
                return _created(request, name, mount)
        return self._progress(request, name, self._uploads.create(name), 0)

    def _upload(self, request: Request, found: dict[str, str]) -> Response:
        _allow(request, "GET", "HEAD", "PATCH", "PUT", "DELETE")
        name, upload = found["name"], found["upload"]
        try:
            offset = self._states.unpack(request.query.get("_state", ""), name, upload)
            if request.method == "PATCH":
                _check_content_range(request, offset)
                size = self._uploads.append(name, upload, offset, request.chunks())
                return self._progress(request, name, upload, size)
            if request.method == "PUT":
                return self._finish(request, name, upload, offset)
            if request.method == "DELETE":
                self._uploads.cancel(name, upload)
                return Response(204, {"Docker-Upload-UUID": upload})
            return self._progress(request, name, upload, self._uploads.size(name, upload), status=204)
        except StateInvalid as error:
            raise upload_invalid() from error
        except UploadUnknown as error:
            raise ApiError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry") from error

    def _finish(self, request: Request, name: str, upload: str, offset: int) -> Response:
        digest = request.query.get("digest", "")
        if not re.fullmatch(DIGEST, digest):
            message = "provided digest did not match uploaded content"
            raise ApiError(400, "DIGEST_INVALID", message, digest or "digest missing")
        if not request.is_read:
            offset = self._uploads.append(name, upload, offset, request.chunks())
        try:
            self._uploads.commit(name, upload, offset, digest)
        except DigestMismatch as error:
            message = "provided digest did not match uploaded content"
            raise ApiError(400, "DIGEST_INVALID", message) from error
        return _created(request, name, digest)

    def _progress(
        self, request: Request, name: str, upload: str, size: int, *, status: int = 202
    ) -> Response:
        state = urlencode({"_state": self._states.pack(name, upload, size)})
        return Response(
            status,
            {
                "Location": f"{request.base_url}/v2/{name}/blobs/uploads/{upload}?{state}",
                "Range": f"0-{max(0, size - 1)}",
                "Docker-Upload-UUID": upload,
            },
        )

    def _check_delete(self) -> None:
        if not self._can_delete:
            raise unsupported()


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise ApiError(
            405, "UNSUPPORTED", "The operation is unsupported.", None, {"Allow": ", ".join(methods)}
        )


def _created(request: Request, name: str, digest: str) -> Response:
    location = f"{request.base_url}/v2/{name}/blobs/{digest}"
    return Response(201, {"Location": location, "Docker-Content-Digest": digest})


def _page(
    request: Request, head: dict[str, str], key: str, items: list[str], default: int | None
) -> Response:
    text = request.query.get("n", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 9):
        raise ApiError(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", {"n": text})
    limit = int(text) if text else default
    rest = [item for item in items if item > request.query.get("last", "")]
    page = rest if limit is None else rest[:limit]
    headers = dict(JSON)
    if page and len(page) < len(rest):
        query = urlencode({"last": page[-1], "n": limit})
        headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return Response(200, headers, json.dumps({**head, key: page}).encode() + b"\n")


def _range(text: str, size: int) -> tuple[int, int]:
    """First and one past the last byte; anything but one plain range is ignored, as RFC 9110 allows."""
    found = RANGE.fullmatch(text)
    if not found or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        return max(0, size - int(found[2])), size
    start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
    if start >= size or end <= start:
        headers = {"Content-Range": f"bytes */{size}"}
        raise ApiError(416, "RANGE_INVALID", "invalid content range", None, headers)
    return start, end


def _check_content_range(request: Request, offset: int) -> None:
    """Of a chunked upload: `<first>-<last>`, without a unit."""
    text = request.headers.get("Content-Range")
    if text is None:
        return
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    if not found or int(found[1]) != offset or int(found[2]) - int(found[1]) + 1 != request.length:
        raise ApiError(416, "RANGE_INVALID", "invalid content range")
