"""Walks through the whole wizard at 80x24 as a newcomer would, and keeps keys and screens as a text.

`make walkthrough` writes tests/e2e/walkthrough.txt anew. What differs from run to run is masked in it.
"""

import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.program import Program
from tests.e2e.terminal import Terminal

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
CERTIFICATE, PEOPLE, DEPLOY, DNS = 3, 4, 5, 6
BUTTONS = re.compile(r"^ +(?:Back|Stop) +(?P<primary>.+?) *$", re.MULTILINE)
PROVEN = "Proven: your registry works"
TEXT = Path(__file__).parent / "walkthrough.txt"
MASKS = (
    (re.compile(r"[▁▂▃▄▅▆▇█]$", re.MULTILINE), "▐"),
    (re.compile(r"/\S*(?:/tmp|runtime|kube-registry/)\S*|/tmp/\S*"), "<a directory>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r"AKIA[A-Z0-9]{16}"), "<access key ID>"),
    (re.compile(r"[0-9a-f]{32}-\d+\.eu-west-1\.elb\.amazonaw"), "<balancer>.eu-west-1.elb.amazonaw"),
    (re.compile(r"[0-9a-f]{32}-\d+"), "<balancer>"),
    (re.compile(r"[0-9a-f]{16,}"), "<hex>"),
    (re.compile(r"blobs/sha256/[0-9a-f]{2}/"), "blobs/sha256/<hex>/"),
    (re.compile(r"^( {8,})[0-9a-f]{5,}(?=/| +▐|$)", re.MULTILINE), r"\1<hex>"),
    (re.compile(r"CA [0-9a-f]{6}\b"), "CA <hex>"),
    (re.compile(r"\b\d+ s off"), "<n> s off"),
    (re.compile(r"\b\d+\.\d s(?=\W{0,3}$)", re.MULTILINE), "n.n s"),
)
Tell = Callable[[str, str], None]


class Walker:
    """Presses only what the screen says; `tell` gets each key and the screen that it was pressed on."""

    def __init__(self, terminal: Terminal, tell: Tell, *, password: str) -> None:
        self.terminal = terminal
        self._tell = tell
        self._password = password

    def press(self, *keys: str, shown: str = "") -> None:
        self._tell(shown or ", ".join(keys), self.terminal.settle())
        self.terminal.press(*keys)

    def begin(self) -> None:
        """From the first screen to the first step, or to where the setup was left."""
        self.terminal.wait_for("Start →")
        self.press("Enter")

    def walk(self, first: int = 0, last: int = len(TITLES) - 1) -> None:
        """Carries steps out, each from its first sight to the press that opens the next."""
        for number in range(first, last + 1):
            self.apply(number)
            self.terminal.wait_for(lambda text: button(text).startswith(("Next:", "Finish")))
            self.press("Enter")

    def apply(self, number: int) -> None:
        """Up to the press of the button that carries the step out."""
        self.terminal.wait_for(TITLES[number])
        self.terminal.wait_for(is_ready)
        if number == CERTIFICATE and "[ ] no" in self.terminal.text:
            self.press("Space", shown="Space (the box has the focus)")
            self.terminal.wait_for(lambda text: "Only you can agree" not in text and is_ready(text))
        if number == PEOPLE:
            self.press("alice", "Enter", self._password, "Enter", shown="alice, Enter, a password, Enter")
            self.terminal.wait_for(lambda text: "file: add alice" in text and is_ready(text))
        self.press("Enter", shown="Enter (no more names)" if number == PEOPLE else "")
        if number == DNS:
            self.terminal.wait_for("Only you can decide this")
            self.press("Right", "Enter")


def button(screen: str) -> str:
    """What the primary button says, "" while there is none."""
    found = BUTTONS.search(screen)
    return found["primary"] if found else ""


def is_ready(screen: str) -> bool:
    return button(screen) in {"Apply and verify", "Verify", "Try again"}


def masked(screen: str) -> str:
    """The screen without what differs from run to run."""
    for pattern, word in MASKS:
        screen = pattern.sub(word, screen)
    return screen


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home) / "home")
        terminal = Terminal(program.command("practice"), program.environment)
        parts: list[str] = []
        started = time.monotonic()
        try:
            walker = Walker(
                terminal,
                lambda keys, screen: parts.append(f"{masked(screen)}\n\n>>> {keys}\n"),
                password="correct horse battery",
            )
            walker.begin()
            walker.walk()
            if code := terminal.wait_for_exit():
                raise SystemExit(f"the wizard ended with {code}:\n{terminal.text}")
            took_s = time.monotonic() - started
        finally:
            terminal.close()
            program.run("world", "stop")
        if PROVEN not in parts[-1]:
            raise SystemExit(f"the last screen does not say {PROVEN!r}:\n{parts[-1]}")
        header = f"From the first start, with no practice world yet, to the proof: {took_s:.0f} s.\n"
        TEXT.write_text(f"{'-' * 80}\n".join([header, *parts]), encoding="utf-8")


if __name__ == "__main__":
    main()
