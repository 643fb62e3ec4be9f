"""Disks that are full or read-only, and files cut off half-way: a sentence, and the next run goes on."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import ANSWERS, LIMIT_S, Program, Ran

pytestmark = pytest.mark.e2e
APPLY = ("apply", "--practice", "-a", str(ANSWERS))


def run_with(program: Program, prelude: str, *arguments: str, **environment: str) -> Ran:
    """Through a shell, which makes things hard first.

    Python would leave compiled modules cut short on such a disk, for all who come after.
    """
    done = subprocess.run(
        ["/bin/sh", "-c", f'{prelude}; exec "$@"', "sh", *program.command(*arguments)],
        env={**program.environment, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=program.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("blocks", [0, 1, 4, 16, 600])
def test_a_disk_that_is_full_is_told_and_made_room_the_run_goes_on(program: Program, blocks: int) -> None:
    """Of 512 bytes each: no answers, no journal, some of it, the CA bundle, and a journal cut short."""
    full = run_with(program, f"ulimit -f {blocks}", *APPLY)
    assert full.code in {0, 1, 2}
    assert "Traceback" not in full.err
    assert "mistake in the wizard" not in full.err
    if full.code:
        assert "File too large" in full.err
        assert "→" in full.err


def test_with_room_again_it_ends_where_it_should(program: Program) -> None:
    assert program.run(*APPLY, "--json").code == 0
    before = program.mutations()
    assert program.run(*APPLY, "--json").code == 0
    assert program.mutations() == before


@pytest.mark.parametrize(
    "command", [("setups",), ("answers", "example"), ("plan", "--practice", "-a", str(ANSWERS))]
)
def test_an_output_that_takes_nothing_is_told(program: Program, command: tuple[str, ...]) -> None:
    ran = run_with(program, "exec >/dev/full", *command)
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert "No space left" in ran.err


def test_a_state_directory_that_cannot_be_is_told(program: Program) -> None:
    in_the_way = program.home / "in-the-way"
    in_the_way.write_text("")
    for place in (in_the_way, Path("/proc/nothing"), Path("/dev/null")):
        ran = run_with(program, "true", *APPLY, XDG_STATE_HOME=str(place))
        assert ran.code == 2, ran.err
        assert "The state directory" in ran.err
        assert "Traceback" not in ran.err


def test_answers_half_written_are_refused_and_given_anew(program: Program) -> None:
    [path] = program.state.rglob("answers.toml")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\n[buck")
    for command in ("check", "undo"):
        ran = program.run(command, "--practice", *(("--yes",) if command == "undo" else ()))
        assert ran.code == 2
        assert str(path) in ran.out + ran.err
    assert program.run("setups", "--practice").code == 0
    assert program.run(*APPLY, "--json").code == 0
    assert path.read_bytes() == whole


def test_a_journal_with_a_garbled_tail_costs_nothing(program: Program) -> None:
    [path] = program.state.rglob("journal.jsonl")
    whole = path.read_bytes()
    before = program.mutations()
    tails = (
        whole[-300:],
        whole[-120:-40],
        b"\0" * 4096,
        b"[" * 100_000,
        b'{"state":"done","id":1e999}',
        b"\xff\xfe",
    )
    path.write_bytes(whole + b"\n".join(tails))
    assert program.run(*APPLY, "--json").code == 0
    assert program.mutations() == before
