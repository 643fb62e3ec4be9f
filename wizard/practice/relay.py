"""Passes bytes between two sockets, both ways at once, in one thread and without piling them up."""

import contextlib
import selectors
import socket
from collections.abc import Callable

CHUNK = 128 * 1024  # above this, loopback does not get faster
IDLE_S = 3600
END = b"\r\n\r\n"


class HeadRewriter:
    """Holds a response back until its head is complete, and passes on what `rewrite` makes of it.

    `rewrite` gets a head with its empty line, and answers the new head and whether the body follows it.
    A head that grows beyond `limit` bytes, or never ends, goes on as it came.
    """

    def __init__(self, rewrite: Callable[[bytes], tuple[bytes, bool]], limit: int) -> None:
        self._rewrite = rewrite
        self._limit = limit
        self._held = b""
        self._is_done = False

    @property
    def is_done(self) -> bool:
        return self._is_done

    def feed(self, more: bytes) -> bytes:
        """What may go on now; `more` empty means that the stream has ended."""
        self._held += more
        out = b""
        while not self._is_done and END in self._held:
            head, _, self._held = self._held.partition(END)
            passed, self._is_done = self._rewrite(head + END)
            out += passed
        if self._is_done or not more or len(self._held) > self._limit:
            self._is_done = True
            out, self._held = out + self._held, b""
        return out


class _Flow:
    """One direction; bytes that the sink would not take yet are kept, and nothing more is read till then."""

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        *,
        kept: bytes = b"",
        rewriter: HeadRewriter | None = None,
        may_break: bool = False,
    ) -> None:
        self.kept = memoryview(kept)
        self.is_over = False
        self._source = source
        self._sink = sink
        self._rewriter = rewriter
        self._may_break = may_break
        self._has_ended = False

    @property
    def wants_to_read(self) -> bool:
        return not self.kept and not self._has_ended

    def move(self, buffer: bytearray) -> None:
        """Moves what can be moved without waiting."""
        if not self.kept and not self._has_ended:
            try:
                count = self._source.recv_into(buffer)
            except BlockingIOError:
                return
            self._take(memoryview(buffer)[:count])
        self._flush()

    def _take(self, found: memoryview) -> None:
        self._has_ended = not found
        if self._rewriter and not self._rewriter.is_done:
            self.kept = memoryview(self._rewriter.feed(bytes(found)))
        else:
            self.kept = found

    def _flush(self) -> None:
        try:
            while self.kept:
                self.kept = self.kept[self._sink.send(self.kept) :]
        except BlockingIOError:
            self.kept = memoryview(bytes(self.kept))  # the buffer is used for the other direction too
            return
        except ConnectionError:
            if not self._may_break:
                raise
            self.kept, self._has_ended, self.is_over = memoryview(b""), True, True
        if self._has_ended and not self.is_over:
            self.is_over = True
            with contextlib.suppress(OSError):
                self._sink.shutdown(socket.SHUT_WR)


def both_ways(
    client: socket.socket,
    server: socket.socket,
    *,
    to_server: bytes = b"",
    rewriter: HeadRewriter | None = None,
) -> None:
    """Returns when both sides have ended, one of them broke off, or nothing came for an hour.

    `to_server` goes first; `rewriter` changes what the server answers. An end on one side is passed on
    as such, so that the other may still answer.
    """
    client.setblocking(False)
    server.setblocking(False)
    # A server may refuse an upload half-way and hang up: what it said must still reach the client.
    up = _Flow(client, server, kept=to_server, may_break=True)
    down = _Flow(server, client, rewriter=rewriter)
    buffer = bytearray(CHUNK)
    with selectors.DefaultSelector() as selector:
        up.move(buffer)
        while not (up.is_over and down.is_over):
            _watch(selector, client, reads=up.wants_to_read, writes=bool(down.kept))
            _watch(selector, server, reads=down.wants_to_read, writes=bool(up.kept))
            if not selector.select(IDLE_S):
                return
            up.move(buffer)
            down.move(buffer)


def _watch(selector: selectors.BaseSelector, end: socket.socket, *, reads: bool, writes: bool) -> None:
    events = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if writes else 0)
    known = selector.get_map().get(end)
    if known is None:
        if events:
            selector.register(end, events)
    elif not events:
        selector.unregister(end)
    elif known.events != events:
        selector.modify(end, events)
