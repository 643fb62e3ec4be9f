"""The matrix as a table in Markdown: requests by faults."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.crash.cells import Phase, Verdict
from tests.crash.script import Fault, Slot

EXPLAINED = """\
A cell is a run with one fault at one request, then a run without. It converged when the second run ended with
0, all its checks passed, both clouds hold what an undisturbed run leaves (but for ids), no secret was found
outside the cluster, and at most one certificate was issued. A cell of undo begins with a finished setup and
ends with the world as it was before. “First look”: before anything was changed."""
CONVERGED, FAILED, NOT_REACHED = "✓", "**✗**", "–"


def table(verdicts: Sequence[Verdict], took: str) -> str:
    """Counts first, then a row for each request; `took` says how long it was."""
    reached = [verdict for verdict in verdicts if verdict.struck]
    good = [verdict for verdict in reached if not verdict.troubles]
    share = 100 * len(good) / max(1, len(verdicts))
    bad = [verdict for verdict in reached if verdict.troubles]
    left_out = len(verdicts) - len(reached)
    lines = [
        "# Crash matrix",
        "",
        f"{len(good)} of {len(verdicts)} cells converged ({share:.1f} %), {len(bad)} did not;",
        f"{left_out} could not be tried, for their request did not come in three runs.",
        "",
        f"{took}, {os.cpu_count()} cores, Python {platform.python_version()},",
        f"{datetime.now(UTC):%Y-%m-%d}.",
        "",
        EXPLAINED,
        "",
        f"{CONVERGED} converged, {FAILED} did not, {NOT_REACHED} the request did not come in three runs.",
    ]
    for phase in Phase:
        lines += [
            "",
            f"## {phase.value.capitalize()}",
            "",
            *_rows([v for v in verdicts if v.cell.phase is phase]),
        ]
    return "\n".join(lines) + "\n"


def _rows(verdicts: Sequence[Verdict]) -> list[str]:
    by_slot: dict[Slot, dict[Fault, Verdict]] = {}
    for verdict in verdicts:
        by_slot.setdefault(verdict.cell.slot, {})[verdict.cell.fault] = verdict
    head = ["| request | " + " | ".join(Fault) + " |", "|---" * (len(Fault) + 1) + "|"]
    totals = [
        f"{sum(_mark(row.get(fault)) == CONVERGED for row in by_slot.values())}/{len(by_slot)}"
        for fault in Fault
    ]
    body = [
        f"| `{slot}` | " + " | ".join(_mark(row.get(fault)) for fault in Fault) + " |"
        for slot, row in by_slot.items()
    ]
    return [*head, f"| **{len(by_slot)} requests** | " + " | ".join(totals) + " |", *body]


def _mark(verdict: Verdict | None) -> str:
    if verdict is None or not verdict.struck:
        return NOT_REACHED
    return FAILED if verdict.troubles else CONVERGED
