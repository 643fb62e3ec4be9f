"""A threaded WSGI server on a random port of 127.0.0.1 that stops at once, idle connections included."""

import socket
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., object]], Iterable[bytes]]
LONGEST_IDLE_S = 60.0


def make_server(application: Wsgi, now: Callable[[], datetime]) -> Any:
    """A werkzeug server with `url_port`, `serve_forever` and `close`; responses carry the Date of `now`."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import ThreadedWSGIServer

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = LONGEST_IDLE_S

        def date_time_string(self, timestamp: float | None = None) -> str:
            return (
                format_datetime(now(), usegmt=True)
                if timestamp is None
                else super().date_time_string(timestamp)
            )

        def log(self, *_: object) -> None:
            """Nothing is logged: the ledger counts, and stderr belongs to the program."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    class Server(ThreadedWSGIServer):
        daemon_threads = True
        request_queue_size = 128

        def __init__(self) -> None:
            self._open: set[socket.socket] = set()
            self._open_lock = threading.Lock()
            super().__init__("127.0.0.1", 0, application, handler=Handler)

        def process_request(self, request: Any, client_address: Any) -> None:
            with self._open_lock:
                self._open.add(request)
            super().process_request(request, client_address)

        def shutdown_request(self, request: Any) -> None:
            with self._open_lock:
                self._open.discard(request)
            super().shutdown_request(request)

        def close(self) -> None:
            self.shutdown()
            self.server_close()
            with self._open_lock:
                left = list(self._open)
            for connection in left:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    return Server()
