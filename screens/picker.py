"""A list to pick an answer from: it narrows while one types, and is loaded while it is open."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Input, Static

from screens.picker_list import ChoiceList
from screens.render import clean, problem_text
from screens.sized import SizedModal, close_button
from wizard.errors import Problem, WizardError
from wizard.looks import Choice

Pages = Callable[[], Iterator[list[Choice]]]
PROBLEM_COLUMNS = 60


class PickerModal(SizedModal[str | None]):
    """Gives the picked value, None if there was none; closing it ends the loading after the present page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f7", "close", "Close", priority=True),
        Binding("enter", "pick", "Pick", priority=True),
        Binding("up", "step(-1)", "Row above", priority=True),
        Binding("down,alt+down", "step(1)", "Row below", priority=True),
        Binding("pageup", "page(-1)", "Page up", priority=True),
        Binding("pagedown", "page(1)", "Page down", priority=True),
    ]

    class Page(Message):
        """Some more entries."""

        def __init__(self, choices: list[Choice]) -> None:
            super().__init__()
            self.choices = choices

    class Ended(Message):
        """Nothing more comes; `problem` says why the list is not whole."""

        def __init__(self, problem: Problem | None) -> None:
            super().__init__()
            self.problem = problem

    def __init__(self, title: str, pages: Pages, present: str) -> None:
        super().__init__()
        self._title = title
        self._pages = pages
        self._present = present
        self._has_closed = threading.Event()
        self._is_loading = True

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-picker"):
            yield Static(clean(self._title), id="dialog-title", markup=False)
            yield Input(placeholder="type to narrow the list", id="filter", compact=True)
            yield ChoiceList(self._present, "choices")
            yield Static(id="picker-state", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield close_button()
            yield Static("↑ ↓ choose  Enter picks  Esc closes", id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#filter", Input).focus()
        self.query_one("#close", Button).can_focus = False  # keys are the list's
        self._tell()
        threading.Thread(target=self._load, name="picker", daemon=True).start()

    def on_unmount(self) -> None:
        self._has_closed.set()

    @property
    def is_loading(self) -> bool:
        return self._is_loading

    def _load(self) -> None:
        from wizard.checks import unexpected

        problem: Problem | None = None
        try:
            pages = self._pages()
            with contextlib.closing(pages) if isinstance(pages, Generator) else contextlib.nullcontext():
                for page in pages:
                    if self._has_closed.is_set():
                        return
                    self.post_message(self.Page(page))
        except WizardError as error:
            problem = error.problem
        except Exception as error:  # noqa: BLE001 - a sentence on the screen, never a traceback over it
            problem = unexpected(error, "The list could not be read.")
        self.post_message(self.Ended(problem))

    def on_picker_modal_page(self, message: Page) -> None:
        message.stop()
        self.query_one(ChoiceList).add(message.choices)
        self._tell()

    def on_picker_modal_ended(self, message: Ended) -> None:
        message.stop()
        self._is_loading = False
        self._tell(message.problem)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(ChoiceList).narrow(event.value)
        self._tell()

    def on_choice_list_chosen(self, message: ChoiceList.Chosen) -> None:
        message.stop()
        self.dismiss(message.value)

    def action_step(self, by: int) -> None:
        self.query_one(ChoiceList).step(by)

    def action_page(self, pages: int) -> None:
        choices = self.query_one(ChoiceList)
        choices.step(pages * max(choices.size.height - 1, 1))

    def action_pick(self) -> None:
        if chosen := self.query_one(ChoiceList).chosen:
            self.dismiss(chosen.value)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_close()

    def _tell(self, problem: Problem | None = None) -> None:
        choices, state = self.query_one(ChoiceList), self.query_one("#picker-state", Static)
        if problem is not None:
            state.update(problem_text(problem, PROBLEM_COLUMNS))
            return
        count = f"{choices.total:,} so far, … loading" if self._is_loading else f"{choices.total:,} in all"
        if choices.matching < choices.total:
            count = f"{choices.matching:,} match, of {count}"
        if not choices.total and not self._is_loading:
            count = "There are none."
        state.update(Content.styled(count, "$text-muted"))
