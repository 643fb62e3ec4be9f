"""Questions and texts over a screen; a question names the thing and focuses the harmless answer."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from screens.render import clean
from screens.sized import SizedModal, close_button
from wizard.errors import Problem


class QuestionModal(SizedModal[bool]):
    """Yes or no; escape is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "No"),
        Binding("y", "answer(True)", "Yes"),
        Binding("n", "answer(False)", "No"),
        Binding("left,up", "app.focus_previous", "Other answer"),
        Binding("right,down", "app.focus_next", "Other answer"),
    ]

    def __init__(self, title: str, question: str, *, yes: str, no: str = "Cancel") -> None:
        super().__init__()
        self._title = title
        self._question = question
        self._yes = yes
        self._no = no

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(clean(self._title), id="dialog-title", markup=False)
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Static(clean(self._question), markup=False)
            with Horizontal(id="dialog-buttons"):
                yield Button(self._no, id="no", compact=True)
                yield Button(self._yes, id="yes", variant="warning", compact=True)
            yield Static("Y yes  N no  or  ← → choose  Enter answers", id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Nobody agrees to what is not to be seen."""
        if not (answer and self.is_tiny):
            self.dismiss(answer)


class QuitModal(QuestionModal):
    """The question whether to quit; it may lie over another one."""


class RawModal(SizedModal[None]):
    """A foreign error as it came; C copies it by OSC 52, which some terminals ignore."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", priority=True),
        Binding("enter", "close", "Close"),
        Binding("c", "copy", "Copy"),
    ]

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self._problem = problem

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(clean(self._problem.what), id="dialog-title", markup=False)
            with VerticalScroll(id="dialog-text"):
                yield Static(clean(self._problem.raw), id="raw-text", markup=False)
            yield Static(id="dialog-told", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield close_button()
                yield Button("Copy", id="copy", compact=True)
            yield Static("C copy  ↑ ↓ scroll  Enter or Esc closes", id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#dialog-text").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "copy":
            self.action_copy()
        else:
            self.action_close()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(clean(self._problem.raw))
        self.query_one("#dialog-told", Static).update(
            "Copied. Where your terminal does not take it: select it."
        )


class TextModal(SizedModal[None]):
    """A text to read, such as help; any of its keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,enter", "close", "Close", priority=True)]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(clean(self._title), id="dialog-title", markup=False)
            with VerticalScroll(id="dialog-text"):
                yield Static(clean(self._text), markup=False)
            with Horizontal(id="dialog-buttons"):
                yield close_button()
            yield Static("Enter or Esc closes", id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#dialog-text").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_close()
