"""The world's own control server: is it alive, what was it asked, what is in it, do otherwise, stop."""

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Routes = Mapping[tuple[str, str], Callable[[bytes], Any]]
BODY_MAX = 65_536


class BadRequest(Exception):
    """What a route cannot make sense of; the text says why."""


class ControlServer:
    """Loopback only; every request carries the world's token. Answers are JSON."""

    def __init__(self, routes: Routes, token: str) -> None:
        handler = _handler(routes, token)
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="control", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # every command asks here first, in a workshop all at once


def _handler(routes: Routes, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _answer(self) -> None:
            given = self.headers.get("Authorization", "")
            body = self._body()
            route = routes.get((self.command, self.path))
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                self._send(401, {"error": "The world's token is needed."})
            elif route is None:
                self._send(404, {"error": "There is nothing here."})
            elif body is None:
                self._send(400, {"error": f"The body needs a Content-Length of at most {BODY_MAX}."})
            else:
                try:
                    self._send(200, route(body))
                except BadRequest as error:
                    self._send(400, {"error": str(error)})

        def _body(self) -> bytes | None:
            """Read even where it is not used: closing upon unread bytes would take away the answer."""
            length = self.headers.get("Content-Length", "0")
            if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
                return None
            return self.rfile.read(int(length)) if len(length) < 6 and int(length) <= BODY_MAX else None

        def _send(self, status: int, found: Any) -> None:
            body = json.dumps(found, default=str).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_arguments: object) -> None:
            """Silent: the ledger counts, and standard error belongs to real trouble."""

    return Handler
