"""What every screen of the wizard has: it knows its size, and keys that move on wait for what was typed."""

import asyncio
from typing import ClassVar

from textual import events
from textual.screen import Screen
from textual.widgets import Input, Static

from screens.actions import Action

WIDE_COLUMNS, FULL_COLUMNS, TALL_ROWS = 100, 80, 36
LEAST_COLUMNS, LEAST_ROWS = 60, 18


class SizedScreen(Screen[None]):
    """Its compose must yield `too_small()` first."""

    NOTICE: ClassVar[str] = f"The wizard needs {LEAST_COLUMNS}x{LEAST_ROWS} characters."

    @property
    def offered(self) -> tuple[Action, ...]:
        """What can be done here now, for the palette."""
        return ()

    @staticmethod
    def too_small() -> Static:
        return Static(id="too-small", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        columns, rows = event.size
        is_tiny = columns < LEAST_COLUMNS or rows < LEAST_ROWS
        self.set_class(columns >= WIDE_COLUMNS, "-wide")
        self.set_class(columns < FULL_COLUMNS, "-narrow")
        self.set_class(rows >= TALL_ROWS, "-tall")
        self.set_class(is_tiny, "-tiny")
        if is_tiny:
            notice = f"{self.NOTICE} This window has {columns}x{rows}. Please make it larger."
            self.query_one("#too-small", Static).update(notice)
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
