"""One request and one response, as the routes see them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from io import BufferedIOBase
from urllib.parse import parse_qs, urlsplit

from wizard.practice.registry.errors import ApiError

READ_BYTES = 2**16
LONGEST_CHUNK_LINE = 1024


@dataclass(slots=True)
class Response:
    """A body of several chunks needs `length`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    length: int | None = None

    @property
    def size(self) -> int:
        """What Content-Length says."""
        if self.length is not None:
            return self.length
        return len(self.body) if isinstance(self.body, bytes) else 0


class Request:
    """`base_url` is what absolute Locations begin with."""

    def __init__(
        self, method: str, target: str, headers: Message, body: BufferedIOBase, base_url: str
    ) -> None:
        parts = urlsplit(target)
        self.method, self.path, self.headers, self.base_url = method, parts.path, headers, base_url
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._body = body
        self._has_body = "chunked" in self._transfer() or self.length > 0
        self._is_read = not self._has_body
        self._chunks = self._read()

    @property
    def length(self) -> int:
        """Of the body, 0 where it is not told."""
        text = self.headers.get("Content-Length", "0")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0

    @property
    def is_read(self) -> bool:
        """Whether the connection can carry another request."""
        return self._is_read

    def content(self, limit: int) -> bytes:
        """The whole body; ApiError when it is longer."""
        content = bytearray()
        for chunk in self.chunks():
            content += chunk
            if len(content) > limit:
                raise ApiError(400, "MANIFEST_INVALID", "manifest invalid", "http: request body too large")
        return bytes(content)

    def chunks(self) -> Iterator[bytes]:
        """What is left of the body; ConnectionError when the client goes away in the middle."""
        return self._chunks

    def _read(self) -> Iterator[bytes]:
        if not self._is_read:
            yield from self._chunked() if "chunked" in self._transfer() else self._counted(self.length)
            self._is_read = True

    def discard(self, limit: int) -> None:
        """Reads a small body that nobody wanted, so that the client hears the early answer."""
        if "100-continue" in self.headers.get("Expect", "").lower():
            return
        for chunk in self.chunks():
            limit -= len(chunk)
            if limit < 0:
                return

    def _transfer(self) -> str:
        return str(self.headers.get("Transfer-Encoding", "")).lower()

    def _counted(self, left: int) -> Iterator[bytes]:
        while left:
            chunk = self._body.read(min(left, READ_BYTES))
            if not chunk:
                raise ConnectionError("The client went away.")
            left -= len(chunk)
            yield chunk

    def _chunked(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield from self._counted(size)
            self._body.readline(LONGEST_CHUNK_LINE)
        while self._body.readline(LONGEST_CHUNK_LINE).strip():
            pass

    def _chunk_size(self) -> int:
        try:
            return int(self._body.readline(LONGEST_CHUNK_LINE).split(b";")[0], 16)
        except ValueError as error:
            raise ConnectionError("The chunks cannot be read.") from error


Answer = Callable[[Request], Response]
