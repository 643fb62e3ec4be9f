"""How long the practice world takes to be ready, in multiples of importing moto's server."""

from bench.home import home
from bench.result import Budget, Measure, Row, Unit, Unmeasured, ratio_row, without

READY = Measure("practice world ready", Unit.RATIO, 2.0)
RUNS = 9


def rows(budget: Budget) -> list[Row]:
    """The first of each is a warm-up: it compiles what was never imported before."""
    world: list[float] = []
    base: list[float] = []
    try:
        for number in range(RUNS + 1):
            with home(budget) as fresh:
                imported = fresh.python("-c", "import moto.server")
                started = fresh.program("world", "start")
            if number:
                base.append(imported.seconds)
                world.append(started.seconds)
    except Unmeasured as error:
        return without([READY], error)
    return [ratio_row(READY, world, base, "`import moto.server`")]
