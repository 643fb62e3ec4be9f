"""What happens in a run, as types: the screen, the headless output and the log read one stream.

The JSON form of each event is published by `kube-registry answers schema --events`. No event ever carries
a secret.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from wizard.errors import Problem
from wizard.status import STEPS, CheckStatus, StepId, StepStatus, Verb

__all__ = ["STEPS", "CheckStatus", "StepId", "StepStatus", "Verb"]  # passed on

VERSION = 1


@dataclass(frozen=True, slots=True)
class RunStarted:
    command: str
    setup: str
    steps: tuple[StepId, ...]


@dataclass(frozen=True, slots=True)
class StepStarted:
    step: StepId


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A planned change in words; `command` is the same thing by aws or kubectl, `cost` is empty if free."""

    verb: Verb
    kind: str
    name: str
    summary: str
    cost: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class ConsentView:
    """A question only the operator may answer: set `[consent] key` to `value` to say yes."""

    key: str
    value: str
    question: str


@dataclass(frozen=True, slots=True)
class PlanMade:
    step: StepId
    changes: tuple[ChangeView, ...]
    consents: tuple[ConsentView, ...] = ()
    blockers: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeStarted:
    step: StepId
    summary: str


@dataclass(frozen=True, slots=True)
class ChangeFinished:
    step: StepId
    summary: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class ChangeFailed:
    step: StepId
    summary: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class CheckRow:
    check: str
    title: str


@dataclass(frozen=True, slots=True)
class ChecksPlanned:
    """All rows of the checklist, before the first one runs."""

    step: StepId
    checks: tuple[CheckRow, ...]


@dataclass(frozen=True, slots=True)
class CheckStarted:
    step: StepId
    check: str
    title: str


@dataclass(frozen=True, slots=True)
class CheckFinished:
    step: StepId
    check: str
    title: str
    status: CheckStatus
    detail: str = ""
    problem: Problem | None = None
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitStarted:
    step: StepId
    what: str
    deadline_s: float


@dataclass(frozen=True, slots=True)
class WaitProgress:
    step: StepId
    what: str
    elapsed_s: float
    deadline_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WaitFinished:
    step: StepId
    what: str
    elapsed_s: float
    is_ready: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """A sentence for the operator that is neither a check nor a change."""

    step: StepId
    text: str


@dataclass(frozen=True, slots=True)
class FileWanted:
    """The operator is to put a file on a web server, which is waited for.

    `path` is below the document root, `content` the file's one line; a key authorization is no secret.
    """

    step: StepId
    domain: str
    path: str
    content: str

    @property
    def told(self) -> str:
        """What to do, in a sentence; the line itself is not in it."""
        return (
            f"On the web server of {self.domain}, put a file at {self.path} below its document root, "
            "readable for everybody, with this one line:"
        )


@dataclass(frozen=True, slots=True)
class StepFinished:
    step: StepId
    status: StepStatus
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Always the last event; `next_command` says how to go on after a failure."""

    command: str
    exit_code: int
    problem: Problem | None = None
    next_command: str = ""


Event = (
    RunStarted
    | StepStarted
    | PlanMade
    | ChangeStarted
    | ChangeFinished
    | ChangeFailed
    | ChecksPlanned
    | CheckStarted
    | CheckFinished
    | WaitStarted
    | WaitProgress
    | WaitFinished
    | Noted
    | FileWanted
    | StepFinished
    | RunFinished
)
Emit = Callable[[Event], None]


def event_name(kind: type[Event]) -> str:
    """CheckFinished -> check_finished."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def to_json(event: Event, time: str) -> Mapping[str, object]:
    """Shape: `{"v": 1, "event": "check_finished", "time": RFC 3339, ...the event's fields}`."""
    return {"v": VERSION, "event": event_name(type(event)), "time": time, **asdict(event)}
