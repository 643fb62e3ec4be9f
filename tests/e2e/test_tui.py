"""The real program in a pseudo-terminal of 80x24: a person who follows the screen reaches the proof."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.leaks import Evidence
from tests.e2e.program import Program
from tests.e2e.terminal import Terminal
from tests.e2e.test_secrets import secrets_of
from tests.e2e.walkthrough import DEPLOY, PROVEN, TEXT, TITLES, Walker, button, is_ready

pytestmark = pytest.mark.e2e
PASSWORD = "tui-canary-1"


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Program]:
    """A world of its own for a test that must find an empty one."""
    made = Program(tmp_path / "another")
    yield made
    assert made.run("world", "stop").code == 0


@pytest.fixture(scope="module")
def walked(program: Program) -> tuple[list[str], Terminal]:
    """The screens on which a key was pressed, from the first to the last, and the terminal that is left."""
    terminal = Terminal(program.command("practice"), program.environment)
    screens: list[str] = []
    try:
        walker = Walker(terminal, lambda _keys, screen: screens.append(screen), password=PASSWORD)
        walker.begin()
        walker.walk()
        assert terminal.wait_for_exit() == 0, terminal.text
    finally:
        terminal.close()
    return screens, terminal


def test_a_person_who_follows_the_screen_reaches_the_proof(
    program: Program, walked: tuple[list[str], Terminal]
) -> None:
    screens, terminal = walked
    for title in TITLES:
        assert any(title in screen for screen in screens), title
    assert PROVEN in screens[-1]
    assert "skopeo login registry.practice.test --username alice" in screens[-1]
    assert "docker login" not in screens[-1]
    assert PASSWORD.encode() not in terminal.raw
    assert '"steps_done": 8' in program.run("setups", "--practice", "--json").out


def test_the_kept_text_goes_from_the_first_screen_to_the_proof() -> None:
    """What `make walkthrough` has written: a walk that was cut short is no picture of the whole."""
    screens = TEXT.read_text(encoding="utf-8").split(f"{'-' * 80}\n")
    for title in TITLES:
        assert any(title in screen for screen in screens), title
    assert PROVEN in screens[-1]
    assert screens[-1].rstrip().endswith(">>> Enter")


def test_no_secret_was_on_a_screen_or_is_on_the_disk(
    program: Program, walked: tuple[list[str], Terminal]
) -> None:
    """Of a setup that was made on the screen, while its keys and passwords came to be."""
    screens, terminal = walked
    secrets = {**secrets_of(program.world_environment()), "alice": PASSWORD.encode()}
    for name in ("registry-s3-credentials/secret-access-key", "check user's password"):
        assert name in secrets
    evidence = Evidence()
    evidence.add("terminal", terminal.raw)
    evidence.add("screens", "\n".join(screens))
    evidence.add_tree("state", program.state)
    evidence.add_tree("tmp", program.home / "tmp")
    assert PROVEN.encode() in evidence.text("screens")
    assert evidence.leaks(secrets) == []
    evidence.add("planted", secrets["registry-http-secret/http-secret"])
    assert {leak.place for leak in evidence.leaks(secrets)} == {"planted"}


def test_the_commands_stay_on_the_terminal(walked: tuple[list[str], Terminal]) -> None:
    _, terminal = walked
    assert b"The setup registry is proven. Use it:" in terminal.raw


@pytest.mark.parametrize("is_known", [True, False], ids=["begun here", "begun elsewhere"])
def test_a_second_setup_is_led_into_a_namespace_of_its_own(
    program: Program, walked: tuple[list[str], Terminal], is_known: bool
) -> None:
    """The first one is known from here, or it is only found in the cluster."""
    assert walked
    name = "second" if is_known else "third"
    environment = dict(program.environment)
    if not is_known:
        environment["XDG_STATE_HOME"] = str(program.home / "state-of-another")
    terminal = Terminal(program.command("practice"), environment)
    try:
        terminal.wait_for("registry: 8 of 8 steps" if is_known else "Begin one")
        terminal.wait_for("Start →")
        terminal.press(*(["Tab"] if is_known else []), name, "Enter")
        terminal.wait_for(TITLES[0])
        told = terminal.wait_for(lambda text: f"Namespace {name} in the cluster" in text and is_ready(text))
        assert "[x] yes" in told
        terminal.press("Enter")
        terminal.wait_for(lambda text: button(text).startswith("Next:"))
        terminal.press("Enter")
        terminal.wait_for(TITLES[1])
        terminal.wait_for(lambda text: f"{name}-123456789012-eu-west-1" in text and is_ready(text))
    finally:
        terminal.close()


def test_what_is_typed_before_all_is_loaded_is_not_lost(another: Program) -> None:
    """The first start makes the world, which takes a second; the later one finds a setup to go on with.

    From the first step Esc leads back to the list.
    """
    for name in ("early", "later"):
        terminal = Terminal(another.command("practice"), another.environment)
        try:
            terminal.wait_for("Name of the setup")
            terminal.press(name, "Enter")
            terminal.wait_for(f"kube-registry  {name} ")
            terminal.press("Esc")
            terminal.wait_for(f"{name}: 0 of 8 steps")
            terminal.wait_for("Start →")
            terminal.press("Ctrl+Q")
            assert terminal.wait_for_exit() == 0
        finally:
            terminal.close()


def test_killed_in_the_middle_it_goes_on_where_it_was(another: Program) -> None:
    killed = Terminal(another.command("practice"), another.environment)
    try:
        walker = Walker(killed, lambda _keys, _screen: None, password=PASSWORD)
        walker.begin()
        walker.walk(last=DEPLOY - 1)
        walker.apply(DEPLOY)
        killed.wait_for(lambda text: "What is done" in text)
        os.kill(killed.process.pid, signal.SIGKILL)
        killed.process.wait(10)
    finally:
        killed.close()
    back = Terminal(another.command("practice"), another.environment)
    try:
        back.wait_for("registry: 5 of 8 steps")
        back.wait_for("Start →")
        back.press("Enter")
        back.wait_for(TITLES[DEPLOY])
        back.wait_for(is_ready)
        Walker(back, lambda _keys, _screen: None, password=PASSWORD).walk(first=DEPLOY)
        assert back.wait_for_exit() == 0, back.text
    finally:
        back.close()
    assert '"steps_done": 8' in another.run("setups", "--practice", "--json").out
