"""Stalls of the event loop beside an idle minimal app's: how late a timer fires while something goes on.

Each case runs in a process of its own, in turns with the idle one; a 5 ms timer on the app's loop tells how
much later than asked for it fired. Keys are timed from the driver's event to the app's answer.
"""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

from bench.home import Home, home
from bench.result import Budget, Measure, Row, Unit, Unmeasured, without

TICK_S = 0.005
LEAST_S = 1.5
LONGEST_CASE_S = 25.0
RUNS = 3
KEYS = 9
CASES = {
    "loading": "while the SDKs load",
    "looking": "while all steps are looked at anew",
    "applying": "while a step is carried out",
    "picking": "while 10,000 entries are picked from",
}
LONGEST_AIM_S, KEY_AIM_S = 0.030, 0.050
ENTRIES = 10_000


def _measures(case: str) -> tuple[Measure, Measure, Measure]:
    words = CASES[case]
    return (
        Measure(f"longest stall {words}", Unit.SECONDS, LONGEST_AIM_S),
        Measure(f"99th percentile of stalls {words}", Unit.SECONDS),
        Measure(f"a key is answered {words}", Unit.SECONDS, KEY_AIM_S),
    )


def rows(budget: Budget) -> list[Row]:
    found: list[Row] = []
    for case in CASES:
        measures = _measures(case)
        try:
            found += _rows_of(case, measures, budget)
        except Unmeasured as error:
            found += without(measures, error)
    return found


def _rows_of(case: str, measures: tuple[Measure, ...], budget: Budget) -> list[Row]:
    told: list[dict[str, float]] = []
    idle: list[dict[str, float]] = []
    for _ in range(RUNS):
        with home(budget) as place:
            idle.append(_run(place, "idle", budget))
            told.append(_run(place, case, budget))
    rows_: list[Row] = []
    for measure, key in zip(measures, ("longest", "p99", "key"), strict=True):
        value, base = _median(told, key), _median(idle, key)
        rows_.append(Row(measure, value, RUNS, f"{base * 1000:.1f} ms in an idle minimal app"))
    return rows_


def _run(place: Home, case: str, budget: Budget) -> dict[str, float]:
    out = place.python("-m", "bench.stalls", case, limit_s=budget.limit(LONGEST_CASE_S)).out
    found: dict[str, float] = json.loads(out.strip().splitlines()[-1])
    return found


def _median(values: list[dict[str, float]], key: str) -> float:
    return sorted(each[key] for each in values)[len(values) // 2]


# In the process that is measured


class Watch:
    """How late each tick was, in seconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _tick(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.late.append(max(time.perf_counter() - begun - TICK_S, 0.0))


async def _watch(app: Any, busy: Callable[[], bool]) -> dict[str, float]:
    """Watches for LEAST_S at least, and as long as it is busy; a key is sent now and then."""
    from textual import events

    answered: list[float] = []
    deadline = time.perf_counter() + LONGEST_CASE_S / 2
    begun = time.perf_counter()
    async with Watch() as watch:
        while (busy() or time.perf_counter() - begun < LEAST_S) and time.perf_counter() < deadline:
            sent = time.perf_counter()
            app.post_message(events.Key("shift", None))
            reached = asyncio.Event()
            app.call_later(reached.set)
            await reached.wait()
            answered.append(time.perf_counter() - sent)
            await asyncio.sleep(LEAST_S / KEYS / 4)
    late = sorted(watch.late)
    return {
        "longest": late[-1],
        "p99": late[int(len(late) * 0.99)],
        "key": max(answered),
    }


async def _until(is_there: Callable[[], object]) -> None:
    deadline = time.perf_counter() + LONGEST_CASE_S / 2
    while not is_there():
        if time.perf_counter() > deadline:
            raise Unmeasured("The screen that was to be measured did not come.")
        await asyncio.sleep(TICK_S)


async def _idle() -> dict[str, float]:
    from bench.hello import Hello

    app = Hello()
    async with app.run_test():
        return await _watch(app, lambda: False)


@contextlib.asynccontextmanager
async def _wizard() -> AsyncIterator[Any]:
    """In the practice world of this home, as `kube-registry practice` opens it, no setup open yet."""
    from screens.app import WizardApp
    from wizard.practice.entry import enter
    from wizard.state import state_root

    gc.disable()
    app = WizardApp(lambda: enter(state_root()), is_practice=True)
    async with app.run_test(size=(80, 24)):
        yield app
        app.session.close()


async def _opened(app: Any) -> None:
    await _until(lambda: app._start_screen._is_loaded)  # noqa: SLF001 - what the button shows is no sign of it
    app.open_setup("registry")
    await _until(lambda: app.step_screen is not None and app.step_screen.query("#primary"))
    await _until(lambda: app.views[app.step_screen.step].plan is not None)


async def _loading() -> dict[str, float]:
    async with _wizard() as app:
        return await _watch(app, lambda: not app._start_screen._is_loaded)  # noqa: SLF001 - as above


async def _looking() -> dict[str, float]:
    async with _wizard() as app:
        await _opened(app)
        app.session.stand()
        return await _watch(app, lambda: False)


async def _applying() -> dict[str, float]:
    async with _wizard() as app:
        await _opened(app)
        step = app.step_screen.step
        app.apply(step)
        return await _watch(app, lambda: app.views[step].is_running)


async def _picking() -> dict[str, float]:
    from screens.picker import PickerModal
    from wizard.looks import Choice

    async with _wizard() as app:
        await _opened(app)
        entries = [Choice(f"bucket-{number:05d}") for number in range(ENTRIES)]
        pages = [entries[start : start + 1000] for start in range(0, ENTRIES, 1000)]
        app.push_screen(PickerModal("Bucket name", lambda: iter(pages), ""))
        return await _watch(app, lambda: False)


RUN: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
    "idle": _idle,
    "loading": _loading,
    "looking": _looking,
    "applying": _applying,
    "picking": _picking,
}


async def _main(case: str) -> None:
    print(json.dumps(await RUN[case]()))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
