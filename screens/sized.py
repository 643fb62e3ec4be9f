"""A screen that knows its size: wide ones show the stepper, too small ones say so."""

from typing import ClassVar

from textual import events
from textual.screen import Screen
from textual.widgets import Static

WIDE_COLUMNS = 100
LEAST_COLUMNS, LEAST_ROWS = 60, 18


class SizedScreen(Screen[None]):
    """Its compose must yield `too_small()` first."""

    NOTICE: ClassVar[str] = f"The wizard needs {LEAST_COLUMNS}x{LEAST_ROWS} characters."

    @staticmethod
    def too_small() -> Static:
        return Static(id="too-small", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        columns, rows = event.size
        is_tiny = columns < LEAST_COLUMNS or rows < LEAST_ROWS
        self.set_class(columns >= WIDE_COLUMNS, "-wide")
        self.set_class(is_tiny, "-tiny")
        if is_tiny:
            notice = f"{self.NOTICE} This window has {columns}x{rows}. Please make it larger."
            self.query_one("#too-small", Static).update(notice)
        self.call_after_refresh(self.resized)

    def resized(self) -> None:
        """Called once the new size has been laid out."""
