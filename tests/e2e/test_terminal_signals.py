"""Signals in the middle of every step: the terminal is left as it was, and the next start goes on."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.terminal import Terminal
from tests.e2e.walkthrough import CERTIFICATE, PEOPLE, TITLES, button, is_ready

pytestmark = pytest.mark.e2e
PASSWORD = "signal-canary-1"
CTRL_C = "Ctrl+C"
INTERRUPTED = 130
PRESSES = 5


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Program]:
    """A world of its own for each way to interrupt."""
    made = Program(tmp_path / "another")
    yield made
    assert made.run("world", "stop").code == 0


def is_settled(screen: str) -> bool:
    """The step was looked at: there is something to press."""
    return is_ready(screen) or button(screen).startswith(("Next:", "Finish", "Look again"))


def is_begun(screen: str) -> bool:
    return button(screen).startswith(("Working", "Stopping", "Next:", "Finish"))


def come_to(terminal: Terminal, is_first: bool) -> int:
    """From the first screen to the step that is open; its number."""
    terminal.wait_for("Begin one" if is_first else "Go on with")
    terminal.wait_for("Start →")
    terminal.press("Enter")
    screen = terminal.wait_for(
        lambda text: any(title in text for title in TITLES) and is_settled(text) and "looking" not in text
    )
    return next(number for number, title in enumerate(TITLES) if title in screen)


def begin(terminal: Terminal, number: int) -> None:
    """Up to where the step is being carried out."""
    terminal.wait_for(lambda text: TITLES[number] in text and is_settled(text))
    terminal.settle()
    if number == CERTIFICATE and "[ ] no" in terminal.text:
        terminal.press("Space")
        terminal.wait_for(lambda text: "Only you can agree" not in text and is_ready(text))
    if number == PEOPLE and "Next:" not in terminal.text:
        terminal.press("alice", "Enter", PASSWORD, "Enter")
        terminal.wait_for(lambda text: "password typed" in text and is_ready(text))
    press_until_taken(terminal)
    if "Only you can decide this" in terminal.text:
        terminal.press("y")
        terminal.wait_for(is_begun)


def press_until_taken(terminal: Terminal) -> None:
    """F2 agrees to nothing unseen: while a default is being filled in, or looked at, it is not taken."""
    for tries in range(PRESSES):
        screen = terminal.wait_for(lambda text: is_settled(text) or is_taken(text))
        if tries and is_taken(screen):
            return
        terminal.press("F2")
        terminal.settle()
    terminal.wait_for(is_taken)


def is_taken(screen: str) -> bool:
    return "Only you can decide this" in screen or is_begun(screen)


def interrupt(terminal: Terminal, how: signal.Signals | str) -> None:
    if isinstance(how, signal.Signals):
        terminal.process.send_signal(how)
    else:
        terminal.press(how)
        terminal.wait_for_exit(unless="Quit in the middle?")
        if terminal.is_alive:
            terminal.press(how)


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM, CTRL_C], ids=str)
def test_interrupted_in_the_middle_of_every_step_it_goes_on(
    another: Program, how: signal.Signals | str
) -> None:
    """At the last step, the proof, a second start carries it through."""
    reached = -1
    while reached < len(TITLES) - 1:
        terminal = Terminal(another.command("practice"), another.environment)
        try:
            number = come_to(terminal, is_first=reached < 0)
            if number <= reached:  # it was interrupted in time: this run gets it done
                begin(terminal, number)
                terminal.wait_for(lambda text: button(text).startswith("Next:"))
                terminal.press("F2")
                number += 1
            begin(terminal, number)
            interrupt(terminal, how)
            code = terminal.wait_for_exit()
            # Ctrl-C is a key: where the step has ended before it is read, nothing was interrupted.
            is_done = f"{number + 1} of 8 steps are done" in terminal.plain_text
            assert code == INTERRUPTED or (code == 0 and how == CTRL_C and is_done), terminal.text
            assert terminal.left_behind() == []
            assert "of 8 steps are done. Go on with: kube-registry practice" in terminal.plain_text
            reached = number
        finally:
            terminal.close()
    last = Terminal(another.command("practice"), another.environment)
    try:
        number = come_to(last, is_first=False)
        assert number == len(TITLES) - 1
        if "Finish" not in last.text:
            begin(last, number)
        last.wait_for(lambda text: button(text).startswith("Finish"))
        last.press("F2")
        assert last.wait_for_exit() == 0
    finally:
        last.close()
    assert '"steps_done": 8' in another.run("setups", "--practice", "--json").out


def test_ctrl_z_gives_the_shell_back_and_fg_the_screen(program: Program) -> None:
    terminal = Terminal(program.command("practice"), program.environment)
    try:
        terminal.wait_for("Begin one")
        terminal.wait_for("Start →")
        terminal.press("Ctrl+Z")
        _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        terminal.settle()
        assert terminal.left_behind() == []
        terminal.forget()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for("Name of the setup")
        terminal.press("shell", "Enter")
        terminal.wait_for(TITLES[0])
        terminal.wait_for(is_ready)
        terminal.press("Ctrl+Q")
        assert terminal.wait_for_exit() == 0
        assert terminal.left_behind() == []
    finally:
        terminal.close()


def test_a_closed_window_ends_it(program: Program) -> None:
    """What it writes then goes nowhere, and it must not wait for that."""
    terminal = Terminal(program.command("practice"), program.environment)
    terminal.wait_for("Start →")
    terminal.hang_up()
    assert terminal.process.wait(60) == INTERRUPTED
