"""A whole `apply`, what a second one and a `check` cost, and what the world and the wizard hold then."""

import shutil
import statistics
import sys
import time
from dataclasses import dataclass, field

from bench.home import ANSWERS, Home, home
from bench.memory import children_peak_mib, peak_mib
from bench.result import Budget, Measure, Row, Unit, Unmeasured, plain_row, without
from bench.terminal import Terminal

APPLY = Measure("whole `apply --practice`", Unit.SECONDS)
SECOND = Measure("second run, of the first", Unit.RATIO, 0.25)
CHECK = Measure("`check`, of the first run", Unit.RATIO)
WORLD = Measure("peak memory of the world", Unit.MEBIBYTES, 260.0)
CHILDREN = Measure("peak memory of its children", Unit.MEBIBYTES)
WIZARD = Measure("peak memory of the wizard, SDKs loaded", Unit.MEBIBYTES, 130.0)
ALL = (APPLY, SECOND, CHECK, WORLD, CHILDREN, WIZARD)

ROUNDS = 3
REPEATS = 3
SETUP = "practice-registry"
SETTLED_S = 2.0
SCREEN_LIMIT_S = 30.0
ENTER, CTRL_Q = b"\r", b"\x11"


@dataclass(slots=True)
class Seen:
    """What the rounds gave; seconds and MiB."""

    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)
    check: list[float] = field(default_factory=list)
    world: list[float] = field(default_factory=list)
    children: list[float] = field(default_factory=list)
    wizard: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def rows(budget: Budget) -> list[Row]:
    """Each round has a fresh home and world. A failed round ends them; what was measured before stays."""
    seen = Seen()
    reason = ""
    try:
        for _ in range(ROUNDS):
            _round(seen, budget)
    except Unmeasured as error:
        reason = str(error)
    found = _table(seen)
    return [found.get(measure) or without([measure], reason)[0] for measure in ALL]


def _round(seen: Seen, budget: Budget) -> None:
    apply = ("apply", "--practice", "-a", str(ANSWERS), "--json")
    with home(budget) as place:
        place.program("world", "start")
        first = place.program(*apply).seconds
        seen.first.append(first)
        second = [place.program(*apply).seconds for _ in range(REPEATS)]
        seen.second.append(statistics.median(second) / first)
        check = [place.program("check", "--practice", "--json").seconds for _ in range(REPEATS)]
        seen.check.append(statistics.median(check) / first)
        pid = place.world_status()["pid"]
        seen.world.append(peak_mib(pid))
        children, seen.names = children_peak_mib(pid)
        seen.children.append(children)
        seen.wizard.append(_wizard(place, budget))


def _wizard(place: Home, budget: Budget) -> float:
    """Opens the finished setup, so that all eight steps are looked at with every SDK they need."""
    before = place.world_status()["requests"]["total"]
    with Terminal([sys.executable, "-m", "wizard", "practice"], place.environment) as terminal:
        terminal.wait(
            lambda: SETUP in terminal.text, "it did not offer the setup", budget.limit(SCREEN_LIMIT_S)
        )
        terminal.first_stable_frame(0.25, budget.limit(SCREEN_LIMIT_S))
        terminal.send(ENTER)
        deadline = time.perf_counter() + budget.limit(SCREEN_LIMIT_S)
        while True:
            terminal.wait(
                lambda: time.perf_counter() - terminal.text_changed_at > SETTLED_S,
                "its screen did not come to rest",
                budget.limit(SCREEN_LIMIT_S),
            )
            now = place.world_status()["requests"]["total"]
            if all(now.get(server, 0) > before.get(server, 0) for server in ("aws", "kubernetes")):
                break
            if time.perf_counter() > deadline:
                raise Unmeasured("The wizard did not ask AWS and Kubernetes after a setup was opened.")
        found = peak_mib(terminal.pid)
        terminal.quit(CTRL_Q, budget.limit(SCREEN_LIMIT_S))
    return found


def _table(seen: Seen) -> dict[Measure, Row]:
    binary = next(filter(shutil.which, ("docker-registry", "registry")), "the stand-in (no binary on PATH)")
    runs = {
        APPLY: (seen.first, f"seconds, world running, registry: {binary}"),
        SECOND: (seen.second, f"each the median of {REPEATS}, by its own round's first run"),
        CHECK: (seen.check, f"each the median of {REPEATS}, by its own round's first run"),
        WORLD: (seen.world, f"after {REPEATS + 1} runs and {REPEATS} checks"),
        CHILDREN: (seen.children, ", ".join(seen.names)),
        WIZARD: (seen.wizard, "a finished setup opened, all steps looked at"),
    }
    return {measure: plain_row(measure, values, text) for measure, (values, text) in runs.items() if values}
