"""A Kubernetes client of the few verbs that the node agent and the cloud controller need.

The official client costs 60 MiB and half a second, which the practice world has no room for. This one
speaks to any API server all the same: plain REST and watch, JSON only.
"""

import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import urllib3

Obj = dict[str, Any]
PatchKind = Literal["merge", "strategic-merge", "json"]

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
WATCH_S = 120
MAX_EVENT_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class KubeEndpoint:
    """Where an API server is, whom its certificate has to come from (PEM), and who we are to it."""

    url: str
    ca_pem: bytes | None = None
    token: str | None = field(default=None, repr=False)


class KubeError(Exception):
    """An answer other than 2xx: `code` is the HTTP status, `reason` that of the Status object.

    Code 0 stands for a server that was not reached.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


def path_of(api_version: str, plural: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The path of a collection, an object or a subresource; `api_version` is `v1` or `group/version`."""
    parts = ["api" if "/" not in api_version else "apis", api_version]
    if namespace:
        parts += ["namespaces", namespace]
    parts += [part for part in (plural, name, subresource) if part]
    return "/" + "/".join(parts)


class KubeClient:
    """Thread-safe. Every call raises KubeError; every call ends in time."""

    def __init__(self, endpoint: KubeEndpoint, *, user_agent: str) -> None:
        self._base = endpoint.url.rstrip("/")
        headers = {"Accept": "application/json", "User-Agent": user_agent}
        if endpoint.token:
            headers["Authorization"] = f"Bearer {endpoint.token}"
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=16,
            headers=headers,
            ssl_context=_tls_of(endpoint),
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            retries=False,
        )

    def get(self, path: str) -> Obj:
        return self._json("GET", path)

    def find(self, path: str) -> Obj | None:
        """The object, or None where there is none."""
        try:
            return self.get(path)
        except KubeError as error:
            if error.code == 404:
                return None
            raise

    def list(self, path: str, query: Mapping[str, str] | None = None) -> tuple[list[Obj], str]:
        """The objects and the resourceVersion to watch from; `query` holds selectors."""
        found = self._json("GET", path, query=query)
        return found.get("items") or [], str(found.get("metadata", {}).get("resourceVersion", ""))

    def create(self, path: str, body: Obj) -> Obj:
        return self._json("POST", path, body)

    def put(self, path: str, body: Obj) -> Obj:
        return self._json("PUT", path, body)

    def patch(self, path: str, body: Any, *, kind: PatchKind = "merge") -> Obj:
        return self._json("PATCH", path, body, content_type=f"application/{kind}-patch+json")

    def delete(self, path: str, *, grace_period_s: int | None = None, uid: str | None = None) -> None:
        """Deletes; an object that is gone already, or was replaced by one of another uid, is no error."""
        options: Obj = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self._json("DELETE", path, options)
        except KubeError as error:
            if error.code != 404 and not (uid and error.code == 409):
                raise

    @contextlib.contextmanager
    def watch(self, path: str, query: Mapping[str, str]) -> Iterator["Watch"]:
        """One watch request from `query["resourceVersion"]` on; leave the block to end it."""
        asked = {**query, "watch": "true", "timeoutSeconds": str(WATCH_S)}
        response = self._request(
            "GET", path, query=asked, preload=False, read_timeout_s=WATCH_S + READ_TIMEOUT_S
        )
        try:
            yield Watch(response)
        finally:
            response.close()

    def close(self) -> None:
        self._pool.clear()

    def _json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Obj:
        response = self._request(method, path, body, query=query, content_type=content_type)
        try:
            found = json.loads(response.data)
        except ValueError as error:
            raise KubeError(response.status, "BadAnswer", f"{method} {path}: no JSON.") from error
        return found if isinstance(found, dict) else {}

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        preload: bool = True,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> urllib3.BaseHTTPResponse:
        url = self._base + path + (f"?{urlencode(query)}" if query else "")
        headers = dict(self._pool.headers)
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            response = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                preload_content=preload,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s),
            )
        except urllib3.exceptions.HTTPError as error:
            raise KubeError(0, "Unreachable", f"{method} {path}: {error}") from error
        if response.status >= 300:
            raise _error_of(response)
        return response


class Watch:
    """The events of one watch request; `interrupt` may come from any thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def interrupt(self) -> None:
        # A response that has just ended has no socket left to shut.
        with contextlib.suppress(Exception):
            self._response.shutdown()

    def events(self) -> Iterator[tuple[str, Obj]]:
        """Pairs of type and object until the server or `interrupt` ends it; an ERROR raises KubeError."""
        rest = b""
        try:
            for chunk in self._response.stream(2**16):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > MAX_EVENT_BYTES:
                    raise KubeError(0, "BadAnswer", "A watch event is larger than any object may be.")
                for line in filter(None, lines):
                    yield _event_of(line)
        except urllib3.exceptions.HTTPError as error:
            raise KubeError(0, "Unreachable", f"watch: {error}") from error


def _tls_of(endpoint: KubeEndpoint) -> ssl.SSLContext | None:
    if not endpoint.url.startswith("https:"):
        return None
    return ssl.create_default_context(cadata=endpoint.ca_pem.decode() if endpoint.ca_pem else None)


def _error_of(response: urllib3.BaseHTTPResponse) -> KubeError:
    try:
        text = response.data
    except urllib3.exceptions.HTTPError:
        text = b""
    finally:
        response.release_conn()
    try:
        status = json.loads(text)
        return KubeError(response.status, str(status.get("reason", "")), str(status.get("message", "")))
    except (ValueError, AttributeError):
        return KubeError(response.status, response.reason or "", text.decode(errors="replace")[:500])


def _event_of(line: bytes) -> tuple[str, Obj]:
    try:
        event = json.loads(line)
        kind, obj = str(event["type"]), event["object"]
        if kind == "ERROR":
            raise KubeError(int(obj.get("code", 500)), str(obj.get("reason")), str(obj.get("message")))
        return kind, {**obj, "metadata": {"uid": "", "resourceVersion": "", **obj["metadata"]}}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KubeError(0, "BadAnswer", "A watch event cannot be read.") from error
