"""Answers that change after a finished setup: it is carried out, and undo goes back to the beginning."""

import json
from pathlib import Path

import pytest

from tests.e2e.program import ANSWERS, Program

pytestmark = pytest.mark.e2e


def _apply(program: Program, answers: Path) -> None:
    applied = program.run("apply", "--practice", "-a", str(answers), "--json")
    assert applied.code == 0, applied.out[-3000:]
    again = program.run("plan", "--practice", "-a", str(answers), "--json")
    changes = [event["changes"] for event in again.events if event["event"] == "plan_made"]
    assert changes == [[]] * 8


def test_another_balancer_and_more_pods_and_back(program: Program, tmp_path: Path) -> None:
    before = json.dumps(program.dump(), sort_keys=True, indent=1)
    _apply(program, ANSWERS)
    changed = tmp_path / "answers.toml"
    changed.write_text(ANSWERS.read_text() + '\n[deploy]\nload_balancer = "nlb"\nreplicas = 2\n')
    _apply(program, changed)
    undone = program.run("undo", "--practice", "--yes", "--json")
    assert undone.code == 0, undone.out[-3000:]
    assert json.dumps(program.dump(), sort_keys=True, indent=1) == before
