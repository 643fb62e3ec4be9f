"""The distribution API: which path is answered by what (OCI distribution-spec 1.1)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from wizard.practice.registry.errors import (
    ApiError,
    blob_unknown,
    digest_invalid,
    unsupported,
    upload_invalid,
    upload_unknown,
)
from wizard.practice.registry.manifests import Manifests
from wizard.practice.registry.messages import Request, Response
from wizard.practice.registry.parts import JSON, TEXT, page_of, part_of, refused, uploaded_range
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
DIGEST = r"sha256:[0-9a-f]{64}"
ANY_DIGEST = r"[A-Za-z0-9_+.-]+:[A-Fa-f0-9]+"
WELL_FORMED = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
LARGEST_MANIFEST = 4 * 2**20
PAGE, LARGEST_PAGE = 100, 1000
LONGEST_NAME = 255
YEAR = "max-age=31536000"

Handler = Callable[[Request, dict[str, str]], Response]
Access = list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Route:
    """What a request leads to; `access` is type, name and action of each right it takes, None: of none."""

    answer: Callable[[], Response]
    access: Access | None = None


class Routes:
    """What `find` finds raises ApiError and StorageError when it is asked to answer."""

    def __init__(self, store: Store, states: States, *, can_delete: bool, does_redirect: bool) -> None:
        self._store, self._states = store, states
        self._can_delete, self._does_redirect = can_delete, does_redirect
        self._uploads, self._manifests = Uploads(store), Manifests(store)
        table: list[tuple[str, Handler]] = [
            (r"/v2/", lambda _request, _found: Response(200, JSON, b"{}")),
            (r"/v2/_catalog", self._catalog),
            (rf"/v2/{NAME}/tags/list", self._tags),
            (rf"/v2/{NAME}/manifests/(?P<reference>\w[\w.-]{{0,127}}|{ANY_DIGEST})", self._manifest),
            (rf"/v2/{NAME}/blobs/(?P<digest>{ANY_DIGEST})", self._blob),
            (rf"/v2/{NAME}/blobs/uploads/", self._new_upload),
            (rf"/v2/{NAME}/blobs/uploads/(?P<upload>[\w.=-]+)", self._upload),
        ]
        self._table = [(re.compile(pattern), handler) for pattern, handler in table]

    def find(self, request: Request) -> Route:
        for pattern, handler in self._table:
            if found := pattern.fullmatch(request.path):
                parts = found.groupdict()
                is_too_long = len(parts.get("name", "")) > LONGEST_NAME
                answer = partial(_too_long if is_too_long else handler, request, parts)
                return Route(answer, _access(request, parts))
            if pattern.fullmatch(request.path + "/"):
                return Route(partial(_moved, request.path + "/"))
        return Route(lambda: Response(404, TEXT, b"404 page not found\n"))

    def _catalog(self, request: Request, _: dict[str, str]) -> Response:
        return refused(request, "GET") or page_of(
            request, {}, "repositories", self._manifests.repositories(), PAGE, LARGEST_PAGE
        )

    def _tags(self, request: Request, found: dict[str, str]) -> Response:
        if no := refused(request, "GET"):
            return no
        name = found["name"]
        tags = self._manifests.tags(name)
        if not tags and not self._manifests.exists(name):
            message = "repository name not known to registry"
            raise ApiError(404, "NAME_UNKNOWN", message, {"name": name})
        return page_of(request, {"name": name}, "tags", tags)

    def _manifest(self, request: Request, found: dict[str, str]) -> Response:
        if no := refused(request, "DELETE", "GET", "HEAD", "PUT"):
            return no
        name, reference = found["name"], found["reference"]
        if ":" in reference and not WELL_FORMED.fullmatch(reference):
            raise digest_invalid("invalid checksum digest length")
        if request.method == "PUT":
            content, media_type = request.content(LARGEST_MANIFEST), request.headers.get("Content-Type", "")
            digest = self._manifests.put(name, reference, content, media_type)
            location = f"{request.base_url}/v2/{name}/manifests/{digest}"
            return Response(201, {"Location": location, "Docker-Content-Digest": digest})
        if request.method == "DELETE":
            self._check_delete()
            self._manifests.delete(name, reference)
            return Response(202)
        digest, media_type, content = self._manifests.get(name, reference, _accepted(request))
        if request.headers.get("If-None-Match", "").strip('"') == digest:
            return Response(304)
        headers = {"Docker-Content-Digest": digest, "Etag": f'"{digest}"'}
        return Response(200, {**headers, "Content-Type": media_type}, content)

    def _blob(self, request: Request, found: dict[str, str]) -> Response:
        if no := refused(request, "DELETE", "GET", "HEAD"):
            return no
        name, digest = found["name"], found["digest"]
        if not WELL_FORMED.fullmatch(digest):
            raise digest_invalid("invalid checksum digest length")
        is_deletion = request.method == "DELETE"
        if is_deletion:
            self._check_delete()
        if self._store.size(layer_path(name, digest)) is None:
            raise blob_unknown(None if is_deletion else digest)
        if is_deletion:
            self._store.remove(layer_path(name, digest))
            return Response(202)
        return self._content(request, digest)

    def _content(self, request: Request, digest: str) -> Response:
        path = blob_path(digest)
        size = self._store.size(path)
        if size is None:
            raise blob_unknown(digest)
        if self._does_redirect:
            link = self._store.link_to(path, "head_object" if request.method == "HEAD" else "get_object")
            return Response(307, {"Content-Type": "application/octet-stream", "Location": link})
        headers = {"Docker-Content-Digest": digest, "Etag": f'"{digest}"', "Cache-Control": YEAR}
        if request.headers.get("If-None-Match", "").strip('"') == digest:
            return Response(304, headers)
        part = part_of(request.headers.get("Range", ""), size)
        if isinstance(part, Response):
            part.headers["Docker-Content-Digest"] = digest
            return part
        headers |= {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        start, end = part or (0, size)
        if part:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        body = self._store.stream(path, start, end) if request.method == "GET" else b""
        return Response(206 if part else 200, headers, body, end - start)

    def _new_upload(self, request: Request, found: dict[str, str]) -> Response:
        if request.method != "POST":
            raise upload_unknown()
        name, mount, source = found["name"], request.query.get("mount", ""), request.query.get("from", "")
        if re.fullmatch(DIGEST, mount) and re.fullmatch(NAME, source):
            is_there = self._store.size(layer_path(source, mount)) is not None
            if is_there and self._store.size(blob_path(mount)) is not None:
                self._store.put(layer_path(name, mount), mount.encode())
                return _created(request, name, mount)
        return self._progress(request, name, self._uploads.create(name), 0)

    def _upload(self, request: Request, found: dict[str, str]) -> Response:
        if no := refused(request, "DELETE", "GET", "HEAD", "PATCH", "PUT"):
            return no
        name, upload = found["name"], found["upload"]
        try:
            offset = self._states.unpack(request.query.get("_state", ""), name, upload)
            if request.method == "PATCH":
                uploaded_range(request, offset)
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
            raise upload_unknown() from error

    def _finish(self, request: Request, name: str, upload: str, offset: int) -> Response:
        digest = request.query.get("digest", "")
        if not re.fullmatch(DIGEST, digest):
            raise digest_invalid("digest parsing failed" if digest else "digest missing")
        if not request.is_read:
            offset = self._uploads.append(name, upload, offset, request.chunks())
        try:
            self._uploads.commit(name, upload, offset, digest)
        except DigestMismatch as error:
            detail = f"invalid digest for referenced layer: {digest}, content does not match digest"
            raise digest_invalid(detail) from error
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


def _access(request: Request, parts: dict[str, str]) -> Access:
    """Source: distribution, registry/handlers/app.go (appendAccessRecords)."""
    if "name" not in parts:
        return [("registry", "catalog", "*")] if request.path == "/v2/_catalog" else []
    actions = {"GET": ["pull"], "HEAD": ["pull"], "DELETE": ["delete"]}.get(request.method, ["pull", "push"])
    return [("repository", parts["name"], action) for action in actions]


def _accepted(request: Request) -> set[str]:
    """The media types that are asked for, their parameters left away."""
    values = request.headers.get_all("Accept") or []
    return {kind.partition(";")[0].strip() for value in values for kind in value.split(",")}


def _created(request: Request, name: str, digest: str) -> Response:
    location = f"{request.base_url}/v2/{name}/blobs/{digest}"
    return Response(201, {"Location": location, "Docker-Content-Digest": digest})


def _too_long(_: Request, parts: dict[str, str]) -> Response:
    detail = (
        f'repository name "{parts["name"]}" invalid: repository name must not be more than 255 characters'
    )
    raise ApiError(500, "UNKNOWN", "unknown error", detail)


def _moved(path: str) -> Response:
    headers = {"Content-Type": "text/html; charset=utf-8", "Location": path}
    return Response(301, headers, f'<a href="{path}">Moved Permanently</a>.\n\n'.encode())
