"""The balancer with plain sockets on both sides."""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from wizard.practice.balancer import Balancer

TIMEOUT_S = 60.0


class Backend:
    """Accepts one connection after another and hands each to `serve` in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listening.getsockname()
        self._serve = serve
        self.accepted = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(TIMEOUT_S)
            self._serve(connection)


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    balancer = Balancer()
    balancer.start()
    yield balancer
    balancer.stop()


@pytest.fixture
def backend_of() -> Iterator[Callable[[Callable[[socket.socket], None]], Backend]]:
    made: list[Backend] = []

    def make(serve: Callable[[socket.socket], None]) -> Backend:
        made.append(Backend(serve))
        return made[-1]

    yield make
    for backend in made:
        backend.stop()


MakeBackend = Callable[[Callable[[socket.socket], None]], Backend]


def connect(balancer: Balancer) -> socket.socket:
    return socket.create_connection(balancer.address, TIMEOUT_S)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(2**16):
        connection.sendall(data)


def says(word: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(word)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(2**16), b""))


def test_drops_connections_while_no_backend_is_ready(balancer: Balancer) -> None:
    with connect(balancer) as client:
        assert client.recv(1) == b""


def test_backends_take_turns(balancer: Balancer, backend_of: MakeBackend) -> None:
    balancer.set_backends([backend_of(says(b"a")).address, backend_of(says(b"b")).address])
    words = []
    for _ in range(4):
        with connect(balancer) as client:
            words.append(read_all(client))
    assert sorted(words) == [b"a", b"a", b"b", b"b"]
    assert words[:2] == words[2:]


def test_a_backend_that_refuses_is_passed_over(balancer: Balancer, backend_of: MakeBackend) -> None:
    dead = backend_of(echo)
    dead.stop()
    balancer.set_backends([dead.address, backend_of(says(b"alive")).address])
    for _ in range(2):
        with connect(balancer) as client:
            assert read_all(client) == b"alive"


def test_half_close_reaches_the_backend_and_the_answer_comes_back(
    balancer: Balancer, backend_of: MakeBackend
) -> None:
    def digest(connection: socket.socket) -> None:
        connection.sendall(hashlib.sha256(read_all(connection)).hexdigest().encode())

    balancer.set_backends([backend_of(digest).address])
    body = bytes(range(256)) * 4096
    with connect(balancer) as client:
        client.sendall(body)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).decode() == hashlib.sha256(body).hexdigest()


def test_a_connection_outlives_the_removal_of_its_backend(
    balancer: Balancer, backend_of: MakeBackend
) -> None:
    balancer.set_backends([backend_of(echo).address])
    with connect(balancer) as client:
        client.sendall(b"before")
        assert client.recv(100) == b"before"
        balancer.set_backends([])
        client.sendall(b"after")
        assert client.recv(100) == b"after"
        with connect(balancer) as late:
            assert late.recv(1) == b""


def test_an_idle_connection_is_cut(balancer: Balancer, backend_of: MakeBackend) -> None:
    balancer.idle_timeout_s = 0.2
    balancer.set_backends([backend_of(echo).address])
    begin = time.monotonic()
    with connect(balancer) as client:
        assert client.recv(1) == b""
    assert time.monotonic() - begin >= 0.2


def test_a_connection_that_moves_one_way_only_is_not_idle(
    balancer: Balancer, backend_of: MakeBackend
) -> None:
    """Where this machine itself stood still for too long, it is tried again with a longer time-out."""
    heard = threading.Semaphore(0)

    def listen(connection: socket.socket) -> None:
        while connection.recv(1):
            heard.release()
        connection.sendall(b"done")

    balancer.set_backends([backend_of(listen).address])
    for idle_timeout_s in (0.3, 3.0, 15.0):
        balancer.idle_timeout_s = idle_timeout_s
        answer, silence_s = dribble(balancer, heard, every_s=idle_timeout_s / 3)
        if silence_s < idle_timeout_s:
            break
    assert answer == b"done"


def dribble(balancer: Balancer, heard: threading.Semaphore, *, every_s: float) -> tuple[bytes, float]:
    """Sends eight bytes one by one; what came back, and the longest time in which nothing may have moved."""
    pause, silence_s, answer, moved = threading.Event(), 0.0, b"", time.monotonic()
    with connect(balancer) as client, contextlib.suppress(OSError):
        for _ in range(8):
            begin = time.monotonic()
            client.sendall(b".")
            heard.acquire(timeout=TIMEOUT_S)
            silence_s, moved = max(silence_s, time.monotonic() - moved), begin
            pause.wait(every_s)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    return answer, max(silence_s, time.monotonic() - moved)


def test_streams_both_ways_at_little_cost(balancer: Balancer, backend_of: MakeBackend) -> None:
    balancer.set_backends([backend_of(echo).address])
    total, block = 64 * 2**20, bytes(2**18)

    def send(client: socket.socket) -> None:
        for _ in range(total // len(block)):
            client.sendall(block)
        client.shutdown(socket.SHUT_WR)

    with connect(balancer) as client:
        begin = time.process_time()
        sender = threading.Thread(target=send, args=(client,), daemon=True)
        sender.start()
        received = 0
        while data := client.recv(2**18):
            received += len(data)
        sender.join()
    assert received == total
    # 64 MiB there and back; seconds of our own, which a busy machine does not make more of.
    assert 2 * total / (time.process_time() - begin) > 50e6


def test_stop_cuts_what_is_open_and_frees_the_port(balancer: Balancer, backend_of: MakeBackend) -> None:
    balancer.set_backends([backend_of(echo).address])
    with connect(balancer) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        balancer.stop()
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(balancer)
    left = [thread for thread in threading.enumerate() if thread.name.startswith("balancer")]
    for thread in left:
        thread.join(60)
    assert not any(thread.is_alive() for thread in left)
