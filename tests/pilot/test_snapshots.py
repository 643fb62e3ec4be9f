"""Every screen in every state, as it looks: `make snapshots` keeps what is meant to have changed."""

from pathlib import Path

import pytest
from textual.widgets import Input

from screens.app import WizardApp
from screens.messages import Drifted, Loaded, SetupRow
from screens.modals import QuestionModal
from screens.themes import HIGH_CONTRAST, LIGHT
from tests.pilot.album import Album
from tests.pilot.still import REFUSED, STATES, PosedSession, pose, posed, stop_time
from tests.pilot.waiting import until
from wizard.events import STEPS, StepId

SMALL, LARGE, TINY = (80, 24), (120, 40), (59, 17)
SIZES = {"80x24": SMALL, "120x40": LARGE}
QUESTION = "The bucket acme-registry-images is there and was not made here. May it be used?"


@pytest.fixture(autouse=True)
def _nothing_moves(_own_surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_time(monkeypatch)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_every_step_in_every_state(step: StepId, size: str) -> None:
    await _album(f"{step.value}-{size}", step, SIZES[size])


@pytest.mark.parametrize("theme", [LIGHT, HIGH_CONTRAST])
async def test_the_other_colours(theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_REGISTRY_THEME", theme)
    await _album(f"bucket-{theme}", StepId.BUCKET, SMALL)


async def test_no_colour_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    await _album("bucket-no-color", StepId.BUCKET, SMALL)


async def test_glyphs_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_REGISTRY_ASCII", "1")
    await _album("bucket-ascii", StepId.BUCKET, SMALL)


@pytest.mark.parametrize("size", SIZES)
async def test_the_first_screen(size: str) -> None:
    album = Album(f"start-{size}")
    app = WizardApp(Path, is_practice=True)
    app.session = PosedSession(app)
    async with app.run_test(size=SIZES[size]) as pilot:
        app.post_message(Loaded(()))
        await until(pilot, lambda: app._start_screen._is_loaded)
        await album.take(pilot, "fresh")
        app._start_screen.wait()
        await pilot.press("enter")
        await album.take(pilot, "running")
        rows = (
            SetupRow("registry", 3, 8, "2026-01-02 03:04", is_undone=False),
            SetupRow("staging", 8, 8, "2026-01-01 02:03", is_undone=False),
            SetupRow("trial", 8, 8, "2025-12-31 01:02", is_undone=True),
        )
        app.post_message(Loaded(rows))
        await until(pilot, lambda: getattr(app.focused, "name", "") == "registry")
        await album.take(pilot, "looking")
        app.post_message(Drifted("registry", "As it was left: 3 of 8 steps hold.", is_well=True))
        app.post_message(Drifted("staging", "The bucket is gone.", is_well=False))
        await pilot.pause()
        await album.take(pilot, "drifted")
        app.post_message(Drifted("staging", "As it was left: 8 of 8 steps hold.", is_well=True))
        await pilot.pause()
        await album.take(pilot, "done")
        name = app.screen.query_one("#setup-name", Input)
        app.screen.set_focus(name)
        await pilot.press(*"My_Team", "enter")
        await album.take(pilot, "invalid")
        app._start_screen.show_problem(REFUSED)
        await pilot.pause()
        await album.take(pilot, "failed")
    album.close()


@pytest.mark.parametrize("size", SIZES)
async def test_what_lies_over_a_step(size: str) -> None:
    album = Album(f"over-{size}")
    async with posed(StepId.BUCKET, SIZES[size]) as pilot:
        app = pilot.app
        assert isinstance(app, WizardApp)
        await pose(pilot, StepId.BUCKET, "fresh")
        await pilot.press("f9")
        await album.take(pilot, "log")
        await pilot.press("f9", "f1")
        await album.take(pilot, "help")
        await pilot.press("escape", "f4")
        await album.take(pilot, "by-hand")
        await pilot.press("escape")
        app.push_screen(QuestionModal("Only you can decide this", QUESTION, yes="Yes, do it"))
        await pilot.pause()
        await album.take(pilot, "question")
        await pilot.press("escape")
        app.views[StepId.BUCKET].is_running = True
        await pilot.press("ctrl+q")
        await album.take(pilot, "quit")
        await pilot.press("escape")
        await pilot.resize_terminal(*TINY)
        await pilot.pause()
        await album.take(pilot, "tiny")
    album.close()


async def _album(name: str, step: StepId, size: tuple[int, int]) -> None:
    album = Album(name)
    async with posed(step, size) as pilot:
        for state in STATES:
            await pose(pilot, step, state)
            await album.take(pilot, state)
    album.close()
