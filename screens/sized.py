"""What every screen of the wizard has: it knows its size, and keys that move on wait for what was typed."""

import asyncio

from textual import events
from textual.app import ComposeResult
from textual.geometry import Size
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from screens.actions import Action

WIDE_COLUMNS, FULL_COLUMNS, TALL_ROWS = 100, 80, 36
LEAST_COLUMNS, LEAST_ROWS = 60, 18


def too_small() -> Static:
    """Stands there alone while the window is too small."""
    return Static(id="too-small", markup=False)


def notice_size(screen: Screen[ScreenResultType], size: Size) -> bool:
    """Shows the notice in place of all else, or takes it away; True if the window is too small."""
    columns, rows = size
    is_tiny = columns < LEAST_COLUMNS or rows < LEAST_ROWS
    screen.set_class(is_tiny, "-tiny")
    if is_tiny:
        told = (
            f"The wizard needs {LEAST_COLUMNS}x{LEAST_ROWS} characters. This window has {columns}x{rows}. "
            "Please make it larger."
        )
        if (there := next(iter(screen.query("#too-small").results(Static)), None)) is not None:
            there.update(told)
        else:
            screen.mount(Static(told, id="too-small", markup=False), before=0)
    return is_tiny


class SizedModal(ModalScreen[ScreenResultType]):
    """A dialog is seen whole or not at all: a question without its buttons would be a trap."""

    def __init__(self) -> None:
        super().__init__()
        self._had_focus: Widget | None = None

    def compose(self) -> ComposeResult:
        yield too_small()
        yield from self.compose_dialog()

    def compose_dialog(self) -> ComposeResult:
        raise NotImplementedError

    @property
    def is_tiny(self) -> bool:
        return self.has_class("-tiny")

    def on_resize(self, event: events.Resize) -> None:
        """What is hidden loses the focus, and gets it back."""
        if not self.is_tiny:
            self._had_focus = self.focused or self._had_focus
        if not notice_size(self, event.size) and self._had_focus is not None and self.focused is None:
            self.call_after_refresh(self.set_focus, self._had_focus)
        self.resized()

    def resized(self) -> None:
        """Called at every new size."""

    def action_close(self) -> None:
        self.dismiss(None)


def close_button() -> Button:
    """For the mouse; the keyboard has Escape."""
    return Button("Close", id="close", compact=True)


class SizedScreen(Screen[None]):
    """Where the window is too small a notice stands in place of all else."""

    @property
    def offered(self) -> tuple[Action, ...]:
        """What can be done here now, for the palette."""
        return ()

    def on_resize(self, event: events.Resize) -> None:
        columns, rows = event.size
        self.set_class(columns >= WIDE_COLUMNS, "-wide")
        self.set_class(columns < FULL_COLUMNS, "-narrow")
        self.set_class(rows >= TALL_ROWS, "-tall")
        notice_size(self, event.size)
        self.call_after_refresh(self.resized)

    async def action_move(self, steps: int) -> None:
        await self.drain()
        if steps > 0:
            self.focus_next()
        else:
            self.focus_previous()

    async def drain(self) -> None:
        """Waits until all that was typed has reached its field.

        The app sends on no later key meanwhile, so that a password typed quickly after Tab or Enter cannot
        land in the field that was left.
        """
        field = self.focused
        if isinstance(field, Input):
            is_drained = asyncio.Event()
            field.call_later(is_drained.set)
            await is_drained.wait()

    def resized(self) -> None:
        """Called once the new size has been laid out."""
