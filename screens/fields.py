"""One row of a form: label, control, and beneath it what is wrong with the answer."""

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Select, Static

from screens.forms import Field
from screens.render import problem_text
from wizard.errors import Problem


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
        self._is_filling = False
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
            return Checkbox("", value=bool(value), id=field.widget_id, compact=True)
        if field.kind == "choice":
            options = [(choice, choice) for choice in field.choices]
            return Select(options, value=str(value), allow_blank=False, id=field.widget_id, compact=True)
        return Input(_text(value), placeholder=field.hint, id=field.widget_id, compact=True)

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

    def show_problem(self, problem: Problem | None) -> None:
        self.set_class(problem is not None, "-invalid")
        line = self.query_one(".field-problem", Static)
        line.update(problem_text(problem) if problem else Content(""))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        text = event.value.strip()
        value: object = text
        if self.field.kind == "number":
            value = int(text) if text.isdigit() else None
        elif self.field.kind == "names":
            value = [part.strip() for part in text.split(",") if part.strip()]
        self.post_message(self.Changed(self, value))

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self, event.value))

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self, event.value))


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)


def rows_of(fields: tuple[Field, ...], document: dict[str, dict[str, object]]) -> Iterator[FieldRow]:
    for field in fields:
        yield FieldRow(field, document[field.table][field.key])
