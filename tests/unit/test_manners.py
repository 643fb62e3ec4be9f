"""Glyphs and colours by themselves."""

import os
import sys
import termios
import tty

import pytest
from textual.color import Color
from textual.theme import Theme

from screens import themes
from screens.glyphs import _luminance, in_ascii, is_ascii_wanted
from screens.manners import RESTORED, _break_off

MEANINGS = ("text-primary", "text-success", "text-warning", "text-error", "text-accent", "foreground")
GROUNDS = ("background", "surface", "panel")


def contrast(one: str, other: str) -> float:
    low, high = sorted(_luminance(Color.parse(each).rich_color.get_truecolor()) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_every_colour_can_be_read_on_every_ground(theme: Theme) -> None:
    """WCAG 2.2: 4.5 to 1 for text, 7 to 1 where high contrast is promised."""
    found = theme.to_color_system().generate()
    least = 7.0 if theme.name == themes.HIGH_CONTRAST else 4.5
    for meaning in MEANINGS:
        for ground in GROUNDS:
            ratio = contrast(found[meaning], found[ground])
            assert ratio >= least, (meaning, ground, ratio)


def test_ascii_is_as_wide_as_what_it_stands_for() -> None:
    assert in_ascii("✓ done – “a” → 日") == 'v done - "a" > ??'


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "de_DE.ISO-8859-1", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_ALL": "C.utf8", "LANG": "de_DE.ISO-8859-1"}, False),
        ({"LANG": "C.UTF-8", "KUBE_REGISTRY_ASCII": "1"}, True),
        ({"LANG": "de_DE.ISO-8859-1", "KUBE_REGISTRY_ASCII": "0"}, False),
    ],
)
def test_ascii_is_drawn_on_request_or_where_the_locale_needs_it(
    environment: dict[str, str], is_wanted: bool
) -> None:
    assert is_ascii_wanted(environment) is is_wanted


def test_a_theme_is_kept_and_the_environment_goes_before_it() -> None:
    assert themes.chosen({}) == themes.DARK
    themes.save(themes.LIGHT)
    assert themes.chosen({}) == themes.LIGHT
    assert themes.chosen({themes.VARIABLE: themes.HIGH_CONTRAST}) == themes.HIGH_CONTRAST
    assert themes.chosen({themes.VARIABLE: "no such"}) == themes.LIGHT


def test_an_end_that_hangs_still_gives_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    manners = termios.tcgetattr(theirs)
    tty.setraw(theirs)
    codes: list[int] = []
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as outside:
        monkeypatch.setattr(sys, "__stderr__", terminal)
        monkeypatch.setattr(os, "_exit", codes.append)
        _break_off(manners)
        assert codes == [130]
        assert outside.read(len(RESTORED)) == RESTORED
        assert termios.tcgetattr(theirs) == manners
        assert os.get_blocking(theirs)
