"""HTTP/1.1 messages as they come off a socket, kept byte for byte so that they can be passed on unchanged."""

import socket
from dataclasses import dataclass

END = b"\r\n\r\n"
LARGEST_HEAD = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Ended(OSError):
    """The other side closed before a message was whole, or sent something that is not HTTP."""


@dataclass(frozen=True, slots=True)
class Message:
    """`head` includes its empty line; `body` is as on the wire, chunk sizes included."""

    head: bytes
    body: bytes = b""
    ends_connection: bool = False

    @property
    def start(self) -> list[str]:
        """The three parts of the first line."""
        return [*self.head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2), "", ""][:3]

    @property
    def status(self) -> int:
        return int(self.start[1])

    def header(self, name: str) -> str:
        """The first of that name, "" where there is none."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode("latin-1")
        return ""

    @property
    def content(self) -> bytes:
        """The body without chunk sizes."""
        if "chunked" not in self.header("Transfer-Encoding").lower():
            return self.body
        found, rest = b"", self.body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            count = int(size.split(b";")[0], 16)
            if not count:
                break
            found, rest = found + rest[:count], rest[count + 2 :]
        return found

    def with_start(self, line: str) -> "Message":
        """The same with another first line."""
        return Message(line.encode("latin-1") + self.head[self.head.index(b"\r\n") :], self.body)


class Stream:
    """Reads messages from one side of a connection; every wait ends by the socket's own time-out."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._held = bytearray()

    def request(self) -> Message | None:
        """The next request, None where the client is done."""
        head = self._head()
        if not head:
            return None
        message = Message(head)
        if message.header("Expect").lower() == "100-continue":
            self.end.sendall(CONTINUE)
        return Message(head, self._body(message, is_request=True))

    def answer(self, method: str) -> Message:
        """The final answer to a request of that method; interim ones are dropped."""
        while True:
            head = self._head()
            if not head:
                raise Ended("no answer")
            message = Message(head)
            if message.status == 101 or message.status >= 200:
                break
        if method == "HEAD" or message.status in {204, 304}:
            return message
        is_open = not message.header("Content-Length") and not message.header("Transfer-Encoding")
        return Message(head, self._body(message, is_request=False), is_open)

    def connect_answer(self) -> Message:
        """What a proxy says to CONNECT: nothing follows a success."""
        message = Message(self._head())
        return (
            message if message.status == 200 else Message(message.head, self._body(message, is_request=False))
        )

    def _head(self) -> bytes:
        while END not in self._held:
            more = self._read()
            if not more:
                if self._held.strip():
                    raise Ended("cut off in a head")
                return b""
            if len(self._held) > LARGEST_HEAD:
                raise Ended("the head does not end")
        return self._take(self._held.index(END) + len(END))

    def _body(self, message: Message, *, is_request: bool) -> bytes:
        if "chunked" in message.header("Transfer-Encoding").lower():
            return self._chunks()
        if length := message.header("Content-Length"):
            return self._exactly(int(length))
        if is_request:
            return b""
        while self._read():
            pass
        return self._take(len(self._held))

    def _chunks(self) -> bytes:
        found = bytearray()
        while True:
            line = self._line()
            count = int(line.split(b";")[0], 16)
            found += line
            found += self._exactly(count + 2)
            if not count:
                return bytes(found)

    def _line(self) -> bytes:
        while b"\r\n" not in self._held:
            if not self._read():
                raise Ended("cut off in a chunk")
        return self._take(self._held.index(b"\r\n") + 2)

    def _exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            if not self._read():
                raise Ended("cut off in a body")
        return self._take(count)

    def _take(self, count: int) -> bytes:
        found = bytes(memoryview(self._held)[:count])
        del self._held[:count]
        return found

    def _read(self) -> bytes:
        more = self.end.recv(256 * 1024)
        self._held += more
        return more
