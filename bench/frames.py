"""The first stable frame of the wizard, in multiples of a minimal Textual app's."""

import sys

from bench.home import Home, home
from bench.result import Budget, Measure, Row, Unit, Unmeasured, ratio_row, without
from bench.terminal import Terminal

FIRST_FRAME = Measure("first stable frame that takes keys", Unit.RATIO, 1.3)
RUNS = 9
QUIET_S = 0.25
LIMIT_S = 15.0
CTRL_Q = b"\x11"


def rows(budget: Budget) -> list[Row]:
    wizard: list[float] = []
    hello: list[float] = []
    try:
        with home(budget) as place:
            for number in range(RUNS + 1):
                times = [_first_frame(place, module, budget) for module in ("bench.hello", "wizard")]
                if number:
                    hello.append(times[0])
                    wizard.append(times[1])
    except Unmeasured as error:
        return without([FIRST_FRAME], error)
    return [ratio_row(FIRST_FRAME, wizard, hello, "a minimal Textual app")]


def _first_frame(place: Home, module: str, budget: Budget) -> float:
    with Terminal([sys.executable, "-m", module], place.environment) as terminal:
        seconds = terminal.first_stable_frame(QUIET_S, budget.limit(LIMIT_S))
        terminal.quit(CTRL_Q, budget.limit(LIMIT_S))
    return seconds
