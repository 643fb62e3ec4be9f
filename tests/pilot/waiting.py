"""Waits for what threads and messages bring about."""

import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import WizardApp
from wizard.events import StepId

DEADLINE_S = 30.0


async def until(pilot: Pilot[Any], is_there: Callable[[], object]) -> None:
    """They take their time on a busy machine."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_there() and time.monotonic() < deadline:
        await pilot.pause(0.02)
    assert is_there()


async def field_of(pilot: Pilot[Any], step: StepId, key: str) -> Input:
    """The field of a step, which is opened if it is not; its screen has chosen its first focus."""
    app = pilot.app
    assert isinstance(app, WizardApp)
    if app.step_screen is None or app.step_screen.step is not step:
        app.open_step(step)
    name = f"#field-{step.value}-{key.replace('_', '-')}"

    def is_open() -> bool:
        screen = app.step_screen
        return screen is not None and screen.step is step and screen.is_mounted

    await until(pilot, is_open)
    return app.screen.query_one(name, Input)
