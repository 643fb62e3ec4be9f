"""A program in a real pty, with a terminal emulator that answers what a Textual app asks of it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

from bench.result import Unmeasured

COLUMNS, ROWS = 80, 24
IDLE_S = 0.005
BURST_S = 0.1

# Device attributes, cursor position, synchronized output and in-band resize (DECRQM), kitty keys, colours.
ANSWERS: Mapping[re.Pattern[bytes], bytes] = {
    re.compile(rb"\x1b\[0?c"): b"\x1b[?62;22c",
    re.compile(rb"\x1b\[6n"): b"\x1b[1;1R",
    re.compile(rb"\x1b\[\?2026\$p"): b"\x1b[?2026;2$y",
    re.compile(rb"\x1b\[\?2048\$p"): b"\x1b[?2048;0$y",
    re.compile(rb"\x1b\[\?u"): b"\x1b[?0u",
    re.compile(rb"\x1b\]1[01];\?(?:\x07|\x1b\\)"): b"\x1b]11;rgb:0000/0000/0000\x1b\\",
}
# What pyte does not know and would print as text.
UNKNOWN = re.compile(
    rb"\x1b\[[<>=?][0-9;]*u|\x1b\[>[0-9;]*[mq]|\x1b\[\?[0-9;]*\$p"
    rb"|\x1bP.*?\x1b\\|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)",
    re.DOTALL,
)
UNFINISHED = re.compile(rb"\x1b[^a-zA-Z~\\\x07]{0,24}\Z")


class Terminal:
    """Use as a context manager: the program is gone afterwards, whatever happened."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._rest = b""
        self._cells: list[list[object]] = []
        self._text: list[str] = []
        self._is_open = True
        self._code: int | None = None
        self.started_at = self.changed_at = self.text_changed_at = 0.0

    def __enter__(self) -> Self:
        self.started_at = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            try:
                os.execve(self._command[0], list(self._command), self._environment)  # noqa: S606 - into the pty
            finally:
                os._exit(127)
        self.changed_at = self.text_changed_at = self.started_at
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    @property
    def text(self) -> str:
        return "\n".join(self._text)

    def send(self, keys: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._fd, keys)

    def first_stable_frame(self, quiet_s: float, limit_s: float) -> float:
        """Seconds from the start to the last change of a cell that was followed by `quiet_s` without one."""

        def is_stable() -> bool:
            return bool(self.text.strip()) and time.perf_counter() - self.changed_at > quiet_s

        self.wait(is_stable, "its screen did not come to rest", limit_s)
        return self.changed_at - self.started_at

    def wait(self, condition: Callable[[], bool], otherwise: str, limit_s: float) -> None:
        """Reads until the condition holds; raises Unmeasured with `otherwise` when it never does."""
        deadline = time.perf_counter() + limit_s
        while not condition():
            if not self._is_open:
                raise Unmeasured(f"The program ended: {' '.join(self.text.split())[-200:] or 'no output'}")
            if time.perf_counter() > deadline:
                raise Unmeasured(f"The program ran, but {otherwise} within {limit_s:.0f} s.")
            self._take()

    def quit(self, key: bytes, limit_s: float) -> None:
        """Sends the key and waits for the program to end with 0, which also shows that it takes keys."""
        self.send(key)
        deadline = time.perf_counter() + limit_s
        while self._code is None:
            if time.perf_counter() > deadline:
                raise Unmeasured(f"The program did not answer the key to quit within {limit_s:.0f} s.")
            self._take()
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self._code = os.waitstatus_to_exitcode(status)
        if self._code:
            raise Unmeasured(f"The program ended with {self._code} when it was asked to quit.")

    def _take(self) -> None:
        """One burst of output: all of it is read before any is drawn, so that the program never waits."""
        data, arrived, begun = self._rest, 0.0, time.perf_counter()
        while time.perf_counter() - begun < BURST_S and select.select([self._fd], [], [], IDLE_S)[0]:
            chunk = self._read()
            if not chunk:
                break
            arrived = time.perf_counter()
            for question, answer in ANSWERS.items():
                for _ in question.finditer(chunk):
                    self.send(answer)
            data += chunk
        if arrived:
            self._draw(data, arrived)

    def _read(self) -> bytes:
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:  # Linux says EIO when the other side has closed
            chunk = b""
        self._is_open = bool(chunk)
        return chunk

    def _draw(self, data: bytes, arrived: float) -> None:
        unfinished = UNFINISHED.search(data)
        end = unfinished.start() if unfinished else len(data)
        data, self._rest = data[:end], data[end:]
        self._stream.feed(UNKNOWN.sub(b"", data))
        cells = [[line[column] for column in range(COLUMNS)] for line in map(self._line, range(ROWS))]
        text = list(self._screen.display)
        if cells != self._cells:
            self._cells, self.changed_at = cells, arrived
        if text != self._text:
            self._text, self.text_changed_at = text, arrived

    def _line(self, row: int) -> Mapping[int, object]:
        line: Mapping[int, object] = self._screen.buffer[row]
        return line
