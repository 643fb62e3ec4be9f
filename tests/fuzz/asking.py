"""Asks servers for nonsense, byte by byte, and reads what they make of it."""

import contextlib
import logging
import socket
import ssl
import time
from dataclasses import dataclass

TIMEOUT_S = 30.0


class Logged(logging.Handler):
    """Keeps the messages of errors, with the traceback that a server had."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@dataclass(frozen=True, slots=True)
class Door:
    """A TCP server of the world; `ca_file` is set where it speaks TLS."""

    port: int
    ca_file: str = ""

    def open(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)
        if not self.ca_file:
            return plain
        context = ssl.create_default_context(cafile=self.ca_file)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def throw(self, raw: bytes) -> bytes:
        """Sends the bytes and the end, and reads to the end; a server that hangs fails by time-out."""
        found = b""
        with contextlib.closing(self.open()) as connection:
            # A server may refuse half-way and hang up: what it said counts, not how it went.
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                connection.sendall(raw)
            with contextlib.suppress(OSError):
                # Below TLS too: its own farewell would wait for the other side's.
                socket.socket.shutdown(connection, socket.SHUT_WR)
            deadline = time.monotonic() + TIMEOUT_S
            with contextlib.suppress(ConnectionError, ssl.SSLError, OSError):
                while time.monotonic() < deadline and (more := connection.recv(65536)):
                    found += more
            assert time.monotonic() < deadline, "the server did not end the connection"
        return found

    def ask(self, raw: bytes) -> bytes:
        """Sends a request and reads the head of the answer, without ending the connection before."""
        with contextlib.closing(self.open()) as connection:
            connection.sendall(raw)
            found = b""
            while b"\r\n\r\n" not in found and (more := connection.recv(65536)):
                found += more
        return found


def status_of(answer: bytes) -> int:
    """0 where it is no HTTP answer."""
    parts = answer.split(b" ", 2)
    return int(parts[1]) if answer.startswith(b"HTTP/1.") and parts[1].isdigit() else 0
