"""The one way to wait: with a name, a deadline, a way to cancel, and events on the way."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from wizard.errors import Cancelled, Problem, WizardError
from wizard.events import Emit, StepId, WaitFinished, WaitProgress, WaitStarted

Ready = TypeVar("Ready")

SHOWN_EVERY_S = 1.0


class WaitedTooLong(WizardError):
    """The deadline passed; the problem says what was waited for and what was last seen."""


class NotReady(Exception):
    """Raised by a probe to say what it saw; `str()` of it is shown beside the countdown."""


def wait_until(
    ready: Callable[[], Ready | None],
    *,
    what: str,
    deadline_s: float,
    step: StepId,
    emit: Emit,
    cancel: threading.Event,
    every_s: float = 0.1,
    slowest_s: float = 2.0,
    fix: str = "Run the same command again to go on waiting.",
) -> Ready:
    """Calls `ready` until it returns something true, first at once, then ever more slowly.

    A probe says why it is not ready by raising NotReady. Raises WaitedTooLong or Cancelled; other errors
    of the probe pass through.
    """
    started = time.monotonic()
    emit(WaitStarted(step, what, deadline_s))
    shown, pause_s, detail, is_ready = started, every_s, "", False
    try:
        while True:
            if cancel.is_set():
                raise Cancelled
            try:
                if found := ready():
                    is_ready = True
                    return found
            except NotReady as seen:
                detail = str(seen)
            now = time.monotonic()
            if now - started >= deadline_s:
                why = f"Last seen: {detail}" if detail else ""
                raise WaitedTooLong(
                    Problem("waited-too-long", f"Waited {deadline_s:.0f} s for {what}, in vain.", why, fix)
                )
            if now - shown >= SHOWN_EVERY_S:
                emit(WaitProgress(step, what, now - started, deadline_s, detail))
                shown = now
            if cancel.wait(min(pause_s, max(0.0, started + deadline_s - now))):
                raise Cancelled
            pause_s = min(pause_s * 1.3, slowest_s)
    finally:
        emit(WaitFinished(step, what, time.monotonic() - started, is_ready))
