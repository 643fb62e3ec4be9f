"""A list of any length, of which only the visible rows are ever drawn."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.render import clean
from wizard.looks import Choice

NOTE_GAP = 2


class ChoiceList(ScrollView, can_focus=False):
    """Filtered by words that all have to be in an entry; posts Chosen at a click."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"choice-list--chosen", "choice-list--note"}

    class Chosen(Message):
        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    def __init__(self, wanted: str, widget_id: str) -> None:
        """`wanted` is chosen as soon as it is there, if nobody chose another meanwhile."""
        super().__init__(id=widget_id)
        self._choices: list[Choice] = []
        self._words_of: list[str] = []
        self._matches: list[int] = []
        self._words: tuple[str, ...] = ()
        self._wanted = wanted
        self._at = 0

    @property
    def total(self) -> int:
        return len(self._choices)

    @property
    def matching(self) -> int:
        return len(self._matches)

    @property
    def chosen(self) -> Choice | None:
        return self._choices[self._matches[self._at]] if self._matches else None

    def add(self, page: Sequence[Choice]) -> None:
        """Only the new entries are looked through."""
        first = len(self._choices)
        self._choices += page
        self._words_of += [f"{each.value} {each.note}".lower() for each in page]
        fresh = self._matching(range(first, len(self._choices)))
        here = next((n for n, index in enumerate(fresh) if self._choices[index].value == self._wanted), None)
        if here is not None:
            self._at = len(self._matches) + here
            self._wanted = ""
        self._matches += fresh
        self._resize()
        if here is not None:
            self._show_chosen()

    def narrow(self, text: str) -> None:
        """Shows what has all words of the text, in any order and case."""
        self._words = tuple(text.lower().split())
        self._matches = self._matching(range(len(self._choices)))
        self._at, self._wanted = 0, ""
        self._resize()
        self._show_chosen()

    def step(self, by: int) -> None:
        if self._matches:
            self._wanted = ""
            self._at = min(max(self._at + by, 0), len(self._matches) - 1)
            self._show_chosen()

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if row >= len(self._matches):
            return Strip.blank(width, self.rich_style)
        choice, is_chosen = self._choices[self._matches[row]], row == self._at
        style = self.get_component_rich_style("choice-list--chosen") if is_chosen else self.rich_style
        note_style = style if is_chosen else self.get_component_rich_style("choice-list--note")
        segments = [Segment(f"{'▸' if is_chosen else ' '} {clean(choice.value)}", style)]
        if choice.note:
            segments.append(Segment(f"{' ' * NOTE_GAP}{clean(choice.note)}", note_style))
        return Strip(segments).adjust_cell_length(width, style)

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.scroll_offset.y
        if 0 <= row < len(self._matches):
            self._at = row
            self.post_message(self.Chosen(self._choices[self._matches[row]].value))

    def _matching(self, indexes: range) -> list[int]:
        words, haystack = self._words, self._words_of
        if not words:
            return list(indexes)
        return [index for index in indexes if all(word in haystack[index] for word in words)]

    def _resize(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._matches))
        self.refresh()

    def _show_chosen(self) -> None:
        self.refresh()
        self.scroll_to_region(Region(0, self._at, 1, 1), animate=False, force=True)
