"""One step on the screen: title, why, fields, what will happen, the live checklist, one primary button."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, Checkbox, Input, Select, Static

from screens.actions import (
    APP_ACTIONS,
    BACK,
    CHANGE,
    COMMANDS,
    COPY_LINE,
    LOOK,
    MORE,
    PICK,
    PRIMARY,
    STEP_ACTIONS,
    STOP,
    UNDO,
    Action,
    bindings,
)
from screens.drift import WORDS
from screens.fields import FieldRow, rows_of
from screens.forms import FORMS, Form
from screens.hints import Hint, HintLine, fitting
from screens.modals import QuestionModal, RawModal
from screens.put_there import FileBox
from screens.remedy import RemedyBar, carry_out
from screens.render import (
    STANDINGS,
    STATUS_GLYPHS,
    check_rows,
    commands_text,
    heading,
    hung,
    plan_rows,
    problem_text,
    wait_text,
)
from screens.sized import SizedScreen
from screens.table import Table, TableRow
from screens.view import StepView
from screens.words import field_named, for_screen, help_parts
from wizard.errors import Problem
from wizard.events import STEPS, StepId
from wizard.resources import read_asset

if TYPE_CHECKING:
    from screens.app import WizardApp

DEBOUNCE_S = 0.3
TICK_S = 0.5
LOOK_LABEL = "Looking …"
LOOKING = TableRow(
    Content.styled("▸ looking", "$text-accent"), Content.styled("at what is there now …", "$text-accent")
)
FADING = frozenset({"standing", "wait", "notes", "problem", "finish"})
"""Parts that take no line while they are empty."""


class StepScreen(SizedScreen):
    """Renders the app's view of its step; holds nothing that could be lost with it."""

    BINDINGS = bindings(STEP_ACTIONS)

    def __init__(self, step: StepId) -> None:
        super().__init__()
        self.step = step
        self.form: Form = FORMS[step]
        self._pause: Timer | None = None
        self._led_to: tuple[str, str] | None = None

    @property
    def wizard(self) -> "WizardApp":
        from screens.app import WizardApp

        assert isinstance(self.app, WizardApp)
        return self.app

    @property
    def view(self) -> StepView:
        return self.wizard.views[self.step]

    def compose(self) -> ComposeResult:
        yield Static(id="top", markup=False)
        yield Static(id="breadcrumb", markup=False)
        with Horizontal(id="middle"):
            yield Static(id="stepper", markup=False)
            with VerticalScroll(id="body", can_focus=False):
                yield Static(f"{STEPS.index(self.step) + 1}  {self.form.title}", id="title", markup=False)
                yield Static(self.form.why, id="why", markup=False)
                yield Static(id="standing", markup=False)
                with Vertical(id="fields"):
                    yield from self.compose_fields()
                yield Static(classes="heading", id="plan-heading", markup=False)
                yield Table("plan", is_choosable=True)
                yield Static("Checks", classes="heading", id="checks-heading", markup=False)
                yield Table("checks")
                for part in ("wait", "notes", "problem", "finish"):
                    yield Static(id=part, markup=False)
                yield FileBox()
                yield RemedyBar()
                about, _ = help_parts(read_asset(f"help/{self.step.value}.md"))
                yield Static(about, id="about", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Back", id="back", compact=True)
            yield Button(LOOK_LABEL, id="primary", variant="primary", compact=True)
            yield Button("F6 Change", id="change", compact=True)
            yield Button("F8 Undo", id="undo", compact=True)
        yield HintLine()

    def compose_fields(self) -> ComposeResult:
        yield from rows_of(self.form.fields, self.wizard.session.document)

    def on_mount(self) -> None:
        self.set_class(self.wizard.is_practice, "-practice")
        for button in self.query(Button):
            button.active_effect_duration = 0  # for its length Textual ignores Enter
        self.watch(self.query_one("#body"), "virtual_size", self.render_hints, init=False)
        self.set_interval(TICK_S, self._tick)
        self.wizard.show_log(self)
        self.first_focus()
        self.action_look()
        self.render_view()

    def first_focus(self) -> None:
        self.set_focus(self.query_one("#primary"))

    def resized(self) -> None:
        if not self.is_attached:
            return
        self.render_view()

    # What the app calls

    def render_view(self) -> None:
        """Shows the view of this step as it is now; cheap enough for every event."""
        if not self.is_mounted:
            return
        view, width = self.view, self._width
        self._update("top", Content(self._top_line()))
        self._update("breadcrumb", Content(self._breadcrumb()))
        self._update("stepper", Content(self._stepper()))
        self._update("standing", Content.styled(self._standing(), "$text-warning"))
        self._render_tables()
        self._update("notes", Content("\n".join(view.notes)))
        shown = [problem_text(each, width) for each in view.warnings]
        if view.problem is not None and not view.has_failed_checks and view.problem not in view.needs:
            shown.append(problem_text(view.problem, width))
        if view.aside:
            shown.append(hung(view.aside, width, "$text-warning"))
        self._update("problem", Content("\n").join(shown))
        self._update("finish", self._finish(width))
        self._render_buttons()
        self.query_one(FileBox).show(view.files, view.kept)
        self.query_one(RemedyBar).show(view, self.step)
        if view.is_running:
            self.query_one("#body", VerticalScroll).scroll_end(animate=False)
        self.render_hints()

    def _render_tables(self) -> None:
        """What changes while time goes by."""
        view, now = self.view, time.monotonic()
        self._update("plan-heading", heading(view))
        is_first_look = view.is_looking and view.plan is None
        self.query_one("#plan", Table).show([LOOKING] if is_first_look else plan_rows(view, now))
        self.query_one("#checks-heading").display = bool(view.checks)
        self.query_one("#checks", Table).show(check_rows(view, now))
        self._update("wait", wait_text(view, self._width, now))

    def _tick(self) -> None:
        if self.view.is_running:
            self._render_tables()

    @property
    def _width(self) -> int:
        """Of the body, its scroll bar's column left free."""
        return self.query_one("#body", VerticalScroll).scrollable_content_region.width or self.size.width - 4

    def show_look(self) -> None:
        """The plan has come: the field that it waits for gets the focus, once, and gives it back."""
        self.render_view()
        wanted = next((pair for each in self.view.needs if (pair := field_named(each))), None)
        focused = self.focused
        if wanted and wanted != self._led_to and focused is self.query_one("#primary"):
            self._led_to = wanted
            self._lead_to(wanted)
        elif wanted is None and self._led_to and isinstance(focused, Checkbox):
            self._led_to = None
            self.set_focus(self.query_one("#primary"))

    def fill(self, table: str, key: str, value: object) -> None:
        """Shows a suggested value in its field."""
        if row := self._row(table, key):
            row.fill(value)
            if self._led_to == (table, key):
                self._led_to = None
                self.set_focus(self.query_one("#primary"))
            self.action_look()

    def show_finished(self) -> None:
        """The step has ended, or was declined: the primary button is what comes next."""
        self.render_view()
        self.set_focus(self.query_one("#primary"))
        self.call_after_refresh(self.query_one("#body", VerticalScroll).scroll_end, animate=False)

    # Fields

    def on_field_row_changed(self, message: FieldRow.Changed) -> None:
        """Textual announces a control's first value too, which is no change."""
        message.stop()
        row, field = message.row, message.row.field
        if field.kind == "secret":
            self._keep_secret(field.key, str(message.value))
            return
        if message.value == self.wizard.session.document[field.table][field.key]:
            if row.has_class("-invalid"):
                row.show_problem(None)
                self.action_look()
            return
        if message.value is None:
            problem: Problem | None = Problem("not-a-number", "A whole number is needed here.")
        else:
            problem = self.wizard.session.put(field.table, field.key, message.value)
        if problem is None:
            self.wizard.forget(self.step)
        row.show_problem(problem)
        for each in self.query(FieldRow):
            each.suit(self.wizard.session.document[each.field.table])
        if self._pause is not None:
            self._pause.stop()
        self.view.is_looking = problem is None
        if problem is None:
            self._pause = self.set_timer(DEBOUNCE_S, self.action_look)
        self.render_view()

    def _keep_secret(self, variable: str, secret: str) -> None:
        """It goes no further than this run's memory; the step is looked at anew with it."""
        if (vault := self.wizard.session.vault) is None or (not secret and vault.secret(variable) is None):
            return
        vault.keep(variable, secret)
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(DEBOUNCE_S, self.action_look)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter is the screen's in a field of text and on a box; elsewhere it is the control's own."""
        if action == "enter":
            return isinstance(self.focused, Input | Checkbox)
        return super().check_action(action, parameters)

    async def action_enter(self) -> None:
        field = self.focused
        await self.drain()
        if isinstance(field, Input):
            self.enter(field)
        elif isinstance(field, Checkbox):
            self._enter_box(field)

    def enter(self, field: Input) -> None:
        """Enter was pressed in this field, and all that was typed before has reached it.

        The focus has to move at once: Widget.focus would only ask for it.
        """
        del field
        self.set_focus(self.query_one("#primary"))

    def enter_hint(self, field: Input) -> str:
        """What Enter does in this field."""
        del field
        return "Done"

    def on_descendant_focus(self) -> None:
        self.render_hints()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "primary":
            self.action_primary()
        elif event.button.id == "back":
            self.action_back()
        elif event.button.id == "change":
            self.action_change()
        elif event.button.id == "undo":
            self.action_undo()

    def on_remedy_bar_chosen(self, message: RemedyBar.Chosen) -> None:
        message.stop()
        carry_out(self, message.offer)

    def on_file_box_copied(self, message: FileBox.Copied) -> None:
        message.stop()
        self.action_copy_line()

    def on_remedy_bar_raw_wanted(self, message: RemedyBar.RawWanted) -> None:
        message.stop()
        self.app.push_screen(RawModal(message.problem))

    def lead_to(self, wanted: tuple[str, str]) -> None:
        """Puts the focus into the field of this answer."""
        self._led_to = wanted
        self._lead_to(wanted)

    def action_look(self) -> None:
        if self.view.is_running or self.query(".-invalid"):
            return
        self.view.is_looking = True
        self.wizard.session.look(self.step)
        self.render_view()

    def action_look_again(self) -> None:
        """With new clients: what was signed in or written outside is seen."""
        if not self.view.is_running:
            self.wizard.look_anew()
        self.action_look()

    def action_primary(self) -> None:
        """Goes on where the step is verified, to the answer that is missing, or carries the step out."""
        view = self.view
        if view.is_running:
            return
        if self.query(".-invalid"):
            self.set_focus(self.query(FieldRow).filter(".-invalid").first().control)
        elif view.is_looking and not view.is_verified:
            return
        elif (before := self.wizard.unverified_before(self.step)) is not None:
            self.wizard.open_step(before)
        elif view.is_verified:
            self.wizard.go_on(self.step)
        elif view.needs:
            self._show_needs()
        elif view.plan is None:
            self.action_look_again()  # what was never planned is not applied
        else:
            if view.problem is not None or view.has_failed_checks:
                self.wizard.look_anew()
            self.wizard.apply(self.step)

    def action_back(self) -> None:
        if self.view.is_running:
            self.wizard.stop(self.step)
        else:
            self.wizard.go_back(self.step)

    def action_change(self) -> None:
        """Opens a finished step's answers, after a question where later steps build on it."""
        if self.view.is_read_only:
            self.wizard.change(self.step)

    def show_fields(self) -> None:
        """The answers may be changed now."""
        self.render_view()
        self._to_first_field()

    def _to_first_field(self) -> None:
        fields = self.query("#fields Input, #fields Checkbox, #fields Select")
        first = next((each for each in fields if each.focusable), None)
        if first is not None:
            self.set_focus(first)

    def action_undo(self) -> None:
        if self.view.is_read_only:
            self.wizard.undo(self.step)

    def action_advanced(self) -> None:
        self.toggle_class("-show-advanced")

    def action_commands(self) -> None:
        """All that this step does, by hand."""
        self.wizard.show_commands(self.step, (*self._use(), *self.view.commands))

    def on_table_opened(self, message: Table.Opened) -> None:
        """One row of the plan, by hand."""
        message.stop()
        rows = self.query_one("#plan", Table).rows
        place = sum(row.opens for row in rows[: message.index])
        known = [pair for pair in self.view.commands if pair[1]]
        self.wizard.show_commands(self.step, tuple(known[place : place + 1]))

    def action_page(self, pages: int) -> None:
        body = self.query_one("#body", VerticalScroll)
        body.scroll_relative(y=pages * max(body.size.height - 2, 1), animate=False)

    def action_copy_line(self) -> None:
        self.wizard.copy_line(self.step)

    def action_help(self) -> None:
        focused = self.focused
        rows = focused.ancestors if focused else ()
        row = next((each for each in rows if isinstance(each, FieldRow)), None)
        self.wizard.show_help(self.step, (row.field.table, row.field.key) if row else None)

    # Inside

    def _enter_box(self, box: Checkbox) -> None:
        """Goes on; where the step waits for this box, it is asked, for to agree must not be an accident."""
        row = next(each for each in box.ancestors if isinstance(each, FieldRow))
        pair = (row.field.table, row.field.key)
        need = next((each for each in self.view.needs if field_named(each) == pair), None)
        if need is None or box.value:
            self.set_focus(self.query_one("#primary"))
            return

        def answered(agrees: bool | None) -> None:
            if agrees:
                box.value = True
                return
            self.view.aside = f"! Nothing was changed. Space ticks “{row.field.label}”, Enter asks again."
            self.render_view()
            self.query_one("#problem").scroll_visible(animate=False)

        need = for_screen(need)
        question = " ".join(part for part in (need.what, need.why) if part)
        self.app.push_screen(QuestionModal(f"{row.field.label}?", question, yes="Yes, tick it"), answered)

    def _show_needs(self) -> None:
        """What stands in the way is put before the eyes; where no field would mend it, it is looked again."""
        wanted = next((pair for each in self.view.needs if (pair := field_named(each))), None)
        if wanted is None or not self._lead_to(wanted):
            self.action_look_again()

    def _lead_to(self, wanted: tuple[str, str]) -> bool:
        row = self._row(*wanted)
        if row is None or row.has_class("-off"):
            return False
        if row.field.is_advanced:
            self.add_class("-show-advanced")
        self.set_focus(row.control)
        return True

    def _row(self, table: str, key: str) -> FieldRow | None:
        return next((r for r in self.query(FieldRow) if (r.field.table, r.field.key) == (table, key)), None)

    def _has_more(self) -> bool:
        return any(field.is_advanced for field in self.form.fields)

    def _has_commands(self) -> bool:
        return any(command for _, command in (*self._use(), *self.view.commands))

    def _use(self) -> tuple[tuple[str, str], ...]:
        """After the proof: what to type to use the registry."""
        is_proven = self.step is STEPS[-1] and self.view.is_verified
        return self.wizard.use() if is_proven else ()

    def _finish(self, width: int) -> Content:
        """After the proof: what to type to use the registry."""
        if self.step is not STEPS[-1] or not self.view.is_verified:
            return Content("")
        told = "✓ Proven: your registry works. To use it (F4 copies this, or keeps it in a file):"
        proven = hung(told, width, "bold $text-success")
        return proven + "\n" + commands_text(self.wizard.snippets(), width)

    def _render_buttons(self) -> None:
        view = self.view
        primary, back = self.query_one("#primary", Button), self.query_one("#back", Button)
        back.label = "Stop" if view.is_running else "Back"
        self.query_one("#fields").disabled = view.is_read_only or view.is_running
        self.set_class(view.is_read_only, "-done")
        primary.label = self._label(view)

    def render_hints(self) -> None:
        """What Enter does where the focus is goes first, then how to see what does not fit."""
        if not self.is_attached:
            return
        first = list(self._enter_hints())
        if self.query_one("#body", VerticalScroll).max_scroll_y > 0:
            first.append(("PgUp/PgDn Scroll", "screen.page(1)"))
        self.query_one(HintLine).show(fitting(first, self.actions_now, self.size.width - 2))

    @property
    def actions_now(self) -> tuple[Action, ...]:
        is_done, is_running = self.view.is_read_only, self.view.is_running
        is_there = {
            MORE: self._has_more(),
            COMMANDS: self._has_commands(),
            CHANGE: is_done,
            UNDO: is_done,
            LOOK: not is_running,
            COPY_LINE: bool(self.view.files),
        }
        there = (each for each in STEP_ACTIONS if is_there.get(each, True))
        return tuple(STOP if each is BACK and is_running else each for each in there)

    @property
    def offered(self) -> tuple[Action, ...]:
        """For the palette: not what only moves about, and the app tells its own."""
        primary = str(self.query_one("#primary", Button).label).removesuffix(" →")
        named = replace(PRIMARY, label=primary)
        return (named, *(each for each in self.actions_now if each.is_hint and each not in APP_ACTIONS))

    def _enter_hints(self) -> Iterator[Hint]:
        focused = self.focused
        primary = str(self.query_one("#primary", Button).label).removesuffix(" →")
        is_live = not primary.endswith("…")
        if isinstance(focused, Input):
            yield (f"Enter {self.enter_hint(focused)}", "screen.enter")
        elif isinstance(focused, Checkbox):
            yield ("Space Tick", "")
        elif isinstance(focused, Table):
            yield ("Enter The row by hand", "")
        elif isinstance(focused, Select):
            yield ("Enter Choose", "")
        elif isinstance(focused, Button) and (focused.id != "primary" or is_live):
            is_primary = focused.id == "primary"
            yield (f"Enter {primary if is_primary else focused.label}", PRIMARY.clicked if is_primary else "")
        if is_live and getattr(focused, "id", None) not in {"primary", "user-name"}:
            yield (f"F2 {primary}", PRIMARY.clicked)
        if focused and any(isinstance(each, FieldRow) and each.has_list for each in focused.ancestors):
            yield (f"{PICK.shown} {PICK.label}", "")

    def _label(self, view: StepView) -> str:
        if view.is_running:
            return "Stopping …" if self.wizard.session.cancel.is_set() else "Working …"
        if view.is_verified and self.wizard.unverified_before(self.step) is None:
            following = STEPS.index(self.step) + 1
            return "Finish" if following == len(STEPS) else f"Next: {FORMS[STEPS[following]].title} →"
        if view.is_looking:
            return LOOK_LABEL
        if (before := self.wizard.unverified_before(self.step)) is not None:
            return f"Go to {STEPS.index(before) + 1} {FORMS[before].title} →"
        if view.aside:
            return "Ask me again"
        if view.needs and not any(field_named(each) for each in view.needs):
            return "Look again"
        if view.problem is not None or view.has_failed_checks:
            return "Try again"
        return "Apply and verify" if view.plan and view.plan.changes else "Verify"

    def _standing(self) -> str:
        """What is to be known before anything else: a step before this one, then this one."""
        if self.view.is_running:
            return ""
        before = self.wizard.unverified_before(self.step)
        if before is None:
            return STANDINGS.get(self.view.status, "")
        why = WORDS.get(self.wizard.views[before].status, "to be verified")
        title = f"{STEPS.index(before) + 1} {FORMS[before].title}"
        return f"! Step {title} comes first: {why}. All that you typed here stays."

    def _top_line(self) -> str:
        badge = "  [PRACTICE: nothing here is real]" if self.wizard.is_practice else ""
        return f"kube-registry  {self.wizard.setup}{badge}"

    def _stepper(self) -> str:
        return "\n".join(f"{self._mark(step)} {FORMS[step].title}" for step in STEPS)

    def _breadcrumb(self) -> str:
        marks = " ".join(self._mark(step).replace(" ", "") for step in STEPS)
        return f"{marks}   step {STEPS.index(self.step) + 1} of {len(STEPS)}"

    def _mark(self, step: StepId) -> str:
        glyph = "▸" if step is self.step else STATUS_GLYPHS[self.wizard.views[step].status]
        return f"{glyph} {STEPS.index(step) + 1}"

    def _update(self, widget_id: str, content: Content) -> None:
        widget = self.query_one(f"#{widget_id}", Static)
        widget.update(content)
        if widget_id in FADING:
            widget.display = bool(content.plain)
