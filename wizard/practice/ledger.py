"""Counts what the practice servers were asked, so that a test can say: nothing was changed."""

import threading
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    server: str
    method: str
    what: str
    is_mutating: bool


class Ledger:
    """`record` is called once a request; only the mutating ones are kept, the others are counted."""

    KEPT = 5000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total: Counter[str] = Counter()
        self._mutating: list[Request] = []
        self._mutating_total = 0

    def record(self, server: str, method: str, what: str, *, is_mutating: bool) -> None:
        with self._lock:
            self._total[server] += 1
            if is_mutating:
                self._mutating_total += 1
                self._mutating.append(Request(server, method, what, is_mutating))
                del self._mutating[: -self.KEPT]

    @property
    def total(self) -> int:
        with self._lock:
            return sum(self._total.values())

    def snapshot(self) -> dict[str, object]:
        """Shape: `{"total": {server: n}, "mutating_total": n, "mutating": ["server METHOD what", ...]}`."""
        with self._lock:
            return {
                "total": dict(self._total),
                "mutating_total": self._mutating_total,
                "mutating": [f"{r.server} {r.method} {r.what}" for r in self._mutating],
            }
