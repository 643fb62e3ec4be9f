"""Which requests a run makes: what was asked of whom, how that ended and how long it took.

Never headers and never bodies: secrets travel in both. Services tell, the engine listens for the setup's log.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_step: ContextVar[str] = ContextVar("step", default="")


@dataclass(frozen=True, slots=True)
class Request:
    """`request_id` is the service's own, "" where it has none; `status` is 0 where no answer came.

    `operation` is AWS's name for it, else method and path without the query. `error` is the type of what
    went wrong, without its text.
    """

    service: str
    operation: str
    status: int
    elapsed_s: float
    request_id: str = ""
    retries: int = 0
    error: str = ""
    step: str = field(default_factory=_step.get)


Listen = Callable[[Request], None]


class Traffic:
    """Shared by the clients of one run. Thread-safe; nobody listens at first."""

    def __init__(self) -> None:
        self._listen: Listen | None = None

    def goes_to(self, listen: Listen) -> None:
        self._listen = listen

    def heard(self, request: Request) -> None:
        if self._listen is not None:
            self._listen(request)


@contextmanager
def during(step: str) -> Iterator[None]:
    """Requests made inside are this step's; threads of `side_by_side` take it over."""
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)


def since(started: float) -> float:
    """Seconds since a moment of `time.monotonic`, to the millisecond."""
    return round(time.monotonic() - started, 3)
