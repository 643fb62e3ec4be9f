"""The practice web server: what stands behind the domain before its record leads to the balancer."""

import contextlib
import http.client
import random
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from wizard.practice.listener import HttpHandler, Listener, RefusedBody
from wizard.practice.network import WEB_ADDRESS, Network

PORT = 80
BODY_MAX = 64 * 1024
TOKENS = "/.well-known/acme-challenge/"
PAGE = """<!doctype html>
<html lang="en">
<title>Practice web server</title>
<h1>This is the practice web server</h1>
<p>It stands for the machine that your domain leads to before the registry is there.
Files put into its webroot are served here.</p>
"""
TYPES = {".html": "text/html; charset=utf-8", ".txt": "text/plain; charset=utf-8"}
OTHER_TYPE = "application/octet-stream"
PASSING_S = 10.0
OUT_OF_THE_WAY = range(20_000, 30_000)
"""Ports that no system gives to whoever asks for any port."""
NOT_FOUND = b"404 Not Found\nThere is no such file in the webroot.\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer given instead of the file to every path that begins with `under`.

    `{path}` in `location` becomes the path that was asked for.
    """

    status: int
    body: bytes = b""
    location: str | None = None
    under: str = TOKENS


def port_out_of_the_way() -> int:
    """A free port of 127.0.0.1 that stays free until somebody asks for that very one."""
    for port in random.SystemRandom().sample(OUT_OF_THE_WAY, 50):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("No port of 127.0.0.1 between 20000 and 30000 is free.")


class WebServer:
    """Serves the files of `webroot` at WEB_ADDRESS, port 80, of the network; read-only, no listings.

    The directory is made when absent, and given an index.html when it has none. Requests for tokens that it
    does not hold are passed to `passes_to`, a port of 127.0.0.1, where something listens there: that is where
    an ACME client may answer by itself. 0 is for none.
    """

    def __init__(self, webroot: Path, network: Network, *, passes_to: int = 0) -> None:
        self._webroot = webroot
        self._passes_to = passes_to
        self._network = network
        self._fault: Fault | None = None
        self._listener = Listener("web", self._serve)

    @property
    def port(self) -> int:
        """The real port on 127.0.0.1."""
        return self._listener.port

    def start(self) -> None:
        self._webroot.mkdir(parents=True, exist_ok=True)
        index = self._webroot / "index.html"
        if not index.exists():
            index.write_text(PAGE, "utf-8")
        self._listener.start()
        self.heal()

    def stop(self) -> None:
        self._network.withdraw(WEB_ADDRESS)
        self._listener.stop()

    def fail(self, fault: Fault) -> None:
        """Answers with the fault from the next request on."""
        self._fault = fault

    def fail_missing(self) -> None:
        """Token files are not found, as with a webroot that is not the right one."""
        self.fail(Fault(404, NOT_FOUND))

    def fail_content(self, body: bytes) -> None:
        """Every token file has this content."""
        self.fail(Fault(200, body))

    def fail_redirect(self, location: str) -> None:
        """Requests for tokens are led elsewhere; `{path}` in the location becomes the path."""
        self.fail(Fault(301, location=location))

    def refuse(self) -> None:
        """Nothing listens at the published address any more."""
        self._network.withdraw(WEB_ADDRESS)

    def heal(self) -> None:
        """Ends whatever fault was set."""
        self._fault = None
        self._network.publish(WEB_ADDRESS, PORT, ("127.0.0.1", self.port))

    def fault_for(self, path: str) -> Fault | None:
        fault = self._fault
        return fault if fault and path.startswith(fault.under) else None

    def file(self, path: str) -> Path | None:
        """The file that a decoded URL path names, links followed; None for none inside the webroot."""
        if "\0" in path or "\\" in path:
            return None
        root = self._webroot.resolve()
        try:
            found = (root / path.lstrip("/")).resolve()
            if found.is_dir():
                found = (found / "index.html").resolve()
            return found if found.is_relative_to(root) and found.is_file() else None
        except (OSError, RuntimeError, ValueError):
            return None

    def passed_on(self, path: str) -> tuple[int, bytes] | None:
        """What whoever listens at `passes_to` says to a path; None where nobody does."""
        if not (self._passes_to and path.startswith(TOKENS)):
            return None
        connection = http.client.HTTPConnection("127.0.0.1", self._passes_to, timeout=PASSING_S)
        try:
            connection.request("GET", quote(path))
            with connection.getresponse() as answer:
                return answer.status, answer.read(BODY_MAX)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        WebHandler(connection, self)


class WebHandler(HttpHandler):
    server_version = "practice-web"

    def __init__(self, connection: socket.socket, web: WebServer) -> None:
        self._web = web
        super().__init__(connection)

    def _answer(self) -> None:
        path = unquote(urlsplit("//host" + self.path).path if self.path.startswith("/") else "")
        try:
            self.body(0)
        except RefusedBody as refused:
            self.send_error(refused.status, explain=str(refused))
            return
        if fault := self._web.fault_for(path):
            where = [("Location", fault.location.replace("{path}", path))] if fault.location else []
            self.reply(fault.status, [("Content-Type", TYPES[".txt"]), *where], fault.body)
            return
        self._send_file(path)

    def _send_file(self, path: str) -> None:
        found = self._web.file(path) if path else None
        try:
            body = found.read_bytes() if found else None
        except OSError:
            self.reply(403, [("Content-Type", TYPES[".txt"])], b"403 Forbidden\nThe file is not readable.\n")
            return
        if found is None and (passed := self._web.passed_on(path)):
            self.reply(passed[0], [("Content-Type", TYPES[".txt"])], passed[1])
            return
        if found is None or body is None:
            self.reply(404, [("Content-Type", TYPES[".txt"])], NOT_FOUND)
            return
        self.reply(200, [("Content-Type", TYPES.get(found.suffix, OTHER_TYPE))], body)

    def _refuse_method(self) -> None:
        self.close_connection = True
        headers = [("Allow", "GET, HEAD"), ("Content-Type", TYPES[".txt"])]
        self.reply(405, headers, b"405 Method Not Allowed\nThis web server only serves files.\n")

    do_GET = do_HEAD = _answer  # noqa: N815 (http.server's names)
    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse_method  # noqa: N815 (http.server's names)
