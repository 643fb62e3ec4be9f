"""Coming back: what drifted, a finished step read-only, changed after a word, undone after a question."""

import pytest
from textual.widgets import Button, Input, Static

from screens.app import WizardApp
from screens.messages import Drifted, Ended, Happened, Loaded, SetupRow, Standing
from screens.modals import QuestionModal, TextModal
from screens.start import StartScreen
from tests.pilot.test_screens import (
    Running,
    app_of,
    label,
    look,
    pilot,
    session_of,
    shown,
    start,
    step_of,
    until,
)
from wizard.errors import Problem
from wizard.events import STEPS, ChangeFinished, ChangeStarted, Noted, StepFinished, StepId, StepStatus

__all__ = ["pilot", "start"]
BUCKET = StepId.BUCKET
MANY = [f"Change number {number}" for number in range(20)]


async def finish(running: Running, *later: StepId) -> None:
    """The bucket step is done, and these after it."""
    await look(running)
    running.app.post_message(Happened(StepFinished(BUCKET, StepStatus.DONE)))
    for step in later:
        app_of(running).views[step].status = StepStatus.DONE
    running.app.post_message(Ended("apply", BUCKET, None))
    await until(running, lambda: label(running).startswith("Next"))
    await running.pause()


def question(running: Running) -> str:
    assert isinstance(running.app.screen, QuestionModal)
    return " ".join(" ".join(str(each.render()) for each in running.app.screen.query(Static)).split())


def name_of(running: Running) -> Input:
    return running.app.screen_stack[-1].query_one("#field-bucket-name", Input)


async def test_a_finished_step_is_read_only_with_change_and_undo(pilot: Running) -> None:
    await look(pilot)
    assert not pilot.app.screen.query_one("#change").display
    await finish(pilot)
    assert not name_of(pilot).focusable
    assert pilot.app.screen.query_one("#change").display
    assert pilot.app.screen.query_one("#undo").display
    assert pilot.app.focused is pilot.app.screen.query_one("#primary")
    row = [pilot.app.screen.query_one(f"#{each}", Button) for each in ("back", "primary", "change", "undo")]
    assert all(button.region.right <= 80 and button.region.width > len(str(button.label)) for button in row)


async def test_change_opens_the_answers_at_once_where_nothing_builds_on_them(pilot: Running) -> None:
    await finish(pilot)
    await pilot.press("f6")
    assert pilot.app.focused is name_of(pilot)
    assert label(pilot) == "Next: User →"
    await pilot.press("a", "b", "c")
    await until(pilot, lambda: label(pilot) == "Looking …")


async def test_change_names_the_steps_that_it_puts_in_doubt(pilot: Running) -> None:
    await finish(pilot, StepId.USER, StepId.DEPLOY)
    await pilot.click("#change")
    await until(pilot, lambda: isinstance(pilot.app.screen, QuestionModal))
    assert "3 User, 6 Deploy" in question(pilot)
    assert "DNS" not in question(pilot)
    await pilot.press("enter")
    assert not name_of(pilot).focusable
    await pilot.press("f6", "y")
    assert pilot.app.focused is name_of(pilot)
    await pilot.press("a", "b", "c")
    views = app_of(pilot).views
    await until(pilot, lambda: views[StepId.DEPLOY].status is StepStatus.CHANGED)
    assert views[StepId.CONNECT].status is StepStatus.DONE


async def test_undo_names_what_goes_and_says_what_came_of_it(
    pilot: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[StepId] = []
    session = session_of(pilot)
    monkeypatch.setattr(
        session, "to_undo", lambda _step: ("Create the key [x]", "Create the bucket acme", *MANY)
    )
    monkeypatch.setattr(session, "undo", asked.append)
    monkeypatch.setattr(session, "stand", lambda: None)
    await finish(pilot, StepId.USER)
    await pilot.press("f8")
    assert "- Create the key [x] - Create the bucket acme" in question(pilot)
    assert pilot.app.screen.query_one("#dialog-hint").region.bottom <= pilot.app.size.height
    assert pilot.app.focused is pilot.app.screen.query_one("#no")
    await pilot.press("enter")
    assert asked == []
    await pilot.click("#undo")
    await until(pilot, lambda: isinstance(pilot.app.screen, QuestionModal))
    await pilot.press("y")
    assert asked == [BUCKET]
    assert label(pilot) == "Working …"
    summary = "Undo: Create the key [x]"
    for event in (
        ChangeStarted(StepId.USER, summary),
        Noted(StepId.USER, "The key was deleted."),
        ChangeFinished(StepId.USER, summary, 0.2),
    ):
        pilot.app.post_message(Happened(event))
    await until(pilot, lambda: summary in shown(pilot, "plan"))
    pilot.app.post_message(Ended("undo", BUCKET, Problem("kept", "The bucket was kept.", "", "Empty it.")))
    statuses = {
        step: StepStatus.UNDONE if step is not StepId.CONNECT else StepStatus.WAITING for step in STEPS
    }
    pilot.app.post_message(Standing(statuses))
    await until(pilot, lambda: label(pilot) == "Looking …")
    await look(pilot)
    assert step_of(pilot) is BUCKET, "what came of it would be hidden by another step"
    assert "The key was deleted." in shown(pilot, "notes")
    assert name_of(pilot).focusable


async def test_where_nothing_was_made_undo_says_so(pilot: Running) -> None:
    await finish(pilot)
    await pilot.press("f8")
    assert isinstance(pilot.app.screen, TextModal)


async def test_the_list_tells_what_drifted_while_it_is_live(start: Running) -> None:
    app = start.app
    assert isinstance(app, WizardApp)
    rows = tuple(
        SetupRow(name, done, 8, "2026-11-24 03:40", False) for name, done in (("one", 8), ("two", 5))
    )
    app.post_message(Loaded(rows))
    await until(start, lambda: len(app.screen.query(".drift")) == 2)
    assert isinstance(app.screen, StartScreen)
    assert start.app.focused is app.screen.query(".setup").first()
    app.post_message(Drifted("two", "deploy changed outside", is_well=False))
    app.post_message(Drifted("one", "as it was left", is_well=True))
    await until(
        start,
        lambda: (
            [str(line.render()).strip() for line in app.screen.query(".drift").results(Static)]
            == ["✓ as it was left", "! deploy changed outside"]
        ),
    )


async def test_after_the_proof_what_to_type_can_be_copied(
    pilot: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_of(pilot), "snippets", lambda: ("docker login registry.example.org",))
    app = app_of(pilot)
    for view in app.views.values():
        view.status = StepStatus.DONE
    app.go_on(StepId.DNS)
    await until(pilot, lambda: step_of(pilot) is StepId.PROOF and pilot.app.screen.query("#finish"))
    await until(pilot, lambda: "Proven" in shown(pilot, "finish"))
    assert "docker login registry.example.org" in shown(pilot, "finish")
    await pilot.press("f4", "c")
    assert app.clipboard.endswith("docker login registry.example.org\n")
