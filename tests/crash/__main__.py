"""`python -m tests.crash`: the whole matrix, or the part whose name holds --only; writes a table."""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.crash import matrix
from tests.crash.cells import Cell, Verdict
from tests.crash.table import table

RESULT = Path(__file__).resolve().parents[2] / "bench" / "results" / "crash-matrix.md"
TRIES = 3  # for a request that does not come in every run


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers clean up too
    started = time.monotonic()
    wanted = [cell for cell in matrix.references().cells() if options.only in str(cell)]
    shuffled = random.Random(options.seed).sample(wanted, len(wanted))  # noqa: S311 - no secret
    verdicts = _recorded(options.record, wanted)
    resumed = bool(verdicts)

    def told(verdict: Verdict) -> None:
        verdicts[verdict.cell] = verdict
        _record(options.record, verdict)
        if verdict.troubles:
            sys.stdout.write(f"FAILED {verdict.cell}\n")
            sys.stdout.writelines(f"    {trouble}\n" for trouble in verdict.troubles)
        elif options.verbose:
            sys.stdout.write(f"{len(verdicts)}/{len(wanted)} {verdict.cell}: {verdict.code}\n")
        sys.stdout.flush()

    broken: list[str] = []
    for _ in range(TRIES):
        if left := _left(shuffled, verdicts):
            broken += matrix.run(left, options.workers, told)
    sys.stdout.writelines(f"A worker broke:\n{trace}\n" for trace in broken)
    took = "In several sittings" if resumed else f"{(time.monotonic() - started) / 60:.1f} minutes"
    text = table([verdicts[cell] for cell in wanted if cell in verdicts], took)
    if not options.only:
        RESULT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    failed = any(verdict.troubles for verdict in verdicts.values())
    return 1 if failed or broken or len(verdicts) < len(wanted) else 0


def _left(wanted: Iterable[Cell], verdicts: dict[Cell, Verdict]) -> list[Cell]:
    """Not tried yet, or the request did not come."""
    return [cell for cell in wanted if cell not in verdicts or not verdicts[cell].struck]


def _record(path: Path | None, verdict: Verdict) -> None:
    if path:
        with path.open("a", encoding="utf-8") as file:
            row = (str(verdict.cell), verdict.troubles, verdict.code, verdict.struck)
            file.write(json.dumps(row) + "\n")


def _recorded(path: Path | None, wanted: Iterable[Cell]) -> dict[Cell, Verdict]:
    """What converged in a former run that was broken off; failures are tried again."""
    if not path or not path.exists():
        return {}
    by_name = {str(cell): cell for cell in wanted}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        by_name[name]: Verdict(by_name[name], (), code, struck)
        for name, troubles, code, struck in rows
        if name in by_name and struck and not troubles
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--only", default="", help="only cells whose name holds this text")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which cells are tried")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--record", type=Path, help="a file to note verdicts in, and to go on from")
    parser.add_argument("--verbose", action="store_true", help="one line a cell")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
