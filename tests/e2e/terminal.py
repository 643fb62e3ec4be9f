"""A program in a pseudo-terminal, seen as a person sees it: a screen of characters."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

# What a terminal answers when Textual asks what it can do.
_ANSWERS = (
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),
    (re.compile(rb"\x1b\[\?2048\$p"), b"\x1b[?2048;0$y"),
    (re.compile(rb"\x1b\[\?u"), b"\x1b[?0u"),
)
# Sequences that pyte takes for text.
_STRANGE = re.compile(
    rb"\x1b\[[<>=?][0-9;]*u|\x1b\[>[0-9;]*[mq]|\x1b\[\?[0-9;]*\$p|\x1bP.*?\x1b\\|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)",
    re.DOTALL,
)
KEYS = {
    "Enter": "\r",
    "Tab": "\t",
    "Esc": "\x1b",
    "Space": " ",
    "F1": "\x1bOP",
    "F2": "\x1bOQ",
    "F3": "\x1bOR",
    "F5": "\x1b[15~",
    "Down": "\x1b[B",
    "Up": "\x1b[A",
    "Right": "\x1b[C",
    "Left": "\x1b[D",
    "Shift+Tab": "\x1b[Z",
    "Ctrl+Q": "\x11",
}


class NotSeen(AssertionError):
    """The screen never came to show what was waited for."""


class Terminal:
    """Everything that was ever on the screen is kept in `raw`, to look for what must not be there."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self._master, follower = pty.openpty()
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.resize(columns, rows)
        self.raw = b""
        self._pending = b""
        self.process = subprocess.Popen(
            command,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(follower)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen.resize(rows, columns)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def press(self, *keys: str) -> None:
        """Named keys of KEYS, or text to type."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    def wait_for(self, wanted: str | Callable[[str], bool], deadline_s: float = 90.0) -> str:
        """Reads until the screen shows it, and gives the screen; raises NotSeen."""
        is_there = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + deadline_s
        while not is_there(self.text):
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise NotSeen(f"never saw {wanted!r}; the screen is:\n{self.text}")
        return self.text

    def settle(self, quiet_s: float = 0.15, deadline_s: float = 5.0) -> str:
        """The screen once nothing has come for a moment."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline and self._ready(quiet_s):
            if not self._read(quiet_s):
                break
        return self.text

    def close(self) -> int:
        """Hangs up, as a closed window does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGHUP)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        os.close(self._master)
        return code

    def wait_for_exit(self, deadline_s: float = 60.0) -> int:
        deadline = time.monotonic() + deadline_s
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)
        assert self.process.returncode is not None, f"it still runs; the screen is:\n{self.text}"
        return self.process.returncode

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([self._master], [], [], max(0.0, seconds))[0])

    def _read(self, seconds: float) -> bool:
        """False where the program has ended and nothing more can come."""
        if not self._ready(min(seconds, 0.5)):
            return self.process.poll() is None
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.raw += data
        for asked, answer in _ANSWERS:
            for _ in asked.findall(data):
                os.write(self._master, answer)
        self._feed(data)
        return bool(data)

    def _feed(self, data: bytes) -> None:
        """Holds back a sequence that is not whole yet."""
        data = self._pending + data
        start = data.rfind(b"\x1b")
        if start >= 0 and len(data) - start < 24 and not re.search(rb"[A-Za-z~]", data[start + 2 :]):
            self._pending, data = data[start:], data[:start]
        else:
            self._pending = b""
        self._stream.feed(_STRANGE.sub(b"", data))
