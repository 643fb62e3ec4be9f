"""What the world says to a field while it is typed: asked after a pause, from a thread, shown beneath.

Every key silences the looks that are under way: an answer counts only if nothing was typed since.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Static

from screens.render import clean
from screens.table import folded
from screens.words import for_screen
from wizard.errors import Problem, WizardError
from wizard.looks import Look, Verdict

if TYPE_CHECKING:
    from textual.message_pump import MessagePump

    from screens.session import Document
    from wizard.looks import Looker

PAUSE_S = 0.3
MARKS = {
    Verdict.GOOD: ("✓", "$text-success"),
    Verdict.WARNING: ("!", "$text-warning"),
    Verdict.BAD: ("✗", "$text-error"),
    Verdict.UNKNOWN: ("?", "$foreground-muted"),
}


class Seen(Message):
    """A look's answer, None where there was nothing to ask; `number` is the question's."""

    def __init__(self, number: int, look: Look | None) -> None:
        super().__init__()
        self.number = number
        self.look = look


class Offered(Message):
    """A first answer for a field that is empty."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value


class Asker:
    """Asks for one field; what comes back is posted to `owner`. Only `is_current` answers count."""

    def __init__(self, owner: "MessagePump", table: str, key: str) -> None:
        self._owner = owner
        self._field = (table, key)
        self._number = 0

    def silence(self) -> None:
        """Whatever is under way is stale."""
        self._number += 1

    def is_current(self, seen: Seen) -> bool:
        return seen.number == self._number

    def ask(self, looker: "Looker", document: "Document") -> None:
        """A Seen message follows, unless it is silenced before its turn."""
        self._number += 1
        number = self._number

        def work() -> None:
            from wizard.answers import from_mapping

            try:
                answers = from_mapping(document)
            except WizardError:
                return
            look = looker.at(*self._field, answers, lambda: number == self._number)
            if number == self._number:
                self._owner.post_message(Seen(number, look))

        _in_thread(work, "look")

    def offer(self, looker: "Looker", document: "Document") -> None:
        """An Offered message follows where there is something sensible to begin with."""

        def work() -> None:
            from wizard.answers import from_mapping

            try:
                value = looker.default(*self._field, from_mapping(document))
            except WizardError:
                return
            if value:
                self._owner.post_message(Offered(value))

        _in_thread(work, "default")


class LookLine(Static):
    """The line beneath a field; it takes no room while it has nothing to say."""

    def __init__(self) -> None:
        super().__init__(classes="field-look", markup=False)
        self.look: Look | None = None
        self.is_looking = False

    def show(self, look: Look | None, *, is_looking: bool = False) -> None:
        self.look, self.is_looking = look, is_looking
        self.set_class(look is not None or is_looking, "-told")
        self.clear_cached_dimensions()
        self.refresh(layout=True)

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width or self.app.size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        del container, viewport
        return len(self._lines(width))

    def _lines(self, width: int) -> list[Content]:
        if self.is_looking:
            return [Content.styled("… looking", "$text-accent")]
        if self.look is None:
            return []
        glyph, style = MARKS[self.look.verdict]
        told = for_screen(Problem("", self.look.word, self.look.sentence, self.look.fix))
        head = Content.styled(f"{glyph} {clean(told.what)}", style)
        sentence = Content(f"{head.plain}  {clean(told.why)}".rstrip()).stylize(style, 0, head.cell_length)
        lines = _hung(sentence, width)
        if told.fix:
            lines += _hung(Content.styled(f"→ {clean(told.fix)}", "bold"), width)
        return lines


def _hung(text: Content, width: int) -> list[Content]:
    """Further lines begin under the text, not under its glyph."""
    first, *_ = folded(text, width)
    if first.cell_length >= text.cell_length:
        return [first]
    rest = text[len(first.plain) :]
    start = len(rest.plain) - len(rest.plain.lstrip())
    return [first, *(Content("  ") + line for line in folded(rest[start:], width - 2))]


def _in_thread(work: Callable[[], None], name: str) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()
