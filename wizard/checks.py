"""Runs a step's checklist: independent checks side by side, dependent ones after those they need."""

import errno
import threading
import time
from collections.abc import Callable, Sequence

from wizard.errors import Cancelled, Problem, WizardError
from wizard.events import (
    CheckFinished,
    CheckRow,
    ChecksPlanned,
    CheckStarted,
    CheckStatus,
    Emit,
    StepId,
)
from wizard.parallel import side_by_side
from wizard.step import Check, CheckResult
from wizard.traffic import during

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
GOOD = frozenset({CheckStatus.PASSED, CheckStatus.WARNING})


def run_checks(
    step: StepId,
    checks: Sequence[Check],
    emit: Emit,
    cancel: threading.Event,
    *,
    may_write: bool,
    why_not: str,
) -> dict[str, CheckResult]:
    """Results by check name, in the checklist's order; `why_not` is said of checks that may not write."""
    emit(ChecksPlanned(step, tuple(CheckRow(check.name, check.title) for check in checks)))
    results: dict[str, CheckResult] = {}
    not_tried: set[str] = set()
    waiting = list(checks)
    while waiting:
        ready, waiting, hopeless = _sort(waiting, results, not_tried)
        for check in hopeless:
            not_tried.add(check.name)
            results[check.name] = CheckResult.skipped("Not tried: what it needs did not pass.")
            _tell(emit, step, check, results[check.name], 0.0)
        if not ready:
            continue
        jobs = [_job(step, check, emit, cancel, may_write=may_write, why_not=why_not) for check in ready]
        for check, result in zip(ready, side_by_side(jobs), strict=True):
            results[check.name] = result
    return {check.name: results[check.name] for check in checks}


def _sort(
    waiting: list[Check], results: dict[str, CheckResult], not_tried: set[str]
) -> tuple[list[Check], list[Check], list[Check]]:
    """Those that can run now, those that must wait, those that never can."""
    ready, later, hopeless = [], [], []
    open_names = {check.name for check in waiting}
    for check in waiting:
        if any(name in open_names for name in check.after):
            later.append(check)
        elif all(
            name in results and name not in not_tried and _is_met(results[name]) for name in check.after
        ):
            ready.append(check)
        else:
            hopeless.append(check)
    return ready, later, hopeless


def _is_met(result: CheckResult) -> bool:
    return result.status in GOOD or result.status is CheckStatus.SKIPPED


def _job(
    step: StepId, check: Check, emit: Emit, cancel: threading.Event, *, may_write: bool, why_not: str
) -> Callable[[], CheckResult]:
    def run() -> CheckResult:
        if check.writes and not may_write:
            result = CheckResult.skipped(why_not)
            _tell(emit, step, check, result, 0.0)
            return result
        if cancel.is_set():
            raise Cancelled
        emit(CheckStarted(step, check.name, check.title))
        started = time.monotonic()
        try:
            with during(step):
                result = check.run()
        except Cancelled:
            raise
        except WizardError as error:
            result = CheckResult.failed(error.problem)
        except Exception as error:  # noqa: BLE001 - a check that breaks has failed, the run goes on
            result = CheckResult.failed(unexpected(error, f"The check “{check.title}” broke."))
        _tell(emit, step, check, result, time.monotonic() - started)
        return result

    return run


def no_room(error: OSError) -> Problem:
    """A disk that takes nothing more, wherever that was noticed."""
    where = f" ({error.filename})" if error.filename else ""
    return Problem(
        "disk-full",
        f"The disk takes nothing more{where}.",
        f"{error.strerror}. What was done before is on record.",
        "Make room in the state directory and for temporary files, then run the same command again.",
    )


def unexpected(error: Exception, what: str) -> Problem:
    """Our own mistake, told as one; only the error's type is shown, for its text could hold a secret."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return no_room(error)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_globals.get('__name__')}:{place.tb_lineno}" if place else ""
    return Problem(
        "unexpected",
        what,
        f"{type(error).__name__} at {where}: this is a mistake in the wizard.",
        "Run the same command again; if it stays, please report it with this line.",
    )


def _tell(emit: Emit, step: StepId, check: Check, result: CheckResult, elapsed_s: float) -> None:
    emit(
        CheckFinished(
            step,
            check.name,
            check.title,
            result.status,
            result.detail,
            result.problem,
            round(elapsed_s, 3),
        )
    )
