"""What was mended outside is seen by the next try: credentials, a world that did not start, a lock."""

import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Static

from screens.app import WizardApp
from screens.messages import NotSaved
from screens.saving import Saver
from tests.pilot.waiting import field_of, until
from wizard.answers import Answers, load
from wizard.errors import Problem, WizardError
from wizard.events import StepId
from wizard.practice.world import World
from wizard.state import SetupDirectory

Running = Pilot[int]
NO_WORLD = WizardError(Problem("no-world", "The practice world did not start.", "", "Try again."))
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def app_of(pilot: Running) -> WizardApp:
    assert isinstance(pilot.app, WizardApp)
    return pilot.app


@pytest.fixture
async def keyless(
    _own_surroundings: None, world: World, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """A new setup in the world, whose credentials file is yet to be written."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    app = WizardApp(lambda: state, is_practice=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app._start_screen._is_loaded)
        app.session.open("retry")
        await until(pilot, lambda: app.step_screen is not None and app.step_screen.query("#primary"))
        yield pilot
    app.session.close()


def write_keys(world: World, path: Path) -> None:
    given = world.environment()
    lines = [f"{name.lower()} = {given[name]}" for name in KEYS]
    path.write_text("\n".join(["[default]", *lines, "[practice]", *lines, ""]), encoding="utf-8")


@pytest.mark.parametrize("key", ["f5", "f2"])
async def test_credentials_that_were_given_meanwhile_are_used(
    keyless: Running, world: World, tmp_path: Path, key: str
) -> None:
    app, view = app_of(keyless), app_of(keyless).views[StepId.CONNECT]

    def problems() -> set[str]:
        found = [*view.needs, *([view.problem] if view.problem else [])]
        return {each.code for each in found}

    await until(keyless, lambda: "no-aws-credentials" in problems())
    # The engine has these answers now, and clients that found no credentials.
    app.session.stand()
    await until(keyless, lambda: view.problem is not None and app.session._jobs.empty())
    app.session.look(StepId.CONNECT)
    await until(keyless, lambda: "no-aws-credentials" in problems() and not view.is_looking)
    write_keys(world, tmp_path / "credentials")
    await keyless.press(key)
    await until(keyless, lambda: not view.is_looking and view.plan is not None and not problems())
    session = app.session
    await until(keyless, lambda: session._renewals_taken == session._renewals)
    assert session._engine is not None
    assert session._engine.services.aws.identity().account_id, "fields are looked at with the new clients too"


async def test_a_start_that_failed_can_be_tried_again(state: Path) -> None:
    tries = 0

    def enter() -> Path:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise NO_WORLD
        return state

    app = WizardApp(enter, is_practice=True)
    async with app.run_test(size=(80, 24)) as pilot:
        primary = app._start_screen.query_one("#primary", Button)
        await until(pilot, lambda: str(primary.label) == "Try again")
        problem = app._start_screen.query_one("#start-problem", Static)
        assert "did not start" in str(problem.render())
        await pilot.press("enter")
        await until(pilot, lambda: app.step_screen is not None)  # the Enter began the setup, too
        assert (tries, app.setup) == (2, "registry")
    app.session.close()


async def test_a_setup_that_is_held_leaves_the_list_as_it_was(state: Path) -> None:
    directory = SetupDirectory(state, "held")
    directory.save_answers(Answers(setup="held"))
    app = WizardApp(lambda: state, is_practice=True)
    with directory.lock("another run"):
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app._start_screen._is_loaded)
            assert app.session._drift is not None
            app.open_setup("held")
            started = app._start_screen

            def told() -> list[str]:
                return [str(line.render()) for line in started.query("#start-problem").results(Static)]

            await until(pilot, lambda: any("Another run" in text for text in told()))
            assert not app.session._drift._stopped.is_set(), "the list would go on looking for ever"
            line = app._start_screen.query_one(".drift", Static)
            await until(pilot, lambda: "looking" not in str(line.render()))
    app.session.close()


async def test_what_is_typed_is_saved_behind_the_screen_and_before_the_end(
    wizard: Running, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs holds up no key; what was typed last is written when the wizard ends."""
    app, gate, began = app_of(wizard), threading.Event(), threading.Event()
    write = SetupDirectory.save_answers

    def slow(directory: SetupDirectory, answers: Answers) -> None:
        began.set()
        gate.wait(30)
        write(directory, answers)

    monkeypatch.setattr(SetupDirectory, "save_answers", slow)
    field = await field_of(wizard, StepId.BUCKET, "name")
    app.screen.set_focus(field)
    await wizard.press("a", "b", "c")
    await until(wizard, began.is_set)
    await wizard.press("d")
    await until(wizard, lambda: app.session.document["bucket"]["name"] == "abcd")
    file = state / "live" / "answers.toml"
    assert load(file).bucket.name == ""
    gate.set()
    app.session.close()
    assert load(file).bucket.name == "abcd"


async def test_answers_that_cannot_be_saved_are_told_of(wizard: Running) -> None:
    app_of(wizard).post_message(NotSaved(Problem("x", "The disk is full.")))
    await until(wizard, lambda: [each for each in wizard.app._notifications if "full" in each.message])


def test_what_could_not_be_saved_is_tried_again() -> None:
    written: list[str] = []
    told: list[Problem] = []

    def write(answers: Answers) -> None:
        if not told:
            raise OSError(28, "No space left on device")
        written.append(answers.bucket.name)

    saver = Saver(write, told.append)
    answers = Answers()
    answers.bucket.name = "typed"
    saver.put(answers)
    saver.flush()
    assert [each.why for each in told] == ["No space left on device."]
    saver.close()
    assert written == ["typed"]
