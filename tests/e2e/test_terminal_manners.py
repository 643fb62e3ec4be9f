"""Sizes, colours, glyphs and foreign programs: what a terminal can be, and what it must be spared."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.program import Program
from tests.e2e.terminal import NotSeen, Terminal
from tests.e2e.walkthrough import TITLES, Walker, button, is_ready

pytestmark = pytest.mark.e2e
COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
NOISE = "NOISE-OF-A-PLUGIN"
PLUGIN = f"""#!/bin/sh
echo {NOISE} >&2
(echo {NOISE} > /dev/tty) 2>/dev/null
head -c 1 > /dev/null
test -e "$0.works" || exit 1
cat "$0.works"
"""


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Program]:
    """A world of its own for a test that must find an empty one."""
    made = Program(tmp_path / "another")
    yield made
    assert made.run("world", "stop").code == 0


def first_screen(program: Program, **environment: str) -> Terminal:
    terminal = Terminal(program.command("practice"), {**program.environment, **environment})
    try:
        terminal.wait_for("Name of the setup")
        terminal.wait_for("Start")
        terminal.settle()
    except NotSeen:
        terminal.close()
        raise
    return terminal


def end(terminal: Terminal) -> None:
    try:
        terminal.press("Ctrl+Q")
        assert terminal.wait_for_exit() == 0
        assert terminal.left_behind() == []
    finally:
        terminal.close()


def test_every_apply_outlives_a_tiny_window(another: Program) -> None:
    """Each step is carried out through 40x10 and back: a notice, then the same step as before."""
    terminal = Terminal(another.command("practice"), another.environment)
    try:
        walker = Walker(terminal, lambda _keys, _screen: None, password="resize-canary-1")
        walker.begin()
        for number, title in enumerate(TITLES):
            walker.apply(number)
            terminal.resize(40, 10)
            terminal.wait_for("The wizard needs")
            terminal.resize(80, 24)
            screen = terminal.wait_for(lambda text: button(text).startswith(("Next:", "Finish")))
            assert "The wizard needs" not in screen
            assert f"step {number + 1} of 8" in screen, title
            walker.press("Enter")
        assert terminal.wait_for_exit() == 0, terminal.text
        assert terminal.left_behind() == []
    finally:
        terminal.close()


def test_no_color_means_none(program: Program) -> None:
    terminal = first_screen(program, NO_COLOR="1")
    assert COLOUR.findall(terminal.raw) == []
    assert re.search(rb"\x1b\[(?:[0-9;]*;)?7(?:;[0-9;]*)?m", terminal.raw), "the button is reversed"
    end(terminal)


@pytest.mark.parametrize(
    "environment", [{"KUBE_REGISTRY_ASCII": "1"}, {"LANG": "en_US.ISO-8859-1"}], ids=["asked", "by locale"]
)
def test_glyphs_come_in_ascii(program: Program, environment: dict[str, str]) -> None:
    terminal = first_screen(program, **environment)
    assert "Start >" in terminal.text
    end(terminal)
    assert terminal.raw.isascii()


def test_nothing_moves_without_animations(program: Program) -> None:
    """And all is there all the same."""
    end(first_screen(program, TEXTUAL_ANIMATIONS="none"))


def test_colours_chosen_in_the_palette_are_there_at_the_next_start(program: Program) -> None:
    terminal = first_screen(program)
    terminal.press("Ctrl+P")
    terminal.wait_for("Search for commands")
    terminal.press("light")
    terminal.wait_for("Colours: light")
    terminal.settle()
    terminal.click("Colours: light")
    terminal.wait_for(lambda text: "Colours:" not in text and "Name of the setup" in text)
    end(terminal)
    assert b"48;2;250;250;250" in terminal.raw
    again = first_screen(program)
    assert b"48;2;250;250;250" in again.raw
    end(again)
    forced = first_screen(program, KUBE_REGISTRY_THEME="high-contrast")
    assert b"48;2;250;250;250" not in forced.raw
    end(forced)


def test_a_credential_plugin_cannot_reach_the_screen(program: Program) -> None:
    """It writes to the terminal and reads from it, fails, and works when it is asked anew."""
    environment = {**program.environment, **program.world_environment()}
    plugin = program.home / "plugin"
    plugin.write_text(PLUGIN)
    plugin.chmod(stat.S_IRWXU)
    config = yaml.safe_load(Path(environment["KUBECONFIG"]).read_text())
    user = config["users"][0]["user"]
    status = {"token": user.pop("token")}
    user["exec"] = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "IfAvailable",
    }
    own = program.home / "kubeconfig-with-plugin"
    own.write_text(yaml.safe_dump(config))
    terminal = Terminal(program.command(), {**environment, "KUBECONFIG": str(own)})
    try:
        terminal.wait_for("Start →")
        terminal.press("plugin", "Enter")
        terminal.wait_for(lambda text: TITLES[0] in text and "It ended with status 1" in text)
        works = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        Path(f"{plugin}.works").write_text(yaml.safe_dump(works, default_flow_style=True))
        os.utime(plugin)
        terminal.press("F5")
        terminal.wait_for(is_ready)
        terminal.press("Ctrl+Q")
        assert terminal.wait_for_exit() == 0
        assert terminal.left_behind() == []
    finally:
        terminal.close()
    written = terminal.raw.decode(errors="replace")
    assert written.count(NOISE) == 0 or "It said" in written
