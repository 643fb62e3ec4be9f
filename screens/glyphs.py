"""What a terminal cannot show is drawn otherwise at the very end: glyphs in ASCII, colours as attributes.

Screens know of neither: whatever they draw, borders and scroll bars too, goes through these filters.
"""

import os
from collections.abc import Mapping

from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

VARIABLE = "KUBE_REGISTRY_ASCII"
STAND_INS = str.maketrans(
    {
        "·": ".",
        "▸": ">",
        "✓": "v",
        "✗": "x",
        "–": "-",
        "—": "-",
        "…": "~",
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
        "▼": "v",
        "▲": "^",
        "●": "*",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "█": "#",
        "░": ".",
        "▁": "_",
        "�": "?",
        "\N{NO-BREAK SPACE}": " ",
        **dict.fromkeys("─━═╌╍▔▀▄╸╺", "-"),
        **dict.fromkeys("│┃║▏▎▍▌▐▕", "|"),
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝", "+"),
    }
)
STANDS_OUT = 1.5
"""The least contrast between a background and the screen's own that is shown as reverse."""
REVERSE, UPRIGHT = Style(reverse=True), Style(reverse=False)


def is_ascii_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """By request (anything but empty, 0, no, false), and wherever the locale cannot encode the glyphs."""
    asked = environment.get(VARIABLE, "").lower()
    if asked:
        return asked not in {"0", "no", "false"}
    if named := environment.get("LC_ALL"):
        return not _is_utf8(named)
    # For a locale that is not installed Python sets LC_CTYPE to C.UTF-8 (PEP 538): LANG knows better.
    return not all(_is_utf8(environment.get(name, "")) for name in ("LC_CTYPE", "LANG"))


def _is_utf8(named: str) -> bool:
    """A locale without a charset counts as such: that is what terminals have today."""
    charset = named.partition(".")[2].partition("@")[0]
    return charset.lower().replace("-", "") in {"", "utf8"}


class Ascii(LineFilter):
    """Every character in as many ASCII ones as it has cells."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        del background
        return [
            segment if segment.text.isascii() else Segment(in_ascii(segment.text), segment.style)
            for segment in segments
        ]


def in_ascii(text: str) -> str:
    """As wide as the text."""
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in text.translate(STAND_INS))


class Plain(LineFilter):
    """No colour at all: a background that differs from the screen's becomes reverse."""

    def __init__(self, screen: str) -> None:
        super().__init__()
        self._screen = Color.parse(screen)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        del background
        return [
            Segment(segment.text, self._plain(segment.style) if segment.style else None, segment.control)
            for segment in segments
        ]

    def _plain(self, style: Style) -> Style:
        is_reverse = bool(style.reverse) != self._stands_out(style.bgcolor)
        return style.without_color + (REVERSE if is_reverse else UPRIGHT)

    def _stands_out(self, color: RichColor | None) -> bool:
        if color is None or color.is_default:
            return False
        here, there = _luminance(color.get_truecolor()), _luminance(self._screen.rich_color.get_truecolor())
        return (max(here, there) + 0.05) / (min(here, there) + 0.05) >= STANDS_OUT


def _luminance(color: ColorTriplet) -> float:
    """WCAG 2.2, relative luminance."""
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color.normalized)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
