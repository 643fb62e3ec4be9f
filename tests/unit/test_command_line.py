"""The command line's words: the README's reference is the parser's own, wrong usage ends with 2."""

import json
import sys
from pathlib import Path

import pytest

from tests.unit.readme_help import README, with_help
from wizard import answers_commands
from wizard.cli import run
from wizard.errors import Problem
from wizard.events import (
    ChangeFinished,
    ChangeStarted,
    CheckFinished,
    CheckStatus,
    Noted,
    PlanMade,
    RunFinished,
    RunStarted,
    StepFinished,
    StepId,
    StepStarted,
    StepStatus,
    to_json,
)
from wizard.output import Narrator, plain


def test_the_readme_shows_the_help_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = README.read_text(encoding="utf-8")
    assert with_help(text) == text, "run `make help-text`"


@pytest.mark.parametrize(
    "arguments",
    [["nope"], ["apply"], ["plan"], ["world"], ["answers"], ["undo", "--what"], ["apply", "--ans", "x"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2
    assert "usage: kube-registry" in capsys.readouterr().err


def test_the_wizard_without_a_terminal_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "kube-registry apply" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["cannot be read", "answers example"]),
        ("[bucket]\nnmae = 'x'", ["bucket.nmae", "name"]),
        ("setup = 'team'", ["bucket.name", "missing"]),
    ],
)
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_bad_answers_end_with_2_and_leave_nothing(
    command: str, text: str | None, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.toml"
    if text is not None:
        file.write_text(text)
    assert run([command, "-a", str(file)]) == 2
    told = capsys.readouterr().err
    for word in words:
        assert word in told
    assert run(["setups", "--json"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", [["world", "start"], ["world", "env"], ["setups", "--practice"]])
def test_without_the_extra_there_is_no_practice_world(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert run(command) == 2
    assert "Install kube-registry[practice]" in capsys.readouterr().err
    assert run(["world", "status"]) == 0


def test_json_runs_end_with_run_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "nope", "--json"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["event"] == "run_finished"
    assert lines[-1]["exit_code"] == 2
    assert lines[-1]["problem"]["code"] == "no-such-setup"
    del tmp_path


def test_the_schema_knows_every_event() -> None:
    schema = answers_commands.events_schema()
    record = to_json(
        CheckFinished(StepId.DNS, "a", "b", CheckStatus.FAILED, problem=Problem("c", "d")),
        "2026-01-01T00:00:00Z",
    )
    names = {
        schema["$defs"][ref["$ref"].rpartition("/")[2]]["properties"]["event"]["const"]
        for ref in schema["oneOf"]
    }
    assert record["event"] in names
    assert len(names) == len(schema["oneOf"]) >= 15
    definition = schema["$defs"]["CheckFinished"]
    assert set(record) == set(definition["properties"])
    assert "bucket" in answers_commands.answers_schema()["properties"]


def test_steps_that_run_side_by_side_are_told_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Narrator(sys.stderr)
    tell(RunStarted("check", "team", (StepId.CONNECT, StepId.BUCKET, StepId.USER)))
    for step in (StepId.USER, StepId.BUCKET, StepId.CONNECT):
        tell(StepStarted(step))
    for step in (StepId.BUCKET, StepId.CONNECT, StepId.USER):
        tell(CheckFinished(step, "a", f"check of {step.value}", CheckStatus.PASSED))
        tell(StepFinished(step, StepStatus.DONE))
    lines = [line for line in capsys.readouterr().err.splitlines() if "check of" in line]
    assert [line.split()[3] for line in lines] == ["connect", "bucket", "user"]


def test_a_plan_leaves_its_notes_to_the_table_and_undo_tells_each_thing_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell = Narrator(sys.stderr)
    tell(RunStarted("plan", "team", (StepId.BUCKET,)))
    tell(PlanMade(StepId.BUCKET, (), notes=("a note",)))
    assert "a note" not in capsys.readouterr().err
    tell(RunStarted("undo", "team", (StepId.BUCKET,)))
    tell(ChangeStarted(StepId.BUCKET, "Undo: Create the bucket"))
    tell(Noted(StepId.BUCKET, "Deleted the bucket."))
    tell(ChangeFinished(StepId.BUCKET, "Undo: Create the bucket", 0.1))
    assert capsys.readouterr().err == "  · Deleted the bucket.\n"
    tell(RunStarted("apply", "team", (StepId.BUCKET,)))
    tell(PlanMade(StepId.BUCKET, (), notes=("a note",)))
    assert "a note" in capsys.readouterr().err


def test_foreign_words_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Narrator(sys.stderr)(RunFinished("apply", 1, Problem("x", "evil \x1b[2J\x07 text")))
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\x07" not in told
    assert plain("a\x9bb\u202ec\nd") == "a�b�c\nd"


def test_a_failed_run_ends_with_the_last_foreign_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without what would steer the terminal, and without secrets."""
    monkeypatch.setenv("KUBE_REGISTRY_PASSWORD_ALICE", "canary-of-alice")
    raw = "\n".join([*(f"line {n}" for n in range(20)), "evil \x1b[2J", "it is canary-of-alice", "x " * 900])
    tell = Narrator(sys.stderr)
    tell(RunFinished("apply", 1, Problem("x", "It broke.", raw=raw), "kube-registry apply"))
    told = capsys.readouterr().err
    shown = told.splitlines()
    assert shown[1:3] == ["It broke.", "    line 11"]
    assert shown[-2] == f"    {'x ' * 150}"
    assert shown[-1] == "To go on: kube-registry apply"
    assert "\x1b" not in told
    assert "canary" not in told
    tell(RunFinished("apply", 2, Problem("x", "Refused.", raw=raw)))
    assert "line 11" not in capsys.readouterr().err
