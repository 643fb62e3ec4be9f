"""Walks through the whole wizard at 80x24 as a newcomer would, and keeps keys and screens as a text.

`make walkthrough` writes tests/e2e/walkthrough.txt anew.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from program import Program
from terminal import Terminal

TITLES = (
    "1  Connect",
    "2  Bucket",
    "3  User",
    "4  Certificate",
    "5  Users and passwords",
    "6  Deploy",
    "7  DNS",
    "8  Proof",
)
TEXT = Path(__file__).parent / "walkthrough.txt"
Tell = Callable[[str, str], None]


def walk(terminal: Terminal, tell: Tell, *, password: str) -> None:
    """Presses only what the screen says; `tell` gets each key and the screen that it was pressed on."""

    def press(*keys: str, shown: str = "") -> None:
        tell(shown or " ".join(keys), terminal.settle())
        terminal.press(*keys)

    terminal.wait_for("Start →")
    press("Enter")
    for number, title in enumerate(TITLES):
        terminal.wait_for(title)
        terminal.wait_for(lambda text: "What will happen" not in text or "looking" not in text, 60)
        terminal.wait_for(lambda text: "Apply and verify" in text or "Verify" in text or "Try again" in text)
        if number == 3:
            _agree(terminal, press)
        if number == 4:
            _add_alice(terminal, press, password)
        terminal.wait_for(lambda text: re.search(r"Apply and verify|Verify", text) is not None)
        press("F2")
        if number == 6:
            terminal.wait_for("Only you can decide this")
            press("Tab", "Enter", shown="Tab Enter")
        terminal.wait_for("Finish" if number == len(TITLES) - 1 else "Next:", 120)
        press("Enter")


def _agree(terminal: Terminal, press: Callable[..., None]) -> None:
    """Goes to the box of the terms of service and ticks it."""
    del terminal
    press("Shift+Tab", "Shift+Tab", "Shift+Tab", "Space", shown="Shift+Tab three times, Space")


def _add_alice(terminal: Terminal, press: Callable[..., None], password: str) -> None:
    press("Tab", "Tab", shown="Tab Tab")
    press("alice", "Enter", password, "Enter", shown="alice, Enter, a password, Enter")
    terminal.wait_for("alice  (password typed)")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home) / "home")
        terminal = Terminal(program.command("practice"), program.environment)
        parts: list[str] = []

        def tell(keys: str, screen: str) -> None:
            parts.append(f"{screen}\n\n>>> {keys}\n")

        try:
            walk(terminal, tell, password="correct horse battery")
        finally:
            terminal.close()
            program.run("world", "stop")
        TEXT.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
