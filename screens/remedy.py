"""Beneath an error: one button for its fix where the wizard can do it, and one that unfolds the raw error."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Button

from screens.forms import FORMS
from screens.view import StepView
from screens.words import LABELS, field_named
from wizard.errors import Problem, Remedy
from wizard.events import STEPS, StepId

if TYPE_CHECKING:
    from screens.frame import StepScreen

STEP_OF = {(field.table, field.key): form.step for form in FORMS.values() for field in form.fields}


TAKEN = frozenset(
    {
        "bucket-taken",
        "bucket-forbidden",
        "bucket-of-other-setup",
        "user-of-other-setup",
        "policy-of-other-setup",
        "secret-of-other-setup",
        "secret-in-use",
    }
)
"""What another name mends."""
_STEP = re.compile(r"\bthe step (\w+)\b")


@dataclass(frozen=True, slots=True)
class Offer:
    """What the button does: a remedy, leading to the answer that would mend it, or to a whole step."""

    label: str
    remedy: Remedy | None = None
    leads_to: tuple[str, str] | None = None
    opens: StepId | None = None


class RemedyBar(Horizontal):
    """Takes no line while there is nothing to offer; posts what was chosen."""

    class Chosen(Message):
        def __init__(self, offer: Offer) -> None:
            super().__init__()
            self.offer = offer

    class RawWanted(Message):
        def __init__(self, problem: Problem) -> None:
            super().__init__()
            self.problem = problem

    def __init__(self) -> None:
        super().__init__(id="remedy-bar")
        self.display = False
        self._offer: Offer | None = None
        self._raw: Problem | None = None
        self._waits: Timer | None = None
        self._left_s = 0

    def compose(self) -> ComposeResult:
        yield Button(id="remedy", variant="success", compact=True)
        yield Button("The raw error", id="raw", compact=True)

    def show(self, view: StepView, step: StepId) -> None:
        """Offers what mends the first problem that can be mended from here."""
        problems = [] if view.is_running else list(problems_of(view))
        offers = (offer_of(each, step, is_need=each in view.needs) for each in problems)
        offer = next((each for each in offers if each), None)
        self._raw = next((each for each in problems if each.raw.strip()), None)
        if offer != self._offer:
            self._stop_waiting()
            self._offer = offer
        button, raw = self.query_one("#remedy", Button), self.query_one("#raw", Button)
        button.display, raw.display = offer is not None, self._raw is not None
        if offer is not None and self._waits is None:
            button.label = offer.label
        self.display = bool(offer or self._raw)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "raw" and self._raw is not None:
            self.post_message(self.RawWanted(self._raw))
        elif self._waits is not None:
            self._stop_waiting()
        elif self._offer is not None and self._offer.remedy is not None and self._offer.remedy.kind == "wait":
            self._left_s = self._offer.remedy.wait_s
            self._waits = self.set_interval(1.0, self._count)
            self._count()
        elif self._offer is not None:
            self.post_message(self.Chosen(self._offer))

    def _count(self) -> None:
        self.query_one("#remedy", Button).label = f"Trying again in {self._left_s} s (stop)"
        if self._left_s <= 0 and self._offer is not None:
            offer = self._offer
            self._stop_waiting()
            self.post_message(self.Chosen(offer))
        self._left_s -= 1

    def _stop_waiting(self) -> None:
        if self._waits is not None:
            self._waits.stop()
            self._waits = None
        if self._offer is not None:
            self.query_one("#remedy", Button).label = self._offer.label


def problems_of(view: StepView) -> Iterator[Problem]:
    """All that the step's screen tells of, the gravest first."""
    yield from view.needs
    yield from (row.problem for row in view.checks.values() if row.problem is not None)
    if view.problem is not None:
        yield view.problem
    yield from view.warnings


def offer_of(problem: Problem, step: StepId, *, is_need: bool = False) -> Offer | None:
    """None where no button can do it; a need of this step's own answer has the primary button already."""
    remedy = problem.remedy
    if remedy is not None and remedy.kind == "wait":
        return Offer(f"Wait {remedy.wait_s} s and try again", remedy)
    if remedy is not None:
        pair = (remedy.table, remedy.key)
        if pair not in STEP_OF:
            return None
        label = LABELS[pair]
        told = f"Tick “{label}”" if remedy.value is True else f"Set {label} to {remedy.value}"
        return Offer(told, remedy, pair)
    wanted = field_named(problem)
    if wanted and problem.code in TAKEN and STEP_OF[wanted] is step:
        return Offer("Another name", leads_to=wanted)
    if wanted is None and (named := _step_named(problem)) and STEPS.index(named) < STEPS.index(step):
        is_policy = named is StepId.USER and "policy" in problem.fix
        return Offer("Put the policy right" if is_policy else f"Go to {FORMS[named].title}", opens=named)
    if wanted is None or STEPS.index(STEP_OF[wanted]) > STEPS.index(step):
        return None
    if is_need and STEP_OF[wanted] is step:
        return None
    return Offer(f"Go to “{LABELS[wanted]}”", leads_to=wanted)


def _step_named(problem: Problem) -> StepId | None:
    """The step that the fix sends to."""
    found = _STEP.search(problem.fix)
    return next((step for step in STEPS if found and step.value == found[1]), None)


def carry_out(screen: "StepScreen", offer: Offer) -> None:
    """Sets the answer and shows it, in the step that has it; what follows is looked at, never applied."""
    wizard, remedy, pair = screen.wizard, offer.remedy, offer.leads_to
    if offer.opens is not None:
        wizard.open_step(offer.opens)
        return
    if pair is None:
        screen.action_primary()
        return
    if remedy is not None:
        problem = wizard.session.put(*pair, remedy.value)
        if problem is not None:
            screen.view.problem = problem
            screen.render_view()
            return
        wizard.forget(STEP_OF[pair])
    if STEP_OF[pair] is not screen.step:
        wizard.lead_to(STEP_OF[pair], pair)
    elif remedy is not None:
        screen.fill(*pair, remedy.value)
    else:
        screen.lead_to(pair)
