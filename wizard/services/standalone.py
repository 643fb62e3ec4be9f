"""A web server of the wizard's own, for http-01 (RFC 8555, 8.3), for as long as a certificate takes.

The `acme` library has one too, but it answers one connection after the other: whoever connects to port 80
and says nothing would keep the CA out.
"""

import errno
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wizard.errors import Problem, WizardError
from wizard.services.webroot import WELL_KNOWN

CONNECTION_S = 10
EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104 - the CA comes from outside, by IPv6 or by IPv4
LOOPBACK = ("::1", "127.0.0.1")
FAMILIES = (socket.AF_INET6, socket.AF_INET)


class Standalone:
    """Answers for tokens on one port, over IPv6 and IPv4; `start` raises WizardError, `stop` frees all.

    `listen` is "" for every address of this machine, else "host:port", which then counts for the port too;
    localhost is both of the loopback addresses.
    """

    def __init__(self, port: int, listen: str = "") -> None:
        host, _, named = listen.rpartition(":")
        self.port = int(named) if named else port
        self._hosts = {"": EVERYWHERE, "localhost": LOOPBACK}.get(host, (host, host))
        self._contents: dict[str, str] = {}
        self._servers: list[ThreadingHTTPServer] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """A family that this machine does not have is left out; a port that is taken is not."""
        problems: list[OSError] = []
        for family, host in zip(FAMILIES, self._hosts, strict=True):
            try:
                self._servers.append(_Server(family, host, self.port, self._contents))
            except (OSError, OverflowError) as error:
                problem = error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
                if problem.errno in {errno.EADDRINUSE, errno.EACCES, errno.EPERM}:
                    self.stop()
                    raise WizardError(_not_listening(self.port, problem)) from error
                problems.append(problem)
            else:
                self.port = self._servers[0].server_address[1]
        if not self._servers:
            raise WizardError(_not_listening(self.port, problems[0])) from problems[0]
        for server in self._servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="http-01", daemon=True)
            thread.start()
            self._threads.append(thread)

    def place(self, token: str, content: str) -> None:
        """From now on the token's path is answered with the content."""
        self._contents[f"/{WELL_KNOWN}/{token}"] = content

    def stop(self) -> None:
        """Can be called again; what was placed is forgotten."""
        self._contents.clear()
        for server, _ in zip(self._servers, self._threads, strict=False):
            server.shutdown()
        for server in self._servers:
            server.server_close()
        for thread in self._threads:
            thread.join(2)
        self._servers.clear()
        self._threads.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: int, host: str, port: int, contents: dict[str, str]) -> None:
        self.address_family = family
        self.contents = contents
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """IPv6 alone, so that IPv4 has a socket of its own, and whoever holds it is noticed.

        HTTPServer's own way asks the system's resolver for this machine's name, which may take seconds.
        """
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, *_: Any) -> None:
        """Whoever breaks a connection off is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CONNECTION_S
    server_version, sys_version = "kube-registry", ""

    def do_GET(self) -> None:
        content = self.server.contents.get(self.path)
        body = (content if content is not None else "404 Not Found\n").encode("ascii")
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", "text/plain; charset=us-ascii")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Standard error is the screen's."""


def _not_listening(port: int, error: OSError) -> Problem:
    if error.errno == errno.EADDRINUSE:
        return Problem(
            "port-in-use",
            f"Port {port} of this machine is in use.",
            "Another program answers there, often a web server.",
            "Stop that program until the certificate is there, or use the method webroot with it.",
            str(error),
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Problem(
            "port-not-permitted",
            f"This user may not listen on port {port}.",
            "Ports below 1024 need the right to do so.",
            "Run the wizard with that right, or have port 80 led to a higher one and set [certificate] "
            "http_port to it.",
            str(error),
        )
    return Problem(
        "port-unusable",
        f"Nothing can be listened to on port {port} of this machine.",
        f"{error.strerror or error}.",
        "Set [certificate] http_port to a port that can be used.",
        str(error),
    )
