"""A run that is killed or stopped goes on where it was: no second thing, and undo still leaves nothing."""

import json
import signal
import subprocess

import pytest

from tests.e2e.program import ANSWERS, Program

pytestmark = pytest.mark.e2e
APPLY = ("apply", "--practice", "-a", str(ANSWERS), "--json")


def _stopped_at(program: Program, event: str, step: str, number: signal.Signals) -> tuple[int, list[str]]:
    """Runs apply until an event of a step is told, then sends the signal; exit code and lines."""
    lines: list[str] = []
    with subprocess.Popen(
        program.command(*APPLY),
        env=program.environment,
        cwd=program.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            told = json.loads(line)
            if (told["event"], told.get("step")) == (event, step):
                process.send_signal(number)
                break
        rest, _ = process.communicate(timeout=120)
    return process.returncode, lines + rest.splitlines()


@pytest.mark.parametrize(
    ("event", "step"),
    [
        ("change_started", "user"),
        ("change_finished", "certificate"),
        ("wait_started", "deploy"),
        ("change_started", "dns"),
    ],
)
def test_a_killed_run_goes_on_where_it_was(program: Program, event: str, step: str) -> None:
    before = json.dumps(program.dump(), sort_keys=True, indent=1)
    code, _ = _stopped_at(program, event, step, signal.SIGKILL)
    assert code == -signal.SIGKILL
    again = program.run(*APPLY)
    assert again.code == 0, again.out[-3000:]
    undone = program.run("undo", "--practice", "--yes", "--json")
    assert undone.code == 0, undone.out[-3000:]
    assert json.dumps(program.dump(), sort_keys=True, indent=1) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_ends_with_130_and_says_how_to_go_on(
    program: Program, number: signal.Signals
) -> None:
    code, lines = _stopped_at(program, "change_started", "bucket", number)
    assert code == 130
    last = json.loads(lines[-1])
    assert last["exit_code"] == 130
    assert last["next_command"].startswith("kube-registry apply -a ")
    undone = program.run("undo", "--practice", "--yes", "--json")
    assert undone.code == 0, undone.out[-3000:]
