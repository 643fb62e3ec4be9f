"""Keys and pauses end when the app has nothing left to do, however busy the machine is."""

import asyncio
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

QUIET_LOOKS = 3
TURNS = 10
LOOK_S = 0.004


@pytest.fixture(autouse=True)
def _pilots_wait_for_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual itself takes a process that gets no processor for one that has nothing to do."""
    press, pause = Pilot.press, Pilot.pause

    async def press_and_settle(pilot: Pilot[Any], *keys: str) -> None:
        for key in keys:
            await press(pilot, key)
            await settle(pilot.app)

    async def pause_and_settle(pilot: Pilot[Any], delay: float | None = None) -> None:
        await pause(pilot, delay)
        await settle(pilot.app)

    monkeypatch.setattr(Pilot, "press", press_and_settle)
    monkeypatch.setattr(Pilot, "pause", pause_and_settle)


async def settle(app: App[Any]) -> None:
    """Until no message was under way for some turns of the loop."""
    quiet = 0
    while quiet < QUIET_LOOKS and app.is_running:
        await asyncio.sleep(LOOK_S)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        nodes = [app, *(node for screen in app.screen_stack for node in screen.walk_children(with_self=True))]
        quiet = quiet + 1 if all(node._message_queue.empty() for node in nodes) else 0
