"""Makes the README's pictures from the wizard itself, in a practice world of its own: `make pictures`."""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from screens.app import WizardApp
from tests.e2e.program import ROOT, Program
from tests.e2e.walkthrough import CERTIFICATE, DEPLOY, DNS, TITLES

PICTURES = ROOT / "assets" / "pictures"
SIZE = (100, 30)
DEADLINE_S = 60.0
SPACED = '<svg xml:space="preserve" '  # or some viewers drop the spaces that a line begins with
KEPT = {DEPLOY: "deploy", len(TITLES) - 1: "proof"}
READY = re.compile(r"Apply and verify|\bVerify\b")


def is_ready(title: str, text: str) -> bool:
    """The step of this title has been looked at."""
    return title in text and READY.search(text) is not None


async def draw(root: Path) -> None:
    """The first screen, the bucket step with its plan and its checks, the deploy step and the proof."""
    app = WizardApp(lambda: root, is_practice=True)
    async with app.run_test(size=SIZE) as pilot:

        async def until(is_there: Callable[[str], bool]) -> None:
            deadline = time.monotonic() + DEADLINE_S
            while not is_there(app.export_screenshot(simplify=True).replace("&#160;", " ")):
                assert time.monotonic() < deadline, "the screen never came"
                await pilot.pause(0.1)

        def keep(name: str) -> None:
            PICTURES.mkdir(exist_ok=True)
            drawn = app.export_screenshot(title="kube-registry").replace("<svg ", SPACED, 1)
            (PICTURES / f"{name}.svg").write_text(drawn, encoding="utf-8")

        await until(lambda text: "Start →" in text)
        keep("start")
        await pilot.press("enter")
        await until(lambda text: "Verify" in text)
        await pilot.press("f2")
        await until(lambda text: "Next: Bucket" in text)
        await pilot.press("f2")
        await until(lambda text: "Create the bucket" in text)
        keep("bucket")
        await pilot.press("f4")
        await until(lambda text: "by hand" in text and "create-bucket" in text)
        keep("by-hand")
        await pilot.press("escape")
        await pilot.press("f2")
        await until(lambda text: "Next: User" in text)
        keep("bucket-done")
        for number, title in enumerate(TITLES[2:], start=2):
            await pilot.press("f2")
            await until(partial(is_ready, title))
            if number == CERTIFICATE:
                await pilot.press("space")
                await until(lambda text: "Only you can agree" not in text)
                await until(partial(is_ready, title))
            await pilot.press("f2")
            if number == DNS:
                await until(lambda text: "Only you can decide this" in text)
                await pilot.press("right", "enter")
            await until(lambda text: "Next: " in text or "Finish" in text)
            if number in KEPT:
                keep(KEPT[number])


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home) / "home")
        assert program.run("world", "start").code == 0
        try:
            os.environ.update(program.world_environment())
            asyncio.run(draw(program.state / "kube-registry" / "practice" / "pictures"))
        finally:
            program.run("world", "stop")


if __name__ == "__main__":
    main()
