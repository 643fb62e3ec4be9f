"""Keys and pauses end when the app has nothing left to do, however busy the machine is."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

from screens.app import WizardApp
from screens.session import Session
from tests.pilot.waiting import until
from wizard.practice.world import World

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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A whole practice world for the module."""
    world = World(tmp_path_factory.mktemp("world"), threading.Event())
    world.start()
    yield world
    world.aws.settings.fault = None
    world.stop()


@pytest.fixture
async def wizard(
    _own_surroundings: None, world: World, state: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pilot[int]]:
    """A new setup in that world at its first step; the steps' own looks are left out."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KUBE_REGISTRY_DOMAIN")
    monkeypatch.setattr(Session, "look", lambda _self, _step: None)
    app = WizardApp(lambda: state, is_practice=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app._start_screen._is_loaded)
        app.session.open("live")
        await until(pilot, lambda: app.step_screen is not None and app.step_screen.query("#primary"))
        yield pilot
    world.aws.settings.fault = None
    app.session.close()
