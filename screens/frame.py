"""One step on the screen: title, why, fields, what will happen, the live checklist, one primary button."""

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Button, Static

from screens.actions import STEP_ACTIONS, bindings, hints
from screens.fields import FieldRow, rows_of
from screens.forms import FORMS, Form
from screens.render import STATUS_GLYPHS, plan_text, problem_text, rows_text, wait_text
from wizard.errors import Problem
from wizard.events import STEPS, StepId

if TYPE_CHECKING:
    from screens.app import WizardApp

DEBOUNCE_S = 0.3
WIDE_COLUMNS = 100


class StepScreen(Screen[None]):
    """Renders the app's view of its step; holds nothing that could be lost with it."""

    BINDINGS = bindings(STEP_ACTIONS)

    def __init__(self, step: StepId) -> None:
        super().__init__()
        self.step = step
        self.form: Form = FORMS[step]
        self._pause: Timer | None = None
        self._has_typed = False

    @property
    def wizard(self) -> "WizardApp":
        from screens.app import WizardApp

        assert isinstance(self.app, WizardApp)
        return self.app

    def compose(self) -> ComposeResult:
        yield Static(id="top", markup=False)
        yield Static(id="breadcrumb", markup=False)
        with Horizontal(id="middle"):
            yield Static(id="stepper", markup=False)
            with VerticalScroll(id="body", can_focus=False):
                yield Static(f"{STEPS.index(self.step) + 1}  {self.form.title}", id="title", markup=False)
                yield Static(self.form.why, id="why", markup=False)
                with Vertical(id="fields"):
                    yield from self.compose_fields()
                yield Static("What will happen", classes="heading", markup=False)
                yield Static(id="plan", markup=False)
                yield Static("Checks", classes="heading", id="checks-heading", markup=False)
                yield Static(id="checks", markup=False)
                yield Static(id="wait", markup=False)
                yield Static(id="notes", markup=False)
                yield Static(id="problem", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Back", id="back", compact=True)
            yield Button("Apply", id="primary", variant="primary", compact=True)
        yield Static(hints(STEP_ACTIONS), id="hints", markup=False)

    def compose_fields(self) -> ComposeResult:
        yield from rows_of(self.form.fields, self.wizard.session.document)

    def on_mount(self) -> None:
        self.set_class(self.wizard.is_practice, "-practice")
        self.render_view()
        self.query_one("#primary").focus()
        self.action_look()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE_COLUMNS, "-wide")

    # What the app calls

    def render_view(self) -> None:
        """Shows the view of this step as it is now; cheap enough for every event."""
        if not self.is_mounted:
            return
        view = self.wizard.views[self.step]
        self._update("top", Content(self._top_line()))
        self._update("breadcrumb", Content(self._breadcrumb()))
        self._update("stepper", Content(self._stepper()))
        if view.is_looking and view.plan is None and view.problem is None:
            self._update("plan", Content.styled("▸ looking …", "$text-accent"))
        else:
            self._update("plan", plan_text(view))
        rows = [*view.changes, *view.checks.values()]
        self.query_one("#checks-heading").display = bool(rows)
        self._update("checks", rows_text(rows))
        self._update("wait", wait_text(view))
        self._update("notes", Content("\n".join(view.notes)))
        shown = [problem_text(each) for each in view.warnings]
        if view.problem is not None and not view.has_failed_checks:
            shown.append(problem_text(view.problem))
        self._update("problem", Content("\n").join(shown))
        self._render_button()
        if view.is_running:
            self.query_one("#body", VerticalScroll).scroll_end(animate=False)

    def fill(self, table: str, key: str, value: object) -> None:
        """Shows a suggested value in its field."""
        for row in self.query(FieldRow):
            if (row.field.table, row.field.key) == (table, key):
                row.fill(value)

    def show_finished(self) -> None:
        """The step has ended: the primary button is what comes next."""
        self.query_one("#primary").focus()
        self.call_after_refresh(self.query_one("#body", VerticalScroll).scroll_end, animate=False)

    # Fields

    def on_field_row_changed(self, message: FieldRow.Changed) -> None:
        message.stop()
        row = message.row
        self._has_typed = True
        problem: Problem | None
        if message.value is None:
            problem = Problem("not-a-number", "A whole number is needed here.")
        else:
            problem = self.wizard.session.put(row.field.table, row.field.key, message.value)
        row.show_problem(problem)
        self.wizard.forget(self.step)
        self.render_view()
        if self._pause is not None:
            self._pause.stop()
        if problem is None:
            self._pause = self.set_timer(DEBOUNCE_S, self.action_look)

    # Actions

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "primary":
            self.action_primary()
        elif event.button.id == "back":
            self.action_back()

    def action_look(self) -> None:
        view = self.wizard.views[self.step]
        if view.is_running or self.query(".-invalid"):
            return
        view.is_looking = True
        self.wizard.session.look(self.step)
        self.render_view()

    def action_primary(self) -> None:
        view = self.wizard.views[self.step]
        if view.is_running:
            self.wizard.session.cancel.set()
        elif self.query(".-invalid"):
            self.query(FieldRow).filter(".-invalid").first().control.focus()
        elif view.is_verified:
            self.wizard.go_on(self.step)
        else:
            self.wizard.apply(self.step)

    def action_back(self) -> None:
        self.wizard.go_back(self.step)

    def action_advanced(self) -> None:
        self.toggle_class("-show-advanced")

    def action_help(self) -> None:
        focused = self.focused
        row = (
            next((each for each in focused.ancestors if isinstance(each, FieldRow)), None)
            if focused
            else None
        )
        self.wizard.show_help(self.step, f"{row.field.table}.{row.field.key}" if row else "")

    # Rendering

    def _render_button(self) -> None:
        view = self.wizard.views[self.step]
        button = self.query_one("#primary", Button)
        following = STEPS.index(self.step) + 1
        if view.is_running:
            button.label, button.disabled = "Stop", False
        elif view.is_verified:
            last = following == len(STEPS)
            button.label = "Finish" if last else f"Next: {FORMS[STEPS[following]].title} →"
            button.disabled = False
        else:
            has_failed = view.problem is not None or view.has_failed_checks
            button.label = "Try again" if has_failed else self._verb()
            button.disabled = bool(view.plan and view.plan.blockers)

    def _verb(self) -> str:
        view = self.wizard.views[self.step]
        return "Apply and verify" if view.plan and view.plan.changes else "Verify"

    def _top_line(self) -> str:
        badge = "  [PRACTICE: nothing here is real]" if self.wizard.is_practice else ""
        return f"kube-registry  {self.wizard.setup}{badge}"

    def _stepper(self) -> str:
        return "\n".join(self._mark(step) + f" {FORMS[step].title}" for step in STEPS)

    def _breadcrumb(self) -> str:
        marks = " ".join(self._mark(step).replace(" ", "") for step in STEPS)
        return f"{marks}   step {STEPS.index(self.step) + 1} of {len(STEPS)}"

    def _mark(self, step: StepId) -> str:
        glyph = "▸" if step is self.step else STATUS_GLYPHS[self.wizard.views[step].status]
        return f"{glyph} {STEPS.index(step) + 1}"

    def _update(self, widget_id: str, content: Content) -> None:
        widget = self.query_one(f"#{widget_id}", Static)
        widget.update(content)
        if widget_id in {"wait", "notes", "problem", "checks"}:
            widget.display = bool(content.plain)
