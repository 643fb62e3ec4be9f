"""The first stable frame of the wizard, and of posting, in multiples of a minimal Textual app's."""

import sys
from collections.abc import Sequence

from bench import posting
from bench.home import Home, home
from bench.result import Budget, Measure, Row, Unit, Unmeasured, ratio_row, without
from bench.terminal import Terminal

FIRST_FRAME = Measure("first stable frame that takes keys", Unit.RATIO, 1.3)
POSTING = Measure("the same of posting, to compare", Unit.RATIO, is_needed=False)
RUNS = 9
POSTING_RUNS = 3
QUIET_S = 0.25
LIMIT_S = 30.0
CTRL_C, CTRL_Q = b"\x03", b"\x11"
HELLO = (sys.executable, "-m", "bench.hello")
WIZARD = (sys.executable, "-m", "wizard")


def rows(budget: Budget) -> list[Row]:
    found: list[Row] = []
    try:
        times, base = _in_turns(WIZARD, CTRL_Q, RUNS, budget)
        found.append(ratio_row(FIRST_FRAME, times, base, "a minimal Textual app"))
    except Unmeasured as error:
        found += without([FIRST_FRAME], error)
    try:
        times, base = _in_turns((str(posting.program()),), CTRL_C, POSTING_RUNS, budget)
        found.append(ratio_row(POSTING, times, base, f"the same; posting {posting.VERSION}"))
    except Unmeasured as error:
        found += without([POSTING], error)
    return found


def _in_turns(
    command: Sequence[str], end: bytes, runs: int, budget: Budget
) -> tuple[list[float], list[float]]:
    """Seconds of the command and of the minimal app, taken in turns; the first pair only warms up."""
    with home(budget) as place:
        pairs = [
            (_first_frame(place, command, end, budget), _first_frame(place, HELLO, CTRL_Q, budget))
            for _ in range(runs + 1)
        ]
    return [each[0] for each in pairs[1:]], [each[1] for each in pairs[1:]]


def _first_frame(place: Home, command: Sequence[str], end: bytes, budget: Budget) -> float:
    with Terminal(command, place.environment) as terminal:
        seconds = terminal.first_stable_frame(QUIET_S, budget.limit(LIMIT_S))
        terminal.quit(end, budget.limit(LIMIT_S))
    return seconds
