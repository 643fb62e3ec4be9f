"""A small client of the registry protocol, to prove that pushing and pulling works.

Source: OCI Distribution Specification 1.1. Errors of the registry become sentences that name the cause.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from wizard.endpoints import Endpoints
from wizard.errors import WizardError, wizard_error
from wizard.services import web
from wizard.services._connections import unreachable
from wizard.services._registry_errors import refusal
from wizard.services.tls import address_of
from wizard.traffic import Request

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CHUNK_BYTES = 1024 * 1024
# To connect and to read: the registry answers an upload only when S3 has all of it.
TIMEOUT_S = (5.0, 60.0)


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class Greeting:
    """The answer of `GET /v2/`: `challenge` is its WWW-Authenticate header."""

    status: int
    challenge: str
    api_version: str


@dataclass(frozen=True, slots=True)
class Manifest:
    body: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class PulledBlob:
    """`came_from` is the host that a redirect led to, "" where the registry itself sent the bytes."""

    digest: str
    size_bytes: int
    came_from: str


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Registry:
    """The registry at `https://host/`, where `host` may carry a port; one thread at a time. Close it."""

    def __init__(self, host: str, endpoints: Endpoints, *, login: Login | None = None) -> None:
        self.host = host
        url = urlsplit(f"//{host}")
        self._name, self._port = url.hostname or host, url.port or 443
        self._endpoints = endpoints
        self._timeouts_s = (TIMEOUT_S[0] * endpoints.patience, TIMEOUT_S[1] * endpoints.patience)
        self._login = login
        self._bundle = web.trusted_bundle(endpoints)
        self._session = web.session(endpoints)
        self._session.hooks["response"].append(self._heard)
        if endpoints.nameservers and not endpoints.proxy_for("https", self._name):
            self._session.mount(f"https://{host}/", _Pinned(self._name, endpoints))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def ping(self) -> Greeting:
        """Says whether the login (none: anonymous) is let in; a 401 is an answer, not an error."""
        with self._ask("GET", "/v2/") as answer:
            challenge = answer.headers.get("WWW-Authenticate", "")
            version = answer.headers.get("Docker-Distribution-Api-Version", "")
            return Greeting(answer.status_code, challenge, version)

    def push_blob(self, repository: str, content: bytes) -> str:
        """Uploads as docker does, one streamed PATCH, then PUT with the digest, which is returned."""
        digest = digest_of(content)
        start = self._expect("POST", f"/v2/{repository}/blobs/uploads/", {202}, "start an upload")
        middle = self._expect(
            "PATCH",
            self._location(start),
            {202},
            "upload a layer",
            data=_slices(content),
            headers={"Content-Type": "application/octet-stream"},
        )
        # The Location already has a query: the registry's signed upload state.
        finish = _with_query(self._location(middle), digest=digest)
        answer = self._expect("PUT", finish, {201}, "finish an upload")
        return _same_digest(answer, digest)

    def has_blob(self, repository: str, digest: str) -> bool:
        return self._exists(f"/v2/{repository}/blobs/{digest}", "look for a layer")

    def pull_blob(self, repository: str, digest: str) -> PulledBlob:
        """Streams the bytes and hashes them, following one redirect without credentials, as docker does."""
        path = f"/v2/{repository}/blobs/{digest}"
        with self._ask("GET", path, stream=True) as answer:
            if answer.status_code in {302, 303, 307, 308}:
                target = urljoin(answer.url, answer.headers.get("Location", ""))
            else:
                _check(answer, {200}, "pull a layer")
                return _hashed(answer, "")
        return self._pull_elsewhere(target)

    def put_manifest(self, repository: str, reference: str, body: bytes) -> str:
        answer = self._expect(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            {201},
            "push a manifest",
            data=body,
            headers={"Content-Type": MANIFEST_TYPE},
        )
        return _same_digest(answer, digest_of(body))

    def get_manifest(self, repository: str, reference: str) -> Manifest:
        answer = self._expect(
            "GET",
            f"/v2/{repository}/manifests/{reference}",
            {200},
            "pull a manifest",
            headers={"Accept": MANIFEST_TYPE},
        )
        return Manifest(answer.content, answer.headers.get("Content-Type", ""), digest_of(answer.content))

    def has_manifest(self, repository: str, reference: str) -> bool:
        return self._exists(
            f"/v2/{repository}/manifests/{reference}", "look for a manifest", Accept=MANIFEST_TYPE
        )

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Deletes by digest; the tag alone cannot be deleted in every version of the registry."""
        self._expect("DELETE", f"/v2/{repository}/manifests/{digest}", {202, 404}, "delete a manifest")

    def _exists(self, path: str, doing: str, **headers: str) -> bool:
        return self._expect("HEAD", path, {200, 404}, doing, headers=headers).status_code == 200

    def _expect(
        self, method: str, path: str, statuses: set[int], doing: str, **more: Any
    ) -> requests.Response:
        """The whole answer; raises WizardError unless its status is one of `statuses`."""
        with self._ask(method, path, **more) as answer:
            _check(answer, statuses, doing)
            return answer

    @contextmanager
    def _ask(self, method: str, path: str, **more: Any) -> Iterator[requests.Response]:
        url = urljoin(f"https://{self.host}/", path)
        auth = (self._login.user, self._login.password.get_secret_value()) if self._login else _Nobody()
        with (
            self._connection_errors(self._name, self._port),
            self._session.request(
                method,
                url,
                auth=auth,
                allow_redirects=False,
                timeout=self._timeouts_s,
                verify=self._bundle,
                **more,
            ) as answer,
        ):
            yield answer

    def _location(self, answer: requests.Response) -> str:
        """Where the upload goes on; raises where clients could not follow."""
        target = urljoin(answer.url, answer.headers.get("Location", ""))
        url = urlsplit(target)
        if url.scheme == "http":
            raise wizard_error(
                "upload-location-http",
                f"The registry at {self.host} sends uploads to an http:// address.",
                why="Something in front of it ends TLS, so the registry believes that it is asked by HTTP.",
                fix="Pass port 443 through to the registry as TCP.",
                raw=f"Location: {url.scheme}://{url.netloc}{url.path}",
            )
        if url.netloc != urlsplit(answer.url).netloc:
            raise wizard_error(
                "upload-location-elsewhere",
                f"The registry at {self.host} sends uploads to another host, {url.netloc}.",
                why="REGISTRY_HTTP_HOST of the registry names that host.",
                fix=f"Set REGISTRY_HTTP_HOST to https://{self.host}, or leave it out.",
            )
        return target

    def _pull_elsewhere(self, target: str) -> PulledBlob:
        url = urlsplit(target)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        try:
            with (
                self._connection_errors(host, port),
                self._session.get(target, auth=_Nobody(), allow_redirects=False, stream=True) as answer,
            ):
                if answer.status_code != 200:
                    raise wizard_error(
                        "redirect-refused",
                        f"The storage at {host} refused a layer with {answer.status_code}.",
                        why="The registry sends pulling clients to S3 with a signed address; S3 refused it.",
                        fix="Check the registry's key and the clocks of its nodes.",
                        raw=answer.text[:2000],
                    )
                return _hashed(answer, host)
        except WizardError as error:
            if error.problem.code == "redirect-refused":
                raise
            raise wizard_error(
                "redirect-unreachable",
                f"The registry sends pulling clients to {host}, which cannot be reached from here.",
                why=error.problem.what,
                fix=f"Allow clients to reach {host}, or set REGISTRY_STORAGE_REDIRECT_DISABLE=true.",
                raw=error.problem.raw,
            ) from error

    def _heard(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        """The registry's own, or the storage's where it leads there; a query may be a signature."""
        url = urlsplit(answer.url)
        service = "registry" if url.hostname == self._name else "storage"
        elapsed_s, given = (
            round(answer.elapsed.total_seconds(), 3),
            answer.headers.get("x-amz-request-id", ""),
        )
        asked = f"{answer.request.method} {url.path}"
        request = Request(service, asked, answer.status_code, elapsed_s, given)
        self._endpoints.traffic.heard(request)

    @contextmanager
    def _connection_errors(self, host: str, port: int) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, OSError) as error:
            proxy = self._endpoints.proxy_for("https", host)
            raise unreachable(error, host, port, proxy=proxy) from error


class _Nobody(requests.auth.AuthBase):
    """Keeps requests from taking a user and a password out of ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Pinned(HTTPAdapter):
    """Connects to the address that the run's own name servers give, with the name in TLS and in HTTP."""

    def __init__(self, host: str, endpoints: Endpoints) -> None:
        super().__init__()
        self._host, self._address = host, address_of(host, endpoints)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:
        where, how = super().build_connection_pool_key_attributes(request, verify, cert)
        return {**where, "host": self._address}, {**how, "server_hostname": self._host}

    def add_headers(self, request: requests.PreparedRequest, **_: Any) -> None:
        request.headers["Host"] = str(urlsplit(request.url or "").netloc)


def _check(answer: requests.Response, statuses: Iterable[int], doing: str) -> None:
    if answer.status_code not in statuses:
        raise refusal(doing, answer.status_code, answer.text, answer.headers)


def _slices(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


def _with_query(url: str, **more: str) -> str:
    prepared = requests.Request("PUT", url, params=more).prepare()
    assert prepared.url is not None
    return prepared.url


def _hashed(answer: requests.Response, came_from: str) -> PulledBlob:
    hashed, size = hashlib.sha256(), 0
    for piece in answer.iter_content(CHUNK_BYTES):
        hashed.update(piece)
        size += len(piece)
    return PulledBlob("sha256:" + hashed.hexdigest(), size, came_from)


def _same_digest(answer: requests.Response, digest: str) -> str:
    told = answer.headers.get("Docker-Content-Digest", digest)
    if told != digest:
        raise wizard_error(
            "digest-differs",
            "The registry stored something else than was sent.",
            why=f"Sent {digest}, stored {told}.",
            fix="Look for a proxy that changes what passes through it.",
        )
    return digest
