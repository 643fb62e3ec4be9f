"""The last line: what can be done now, by key or by a click on its words."""

from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from screens.actions import PALETTE, QUIT, Action

GAP = "  "
Hint = tuple[str, str]
"""What is shown, and the action that a click carries out, "" for none."""


class HintLine(Static):
    """Plain text: Textual's Footer would compose itself anew after the first paint."""

    def __init__(self, hints: Sequence[Hint] = ()) -> None:
        super().__init__(clickable(hints), id="hints", markup=False)
        self.auto_links = False  # it looks like text; it is no list of links

    def show(self, hints: Sequence[Hint]) -> None:
        self.update(clickable(hints))


def clickable(hints: Iterable[Hint]) -> Content:
    """The hints in one line, each a place to click."""
    parts = [Content.styled(text, _clicked(action)) if action else Content(text) for text, action in hints]
    return Content(GAP).join(parts)


def fitting(first: Iterable[Hint], actions: Iterable[Action], columns: int) -> list[Hint]:
    """`first` is what matters now; of the rest, what does not fit is left out, from the end.

    The palette and Quit always stay: by them all others can be reached.
    """
    hints = list(first)
    rest = [each for each in actions if each.is_hint]
    while _width([*hints, *map(_hint, rest)]) > columns:
        spare = next((each for each in reversed(rest) if each not in {PALETTE, QUIT}), None)
        if spare is not None:
            rest.remove(spare)
        elif len(hints) > 1:
            hints.pop()
        else:
            break
    return [*hints, *map(_hint, rest)]


def _hint(action: Action) -> Hint:
    return (f"{action.shown} {action.label}", action.clicked)


def _width(hints: Sequence[Hint]) -> int:
    return len(GAP.join(text for text, _ in hints))


def _clicked(action: str) -> Style:
    return Style.from_meta({"@click": action})
