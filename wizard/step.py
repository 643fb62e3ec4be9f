"""The Step protocol and its values: every step is inspected, planned, applied, verified and undone."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from wizard.errors import Problem
from wizard.events import ChangeView, CheckStatus, ConsentView, Emit, Noted, PlanMade, StepId, Verb
from wizard.polling import wait_until

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.facts import FactBook, Facts
    from wizard.journal import Entry, Journal
    from wizard.services import Services
    from wizard.vault import Vault

Receipt = Mapping[str, Any]
Ready = TypeVar("Ready")


@dataclass(frozen=True, slots=True)
class Change:
    """One planned mutation; JSON all through and without secrets, because the journal holds it.

    `action` names the step's own way to do it ("create-bucket"); `params` is all that apply and undo need,
    the former value included where something is changed.
    """

    action: str
    verb: Verb
    kind: str
    name: str
    summary: str
    params: Mapping[str, Any] = field(default_factory=dict)
    cost: str = ""
    command: str = ""

    def view(self) -> ChangeView:
        return ChangeView(self.verb, self.kind, self.name, self.summary, self.cost, self.command)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Change":
        """The reverse of dataclasses.asdict; raises KeyError, TypeError or ValueError on other things."""
        made = cls(**{**found, "verb": Verb(found["verb"])})
        words = (made.action, made.kind, made.name, made.summary, made.cost, made.command)
        if not (isinstance(made.params, dict) and all(isinstance(word, str) for word in words)):
            raise TypeError("a change's words are text and its params a table")
        return made


@dataclass(frozen=True, slots=True)
class Consent:
    """Something only the operator may decide; given if `[consent] key` holds `value`."""

    key: str
    value: str
    question: str

    def is_given(self, answers: "Answers") -> bool:
        given = getattr(answers.consent, self.key)
        if isinstance(given, list):
            return self.value in given
        if isinstance(given, bool):
            return given
        return bool(given == self.value)


@dataclass(frozen=True, slots=True)
class Plan:
    """Empty after success. `consents` are those still to be given; `blockers` forbid apply."""

    changes: tuple[Change, ...] = ()
    consents: tuple[Consent, ...] = ()
    blockers: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def event(self, step: StepId) -> PlanMade:
        return PlanMade(
            step,
            tuple(change.view() for change in self.changes),
            tuple(ConsentView(each.key, each.value, each.question) for each in self.consents),
            self.blockers,
            self.notes,
        )


@dataclass(frozen=True, slots=True)
class CheckResult:
    status: CheckStatus
    detail: str = ""
    problem: Problem | None = None

    @classmethod
    def passed(cls, detail: str = "") -> "CheckResult":
        return cls(CheckStatus.PASSED, detail)

    @classmethod
    def failed(cls, problem: Problem) -> "CheckResult":
        return cls(CheckStatus.FAILED, problem.what, problem)

    @classmethod
    def warning(cls, problem: Problem) -> "CheckResult":
        return cls(CheckStatus.WARNING, problem.what, problem)

    @classmethod
    def skipped(cls, detail: str) -> "CheckResult":
        return cls(CheckStatus.SKIPPED, detail)


@dataclass(frozen=True, slots=True)
class Check:
    """One verification. `run` returns a result or raises WizardError, which is a failure.

    `writes`: it leaves traces for a moment (a probe object, a pushed image), so it runs only after a change,
    or on demand. `after`: checks of the same step that must have passed before this one makes sense.
    """

    name: str
    title: str
    run: Callable[[], CheckResult]
    writes: bool = False
    after: tuple[str, ...] = ()


@dataclass(slots=True)
class Context:
    """What a step may use; made anew for each step of a run."""

    step: StepId
    answers: "Answers"
    services: "Services"
    facts: "FactBook"
    journal: "Journal"
    vault: "Vault"
    emit: Emit
    cancel: threading.Event

    def wait(
        self,
        ready: Callable[[], Ready | None],
        *,
        what: str,
        deadline_s: float,
        every_s: float = 0.1,
        slowest_s: float = 2.0,
        fix: str = "Run the same command again to go on waiting.",
    ) -> Ready:
        """`polling.wait_until` for this step."""
        return wait_until(
            ready,
            what=what,
            deadline_s=deadline_s,
            step=self.step,
            emit=self.emit,
            cancel=self.cancel,
            every_s=every_s,
            slowest_s=slowest_s,
            fix=fix,
        )

    def note(self, text: str) -> None:
        self.emit(Noted(self.step, text))


class Step(Protocol):
    """One of the eight. Steps hold no state: all they know comes in the context."""

    @property
    def id(self) -> StepId: ...

    def inspect(self, ctx: Context) -> "Facts":
        """Reads the world, changes nothing; what stands in the way is in `problems`.

        Raises WizardError only where nothing at all can be seen.
        """

    def plan(self, answers: "Answers", facts: "FactBook") -> Plan:
        """Pure; may meet facts of earlier steps that are not there yet."""

    def apply(self, ctx: Context, change: Change, entry: "Entry") -> Receipt:
        """Carries out one change, or finds that an interrupted run did already; returns facts for undo."""

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        """The checklist, from facts that were read after the last change."""

    def probed(self, answers: "Answers", facts: "FactBook") -> str:
        """What the checks that write depend on; they run again when this is not what they last passed for."""

    def undo(self, ctx: Context, entry: "Entry", *, delete_bucket: str = "") -> str:
        """Takes one change back if it is still ours, and says in a sentence what came of it."""
