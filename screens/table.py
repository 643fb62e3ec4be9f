"""Rows with a state, words and a last column, laid out for whatever width they get; rows can be opened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.widgets import Static

HEAD_COLUMNS = 11
TAIL_COLUMNS = 8
LEAST_BODY = 20
NOTHING = Content("")


@dataclass(frozen=True, slots=True)
class TableRow:
    """`head`: state by glyph and word; `body`: hung beside it; `tail`: the last column, set to the right.

    `below` is drawn beneath for the width that is left; `opens` says that there is more to see.
    """

    head: Content
    body: Content
    tail: Content = NOTHING
    below: Callable[[int], Content] | None = None
    opens: bool = False

    def lines(self, width: int, tail_columns: int) -> list[Content]:
        gap = tail_columns + 2 if tail_columns else 0
        columns = max(width - HEAD_COLUMNS - gap, LEAST_BODY)
        first, *others = folded(self.body, columns)
        line = padded(self.head, HEAD_COLUMNS) + first
        if tail_columns and self.tail:
            fill = width - line.cell_length - self.tail.cell_length
            line = line + Content(" " * max(fill, 1)) + self.tail
        indent = Content(" " * HEAD_COLUMNS)
        below = self.below(columns).split("\n", allow_blank=True) if self.below else []
        return [line, *(indent + each for each in (*others, *below))]


def folded(text: Content, columns: int) -> list[Content]:
    """Broken at words, at least one line."""
    lines = [
        line.rstrip()
        for part in text.split("\n", allow_blank=True)
        for line in part.wrap(max(columns, LEAST_BODY))
    ]
    return lines or [Content("")]


def padded(text: Content, columns: int) -> Content:
    return text + Content(" " * max(columns - text.cell_length, 0))


class Table(Static):
    """Nothing is kept of an earlier width, so columns and indents hold at every size."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "Row above", show=False),
        Binding("down", "step(1)", "Row below", show=False),
        Binding("enter", "open", "Show the command", show=False),
    ]

    class Opened(Message):
        """A row was asked for: its place among all rows."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, widget_id: str, *, is_choosable: bool = False) -> None:
        super().__init__(id=widget_id, markup=False)
        self.rows: tuple[TableRow, ...] = ()
        self._is_choosable = is_choosable
        self._at = 0

    def show(self, rows: Sequence[TableRow]) -> None:
        self.rows = tuple(rows)
        choices = self._choices
        self.can_focus = self._is_choosable and bool(choices)
        if choices and self._at not in choices:
            self._at = choices[0]
        self.display = bool(self.rows)
        self.clear_cached_dimensions()
        self.refresh(layout=True)

    @property
    def chosen(self) -> int:
        return self._at

    @property
    def _choices(self) -> list[int]:
        return [number for number, row in enumerate(self.rows) if row.opens]

    def _blocks(self, width: int) -> list[list[Content]]:
        tail_columns = TAIL_COLUMNS if any(row.tail for row in self.rows) else 0
        blocks = [row.lines(width, tail_columns) for row in self.rows]
        if self.has_focus and self.can_focus and self._at < len(blocks):
            blocks[self._at] = [
                Content.styled(padded(line, width).plain, "reverse") for line in blocks[self._at]
            ]
        return blocks

    def render(self) -> Content:
        blocks = self._blocks(self.content_size.width or self.app.size.width)
        return Content("\n").join(line for block in blocks for line in block)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        del container, viewport
        return sum(len(block) for block in self._blocks(width))

    def on_focus(self) -> None:
        self._show_row()

    def on_blur(self) -> None:
        self.refresh()

    def action_step(self, by: int) -> None:
        """To the row beside; beyond the last one the focus goes on to what comes next."""
        choices = self._choices
        place = choices.index(self._at) + by if self._at in choices else 0
        if 0 <= place < len(choices):
            self._at = choices[place]
            self._show_row()
        elif by > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()

    def action_open(self) -> None:
        if self._at in self._choices:
            self.post_message(self.Opened(self._at))

    def on_click(self, event: events.Click) -> None:
        bottom = 0
        for number, block in enumerate(self._blocks(self.content_size.width)):
            bottom += len(block)
            if event.y < bottom:
                if self.rows[number].opens:
                    self._at = number
                    self.action_open()
                return

    def _show_row(self) -> None:
        self.refresh()
        blocks = self._blocks(self.content_size.width)
        top = sum(len(block) for block in blocks[: self._at])
        region = Region(0, top, self.content_size.width, len(blocks[self._at]) if blocks else 1)
        for each in self.ancestors:
            if isinstance(each, VerticalScroll):
                each.scroll_to_region(region.translate(self.virtual_region.offset), animate=False, force=True)
                return
