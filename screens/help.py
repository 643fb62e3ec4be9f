"""Help for the field that has the focus, the glossary, and what to do when stuck."""

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from screens.forms import FORMS
from screens.render import clean
from screens.sized import SizedModal, close_button
from screens.words import HELP_LABELS, help_parts
from wizard.errors import Problem
from wizard.events import StepId
from wizard.resources import read_asset

if TYPE_CHECKING:
    from screens.app import WizardApp

FRAME_ROWS = 12
REPORT = (
    "A report is a text file with versions, checks, answers, journal and log of this setup. Secrets, and most"
    " of each account number, are left out. Hand it to whoever helps you; look it through before you do."
)


class _Reading(SizedModal[None]):
    """A text that scrolls; its size follows the terminal's."""

    def on_mount(self) -> None:
        self._fit()

    def resized(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self.query_one("#dialog-text").styles.max_height = max(self.app.size.height - FRAME_ROWS, 3)

    def action_page(self, pages: int) -> None:
        text = self.query_one("#dialog-text", VerticalScroll)
        text.scroll_relative(y=pages * max(text.size.height - 1, 1), animate=False)


def step_help(step: StepId, field: tuple[str, str] | None) -> "HelpModal":
    """About the field, or what stands there about the step as a whole."""
    about, parts = help_parts(read_asset(f"help/{step.value}.md"))
    words = parts.get(".".join(field)) if field else None
    if field and words:
        return HelpModal(HELP_LABELS[field], words)
    return HelpModal(FORMS[step].title, f"{FORMS[step].why}\n\n{about}")


def start_help() -> "HelpModal":
    """About the wizard and its setups."""
    about, _ = help_parts(read_asset("help/start.md"))
    return HelpModal("Setups", about)


class HelpModal(_Reading):
    """About one field, a step as a whole or the wizard; G opens the glossary, R makes a report."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,ctrl+g,q", "close", "Close", priority=True),
        Binding("enter", "close", "Close"),
        Binding("g", "glossary", "Glossary"),
        Binding("r", "report", "Stuck? Make a report"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(clean(f"Help: {self._title}"), id="dialog-title", markup=False)
            with VerticalScroll(id="dialog-text"):
                yield Static(clean(self._text), id="help-text", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield close_button()
                yield Button("Glossary", id="glossary-wanted", compact=True)
                yield Button("Stuck? Make a report", id="report-wanted", compact=True)
            hint = "Enter or Esc closes  G Glossary  R Report"
            yield Static(hint, id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#dialog-text").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "glossary-wanted":
            self.action_glossary()
        elif event.button.id == "report-wanted":
            self.action_report()
        else:
            self.action_close()

    def action_glossary(self) -> None:
        self.app.push_screen(GlossaryModal())

    def action_report(self) -> None:
        self.app.push_screen(ReportModal())


class GlossaryModal(_Reading):
    """All words by the alphabet; what is typed narrows them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,enter", "close", "Close", priority=True),
        Binding("down,pagedown", "page(1)", "On", priority=True),
        Binding("up,pageup", "page(-1)", "Back", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        _, terms = help_parts(read_asset("help/glossary.md"))
        self._terms = sorted(terms.items(), key=lambda each: each[0].lower())

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static("Glossary", id="dialog-title", markup=False)
            yield Input(placeholder="type a word", id="filter", compact=True)
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Static(id="glossary", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield close_button()
            yield Static("↑ ↓ scroll  Enter or Esc closes", id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#filter").focus()
        self._draw("")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_close()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._draw(event.value.strip().lower())

    def _draw(self, wanted: str) -> None:
        """Words that hold it come first, then those whose explanation does."""
        by_name = [each for each in self._terms if wanted in each[0].lower()]
        others = [each for each in self._terms if each not in by_name and wanted in each[1].lower()]
        shown = [Content.styled(name, "bold") + Content(f"\n{words}") for name, words in (*by_name, *others)]
        nothing = Content("No such word here. Clear the line to see them all.")
        self.query_one("#glossary", Static).update(Content("\n\n").join(shown) if shown else nothing)
        self.query_one("#dialog-text", VerticalScroll).scroll_home(animate=False)


class ReportModal(_Reading):
    """Says what a report is, writes it, and shows where."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", priority=True)]

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static("Stuck?", id="dialog-title", markup=False)
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Static(REPORT, markup=False)
            yield Static(id="dialog-told", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield Button("Write the report", id="write", variant="primary", compact=True)
                yield Button("Close", id="close", compact=True)
            yield Static("Enter writes it  Esc closes", id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#write").focus()

    async def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "close":
            self.action_close()
            return
        written = await asyncio.to_thread(self._wizard.session.report)
        text = str(written) if isinstance(written, Problem) else f"The report is in {written}"
        self.query_one("#dialog-told", Static).update(Content(clean(text)))
        self.query_one("#close").focus()

    @property
    def _wizard(self) -> "WizardApp":
        from screens.app import WizardApp

        assert isinstance(self.app, WizardApp)
        return self.app
