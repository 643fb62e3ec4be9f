"""What is known of each step, as the screen shows it: built from events, so a screen can be made anew."""

import time
from dataclasses import dataclass, field

from wizard.errors import Problem
from wizard.events import (
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    ChangeView,
    CheckFinished,
    ChecksPlanned,
    CheckStarted,
    CheckStatus,
    Event,
    FileWanted,
    Noted,
    PlanMade,
    StepFinished,
    StepStarted,
    StepStatus,
    WaitFinished,
    WaitProgress,
    WaitStarted,
)


@dataclass(slots=True)
class Row:
    """A change or a check: `state` is waiting, running, stopped, or a CheckStatus's value."""

    title: str
    state: str = "waiting"
    detail: str = ""
    problem: Problem | None = None
    elapsed_s: float = 0.0
    began_s: float = 0.0
    """By time.monotonic."""
    name: str = ""
    command: str = ""


@dataclass(slots=True)
class StepView:
    """One step on the screen."""

    status: StepStatus = StepStatus.WAITING
    is_running: bool = False
    is_looking: bool = False
    plan: PlanMade | None = None
    problem: Problem | None = None
    warnings: tuple[Problem, ...] = ()
    changes: list[Row] = field(default_factory=list)
    checks: dict[str, Row] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: tuple[FileWanted, ...] = ()
    """To be put on a web server by the person; the first is waited for."""
    kept: str = ""
    """What came of copying the first of them."""
    wait: WaitStarted | WaitProgress | None = None
    wait_began_s: float = 0.0
    """By time.monotonic."""
    is_editing: bool = False
    """Verified, and yet to be changed: the person asked for that."""
    is_assumed: bool = False
    """By the journal only: the look at the world has not ended yet."""
    queued_for: str = ""
    """What a run that was asked for waits for before its first sign of life, "" once it has given one."""
    queued_s: float = 0.0
    """By time.monotonic."""
    aside: str = ""
    """What follows from the person's own no: it stands until the next look or run."""

    def take(self, event: Event) -> None:  # noqa: PLR0912 - one arm an event
        match event:
            case StepStarted():
                self.is_running, self.problem, self.wait, self.queued_for = True, None, None, ""
                self.changes, self.checks, self.notes, self.aside = [], {}, [], ""
                self.files, self.kept = (), ""
            case PlanMade():
                self.plan = event
            case ChangeStarted():
                self.queued_for = ""
                self._begin(event.summary)
            case ChangeFinished():
                self._last_change(event.summary, "passed", event.elapsed_s)
            case ChangeFailed():
                is_stopped = event.problem.code == "cancelled"
                self._last_change(event.summary, "stopped" if is_stopped else "failed", 0.0)
            case ChecksPlanned():
                self.checks = {row.check: Row(row.title) for row in event.checks}
            case CheckStarted():
                row = self._check(event.check, event.title)
                row.state, row.began_s = "running", time.monotonic()
            case CheckFinished():
                row = self._check(event.check, event.title)
                row.state, row.detail = event.status.value, event.detail
                row.problem, row.elapsed_s = event.problem, event.elapsed_s
            case WaitStarted():
                self.wait, self.wait_began_s = event, time.monotonic()
            case WaitProgress():
                self.wait, self.wait_began_s = event, time.monotonic() - event.elapsed_s
            case WaitFinished():
                self.wait = None
                self._drop_file(event)
            case Noted() | FileWanted():
                self._keep(event)
            case StepFinished():
                self.is_running, self.wait, self.files, self.kept = False, None, (), ""
                self.is_assumed = False
                self.status, self.problem, self.is_editing = event.status, event.problem, False
            case _:
                pass

    def begin(self, queued_for: str) -> None:
        """A run was asked for; its first event is yet to come."""
        self.look_away()
        self.is_running, self.is_looking, self.wait = True, False, None
        self.queued_for, self.queued_s = queued_for, time.monotonic()

    def begin_undo(self, queued_for: str) -> None:
        self.begin(queued_for)
        self.plan = None

    def end(self) -> None:
        self.is_running, self.wait, self.queued_for, self.files = False, None, "", ()

    def doubt(self) -> None:
        """What was taken from the journal could not be seen in the world."""
        if self.is_assumed and self.is_verified:
            self.status = StepStatus.WAITING

    def look_away(self) -> None:
        """What was seen of an earlier run no longer fits the answers."""
        self.problem, self.changes, self.checks, self.notes, self.aside = None, [], {}, [], ""

    @property
    def needs(self) -> tuple[Problem, ...]:
        """What stands in the way of carrying the step out."""
        return self.plan.blockers if self.plan else ()

    @property
    def planned(self) -> tuple[ChangeView, ...]:
        """What of the plan was not begun yet."""
        begun = {row.title for row in self.changes}
        changes = self.plan.changes if self.plan else ()
        return tuple(change for change in changes if change.summary not in begun)

    @property
    def progress(self) -> tuple[int, int]:
        """Changes and checks that are behind, and all that are known of."""
        rows = [*self.changes, *self.checks.values()]
        behind = sum(row.state not in {"waiting", "running"} for row in rows)
        return behind, len(rows) + len(self.planned)

    @property
    def commands(self) -> tuple[tuple[str, str], ...]:
        """What was done and what will be, each with its equivalent by hand."""
        done = ((row.title, row.command) for row in self.changes)
        return (*done, *((change.summary, change.command) for change in self.planned))

    @property
    def is_verified(self) -> bool:
        return self.status is StepStatus.DONE

    @property
    def is_read_only(self) -> bool:
        return self.is_verified and not self.is_editing and not self.is_running

    @property
    def has_failed_checks(self) -> bool:
        return any(row.state == CheckStatus.FAILED.value for row in self.checks.values())

    def _keep(self, event: Noted | FileWanted) -> None:
        if isinstance(event, Noted):
            self.notes.append(event.text)
        else:
            self.files = (*self.files, event)

    def _drop_file(self, found: WaitFinished) -> None:
        """The one that was waited for is there."""
        left = tuple(each for each in self.files if not (found.is_ready and each.path in found.what))
        if left != self.files:
            self.files, self.kept = left, ""

    def _begin(self, summary: str) -> None:
        change = next((each for each in self.planned if each.summary == summary), None)
        name, command = (change.name, change.command) if change else ("", "")
        row = Row(summary, "running", began_s=time.monotonic(), name=name, command=command)
        self.changes.append(row)

    def _check(self, name: str, title: str) -> Row:
        return self.checks.setdefault(name, Row(title))

    def _last_change(self, summary: str, state: str, elapsed_s: float) -> None:
        for row in reversed(self.changes):
            if row.title == summary:
                row.state, row.elapsed_s = state, elapsed_s
                return
