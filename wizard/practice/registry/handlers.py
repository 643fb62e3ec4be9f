"""Turns connections into requests, and answers and errors into what goes over the wire."""

import json
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Protocol

from wizard.practice.listener import HttpHandler
from wizard.practice.registry.errors import ApiError
from wizard.practice.registry.messages import Request, Response
from wizard.practice.registry.output import say, write
from wizard.practice.registry.store import StorageError

SMALL_BODY = 2**18
JSON = {"Content-Type": "application/json; charset=utf-8"}


class Answering(Protocol):
    """`host` and `has_relative_urls` decide how Locations begin; `failures` is empty while all is well."""

    host: str
    has_relative_urls: bool

    def answer(self, request: Request) -> Response: ...

    def failures(self) -> dict[str, str]: ...


class ApiHandler(HttpHandler):
    """Turns http.server's view of a request into ours and back."""

    default_request_version = "HTTP/1.1"  # or a broken request line is answered without a status line

    def __init__(self, connection: socket.socket, registry: Answering) -> None:
        self._registry = registry
        self._peer = connection.getpeername()[0]
        self._is_tls = isinstance(connection, ssl.SSLSocket)
        super().__init__(connection)

    def _answer(self) -> None:
        begin = time.monotonic()
        request = Request(self.command, self.path, self.headers, self.rfile, self._base_url())
        try:
            response = self._registry.answer(request)
        except ApiError as error:
            response = Response(error.status, JSON | error.headers, error.body())
        except StorageError as error:
            say("error", "unknown error", err__code="unknown", err__detail=error)
            body = ApiError(500, "UNKNOWN", "unknown error", str(error)).body()
            response = Response(500, dict(JSON), body)
        if not request.is_read:
            request.discard(SMALL_BODY)
            self.close_connection = not request.is_read
        self._send(request, response)
        self._tell(request, response, time.monotonic() - begin)

    def _send(self, request: Request, response: Response) -> None:
        self.send_response_only(response.status)
        headers = dict(response.headers)
        # What is said before the routes are asked has not gone through the real one's own handler either.
        if request.path != "/" and response.status != 503:
            headers |= {
                "Docker-Distribution-Api-Version": "registry/2.0",
                "X-Content-Type-Options": "nosniff",
            }
        if response.status not in {204, 304} and (response.size or self.command != "HEAD"):
            headers["Content-Length"] = str(response.size)
        if self.close_connection:
            headers["Connection"] = "close"
        headers["Date"] = self.date_time_string()
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(response.body, bytes):
            self.wfile.write(response.body)
            return
        try:
            for chunk in response.body:
                self.wfile.write(chunk)
        except Exception:
            # The headers are out: only a cut connection tells the client that the body is not whole.
            self.close_connection = True
            raise

    def _base_url(self) -> str:
        if self._registry.has_relative_urls:
            return ""
        if self._registry.host:
            return self._registry.host.rstrip("/")
        scheme = self.headers.get("X-Forwarded-Proto") or ("https" if self._is_tls else "http")
        return f"{scheme}://{self.headers.get('Host', 'localhost')}"

    def _tell(self, request: Request, response: Response, seconds: float) -> None:
        agent = self.headers.get("User-Agent", "")
        if request.path.startswith("/v2"):
            say(
                "info" if response.status < 400 else "error",
                "response completed" if response.status < 400 else "response completed with error",
                http__request__host=self.headers.get("Host", ""),
                http__request__method=request.method,
                http__request__remoteaddr=self._peer,
                http__request__uri=request.path,
                http__request__useragent=agent,
                http__response__duration=f"{seconds * 1000:.6f}ms",
                http__response__status=response.status,
            )
        now = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        line = f'"{request.method} {request.path} {self.request_version}" {response.status} {response.size}'
        write(f'{self._peer} - - [{now}] {line} "" {json.dumps(agent)}')

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 (http.server's names)


class DebugHandler(HttpHandler):
    """`/debug/health` alone, of all that the real one has there."""

    def __init__(self, connection: socket.socket, registry: Answering) -> None:
        self._registry = registry
        super().__init__(connection)

    def _answer(self) -> None:
        if self.path != "/debug/health":
            self.reply(404, [("Content-Type", "text/plain; charset=utf-8")], b"404 page not found\n")
            return
        failures = self._registry.failures()
        body = json.dumps(failures).encode()
        self.reply(503 if failures else 200, list(JSON.items()), body)

    do_GET = _answer  # noqa: N815 (http.server's name)
