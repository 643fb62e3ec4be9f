"""What is to happen to which request of a run, and what requests there were."""

import os
import signal
import threading
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    KILLED_BEFORE = "killed before it was sent"
    KILLED_AFTER = "killed after it was carried out"
    RESET = "connection reset"
    TIMEOUT = "time-out"
    ERROR = "500 or 503"
    THROTTLED = "throttled"
    GARBAGE = "truncated or garbage answer"
    DELAYED = "carried out, answer too late"


KILLS = frozenset({Fault.KILLED_BEFORE, Fault.KILLED_AFTER})
SLOW = frozenset({Fault.TIMEOUT, Fault.DELAYED})
STRIKES = 3  # as often as the AWS SDK tries, so that its retries do not hide the fault


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A distinct request: repeated ones count once, but once before and once after the first change."""

    service: str
    name: str
    is_after_change: bool = False

    def __str__(self) -> str:
        return f"{self.service} {self.name}{'' if self.is_after_change else ' (first look)'}"


@dataclass
class Script:
    """Thread-safe; one for each run. `pid` is the process that a kill ends."""

    slot: Slot | None = None
    fault: Fault | None = None
    pid: int = 0
    struck: int = 0
    slots: dict[Slot, int] = field(default_factory=dict)
    carried_out: list[str] = field(default_factory=list)
    secrets: dict[str, bytes] = field(default_factory=dict)
    _has_changed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, service: str, name: str, *, changes: bool) -> Fault | None:
        """Counts a request; the fault that is to strike it."""
        with self._lock:
            self._has_changed = self._has_changed or changes
            slot = Slot(service, name, self._has_changed)
            self.slots[slot] = self.slots.get(slot, 0) + 1
            most = 1 if self.fault in KILLS else STRIKES
            if slot != self.slot or self.struck >= most:
                return None
            self.struck += 1
            return self.fault

    def was_carried_out(self, service: str, name: str, status: int) -> None:
        with self._lock:
            self.carried_out.append(f"{service} {name} {status}")

    def learnt(self, secrets: dict[str, bytes]) -> None:
        """Secrets seen on the way, some of which no run may have stored anywhere."""
        with self._lock:
            for value in secrets.values():
                self.secrets[f"seen on the way, {len(self.secrets)}"] = value

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
