"""Undo of one step and those after it: the earlier ones stay, and are still known as verified."""

from collections.abc import Callable
from typing import Any

from wizard.events import StepId, StepStatus
from wizard.overview import view
from wizard.state import SetupDirectory

NewRun = Callable[..., Any]
FIRST = (StepId.CONNECT, StepId.BUCKET)


def test_earlier_steps_stay_as_they_are(new_run: NewRun) -> None:
    run = new_run()
    for step in (*FIRST, StepId.USER):
        run.engine.apply_step(step)
    doomed = [entry.change.action for entry in run.engine.to_undo(StepId.USER)]
    assert doomed[0] == "create-access-key"
    assert doomed[-1] == "create-user"
    assert run.engine.undo(first=StepId.USER) == []
    assert run.engine.journal.standing(StepId.USER) == []
    assert run.engine.journal.standing(StepId.BUCKET) != []
    directory = run.engine.directory
    assert view(SetupDirectory(directory.path.parent, directory.name)).done == FIRST

    again = new_run()
    again.engine.inspect()
    assert [again.engine.statuses()[step] for step in FIRST] == [StepStatus.DONE, StepStatus.DONE]
    assert again.engine.statuses()[StepId.USER] is StepStatus.UNDONE
    assert again.engine.undo() == []
    assert view(SetupDirectory(directory.path.parent, directory.name)).state is StepStatus.UNDONE
