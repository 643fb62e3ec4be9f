"""What a served certificate looks like from outside, and how each way to miss it is told."""

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wizard.endpoints import Endpoints
from wizard.errors import Unreachable
from wizard.practice.listener import Listener
from wizard.practice.pki import Authority
from wizard.services import tls

NAME = "registry.practice.test"
Start = Callable[[Callable[[socket.socket], None], ssl.SSLContext | None], int]


@pytest.fixture(autouse=True)
def _no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def trusting(authority: Authority, tmp_path: Path) -> Endpoints:
    ca_file = tmp_path / "root.pem"
    ca_file.write_bytes(authority.root_pem)
    return Endpoints(ca_file=str(ca_file))


@pytest.fixture
def start() -> Iterator[Start]:
    listeners: list[Listener] = []

    def started(serve: Callable[[socket.socket], None], context: ssl.SSLContext | None) -> int:
        listener = Listener("test", serve, context=context)
        listener.start()
        listeners.append(listener)
        return listener.port

    yield started
    for listener in listeners:
        listener.stop()


def until_closed(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def test_serial_and_names_of_a_trusted_certificate(
    authority: Authority, trusting: Endpoints, start: Start
) -> None:
    port = start(until_closed, authority.server_context([NAME]))
    found = tls.served("127.0.0.1", port, NAME, trusting)
    assert found.names == (NAME,)
    assert found.serial == f"{int(found.serial, 16):x}"
    assert found.chain_error == ""


def test_an_unknown_root_is_reported_and_not_raised(authority: Authority, start: Start) -> None:
    port = start(until_closed, authority.server_context([NAME]))
    found = tls.served("127.0.0.1", port, NAME, Endpoints())
    assert "does not lead to a root" in found.chain_error
    assert found.names == (NAME,)


def test_a_certificate_for_another_name_is_reported(
    authority: Authority, trusting: Endpoints, start: Start
) -> None:
    port = start(until_closed, authority.server_context(["other.practice.test"]))
    assert "for another name" in tls.served("127.0.0.1", port, NAME, trusting).chain_error


def test_plain_http_is_told_apart(start: Start) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    assert problem_of(start(answer, None)) == "not-tls"


def test_a_balancer_without_ready_pods_is_told_apart(start: Start) -> None:
    assert problem_of(start(lambda connection: connection.close(), None)) == "connection-closed"


def test_a_refused_connection_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert problem_of(port) == "connection-refused"


def test_through_a_proxy_with_a_password(authority: Authority, trusting: Endpoints, start: Start) -> None:
    target = start(until_closed, authority.server_context([NAME]))
    seen: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        seen.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", target)) as onward:
            relay(connection, onward)

    port = start(proxy, None)
    through = Endpoints(ca_file=trusting.ca_file, proxy=f"http://me:pa%20ss@127.0.0.1:{port}")
    assert tls.served(NAME, 443, NAME, through).chain_error == ""
    assert seen[0].startswith(f"CONNECT {NAME}:443 ".encode())
    assert b"bWU6cGEgc3M=" in seen[0]


@pytest.mark.parametrize(
    ("status", "words"), [(502, "knows no way"), (407, "a user and a password"), (403, "rules forbid")]
)
def test_a_refusing_proxy_is_named_without_its_password(start: Start, status: int, words: str) -> None:
    def proxy(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    through = Endpoints(proxy=f"http://me:hidden@127.0.0.1:{start(proxy, None)}")
    with pytest.raises(Unreachable) as caught:
        tls.served(NAME, 443, NAME, through)
    assert caught.value.problem.code == "proxy-refused"
    assert words in caught.value.problem.why
    assert "hidden" not in repr(caught.value.problem)


def test_a_proxy_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        tls.served(NAME, 443, NAME, Endpoints(proxy=f"http://127.0.0.1:{port}"))
    assert caught.value.problem.code == "proxy-unreachable"


def problem_of(port: int) -> str:
    with pytest.raises(Unreachable) as caught:
        tls.served("127.0.0.1", port, NAME, Endpoints())
    assert caught.value.problem.fix
    return caught.value.problem.code


def relay(one: socket.socket, other: socket.socket) -> None:
    ends = {one: other, other: one}
    while True:
        for source in select.select(list(ends), [], [], 10)[0]:
            data = source.recv(65536)
            if not data:
                return
            ends[source].sendall(data)
