"""One row of a form: label, control, and beneath it what is wrong with the answer."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Select, Static

from screens.actions import PICK, bindings
from screens.forms import Field
from screens.live import PAUSE_S, Asker, LookLine, Offered, Seen
from screens.render import problem_text
from wizard.errors import Problem
from wizard.looks import Choice, Look, Verdict, has_default, has_list, has_look

if TYPE_CHECKING:
    from screens.session import Session

LABEL_COLUMNS = 26
SPINNER_WAITS_S = 0.1
LASTING = frozenset({Verdict.WARNING, Verdict.BAD})
"""Verdicts that stay on the screen when the focus has gone on."""


class Box(Checkbox, inherit_bindings=False):
    """A box whose mark can be told without colour: empty or ticked, with the word beside it.

    Only Space ticks it. Enter goes on everywhere else, so here it must not agree to anything unseen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "toggle_button", "Tick", show=False)]

    BUTTON_LEFT, BUTTON_RIGHT = "[", "]"

    def __init__(self, *, value: bool, widget_id: str) -> None:
        super().__init__(_word(value=value), value=value, id=widget_id, compact=True)
        self.BUTTON_INNER = _mark(value=value)

    def watch_value(self) -> None:
        self.BUTTON_INNER = _mark(value=self.value)
        self.label = Content(_word(value=self.value))
        super().watch_value()


class ListButton(Static):
    """Opens the list of a field by the mouse; the keyboard has a key for it."""

    class Pressed(Message):
        """It was clicked."""

    def __init__(self) -> None:
        super().__init__("▼", classes="field-list", markup=False)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Pressed())


class FieldRow(Vertical):
    """Posts Changed with a value of the answer's own type, or with None where the text is no number.

    While it has the focus it asks the world about its answer, see `screens.live`.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings((PICK,))

    class Changed(Message):
        def __init__(self, row: "FieldRow", value: object) -> None:
            super().__init__()
            self.row = row
            self.value = value

    def __init__(self, field: Field, value: object) -> None:
        super().__init__(classes="field-row")
        self.field = field
        self._value = value
        self._asker = Asker(self, field.table, field.key)
        self._line = LookLine()
        self._pause: Timer | None = None
        self._is_asking = self._is_typed = False
        if field.is_advanced:
            self.add_class("-advanced")

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field-line"):
            yield Static(self.field.label, classes="field-label", markup=False)
            yield self._control()
            if self.has_list:
                yield ListButton()
        yield Static("", classes="field-problem", markup=False)
        yield self._line

    def on_mount(self) -> None:
        self._offer()

    def _control(self) -> Widget:
        field, value = self.field, self._value
        if field.kind == "switch":
            return Box(value=bool(value), widget_id=field.widget_id)
        if field.kind == "choice":
            choices = field.choices if str(value) in field.choices else (*field.choices, str(value))
            options = [(choice or "the same way", choice) for choice in choices]
            return Select(options, value=str(value), allow_blank=False, id=field.widget_id, compact=True)
        return Input(
            _text(value),
            placeholder=field.hint,
            password=field.kind == "secret",
            id=field.widget_id,
            compact=True,
            select_on_focus=False,
        )

    @property
    def control(self) -> Widget:
        return self.query_one(f"#{self.field.widget_id}")

    def fill(self, value: object) -> None:
        """Shows a value that did not come from this row, without announcing it."""
        control = self.control
        with self.prevent(Input.Changed, Checkbox.Changed, Select.Changed):
            if isinstance(control, Input):
                control.value = _text(value)
            elif isinstance(control, Checkbox):
                control.value = bool(value)
            elif isinstance(control, Select):
                control.value = str(value)

    def suit(self, table: Mapping[str, object]) -> None:
        """Shows the row only where the other answers ask for it."""
        if self.field.only_if is not None:
            key, *values = self.field.only_if
            self.set_class(table[key] not in values, "-off")
            if self.is_mounted:
                self._offer()

    def show_problem(self, problem: Problem | None) -> None:
        self.set_class(problem is not None, "-invalid")
        line = self.query_one(".field-problem", Static)
        width = max(self.size.width - LABEL_COLUMNS, 20)
        line.update(problem_text(problem, width) if problem else Content(""))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        text = event.value.strip()
        value: object = text
        if self.field.kind == "number":
            value = int(text) if text.isdecimal() else None
        elif self.field.kind == "names":
            value = [part.strip() for part in text.split(",") if part.strip()]
        self._changed(value)

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self._changed(event.value)

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self._changed(event.value)

    def _changed(self, value: object) -> None:
        """What was seen of other fields may hang on this one."""
        self.post_message(self.Changed(self, value))
        if not self.has_focus_within:
            return  # Textual announces a control's first value too
        self._is_typed = True
        self.look_soon()
        for row in self.screen.query(FieldRow):
            if row is not self and row.look is not None:
                row.look_soon()

    # What the world says

    @property
    def look(self) -> Look | None:
        """What stands beneath the field now."""
        return self._line.look

    @property
    def has_list(self) -> bool:
        """Whether its answer can be picked from a list."""
        return has_list(self.field.table, self.field.key)

    def look_soon(self, *, is_stale: bool = True) -> None:
        """Asks when nothing was typed for a moment; a stale look no longer stands there meanwhile."""
        self._give_up()
        if not has_look(self.field.table, self.field.key):
            return
        if is_stale and self._line.look is not None:
            self._line.show(None, is_looking=True)
        self._pause = self.set_timer(PAUSE_S, self._look)

    def _give_up(self) -> None:
        self._asker.silence()
        self._is_asking = False
        if self._pause is not None:
            self._pause.stop()

    def on_descendant_focus(self) -> None:
        self._is_typed = False
        self.look_soon(is_stale=False)

    def on_descendant_blur(self) -> None:
        """A look that nothing was typed for is given up; good news need no line any more."""
        if not self._is_typed:
            self._give_up()
        if self._line.look is not None or not self._is_typed:
            self._show(self._line.look)

    def on_unmount(self) -> None:
        self._asker.silence()

    def on_seen(self, message: Seen) -> None:
        message.stop()
        if self._asker.is_current(message):
            self._is_asking = False
            self._show(message.look)

    def on_offered(self, message: Offered) -> None:
        """Never over something that was typed; keys that are on their way replace what is filled in."""
        message.stop()
        field, control = self.field, self.control
        if not isinstance(control, Input) or control.value or control.is_disabled:
            return
        if not self._session.document[field.table][field.key]:
            control.value = message.value
            control.select_all()

    def on_list_button_pressed(self, message: ListButton.Pressed) -> None:
        message.stop()
        self.screen.set_focus(self.control)
        self.action_pick()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "pick":
            return self.has_list
        return super().check_action(action, parameters)

    def action_pick(self) -> None:
        """Opens the list of what is there; a pick counts as typed."""
        from screens.picker import PickerModal

        looker, control, field = self._session.looker, self.control, self.field
        if looker is None or not isinstance(control, Input):
            return
        document = self._session.document

        def pages() -> Iterator[list[Choice]]:
            from wizard.answers import from_mapping

            return looker.pages(field.table, field.key, from_mapping(document))

        is_list = field.kind == "names"

        def picked(value: str | None) -> None:
            if value is not None:
                text = _with(control.value, value) if is_list else value
                control.value = text
                control.cursor_position = len(text)
                self._is_typed = True
                self.look_soon()

        present = "" if is_list else control.value
        self.app.push_screen(PickerModal(field.label, pages, present), picked)

    @property
    def _session(self) -> "Session":
        from screens.app import WizardApp

        assert isinstance(self.app, WizardApp)
        return self.app.session

    def _look(self) -> None:
        looker = self._session.looker
        if looker is None or self.has_class("-invalid") or self.has_class("-off"):
            self._line.show(None)
            return
        self._is_asking = True
        self._asker.ask(looker, self._session.document)
        self.set_timer(SPINNER_WAITS_S, self._spin)

    def _spin(self) -> None:
        if self._is_asking and self._line.look is None:
            self._line.show(None, is_looking=True)

    def _show(self, look: Look | None) -> None:
        is_shown = look is not None and (self.has_focus_within or look.verdict in LASTING)
        self._line.show(look if is_shown else None)

    def _offer(self) -> None:
        field = self.field
        if not has_default(field.table, field.key) or self.has_class("-off"):
            return
        session = self._session
        if session.looker is not None and not session.document[field.table][field.key]:
            self._asker.offer(session.looker, session.document)


def _mark(*, value: bool) -> str:
    return "x" if value else " "


def _word(*, value: bool) -> str:
    return "yes  (Space clears it)" if value else "no  (Space ticks it)"


def _with(names: str, name: str) -> str:
    """The list with the name in it, once."""
    there = [part.strip() for part in names.split(",") if part.strip()]
    return ", ".join(there if name in there else [*there, name])


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)


def rows_of(fields: tuple[Field, ...], document: Mapping[str, Mapping[str, Any]]) -> Iterator[FieldRow]:
    for field in fields:
        row = FieldRow(field, "" if field.kind == "secret" else document[field.table][field.key])
        row.suit(document[field.table])
        yield row
