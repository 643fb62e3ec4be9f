"""A program in a pseudo-terminal, seen as a person sees it: a screen of characters."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
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
    "F9": "\x1b[20~",
    "Down": "\x1b[B",
    "Up": "\x1b[A",
    "Right": "\x1b[C",
    "Left": "\x1b[D",
    "Shift+Tab": "\x1b[Z",
    "Ctrl+C": "\x03",
    "Ctrl+P": "\x10",
    "Ctrl+Q": "\x11",
    "Ctrl+Z": "\x1a",
}
# Private modes (xterm control sequences, DECSET) that a program must take back.
ON_IS_LEFT = {
    b"1049": "the alternate screen",
    b"1000": "mouse reports",
    b"1003": "mouse movements",
    b"1004": "focus reports",
    b"2004": "bracketed paste",
}
OFF_IS_LEFT = {b"25": "a hidden cursor", b"7": "no line wrap"}
WHEEL_UP, WHEEL_DOWN = 64, 65


# A session's own terminal tells it of a new size and of a hang-up.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class NotSeen(AssertionError):
    """The screen never came to show what was waited for."""


class Terminal:
    """Everything that was ever on the screen is kept in `raw`, to look for what must not be there."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self._master, follower = pty.openpty()
        self._manners = termios.tcgetattr(follower)
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.resize(columns, rows)
        self.raw = b""
        self._pending = b""
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, *command],
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

    @property
    def plain_text(self) -> str:
        """All that was written since the alternate screen was left, in one line."""
        return " ".join(self.raw.rpartition(b"\x1b[?1049l")[2].decode(errors="replace").split())

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def forget(self) -> None:
        """Empties the screen, to see what is drawn anew."""
        self._screen.reset()

    def hang_up(self) -> None:
        """Closes the window: the kernel tells the program."""
        os.close(self._master)

    def press(self, *keys: str) -> None:
        """Named keys of KEYS, or text to type."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    def click(self, wanted: str) -> None:
        """With the left button, on the first place where the screen shows it; raises NotSeen."""
        self.click_at(*self.place_of(wanted))

    def click_at(self, column: int, row: int) -> None:
        self._mouse(0, column, row)
        self._mouse(0, column, row, is_release=True)

    def wheel(self, button: int) -> None:
        """One notch in the middle of the screen."""
        self._mouse(button, self._screen.columns // 2, self._screen.lines // 2)

    def place_of(self, wanted: str) -> tuple[int, int]:
        """The cell (column, row) in the middle of what the screen shows."""
        for row, line in enumerate(self._screen.display):
            if (column := line.find(wanted)) >= 0:
                return column + len(wanted) // 2, row
        raise NotSeen(f"there is no {wanted!r}; the screen is:\n{self.text}")

    def _mouse(self, button: int, column: int, row: int, *, is_release: bool = False) -> None:
        """SGR mouse report (xterm control sequences, mode 1006)."""
        self.press(f"\x1b[<{button};{column + 1};{row + 1}{'m' if is_release else 'M'}")

    def left_behind(self) -> list[str]:
        """What the program did to the terminal and did not take back."""
        found = [name for mode, name in ON_IS_LEFT.items() if self._last_of(mode) == b"h"]
        found += [name for mode, name in OFF_IS_LEFT.items() if self._last_of(mode) == b"l"]
        if self.raw.count(b"\x1b[<u") < len(re.findall(rb"\x1b\[>[0-9]+u", self.raw)):
            found.append("the keyboard protocol")
        if termios.tcgetattr(self._master) != self._manners:
            found.append("the line discipline")
        return found

    def _last_of(self, mode: bytes) -> bytes:
        last = re.findall(rb"\x1b\[\?" + mode + rb"([hl])", self.raw)
        return last[-1] if last else b""

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

    def wait_for_exit(self, deadline_s: float = 60.0, unless: str = "") -> int | None:
        """The exit code; None where the screen came to show what it would not end with."""
        deadline = time.monotonic() + deadline_s
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)
            if unless and unless in self.text:
                return None
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
