"""Waiting has a deadline and can be cancelled; checks run side by side and in order of need."""

import threading

import pytest

from wizard.checks import run_checks
from wizard.errors import Cancelled, Problem, WizardError
from wizard.events import CheckFinished, CheckStatus, Event, StepId, WaitFinished, WaitStarted
from wizard.parallel import side_by_side
from wizard.polling import NotReady, WaitedTooLong, wait_until
from wizard.step import Check, CheckResult


def test_a_wait_ends_with_what_was_found() -> None:
    events: list[Event] = []
    seen = iter([None, None, "there"])
    found = wait_until(
        lambda: next(seen),
        what="x",
        deadline_s=60,
        step=StepId.DNS,
        emit=events.append,
        cancel=threading.Event(),
        every_s=0.001,
    )
    assert found == "there"
    assert isinstance(events[0], WaitStarted)
    assert isinstance(events[-1], WaitFinished)
    assert events[-1].is_ready


def test_a_wait_that_is_too_long_says_what_it_saw() -> None:
    def probe() -> None:
        raise NotReady("still 2 of 3")

    with pytest.raises(WaitedTooLong) as caught:
        wait_until(
            probe,
            what="pods",
            deadline_s=0.01,
            step=StepId.DNS,
            emit=lambda _: None,
            cancel=threading.Event(),
            every_s=0.001,
        )
    assert "still 2 of 3" in str(caught.value.problem)


def test_a_wait_can_be_cancelled() -> None:
    cancel = threading.Event()

    def probe() -> None:
        cancel.set()

    with pytest.raises(Cancelled):
        wait_until(probe, what="x", deadline_s=60, step=StepId.DNS, emit=lambda _: None, cancel=cancel)


def _run(checks: list[Check], *, may_write: bool = True) -> tuple[dict[str, CheckResult], list[Event]]:
    events: list[Event] = []
    results = run_checks(
        StepId.USER, checks, events.append, threading.Event(), may_write=may_write, why_not="not now"
    )
    return results, events


def _fail() -> CheckResult:
    raise WizardError(Problem("x", "It failed."))


def test_checks_that_need_a_failed_one_are_skipped() -> None:
    results, events = _run(
        [
            Check("late", "c", CheckResult.passed, after=("first",)),
            Check("first", "a", _fail),
            Check("other", "b", CheckResult.passed),
            Check("later still", "d", CheckResult.passed, after=("late",)),
        ]
    )
    assert {name: result.status.value for name, result in results.items()} == {
        "late": "skipped",
        "first": "failed",
        "other": "passed",
        "later still": "skipped",
    }
    assert list(results) == ["late", "first", "other", "later still"]
    assert sum(isinstance(event, CheckFinished) for event in events) == 4


def test_a_check_that_breaks_is_a_failure_without_its_text() -> None:
    def broken() -> CheckResult:
        raise ValueError("secret-text")

    results, events = _run([Check("a", "a", broken)])
    assert results["a"].status is CheckStatus.FAILED
    assert "secret-text" not in repr(events)


def test_writing_checks_are_skipped_when_nothing_may_be_written() -> None:
    ran: list[str] = []

    def write() -> CheckResult:
        ran.append("x")
        return CheckResult.passed()

    results, _ = _run(
        [Check("w", "w", write, writes=True), Check("r", "r", CheckResult.passed, after=("w",))],
        may_write=False,
    )
    assert ran == []
    assert results["w"].detail == "not now"
    assert results["r"].status is CheckStatus.PASSED


def test_independent_checks_run_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=60)

    def meet() -> CheckResult:
        barrier.wait()
        return CheckResult.passed()

    results, _ = _run([Check(str(number), "", meet) for number in range(3)])
    assert all(result.status is CheckStatus.PASSED for result in results.values())


def test_side_by_side_raises_the_first_error_in_order() -> None:
    def fail(text: str) -> None:
        raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="one"):
        side_by_side([lambda: None, lambda: fail("one"), lambda: fail("two")])
