"""Coming back to a half-done setup: what the look at all steps finds, and what may not happen meanwhile."""

import pytest
from textual.widgets import Input

from screens.app import BEFORE_APPLY, BEFORE_CHANGES
from screens.messages import Ended, Looked, Opened, Standing
from screens.modals import QuestionModal
from tests.pilot.test_screens import (
    Running,
    app_of,
    label,
    look,
    pilot,
    session_of,
    shown,
    step_of,
    told,
    until,
)
from wizard.errors import Problem
from wizard.events import STEPS, ConsentView, PlanMade, StepFinished, StepId, StepStarted, StepStatus

__all__ = ["pilot"]
GONE = {**dict.fromkeys(STEPS, StepStatus.WAITING), StepId.CONNECT: StepStatus.MISSING}
UNREACHABLE = Problem("unreachable", "AWS does not answer.", "", "Press F5.")


async def test_it_leaves_who_types_where_they_are(pilot: Running) -> None:
    await look(pilot)
    name = pilot.app.screen.query_one("#field-bucket-name", Input)
    name.focus()
    await pilot.press("a")
    pilot.app.post_message(Standing(GONE))
    await until(pilot, lambda: "Step 1 Connect comes first: something is gone" in told(pilot, "standing"))
    await pilot.press("b")
    assert (step_of(pilot), pilot.app.focused, name.value) == (StepId.BUCKET, name, "ab")
    await pilot.press("backspace", "backspace")
    await until(pilot, lambda: label(pilot) == "Looking …")
    pilot.app.post_message(Looked(StepId.BUCKET, PlanMade(StepId.BUCKET, ()), None, ()))
    await until(pilot, lambda: label(pilot) == "Go to 1 Connect →")
    await pilot.press("f2")
    await until(pilot, lambda: step_of(pilot) is StepId.CONNECT)
    assert session_of(pilot).applied == []


async def test_it_leaves_a_question_open_and_its_answer_counts(pilot: Running) -> None:
    await look(pilot, consents=(ConsentView("adopt", "bucket", "May the bucket be used?"),))
    await pilot.press("f2")
    question = pilot.app.screen
    assert isinstance(question, QuestionModal)
    pilot.app.post_message(Standing(GONE))
    await pilot.pause()
    assert pilot.app.screen is question
    await pilot.press("y")
    await until(pilot, lambda: session_of(pilot).applied == [StepId.BUCKET])


async def test_a_half_done_setup_is_seen_anew_before_it_goes_on(pilot: Running) -> None:
    """The steps that stand are open at once, and Next passes none that was not seen to stand."""
    asked = 0

    def stand() -> None:
        nonlocal asked
        asked += 1

    session_of(pilot).stand = stand  # type: ignore[method-assign]
    pilot.app.post_message(Opened("registry", session_of(pilot).document, StepId.USER))
    await until(pilot, lambda: step_of(pilot) is StepId.USER and asked == 1)
    views = app_of(pilot).views
    assert [views[step].status for step in STEPS[:3]] == [
        StepStatus.DONE,
        StepStatus.DONE,
        StepStatus.WAITING,
    ]
    pilot.app.post_message(Ended("stand", None, UNREACHABLE))
    await until(pilot, lambda: views[StepId.CONNECT].status is StepStatus.WAITING)
    assert "AWS does not answer." in told(pilot, "problem")
    await look(pilot)
    assert label(pilot) == "Go to 1 Connect →"
    views[StepId.USER].take(StepFinished(StepId.USER, StepStatus.DONE))
    await pilot.press("f5")
    assert asked == 2, "what could not be seen is looked at again"
    found = {**dict.fromkeys(STEPS[:3], StepStatus.DONE), **dict.fromkeys(STEPS[3:], StepStatus.WAITING)}
    pilot.app.post_message(Standing(found))
    await until(pilot, lambda: label(pilot) == "Next: Certificate →")
    await pilot.press("f2")
    await until(pilot, lambda: step_of(pilot) is StepId.CERTIFICATE)


async def test_a_step_that_was_carried_out_meanwhile_stays_verified(pilot: Running) -> None:
    views = app_of(pilot).views
    views[StepId.CONNECT].take(StepStarted(StepId.CONNECT))
    views[StepId.CONNECT].take(StepFinished(StepId.CONNECT, StepStatus.DONE))
    pilot.app.post_message(Ended("stand", None, UNREACHABLE))
    await until(pilot, lambda: "AWS does not answer." in told(pilot, "problem"))
    assert views[StepId.CONNECT].is_verified


async def test_a_run_that_has_not_begun_says_what_it_waits_for(pilot: Running) -> None:
    await look(pilot)
    await pilot.press("f2")
    assert label(pilot) == "Working …"
    assert BEFORE_APPLY in told(pilot, "wait")
    pilot.app.post_message(Standing(dict.fromkeys(STEPS, StepStatus.WAITING)))
    await until(pilot, lambda: BEFORE_CHANGES in told(pilot, "wait"))
    app_of(pilot).views[StepId.BUCKET].take(StepStarted(StepId.BUCKET))
    screen = app_of(pilot).step_screen
    assert screen is not None
    screen.render_view()
    assert told(pilot, "wait") == ""


@pytest.mark.parametrize("key", ["f5", "f8"])
async def test_while_a_step_runs_the_hints_say_what_the_keys_do_then(pilot: Running, key: str) -> None:
    await look(pilot)
    assert "Esc Back" in shown(pilot, "hints")
    await pilot.press("f2")
    await until(pilot, lambda: "Esc Stop" in shown(pilot, "hints"))
    hints = shown(pilot, "hints")
    assert "Back" not in hints
    assert key.upper() not in hints
    before = len(session_of(pilot).looked)
    await pilot.press(key)
    assert len(session_of(pilot).looked) == before
