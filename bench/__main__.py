"""Measures everything, prints the table, and writes it to bench/results/ and into the README.

Ends with 1 if something could not be measured. An aim that was missed is told in the table only: a busy
machine is no mistake.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from bench import frames, ready, report, stalls, whole
from bench.result import Budget, Row

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"

# What each part may take, in seconds, on a busy machine: no part goes short because another took long.
PARTS: tuple[tuple[Callable[[Budget], list[Row]], float], ...] = (
    (ready.rows, 120.0),
    (whole.rows, 300.0),
    (frames.rows, 420.0),
    (stalls.rows, 900.0),
)


def main() -> int:
    around = report.surroundings()
    rows: list[Row] = []
    for part, seconds in PARTS:
        print(f"{part.__module__} (at most {seconds:.0f} s) …", file=sys.stderr, flush=True)
        rows += part(Budget(seconds))
    table = report.markdown(around, rows)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.md").write_text(table, encoding="utf-8")
    (RESULTS / "latest.json").write_text(report.as_json(around, rows), encoding="utf-8")
    README.write_text(report.into_readme(README.read_text(encoding="utf-8"), table), encoding="utf-8")
    print(table, end="")
    return 1 if any(row.value is None and row.measure.is_needed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
