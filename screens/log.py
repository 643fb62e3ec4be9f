"""What happened, newest last: a bounded book of lines, and the drawer that shows it."""

from collections import deque
from datetime import datetime

from textual.widgets import Log

from screens.render import clean, lasting
from wizard.errors import Problem
from wizard.events import (
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    CheckFinished,
    Event,
    FileWanted,
    Noted,
    StepFinished,
    StepStarted,
    WaitFinished,
    WaitStarted,
)

KEPT_LINES = 1000


def told(event: Event) -> tuple[str, ...]:
    """The event as lines without a time; none for what only moves a bar."""
    match event:
        case StepStarted():
            return (f"{event.step.value}: begins",)
        case ChangeStarted():
            return (f"{event.step.value}: ▸ {event.summary}",)
        case ChangeFinished():
            return (f"{event.step.value}: ✓ {event.summary} ({lasting(event.elapsed_s)})",)
        case ChangeFailed():
            return _problem(f"{event.step.value}: ✗ {event.summary}", event.problem)
        case CheckFinished():
            detail = f" – {event.detail}" if event.detail else ""
            return _problem(
                f"{event.step.value}: check {event.status.value}: {event.title}{detail}", event.problem
            )
        case WaitStarted():
            return (f"{event.step.value}: waits for {event.what}, at most {lasting(event.deadline_s)}",)
        case WaitFinished():
            end = "is there" if event.is_ready else "did not come"
            return (f"{event.step.value}: {event.what} {end} after {lasting(event.elapsed_s)}",)
        case Noted():
            return tuple(f"{event.step.value}: {line}" for line in event.text.splitlines())
        case FileWanted():
            return (f"{event.step.value}: {event.told}", f"    {event.content}")
        case StepFinished():
            return _problem(f"{event.step.value}: ends, {event.status.value}", event.problem)
        case _:
            return ()


def _problem(head: str, problem: Problem | None) -> tuple[str, ...]:
    parts = (problem.what, problem.why, problem.fix) if problem else ()
    return (head, *(f"    {line}" for part in parts if part for line in part.splitlines()))


class Book:
    """The last lines of this run, each with its time of day."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def take(self, event: Event) -> tuple[str, ...]:
        """The lines that came of it."""
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        fresh = tuple(f"{now} {clean(line)}" for line in told(event))
        self.lines.extend(fresh)
        return fresh


class Drawer(Log):
    """Under the step; it comes and goes by a key."""

    def __init__(self, book: Book) -> None:
        super().__init__(id="log", max_lines=KEPT_LINES)
        self._book = book
        self.border_title = "What happened, newest last"

    def on_mount(self) -> None:
        self.write_lines(self._book.lines or ["Nothing has happened yet."])
