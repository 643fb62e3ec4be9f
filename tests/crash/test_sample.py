"""A sample of the crash matrix, another one for each commit; `make crash-matrix` does all of it."""

import os
import random
import signal
import subprocess
import sys
import time
from queue import Queue
from typing import Any

import pytest

from tests.crash import matrix
from tests.crash.cells import Cell, Phase, Verdict
from tests.crash.script import Fault
from tests.e2e.program import ROOT

pytestmark = pytest.mark.e2e
CELLS_A_FAULT = 3
WITHIN_S = 40.0
LEAST_STRUCK = 1  # a slow machine gets no further in that time
WORKERS = min(4, os.cpu_count() or 1)


def _seed() -> str:
    """The commit's id; a checkout without one is sampled always alike."""
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    return found.stdout.strip() or "no commit"


def _sample(cells: list[Cell], seed: str) -> list[Cell]:
    """Some of each fault, for apply and for undo; most of them at requests after the first change."""
    chosen = random.Random(seed)  # noqa: S311 - no secret
    found = []
    for phase in Phase:
        for fault in Fault:
            of_fault = [cell for cell in cells if (cell.phase, cell.fault) == (phase, fault)]
            late = [cell for cell in of_fault if cell.slot.is_after_change]
            found += [*chosen.sample(late, CELLS_A_FAULT - 1), chosen.choice(of_fault)]
    chosen.shuffle(found)
    return list(dict.fromkeys(found))


def test_a_sample_of_this_commit_converges(capsys: pytest.CaptureFixture[str]) -> None:
    seed = _seed()
    _tell(capsys, f"seed {seed}")
    cells = matrix.references().cells()
    verdicts: list[Verdict] = []
    broken = matrix.run(_sample(cells, seed), WORKERS, verdicts.append, deadline_s=WITHIN_S)
    struck = sum(bool(verdict.struck) for verdict in verdicts)
    _tell(capsys, f"tried {struck} of {len(cells)} cells")
    assert [f"{verdict.cell}: {verdict.troubles}" for verdict in verdicts if verdict.troubles] == []
    assert broken == []
    assert struck >= LEAST_STRUCK


def _tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """On standard error at once: the test runner's workers have no other way to the terminal."""
    with capsys.disabled():
        sys.stderr.write(f"\ncrash matrix: {text}\n")
        sys.stderr.flush()


def test_a_worker_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells would be missing, and those that are there be taken for all."""
    monkeypatch.setattr(matrix, "Stand", None)
    tasks: Any = Queue()
    told: Any = Queue()
    former = signal.getsignal(signal.SIGTERM)
    try:
        matrix._work(tasks, tasks, told, time.time() + 60, "")
    finally:
        signal.signal(signal.SIGTERM, former)
    broken = told.get_nowait()
    assert isinstance(broken, matrix.Broken)
    assert "TypeError" in broken.trace
    assert told.get_nowait() is None
