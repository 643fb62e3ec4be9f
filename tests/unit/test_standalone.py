"""The wizard as a web server: both families, many at a time, and sentences for a port that it cannot have."""

import errno
import http.client
import socket
from collections.abc import Iterator

import pytest

from wizard.errors import WizardError
from wizard.services import standalone
from wizard.services.standalone import Standalone
from wizard.services.webroot import WELL_KNOWN


@pytest.fixture
def server() -> Iterator[Standalone]:
    made = Standalone(80, "localhost:0")
    made.start()
    yield made
    made.stop()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def get(host: str, port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status, answer.read()
    finally:
        connection.close()


def test_a_token_is_answered_over_both_families(server: Standalone) -> None:
    server.place("token", "content")
    hosts = ["127.0.0.1", *(["::1"] if has_ipv6() else [])]
    for host in hosts:
        assert get(host, server.port, f"/{WELL_KNOWN}/token") == (200, b"content")
        assert get(host, server.port, f"/{WELL_KNOWN}/other")[0] == 404
        assert get(host, server.port, "/")[0] == 404


def test_who_says_nothing_keeps_nobody_out(server: Standalone) -> None:
    server.place("token", "content")
    with socket.create_connection(("127.0.0.1", server.port)):
        assert get("127.0.0.1", server.port, f"/{WELL_KNOWN}/token")[0] == 200


def test_garbage_is_answered_and_forgotten(server: Standalone) -> None:
    server.place("token", "content")
    with socket.create_connection(("127.0.0.1", server.port)) as garbage:
        garbage.sendall(b"\x16\x03\x01\x00\x00nonsense\r\n\r\n")
        assert garbage.recv(64)
    assert get("127.0.0.1", server.port, f"/{WELL_KNOWN}/token")[0] == 200


def test_stop_frees_the_port_and_can_be_repeated(server: Standalone) -> None:
    port = server.port
    server.stop()
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        """It is free again."""


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WizardError) as caught:
            Standalone(80, f"127.0.0.1:{port}").start()
    assert caught.value.problem.code == "port-in-use"
    assert str(port) in caught.value.problem.what


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EADDRINUSE, "port-in-use"),
        (errno.EACCES, "port-not-permitted"),
        (errno.EADDRNOTAVAIL, "port-unusable"),
    ],
)
def test_each_refusal_has_a_sentence(number: int, code: str) -> None:
    problem = standalone._not_listening(80, OSError(number, "the system's words"))
    assert problem.code == code
    assert "80" in problem.what
    assert problem.fix
