"""Stalls of the event loop beside an idle minimal app's: how late a timer fires while something goes on.

Each case runs in a process of its own, in turns with the idle one; a 5 ms timer on the app's loop tells how
much later than asked for it fired. Keys are timed from the driver's event to the app's answer.
"""

import asyncio
import contextlib
import gc
import json
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

from bench.home import ANSWERS, Home, home
from bench.result import Budget, Measure, Row, Unit, Unmeasured, without

TICK_S = 0.005
LEAST_S = 1.5
LONGEST_CASE_S = 60.0
RUNS = 9
KEYS = 9
CASES = {
    "loading": "while the SDKs load",
    "looking": "while all steps are looked at anew",
    "applying": "while a step is carried out",
    "picking": "while 10,000 entries are picked from",
}
LONGEST_AIM_MS, KEY_AIM_MS = 30.0, 50.0
ENTRIES = 10_000
FILTER = "bucket-0999"
Seen = dict[str, list[dict[str, float]]]


def _measures(case: str) -> tuple[Measure, Measure, Measure]:
    words = CASES[case]
    return (
        Measure(f"longest stall {words}", Unit.MILLISECONDS, LONGEST_AIM_MS),
        Measure(f"99th percentile of stalls {words}", Unit.MILLISECONDS),
        Measure(f"a key is answered {words}", Unit.MILLISECONDS, KEY_AIM_MS),
    )


def rows(budget: Budget) -> list[Row]:
    """All cases and the idle app in each round; a case that failed leaves the others as they are."""
    seen: Seen = {case: [] for case in ("idle", *CASES)}
    reasons: dict[str, str] = {}
    try:
        with home(budget) as place:
            place.program("world", "start")
            place.program("apply", "--practice", "-a", str(ANSWERS), "--json", limit_s=120.0)
            for number in range(RUNS):
                _round(place, number, seen, reasons)
    except Unmeasured as error:
        reasons |= {case: str(error) for case in seen if not seen[case]}
    return [row for case in CASES for row in _rows_of(case, seen, reasons)]


def _round(place: Home, number: int, seen: Seen, reasons: dict[str, str]) -> None:
    for case, told in seen.items():
        if case in reasons:
            continue
        try:
            out = place.python("-m", "bench.stalls", case, str(number), limit_s=LONGEST_CASE_S).out
            told.append(json.loads(out.strip().splitlines()[-1]))
        except Unmeasured as error:
            reasons[case] = str(error)


def _rows_of(case: str, seen: Seen, reasons: dict[str, str]) -> list[Row]:
    measures, idle, told = _measures(case), seen["idle"], seen[case]
    if not told or not idle:
        return without(measures, reasons.get(case) or reasons.get("idle", ""))
    found: list[Row] = []
    for measure, key in zip(measures, ("longest", "p99", "key"), strict=True):
        value, base = (1000 * statistics.median(each[key] for each in runs) for runs in (told, idle))
        detail = f"{value / base:.1f} times the {base:.1f} ms of an idle minimal app"
        found.append(Row(measure, value, len(told), detail))
    return found


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


async def _watch(app: Any, is_busy: Callable[[], bool], keys: str = "") -> dict[str, float]:
    """Watches for LEAST_S at least, and as long as it is busy; raises Unmeasured where that does not end.

    A key is sent now and then: those of `keys` first, each answered when the screen is drawn again.
    """
    answered: list[float] = []
    left = list(keys)
    begun = time.perf_counter()
    async with Watch() as watch:
        while is_busy() or left or time.perf_counter() - begun < LEAST_S:
            if time.perf_counter() - begun > LONGEST_CASE_S / 2:
                raise Unmeasured("What was to be measured did not end.")
            answered.append(await _answered(app, left.pop(0) if left else ""))
            await asyncio.sleep(LEAST_S / KEYS / 4)
    late = sorted(watch.late)
    return {"longest": late[-1], "p99": late[int(len(late) * 0.99)], "key": max(answered)}


async def _answered(app: Any, character: str) -> float:
    """Seconds from the key to the answer: drawn anew where it is a character, else taken."""
    from textual import events

    sent = time.perf_counter()
    app.post_message(events.Key(character or "shift", character or None))
    reached = asyncio.Event()
    field = app.screen.focused
    if character and field is not None:
        # The field has it once all before this callback in its queue is done; then the screen draws.
        app.call_later(lambda: field.call_later(lambda: app.screen.call_after_refresh(reached.set)))
    else:
        app.call_later(reached.set)
    await reached.wait()
    return time.perf_counter() - sent


async def _until(is_there: Callable[[], object]) -> None:
    deadline = time.perf_counter() + LONGEST_CASE_S / 2
    while not is_there():
        if time.perf_counter() > deadline:
            raise Unmeasured("The screen that was to be measured did not come.")
        await asyncio.sleep(TICK_S)


def _told(app: Any, kind: type) -> threading.Event:
    """Is set once the session has told the app this."""
    post, is_told = app.session._post, threading.Event()  # noqa: SLF001 - where all it tells goes through

    def pass_on(message: object) -> object:
        answer = post(message)
        if isinstance(message, kind):
            is_told.set()
        return answer

    app.session._post = pass_on  # noqa: SLF001 - as above
    return is_told


async def _idle(_number: int) -> dict[str, float]:
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


async def _opened(app: Any, setup: str) -> None:
    """The setup is open at a step that was looked at; all SDKs are loaded."""
    await _until(lambda: app._start_screen._is_loaded)  # noqa: SLF001 - what the button shows is no sign of it
    await _until(app.session.is_ready.is_set)
    app.open_setup(setup)
    await _until(lambda: app.step_screen is not None and app.step_screen.query("#primary"))
    await _seen(app)


async def _seen(app: Any) -> None:
    await _until(lambda: app.views[app.step_screen.step].plan is not None)


async def _loading(_number: int) -> dict[str, float]:
    async with _wizard() as app:
        return await _watch(app, lambda: not app.session.is_ready.is_set())


async def _looking(_number: int) -> dict[str, float]:
    """A setup in which all eight steps are done, so that all of them are there to be looked at."""
    from screens.messages import Standing

    async with _wizard() as app:
        await _opened(app, "practice-registry")
        is_told = _told(app, Standing)
        app.session.stand()
        return await _watch(app, lambda: not is_told.is_set())


async def _applying(number: int) -> dict[str, float]:
    """The bucket step of a new setup: it makes the bucket, then tries all that a registry does with it."""
    from wizard.events import StepId

    async with _wizard() as app:
        await _opened(app, f"stalls-{number}")
        app.apply(StepId.CONNECT)
        await _until(lambda: app.views[StepId.CONNECT].is_verified)
        app.go_on(StepId.CONNECT)
        await _until(lambda: app.step_screen.step is StepId.BUCKET and app.session.document["bucket"]["name"])
        await _until(lambda: app.views[StepId.BUCKET].plan and app.views[StepId.BUCKET].plan.changes)
        app.apply(StepId.BUCKET)
        found = await _watch(app, lambda: app.views[StepId.BUCKET].is_running)
        if not app.views[StepId.BUCKET].is_verified:
            raise Unmeasured("The bucket step did not get through.")
        return found


async def _picking(number: int) -> dict[str, float]:
    """Loaded page by page, then narrowed letter by letter."""
    from screens.picker import PickerModal
    from wizard.looks import Choice

    async with _wizard() as app:
        await _opened(app, f"picking-{number}")
        entries = [Choice(f"bucket-{each:05d}") for each in range(ENTRIES)]
        pages = [entries[start : start + 1000] for start in range(0, ENTRIES, 1000)]
        picker = PickerModal("Bucket name", lambda: iter(pages), "")
        app.push_screen(picker)
        found = await _watch(app, lambda: not picker.is_mounted or picker.is_loading)
        await _until(lambda: app.screen is picker and app.screen.focused is not None)
        typed = await _watch(app, lambda: False, keys=FILTER)
        return {key: max(found[key], typed[key]) for key in found}


RUN: dict[str, Callable[[int], Awaitable[dict[str, float]]]] = {
    "idle": _idle,
    "loading": _loading,
    "looking": _looking,
    "applying": _applying,
    "picking": _picking,
}


async def _main(case: str, number: int) -> None:
    print(json.dumps(await RUN[case](number)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
