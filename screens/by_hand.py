"""What a change is by hand: commands to read, to copy and to keep in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from screens.render import clean, commands_text
from screens.sized import SizedModal
from wizard.errors import Problem

Keep = Callable[[], Path | Problem]
COPIED = "Copied. Where your terminal does not take it: select the text, or press S."
MARGIN, FRAME_ROWS = 8, 13


class CommandsModal(SizedModal[None]):
    """`commands` are (what is done, how) pairs; `keep` writes the whole script and says where.

    The text can be selected with the mouse; C copies by OSC 52, which some terminals ignore.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f4,q", "close", "Close", priority=True),
        Binding("c", "copy", "Copy"),
        Binding("s", "keep", "Save"),
        Binding("left,up", "app.focus_previous", "Other button"),
        Binding("right,down", "app.focus_next", "Other button"),
        Binding("pageup", "page(-1)", "Page up"),
        Binding("pagedown", "page(1)", "Page down"),
    ]

    def __init__(self, title: str, commands: tuple[tuple[str, str], ...], keep: Keep) -> None:
        super().__init__()
        self._title = title
        self._commands = commands
        self._keep = keep

    def compose_dialog(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-commands"):
            yield Static(clean(self._title), id="dialog-title", markup=False)
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Static(id="commands", markup=False)
            yield Static(id="dialog-told", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield Button("Copy", id="copy", variant="primary", compact=True)
                yield Button("Save to a file", id="keep", compact=True)
                yield Button("Close", id="close", compact=True)
            yield Static("C copy  S save  Esc close  PgUp/PgDn scroll", id="dialog-hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#copy").focus()
        self._draw()

    def resized(self) -> None:
        self._draw()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        {"copy": self.action_copy, "keep": self.action_keep, "close": self.action_close}[
            str(event.button.id)
        ]()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard("\n".join(command for _, command in self._commands if command) + "\n")
        self._tell(COPIED)

    def action_keep(self) -> None:
        kept = self._keep()
        self._tell(kept.what if isinstance(kept, Problem) else f"All commands so far are in {kept}")

    def action_page(self, pages: int) -> None:
        text = self.query_one("#dialog-text", VerticalScroll)
        text.scroll_relative(y=pages * max(text.size.height - 2, 1), animate=False)

    def _tell(self, text: str) -> None:
        self.query_one("#dialog-told", Static).update(Content(clean(text)))

    def _draw(self) -> None:
        width = max(self.app.size.width - MARGIN, 20)
        self.query_one("#dialog-text").styles.max_height = max(self.app.size.height - FRAME_ROWS, 3)
        parts = []
        for summary, command in self._commands:
            parts.append(Content.styled(f"# {clean(summary)}", "$foreground-muted"))
            parts.append(commands_text(command.split("\n"), width, prompt="") if command else Content(""))
            parts.append(Content(""))
        self.query_one("#commands", Static).update(Content("\n").join(parts[:-1]))
