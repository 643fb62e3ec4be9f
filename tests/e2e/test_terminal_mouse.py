"""The whole wizard with the mouse only: every field has a default, and every action a place to click."""

import pytest

from tests.e2e.program import Program
from tests.e2e.terminal import WHEEL_DOWN, WHEEL_UP, Terminal
from tests.e2e.walkthrough import BUTTONS, CERTIFICATE, DNS, PEOPLE, TITLES, button, is_ready

pytestmark = pytest.mark.e2e
NOTCHES = 40


def click_primary(terminal: Terminal) -> None:
    """Its words may stand elsewhere on the screen, too."""
    for row, line in enumerate(terminal.text.splitlines()):
        if found := BUTTONS.match(line):
            terminal.click_at(found.start("primary") + 1, row)
            return
    raise AssertionError(terminal.text)


def carry_out(terminal: Terminal, number: int) -> None:
    terminal.wait_for(TITLES[number])
    terminal.wait_for(is_ready)
    if number == CERTIFICATE:
        terminal.click("[ ] no")
        terminal.wait_for(lambda text: "Only you can agree" not in text and is_ready(text))
    if number == PEOPLE:
        terminal.click("User name")
    click_primary(terminal)
    if number == DNS:
        terminal.wait_for("Yes, do it")
        terminal.click("Yes, do it")
    terminal.wait_for(lambda text: button(text).startswith(("Next:", "Finish")))


def scroll_to(terminal: Terminal, wanted: str, wheel: int) -> None:
    """A notch at a time, until it is in sight."""
    for _ in range(NOTCHES):
        if wanted in terminal.settle():
            return
        terminal.wheel(wheel)
    terminal.wait_for(wanted)


def test_the_mouse_alone_reaches_the_proof(program: Program) -> None:
    terminal = Terminal(program.command("practice"), program.environment)
    try:
        terminal.wait_for("Begin one")
        terminal.wait_for("Start →")
        terminal.click("Start →")
        for number in range(len(TITLES)):
            carry_out(terminal, number)
            click_primary(terminal)
        assert terminal.wait_for_exit() == 0, terminal.text
        assert terminal.left_behind() == []
    finally:
        terminal.close()
    assert '"steps_done": 8' in program.run("setups", "--practice", "--json").out


def test_the_mouse_looks_about_and_goes_back(program: Program) -> None:
    """The wheel scrolls, Back is a button, and so is Undo with its question."""
    terminal = Terminal(program.command("practice"), program.environment)
    try:
        terminal.wait_for("Start →")
        terminal.click("Begin one")
        terminal.wait_for("Name of the setup")
        terminal.press("looker", "Enter")
        terminal.wait_for(TITLES[0])
        terminal.wait_for(is_ready)
        click_primary(terminal)
        terminal.wait_for(lambda text: button(text).startswith("Next:"))
        terminal.wait_for(lambda text: TITLES[0] not in text)
        scroll_to(terminal, TITLES[0], WHEEL_UP)
        scroll_to(terminal, "quotas and policies", WHEEL_DOWN)
        terminal.click("F8 Undo")
        terminal.wait_for("Take it back")
        terminal.click("Cancel")
        terminal.wait_for(lambda text: "Take it back" not in text)
        terminal.click("Back")
        terminal.wait_for("looker: ")
    finally:
        terminal.close()
