"""A load balancer: passes TCP to ready backends, drops connections while there are none."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence

from wizard.practice.listener import Listener

Backend = tuple[str, int]

DEFAULT_IDLE_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 2.0
BUFFER_BYTES = 2**18
CONNECTIONS = 256


class Balancer:
    """Listens on `address`, (127.0.0.1, random port); thread-safe.

    Backends take turns. A connection outlives the removal of its backend, as it does while a real balancer
    drains a target, and ends when neither side has sent for `idle_timeout_s` seconds.
    """

    def __init__(self, *, idle_timeout_s: float = DEFAULT_IDLE_TIMEOUT_S) -> None:
        self.idle_timeout_s = idle_timeout_s
        self._lock = threading.Lock()
        self._backends: tuple[Backend, ...] = ()
        self._turn = 0
        self._open: set[socket.socket] = set()
        self._is_stopped = False
        self._listener = Listener("balancer", self._serve, limit=CONNECTIONS)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._listener.port

    @property
    def backends(self) -> tuple[Backend, ...]:
        with self._lock:
            return self._backends

    def set_backends(self, backends: Sequence[Backend]) -> None:
        with self._lock:
            self._backends = tuple(backends)

    def start(self) -> None:
        self._is_stopped = False
        self._listener.start()

    def stop(self) -> None:
        """Cuts all connections."""
        with self._lock:
            self._is_stopped = True
            for backend in self._open:
                _cut(backend)
        self._listener.stop()

    def _serve(self, client: socket.socket) -> None:
        for address in self._turns():
            with contextlib.suppress(OSError):
                backend = socket.create_connection(address, CONNECT_TIMEOUT_S)
                break
        else:
            return
        with backend:
            with self._lock:
                if self._is_stopped:
                    return
                self._open.add(backend)
            try:
                self._join(client, backend)
            finally:
                with self._lock:
                    self._open.discard(backend)

    def _turns(self) -> Iterator[Backend]:
        with self._lock:
            backends, turn = self._backends, self._turn
            self._turn += 1
        for offset in range(len(backends)):
            yield backends[(turn + offset) % len(backends)]

    def _join(self, client: socket.socket, backend: socket.socket) -> None:
        backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        activity = _Activity()
        answering = threading.Thread(
            target=self._pump, args=(backend, client, activity), name="balancer answers", daemon=True
        )
        answering.start()
        self._pump(client, backend, activity)
        answering.join()

    def _pump(self, source: socket.socket, sink: socket.socket, activity: "_Activity") -> None:
        """Ends with a half-close when `source` has no more to say, else cuts both."""
        buffer = memoryview(bytearray(BUFFER_BYTES))
        try:
            while activity.is_readable(source, self.idle_timeout_s):
                sink.settimeout(self.idle_timeout_s)
                size = source.recv_into(buffer)
                if not size:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(buffer[:size])
                activity.touch()
        except OSError:
            pass
        _cut(source)
        _cut(sink)


class _Activity:
    """When either direction of a connection last moved."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def touch(self) -> None:
        self._last = time.monotonic()

    def is_readable(self, source: socket.socket, idle_timeout_s: float) -> bool:
        """Waits; False once both directions have been still for too long."""
        poll = select.poll()
        poll.register(source, select.POLLIN)
        while (left_s := self._last + idle_timeout_s - time.monotonic()) > 0:
            if poll.poll(left_s * 1000 + 1):
                return True
        return False


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
