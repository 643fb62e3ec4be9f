"""The real program in a pseudo-terminal of 80x24: a person who follows the screen reaches the proof."""

import pytest
from program import Program
from terminal import Terminal
from walkthrough import walk

pytestmark = pytest.mark.e2e


def test_a_person_who_follows_the_screen_reaches_the_proof(program: Program) -> None:
    terminal = Terminal(program.command("practice"), program.environment)
    screens: list[str] = []
    try:
        walk(terminal, lambda _keys, screen: screens.append(screen), password="tui-canary-1")
        assert terminal.wait_for_exit() == 0
    finally:
        terminal.close()
    assert len(screens) >= 17
    for screen in screens:
        lines = screen.splitlines()
        assert len(lines) <= 24
        assert all(len(line) <= 80 for line in lines)
    told = program.run("setups", "--practice", "--json")
    assert '"steps_done": 8' in told.out


def test_leaving_and_coming_back_goes_on_where_it_was(program: Program) -> None:
    first = Terminal(program.command("practice"), program.environment)
    try:
        first.wait_for("registry: 8 of 8 steps")
        first.press("Tab", "\x01", "\x0b", "second", "Enter")
        first.wait_for("1  Connect")
        first.wait_for("Verify")
        first.press("F2")
        first.wait_for("Try again")
        assert "registry" in first.text
    finally:
        first.close()
