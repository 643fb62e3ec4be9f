"""What is known of each step, as the screen shows it: built from events, so a screen can be made anew."""

from dataclasses import dataclass, field

from wizard.errors import Problem
from wizard.events import (
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    CheckFinished,
    ChecksPlanned,
    CheckStarted,
    CheckStatus,
    Event,
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
    wait: WaitStarted | WaitProgress | None = None
    aside: str = ""
    """What follows from the person's own no: it stands until the next look or run."""

    def take(self, event: Event) -> None:  # noqa: PLR0912 - one arm an event
        match event:
            case StepStarted():
                self.is_running, self.problem, self.wait = True, None, None
                self.changes, self.checks, self.notes, self.aside = [], {}, [], ""
            case PlanMade():
                self.plan = event
            case ChangeStarted():
                self.changes.append(Row(event.summary, "running"))
            case ChangeFinished():
                self._last_change(event.summary, "passed", event.elapsed_s)
            case ChangeFailed():
                is_stopped = event.problem.code == "cancelled"
                self._last_change(event.summary, "stopped" if is_stopped else "failed", 0.0)
            case ChecksPlanned():
                self.checks = {row.check: Row(row.title) for row in event.checks}
            case CheckStarted():
                self._check(event.check, event.title).state = "running"
            case CheckFinished():
                row = self._check(event.check, event.title)
                row.state, row.detail = event.status.value, event.detail
                row.problem, row.elapsed_s = event.problem, event.elapsed_s
            case WaitStarted() | WaitProgress():
                self.wait = event
            case WaitFinished():
                self.wait = None
            case Noted():
                self.notes.append(event.text)
            case StepFinished():
                self.is_running, self.wait = False, None
                self.status, self.problem = event.status, event.problem
            case _:
                pass

    def look_away(self) -> None:
        """What was seen of an earlier run no longer fits the answers."""
        self.problem, self.changes, self.checks, self.notes, self.aside = None, [], {}, [], ""

    @property
    def needs(self) -> tuple[Problem, ...]:
        """What stands in the way of carrying the step out."""
        return self.plan.blockers if self.plan else ()

    @property
    def is_verified(self) -> bool:
        return self.status is StepStatus.DONE

    @property
    def has_failed_checks(self) -> bool:
        return any(row.state == CheckStatus.FAILED.value for row in self.checks.values())

    def _check(self, name: str, title: str) -> Row:
        return self.checks.setdefault(name, Row(title))

    def _last_change(self, summary: str, state: str, elapsed_s: float) -> None:
        for row in reversed(self.changes):
            if row.title == summary:
                row.state, row.elapsed_s = state, elapsed_s
                return
