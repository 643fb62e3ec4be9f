"""Accepts connections on a free port of 127.0.0.1 and serves each in a daemon thread of its own.

The standard library's threading servers leave open connections behind when they stop, poll while they
accept, and shake TLS hands in the accept loop: here `stop` ends all of it at once.
"""

import contextlib
import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler, BaseServer

LOG = logging.getLogger(__name__)


class Listener:
    """`serve` gets a connected blocking socket (TLS is up when a context is given) and must not close it.

    At most `limit` connections are served at a time; more wait in the queue of the operating system.
    """

    HANDSHAKE_S = 10
    STOP_S = 2
    ACCEPTOR_S = 30  # it waits for nobody: more than a moment is a machine that stands still
    LINGER_S = 1

    def __init__(
        self,
        name: str,
        serve: Callable[[socket.socket], None],
        *,
        context: ssl.SSLContext | None = None,
        limit: int = 500,
    ) -> None:
        self._name = name
        self._serve = serve
        self._context = context
        self._slots = threading.BoundedSemaphore(limit)
        self._lock = threading.Lock()
        self._served: dict[socket.socket, threading.Thread] = {}
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._listening: socket.socket | None = None
        self._port = 0
        self._wake: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use, 0 before the first start."""
        return self._port

    def start(self) -> None:
        if self._listening:
            return
        self._stopping.clear()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listening.setblocking(False)
        self._port = int(self._listening.getsockname()[1])
        woken, self._wake = socket.socketpair()
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listening, woken), name=f"{self._name}-accept", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> None:
        if not self._listening or not self._wake or not self._acceptor:
            return
        self._stopping.set()
        with contextlib.suppress(OSError):  # a last connection may have woken the acceptor, which then left
            self._wake.send(b"x")
        with self._lock:
            for connection in self._served:
                _cut(connection)
        self._acceptor.join(self.ACCEPTOR_S)
        deadline = time.monotonic() + self.STOP_S
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._listening.close()
        self._wake.close()
        self._listening = self._wake = self._acceptor = None

    def _accept(self, listening: socket.socket, woken: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, woken:
            selector.register(listening, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                self._slots.acquire()
                selector.select()
                try:
                    connection, _ = listening.accept()
                except OSError as error:
                    self._slots.release()
                    if not isinstance(error, BlockingIOError):
                        self._stopping.wait(0.1)  # out of file descriptors: spinning would not free one
                    continue
                self._serve_in_thread(connection)

    def _serve_in_thread(self, connection: socket.socket) -> None:
        thread = threading.Thread(target=self._run, args=(connection,), name=self._name, daemon=True)
        with self._lock:
            self._served[connection] = thread
            if self._stopping.is_set():
                _cut(connection)
        thread.start()
        # Also those that have served and are just ending: `stop` leaves none behind.
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def _run(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with contextlib.suppress(OSError):
                if self._context:
                    connection = self._shake_hands(connection, self._context)
                self._serve(connection)
                self._linger(connection)
        except Exception:
            LOG.exception("%s: a connection ended in an unforeseen error", self._name)
        finally:
            with self._lock:
                self._served.pop(connection, None)
            connection.close()
            self._slots.release()

    def _linger(self, connection: socket.socket) -> None:
        """Reads what is still on its way: closing upon unread bytes would take the answer from the client."""
        deadline = time.monotonic() + self.LINGER_S
        socket.socket.shutdown(connection, socket.SHUT_WR)
        connection.settimeout(self.LINGER_S)
        while time.monotonic() < deadline and socket.socket.recv(connection, 65536):
            pass

    def _shake_hands(self, plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain.settimeout(self.HANDSHAKE_S)
        secured = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._served[secured] = self._served.pop(plain)
            if self._stopping.is_set():
                _cut(secured)
        try:
            secured.do_handshake()
        except OSError:
            with self._lock:
                self._served.pop(secured, None)
            secured.close()
            raise
        secured.settimeout(None)
        return secured


def _cut(connection: socket.socket) -> None:
    """Wakes whoever reads or writes; a TLS socket is cut below TLS, so that its thread sees a plain end."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class RefusedBody(Exception):
    """A request body that is not read; `status` is the HTTP answer it deserves."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class HttpHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 on one connection, quiet and buffered; subclasses add `do_GET` and so on."""

    protocol_version = "HTTP/1.1"
    server_version = "practice"
    sys_version = ""
    wbufsize = 65536
    timeout = 60

    def __init__(self, connection: socket.socket) -> None:
        # A BaseServer opens nothing; the handler only wants to hold one.
        super().__init__(connection, ("127.0.0.1", 0), BaseServer(("127.0.0.1", 0), BaseRequestHandler))

    def log_message(self, *_: object) -> None:
        """Requests are counted by the ledger, not printed."""

    def body(self, limit: int) -> bytes:
        """The request's body, empty without one; RefusedBody ends the connection after the answer."""
        length = self.headers.get("Content-Length", "0")
        self.close_connection, keep = True, self.close_connection
        if "Transfer-Encoding" in self.headers:
            raise RefusedBody(411, "A request body needs a Content-Length here")
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            raise RefusedBody(400, "Content-Length is not a number")
        if int(length) > limit:
            raise RefusedBody(413, f"The request body is larger than {limit} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise RefusedBody(400, "The request body ended early")
        self.close_connection = keep
        return body

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def handle_expect_100(self) -> bool:
        self.send_response_only(100)
        self.end_headers()
        self.wfile.flush()
        return True

    def answer_in_full(self) -> None:
        """A status line even for what http.server takes for HTTP/0.9, and the end of the connection."""
        self.close_connection = True
        self.request_version = self.protocol_version

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers what http.server itself refuses: broken request lines, unknown methods, huge headers."""
        self.answer_in_full()
        text = explain or message or "The server does not understand this request."
        self.reply(code, [("Content-Type", "text/plain; charset=utf-8")], f"{code} {text}\n".encode())
