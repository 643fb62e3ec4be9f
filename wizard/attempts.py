"""What a setup has asked of CAs, against their limits: a local ledger, without secrets.

It is written before a request that counts, so that a run that is cut off never counts too little.
"""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ACCOUNT, ORDER, FAILED, ISSUED, LIMITED = "account", "order", "failed", "issued", "limited"
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Limits:
    """Let's Encrypt's, as https://letsencrypt.org/docs/rate-limits/ has them."""

    issued_a_week: int
    failed_an_hour: int
    accounts_in_three_hours: int


PRODUCTION = Limits(5, 5, 10)
STAGING = Limits(30_000, 200, 50)


class Attempts:
    """Beside the journal, one JSON object a line; a line that cannot be read counts for nothing."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name("attempts.jsonl")
        self._lock = threading.Lock()

    def note(self, kind: str, directory: str, names: Sequence[str] = (), **more: Any) -> None:
        """Raises OSError where the disk refuses."""
        record = {"time": _now().isoformat(), "kind": kind, "directory": directory, "names": sorted(names)}
        line = json.dumps(record | more) + "\n"
        with self._lock:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, line.encode())
                os.fsync(handle)
            finally:
                os.close(handle)

    def came_of(self, order: str, kind: str, directory: str, names: Sequence[str]) -> None:
        """ISSUED or FAILED, counted once an order, whichever run learns of it, and how often."""
        if not self.knows(order, kind, directory):
            self.note(kind, directory, names, order=order)

    def knows(self, order: str, kind: str, directory: str) -> bool:
        return any(each.get("order") == order for each in self._records(kind, directory))

    def count(self, kind: str, directory: str, names: Sequence[str] = (), *, within: timedelta = WEEK) -> int:
        """Of one kind at one CA within the last time; `names` () is for any."""
        since = (_now() - within).isoformat()
        wanted = sorted(names)
        return sum(
            each["time"] >= since and (not wanted or each["names"] == wanted)
            for each in self._records(kind, directory)
        )

    def limited_until(self, directory: str) -> datetime | None:
        """Before when the CA has said that it wants to hear no more, None where that is over."""
        ends = [datetime.fromisoformat(each["until"]) for each in self._records(LIMITED, directory)]
        return max((end for end in ends if end > _now()), default=None)

    def left(self, directory: str, names: Sequence[str], limits: Limits) -> tuple[str, ...]:
        """What is left of a CA's limits, a sentence each."""
        counts = (
            ("certificates for these names", "this week", ISSUED, limits.issued_a_week, WEEK),
            ("failed tries", "this hour", FAILED, limits.failed_an_hour, HOUR),
            ("accounts", "in these three hours", ACCOUNT, limits.accounts_in_three_hours, 3 * HOUR),
        )
        return tuple(
            f"{what}: {max(most - self._used(kind, directory, names, within), 0)} of {most} left {when}"
            for what, when, kind, most, within in counts
        )

    def _used(self, kind: str, directory: str, names: Sequence[str], within: timedelta) -> int:
        return self.count(kind, directory, () if kind == ACCOUNT else names, within=within)

    def _records(self, kind: str, directory: str) -> Iterator[dict[str, Any]]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                found = json.loads(line)
                is_wanted = (found["kind"], found["directory"]) == (kind, directory)
                datetime.fromisoformat(found["time"])
            except (ValueError, KeyError, TypeError):
                continue
            if is_wanted:
                yield found


def _now() -> datetime:
    return datetime.now(UTC)
