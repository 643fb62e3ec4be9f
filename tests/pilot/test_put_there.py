"""While a file is waited for: its line can be copied, selected by itself, and kept in a file."""

from pathlib import Path

import pytest
from textual.widgets import Button, Static

from screens.messages import Happened
from screens.put_there import FileBox
from tests.pilot.test_screens import Running, app_of, look, pilot, session_of, shown, step_of, told, until
from wizard.errors import Problem
from wizard.events import Event, FileWanted, StepFinished, StepId, StepStarted, StepStatus, WaitFinished

__all__ = ["pilot"]
LINE = "7DwGqQNf_9uyp0bVJHBZpnhBhEvSAeXfXUx3sCmZd1o.wZ2KFUYLrsc5vHq9Q6O1bTzRk0aXn4Mj8eGdPYiLtEs"
PATH = ".well-known/acme-challenge/7DwGqQNf_9uyp0bVJHBZpnhBhEvSAeXfXUx3sCmZd1o"
WANTED = FileWanted(StepId.BUCKET, "registry.example.com", PATH, LINE)


async def want(pilot: Running, *files: FileWanted) -> None:
    await look(pilot)
    events: list[Event] = [StepStarted(StepId.BUCKET), *files]
    for event in events:
        pilot.app.post_message(Happened(event))
    await until(pilot, lambda: pilot.app.screen.query_one(FileBox).display)


@pytest.fixture
def kept(pilot: Running, monkeypatch: pytest.MonkeyPatch) -> list[FileWanted]:
    found: list[FileWanted] = []

    def keep(wanted: FileWanted) -> Path:
        found.append(wanted)
        return Path("/state/registry/token")

    monkeypatch.setattr(session_of(pilot), "keep_file", keep)
    return found


async def test_it_takes_no_line_while_no_file_is_wanted(pilot: Running) -> None:
    await look(pilot)
    assert not pilot.app.screen.query_one(FileBox).display
    assert "Copy the line" not in shown(pilot, "hints")
    await pilot.press("c")
    assert pilot.app.clipboard == ""


@pytest.mark.parametrize("is_by_mouse", [False, True])
async def test_the_line_is_copied_whole_and_kept(
    pilot: Running, kept: list[FileWanted], is_by_mouse: bool
) -> None:
    await want(pilot, WANTED)
    assert PATH in told(pilot, "file-told").replace(" ", "")
    assert "C Copy the line" in shown(pilot, "hints")
    if is_by_mouse:
        pilot.app.screen.query_one("#copy-line", Button).press()
    else:
        await pilot.press("c")
    await until(pilot, lambda: kept)
    assert pilot.app.clipboard == LINE
    assert kept == [WANTED]
    await until(pilot, lambda: "/state/registry/token" in told(pilot, "file-kept"))


async def test_the_line_is_selected_as_one_though_it_takes_two_rows(pilot: Running) -> None:
    await want(pilot, WANTED)
    line = pilot.app.screen.query_one("#file-line", Static)
    await until(pilot, lambda: line.size.height == 2)
    line.text_select_all()
    assert pilot.app.screen.get_selected_text() == LINE


async def test_one_after_the_other_is_wanted_until_it_is_there(
    pilot: Running, kept: list[FileWanted]
) -> None:
    other = FileWanted(StepId.BUCKET, "other.example.com", ".well-known/acme-challenge/other", "other.line")
    await want(pilot, WANTED, other)
    assert "1 more after it" in told(pilot, "file-told")
    pilot.app.post_message(Happened(WaitFinished(StepId.BUCKET, f"the file at http://x/{PATH}", 1.0, True)))
    await until(pilot, lambda: shown(pilot, "file-line") == "other.line")
    await pilot.press("c")
    await until(pilot, lambda: kept == [other])
    pilot.app.post_message(Happened(StepFinished(StepId.BUCKET, StepStatus.DONE)))
    await until(pilot, lambda: not pilot.app.screen.query_one(FileBox).display)
    assert app_of(pilot).views[step_of(pilot)].files == ()


async def test_where_it_cannot_be_kept_it_says_so(pilot: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("not-written", "It could not be written: disk full.")
    monkeypatch.setattr(session_of(pilot), "keep_file", lambda _wanted: problem)
    await want(pilot, WANTED)
    await pilot.press("c")
    await until(pilot, lambda: "disk full" in told(pilot, "file-kept"))
    assert pilot.app.clipboard == LINE
