"""The last megabyte that a container wrote."""

import threading
from collections import deque


class LogRing:
    """Whole lines, oldest first out; a line that is longer than the ring is cut."""

    def __init__(self, limit_bytes: int = 2**20) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._size = 0

    def add(self, line: bytes) -> None:
        line = line[: self._limit]
        with self._lock:
            self._lines.append(line)
            self._size += len(line)
            while self._size > self._limit:
                self._size -= len(self._lines.popleft())

    def lines(self) -> list[bytes]:
        """Each with its newline, the last perhaps without."""
        with self._lock:
            return list(self._lines)
