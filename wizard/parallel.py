"""Runs independent jobs side by side in daemon threads, so that quitting never waits for a slow server."""

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Results in the order of the jobs; the first error, in that order, is raised once all have ended."""
    if len(jobs) == 1:
        return [jobs[0]()]
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}

    def work(number: int, job: Callable[[], Result]) -> None:
        try:
            results[number] = job()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            errors[number] = error

    threads = [
        threading.Thread(target=copy_context().run, args=(work, *pair), daemon=True, name=f"job-{pair[0]}")
        for pair in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(jobs))]
