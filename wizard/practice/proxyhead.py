"""Heads of HTTP messages as a proxy reads and rewrites them (RFC 9110, section 7.6; RFC 9112)."""

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

HEAD_MAX = 64 * 1024
END = b"\r\n\r\n"
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authorization",
    b"proxy-authenticate",
}


class BadHead(Exception):
    """What came is not a request that a proxy understands; the text is for people."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """`host` is lower case, without a final dot or brackets; `fields` are raw lines without the Host."""

    method: str
    host: str
    port: int
    is_tunnel: bool
    target: bytes = b""
    authority: bytes = b""
    version: bytes = b"HTTP/1.1"
    fields: tuple[bytes, ...] = ()

    def for_server(self) -> bytes:
        """The head in origin form, for one request on this connection."""
        start = b" ".join((self.method.encode(), self.target, self.version))
        return b"\r\n".join((start, b"Host: " + self.authority, *self.fields, b"Connection: close")) + END


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """The bytes up to the empty line, and those that came after; both empty when the client just leaves."""
    found = b""
    while END not in found:
        if len(found) > HEAD_MAX:
            raise BadHead("The request's head is too large.")
        more = connection.recv(16384)
        if not more:
            if found:
                raise BadHead("The request ended in the middle of its head.")
            return b"", b""
        found += more
    head, _, rest = found.partition(END)
    return head, rest


def parse_request(head: bytes) -> RequestHead:
    """Raises BadHead."""
    start, *fields = head.lstrip(b"\r\n").split(b"\r\n")
    parts = start.split(b" ")
    if len(parts) != 3 or not TOKEN.fullmatch(parts[0]) or parts[2] not in {b"HTTP/1.1", b"HTTP/1.0"}:
        raise BadHead("This is not an HTTP/1.1 request.")
    method, target = parts[0].decode(), parts[1]
    if not all(_is_field(field) for field in fields):
        raise BadHead("The request has a header line that is none.")
    if method == "CONNECT":
        host, port = _authority(target, None)
        return RequestHead(method, host, port, is_tunnel=True)
    return _absolute(method, target, parts[2], fields)


def _absolute(method: str, target: bytes, version: bytes, fields: list[bytes]) -> RequestHead:
    try:
        url = urlsplit(target.decode("ascii"))
    except ValueError as error:
        raise BadHead("The request's URL is not readable.") from error
    if url.scheme != "http":
        raise BadHead(
            "This is the practice world's proxy. Ask it for http:// URLs, and by CONNECT for everything else."
        )
    authority = url.netloc.rpartition("@")[2].encode()
    host, port = _authority(authority, 80)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    kept = (field for field in _without_hops(fields) if _name(field) != b"host")
    return RequestHead(
        method,
        host,
        port,
        is_tunnel=False,
        target=path.encode(),
        authority=authority,
        version=version,
        fields=tuple(kept),
    )


def response_for_client(head: bytes) -> tuple[bytes, bool]:
    """A response's head that says the connection ends with it, and whether it is the final one.

    Interim ones (RFC 9110, section 15.2) stay as they are. Heads hold their empty line.
    """
    start, *fields = head.removesuffix(END).split(b"\r\n")
    if start[9:10] == b"1":
        return head, False
    return b"\r\n".join((start, *_without_hops(fields), b"Connection: close")) + END, True


def _authority(found: bytes, default_port: int | None) -> tuple[str, int]:
    try:
        parts = urlsplit("//" + found.decode("ascii"))
        host, port = (parts.hostname or "").rstrip("."), parts.port or default_port
    except ValueError as error:
        raise BadHead("The request's host and port are not readable.") from error
    if port is None or not HOST.fullmatch(host) or parts.path or parts.query:
        raise BadHead("The request names no host and port.")
    return host, port


def _without_hops(fields: list[bytes]) -> list[bytes]:
    named = [field.partition(b":")[2] for field in fields if _name(field) == b"connection"]
    dropped = HOP_BY_HOP | {one.strip().lower() for value in named for one in value.split(b",")}
    return [field for field in fields if _name(field) not in dropped]


def _is_field(line: bytes) -> bool:
    name, colon, value = line.partition(b":")
    return bool(colon and TOKEN.fullmatch(name) and b"\n" not in value and b"\r" not in value)


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()
