"""What the session tells the app, from its own threads; Textual carries messages across safely."""

from collections.abc import Mapping
from dataclasses import dataclass

from textual.message import Message

from wizard.errors import Problem
from wizard.events import Event, PlanMade, StepId, StepStatus


@dataclass(frozen=True, slots=True)
class SetupRow:
    """One line of the start screen."""

    name: str
    steps_done: int
    steps: int
    touched: str
    is_undone: bool


class Loaded(Message):
    """The engine is loaded; these setups are there."""

    def __init__(self, setups: tuple[SetupRow, ...]) -> None:
        super().__init__()
        self.setups = setups


class Opened(Message):
    """A setup is open: its answers as a document of tables, and how each step stands by the journal."""

    def __init__(self, setup: str, document: Mapping[str, Mapping[str, object]], first: StepId) -> None:
        super().__init__()
        self.setup = setup
        self.document = document
        self.first = first


class Standing(Message):
    """How the steps stand after a look at the world."""

    def __init__(self, statuses: Mapping[StepId, StepStatus]) -> None:
        super().__init__()
        self.statuses = statuses


class Drifted(Message):
    """What has become of a setup of the first screen: a sentence, and whether all is well."""

    def __init__(self, setup: str, words: str, *, is_well: bool) -> None:
        super().__init__()
        self.setup = setup
        self.words = words
        self.is_well = is_well


class Looked(Message):
    """A field check is done: the plan for the answers as they were typed, or why there is none."""

    def __init__(
        self, step: StepId, plan: PlanMade | None, problem: Problem | None, warnings: tuple[Problem, ...]
    ) -> None:
        super().__init__()
        self.step = step
        self.plan = plan
        self.problem = problem
        self.warnings = warnings


class Suggested(Message):
    """Defaults that only the world could tell: (table, key) -> value."""

    def __init__(self, values: Mapping[tuple[str, str], object]) -> None:
        super().__init__()
        self.values = values


class Happened(Message):
    """An event of the engine."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class Ended(Message):
    """A job of the engine has ended; `problem` says why it did not get through."""

    def __init__(self, job: str, step: StepId | None, problem: Problem | None) -> None:
        super().__init__()
        self.job = job
        self.step = step
        self.problem = problem


class NotSaved(Message):
    """The newest answers are in memory only; why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem


class Broken(Message):
    """The session cannot begin at all."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
