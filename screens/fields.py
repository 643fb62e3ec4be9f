"""One row of a form: label, control, and beneath it what is wrong with the answer."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Select, Static

from screens.forms import Field
from screens.render import problem_text
from wizard.errors import Problem

LABEL_COLUMNS = 26


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


class FieldRow(Vertical):
    """Posts Changed with a value of the answer's own type, or with None where the text is no number."""

    class Changed(Message):
        def __init__(self, row: "FieldRow", value: object) -> None:
            super().__init__()
            self.row = row
            self.value = value

    def __init__(self, field: Field, value: object) -> None:
        super().__init__(classes="field-row")
        self.field = field
        self._value = value
        if field.is_advanced:
            self.add_class("-advanced")

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field-line"):
            yield Static(self.field.label, classes="field-label", markup=False)
            yield self._control()
        yield Static("", classes="field-problem", markup=False)

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
        self.post_message(self.Changed(self, value))

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self, event.value))

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self, event.value))


def _mark(*, value: bool) -> str:
    return "x" if value else " "


def _word(*, value: bool) -> str:
    return "yes  (Space clears it)" if value else "no  (Space ticks it)"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)


def rows_of(fields: tuple[Field, ...], document: Mapping[str, Mapping[str, Any]]) -> Iterator[FieldRow]:
    for field in fields:
        row = FieldRow(field, "" if field.kind == "secret" else document[field.table][field.key])
        row.suit(document[field.table])
        yield row
