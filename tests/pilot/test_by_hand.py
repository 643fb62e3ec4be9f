"""The plan as a table, and each of its rows by hand."""

import shlex
from pathlib import Path

import pytest
from textual.widgets import Static

from screens.by_hand import CommandsModal
from screens.messages import Happened, Looked
from screens.render import commands_text
from screens.table import HEAD_COLUMNS, Table
from tests.pilot.test_screens import Running, app_of, pilot, session_of, until
from wizard.errors import Problem
from wizard.events import (
    ChangeFinished,
    ChangeStarted,
    ChangeView,
    CheckRow,
    ChecksPlanned,
    Event,
    PlanMade,
    StepId,
    StepStarted,
    Verb,
    WaitProgress,
    WaitStarted,
)

__all__ = ["pilot"]
NAME = "registry-123456789012-eu-west-1"
CREATE = ChangeView(
    Verb.CREATE, "S3 bucket", NAME, f"Create the bucket {NAME} in eu-west-1", "about $1 a GB", "aws create it"
)
ADOPT = ChangeView(
    Verb.ADOPT, "S3 bucket", NAME, f"Encrypt what is new in {NAME} with AES256", "", "aws encrypt"
)
PLAN = PlanMade(StepId.BUCKET, (CREATE, ADOPT))


async def look(running: Running) -> Table:
    running.app.post_message(Looked(StepId.BUCKET, PLAN, None, ()))
    table = running.app.screen.query_one("#plan", Table)
    await until(running, lambda: len(table.rows) == len(PLAN.changes))
    await running.pause()
    return table


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 18)])
async def test_columns_and_indents_hold_at_every_size(pilot: Running, size: tuple[int, int]) -> None:
    await pilot.resize_terminal(*size)
    table = await look(pilot)
    lines = str(table.render()).split("\n")
    assert len(lines) == table.size.height
    assert max(len(line) for line in lines) <= table.size.width
    assert [line.split()[1] for line in lines if line[0] != " "] == ["create", "adopt"]
    assert all(line[:HEAD_COLUMNS].strip() == "" for line in lines if line[0] == " ")
    ends = [line for line in lines if line.endswith((" costs $", " free"))]
    assert {len(line) for line in ends} == {table.size.width}
    assert "About $1 a GB." in str(table.render())


async def test_a_row_shows_its_command_by_keys(pilot: Running) -> None:
    table = await look(pilot)
    table.focus()
    await pilot.press("down", "enter")
    assert isinstance(pilot.app.screen, CommandsModal)
    assert "aws encrypt" in commands_of(pilot)
    assert "aws create" not in commands_of(pilot)
    await pilot.press("c")
    assert pilot.app.clipboard == "aws encrypt\n"
    await pilot.press("escape")
    assert not isinstance(pilot.app.screen, CommandsModal)


async def test_a_row_shows_its_command_by_the_mouse(pilot: Running) -> None:
    table = await look(pilot)
    await pilot.click(table, offset=(20, table.size.height - 1))
    await until(pilot, lambda: isinstance(pilot.app.screen, CommandsModal))
    assert "aws encrypt" in commands_of(pilot)


async def test_all_commands_go_into_a_file(pilot: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []

    def keep(steps: list[tuple[str, tuple[tuple[str, str], ...]]]) -> Path | Problem:
        kept.extend(command for _, pairs in steps for _, command in pairs)
        return Path("/state/commands.sh")

    monkeypatch.setattr(session_of(pilot), "keep_commands", keep)
    await look(pilot)
    await pilot.press("f4")
    assert "aws create it" in commands_of(pilot)
    await pilot.press("s")
    assert kept == ["aws create it", "aws encrypt"]
    assert "/state/commands.sh" in str(pilot.app.screen.query_one("#dialog-told", Static).render())


async def test_beyond_the_last_row_the_focus_goes_on(pilot: Running) -> None:
    table = await look(pilot)
    table.focus()
    await pilot.press("down")
    assert pilot.app.focused is table
    await pilot.press("down")
    assert pilot.app.focused is not table


async def test_a_run_shows_how_far_it_is_and_what_it_waits_for(pilot: Running) -> None:
    await look(pilot)
    events: list[Event] = [
        StepStarted(StepId.BUCKET),
        PLAN,
        ChangeStarted(StepId.BUCKET, CREATE.summary),
        ChangeFinished(StepId.BUCKET, CREATE.summary, 1.24),
        ChangeStarted(StepId.BUCKET, ADOPT.summary),
        ChecksPlanned(StepId.BUCKET, (CheckRow("a", "read back"),)),
        WaitStarted(StepId.BUCKET, "the bucket", 600),
        WaitProgress(StepId.BUCKET, "the bucket", 30, 600, "not there yet"),
    ]
    for event in events:
        pilot.app.post_message(Happened(event))
    screen = pilot.app.screen
    await until(pilot, lambda: "the bucket" in str(screen.query_one("#wait", Static).render()))
    rows = str(screen.query_one("#plan", Table).render()).split("\n")
    assert rows[0].startswith("✓ done")
    assert rows[0].endswith("1.2 s")
    assert any(row.startswith("▸ doing") for row in rows)
    assert "1 of 3" in str(screen.query_one("#plan-heading", Static).render())
    waiting = str(screen.query_one("#wait", Static).render())
    assert "at most 9:" in waiting
    assert "█" in waiting
    assert app_of(pilot).views[StepId.BUCKET].commands[0] == (CREATE.summary, CREATE.command)


def test_a_manifest_is_shown_as_it_stands() -> None:
    command = (
        "kubectl apply -f - <<'EOF'\nkind: Service\n  name: with many words that would not fit in it\nEOF"
    )
    assert commands_text(command.split("\n"), 30, prompt="").plain == command
    folded = commands_text(["aws s3api create-bucket --bucket registry"], 30, prompt="").plain
    assert shlex.split(folded.replace("\\\n", "")) == shlex.split("aws s3api create-bucket --bucket registry")


def commands_of(running: Running) -> str:
    return str(running.app.screen.query_one("#commands", Static).render())
