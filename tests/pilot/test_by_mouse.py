"""Everything that a key does has a place to click, at every size that is shown."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.screen import Screen
from textual.widgets import Button, Input, Static

from screens.forms import FORMS
from screens.help import GlossaryModal, HelpModal, ReportModal, start_help
from screens.hints import GAP
from screens.modals import QuestionModal, RawModal, TextModal
from screens.picker import PickerModal
from screens.start import StartScreen
from tests.pilot.test_revisit import finish
from tests.pilot.test_screens import (
    Running,
    app_of,
    look,
    pilot,
    session_of,
    shown,
    start,
    step_of,
    told,
    until,
)
from wizard.errors import Problem
from wizard.events import StepId

__all__ = ["pilot", "start"]
MODALS: list[Callable[[], Screen[Any]]] = [
    lambda: TextModal("Read", "This."),
    lambda: RawModal(Problem("x", "Broken.", raw="<Error/>")),
    start_help,
    GlossaryModal,
    lambda: PickerModal("Pick", lambda: iter([]), ""),
    ReportModal,
]


async def click_hint(pilot: Running, hint: str) -> None:
    """In the last line, at the first letter of the words."""
    line = shown(pilot, "hints")
    assert hint in line.split(GAP), line
    await pilot.click("#hints", offset=(1 + line.index(hint), 0))


@pytest.mark.parametrize("make", MODALS)
async def test_every_text_over_the_screen_is_closed_by_a_click(
    pilot: Running, make: Callable[[], Screen[Any]]
) -> None:
    modal = make()
    pilot.app.push_screen(modal)
    await until(pilot, lambda: modal.query("#close"))
    await pilot.pause()
    await pilot.click("#close")
    await until(pilot, lambda: pilot.app.screen is app_of(pilot).step_screen)


async def test_the_hints_can_be_clicked(pilot: Running) -> None:
    await look(pilot)
    await click_hint(pilot, "F3 More fields")
    await until(pilot, lambda: pilot.app.screen.has_class("-show-advanced"))
    await click_hint(pilot, "F1 Help")
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpModal))
    await pilot.click("#glossary-wanted")
    await until(pilot, lambda: isinstance(pilot.app.screen, GlossaryModal))
    await pilot.click("#close")
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpModal))
    await pilot.click("#close")
    await until(pilot, lambda: pilot.app.screen is app_of(pilot).step_screen)
    await click_hint(pilot, "Esc Back")
    await until(pilot, lambda: step_of(pilot) is StepId.CONNECT)


async def test_in_a_narrow_window_change_and_undo_stay_within_reach(pilot: Running) -> None:
    await finish(pilot)
    await pilot.resize_terminal(62, 20)
    await until(pilot, lambda: pilot.app.screen.has_class("-narrow"))
    await until(pilot, lambda: "^P Menu" in shown(pilot, "hints"))
    assert not pilot.app.screen.query_one("#undo").display
    titles = {each.title for each in pilot.app.get_system_commands(pilot.app.screen)}
    assert {"Change", "Undo", "Log", "Help"} <= titles
    await click_hint(pilot, "^P Menu")
    await until(pilot, lambda: pilot.app.screen is not app_of(pilot).step_screen)


async def test_a_question_too_large_for_the_window_is_not_answered_unseen(pilot: Running) -> None:
    answers: list[bool | None] = []
    question = QuestionModal("Really?", "All of it goes. " * 40, yes="Yes, all")
    pilot.app.push_screen(question, answers.append)
    await until(pilot, lambda: question.focused is not None)
    await pilot.resize_terminal(40, 10)
    await until(pilot, lambda: question.query_one("#too-small").display)
    assert not question.query_one("#dialog").display
    assert "40x10" in told(pilot, "too-small")
    await pilot.press("y")
    assert answers == []
    await pilot.resize_terminal(60, 18)
    await until(pilot, lambda: getattr(question.focused, "id", "") == "no")
    for name in ("#no", "#yes"):
        assert question.query_one(name, Button).region.bottom <= 18
    await pilot.press("y")
    await until(pilot, lambda: answers == [True])


async def test_the_first_screen_has_help_and_a_report(start: Running) -> None:
    await start.press("f1")
    assert isinstance(start.app.screen, HelpModal)
    assert "one registry with all that belongs to it" in told(start, "help-text")
    assert session_of(start)._engine is None
    await start.click("#report-wanted")
    await until(start, lambda: isinstance(start.app.screen, ReportModal))
    await start.click("#close")
    await start.press("escape")
    await until(start, lambda: isinstance(start.app.screen, StartScreen))
    titles = {each.title for each in start.app.get_system_commands(start.app.screen)}
    assert "Stuck? Make a report" in titles


async def test_a_name_and_a_password_are_checked_as_they_are_typed(pilot: Running) -> None:
    app_of(pilot).open_step(StepId.HTPASSWD)
    await until(pilot, lambda: step_of(pilot) is StepId.HTPASSWD and pilot.app.screen.query("#user-password"))
    await until(pilot, lambda: getattr(pilot.app.focused, "id", "") == "user-name")
    await pilot.press("a", "colon")
    await until(pilot, lambda: "no colon" in told(pilot, "user-problem"))
    await pilot.press("f1")
    assert told(pilot, "dialog-title") == "Help: User name"
    await pilot.press("escape", "backspace")
    await until(pilot, lambda: not told(pilot, "user-problem"))
    await pilot.press("tab")
    pilot.app.screen.query_one("#user-password", Input).value = "x" * 73
    await until(pilot, lambda: "72 bytes" in told(pilot, "user-problem"))
    await pilot.press("f1")
    assert told(pilot, "dialog-title") == "Help: Password"
    assert FORMS[StepId.HTPASSWD].title not in told(pilot, "dialog-title")
    assert isinstance(pilot.app.screen.query_one("#help-text"), Static)
