"""Saves the answers from a thread of its own: a disk that takes its time must not hold up the keys."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wizard.errors import Problem, WizardError

if TYPE_CHECKING:
    from wizard.answers import Answers

PAUSE_S = 0.2


class Saver:
    """`write` saves one version; of several that are put quickly only the newest is written.

    `tell` gets why a version could not be saved; it is tried again with the next one, and by `close`.
    """

    def __init__(self, write: "Callable[[Answers], object]", tell: Callable[[Problem], object]) -> None:
        self._write = write
        self._tell = tell
        self._newest: Answers | None = None
        self._slot, self._writing = threading.Lock(), threading.Lock()
        self._wanted, self._closed = threading.Event(), threading.Event()
        threading.Thread(target=self._work, name="save", daemon=True).start()

    def put(self, answers: "Answers") -> None:
        """Saved within a moment; never waits."""
        with self._slot:
            self._newest = answers
        self._wanted.set()

    def flush(self) -> None:
        """Returns when all that was put has been written, or told of."""
        with self._writing:
            with self._slot:
                answers, self._newest = self._newest, None
            if answers is None:
                return
            try:
                self._write(answers)
            except (WizardError, OSError) as error:
                with self._slot:
                    self._newest = self._newest or answers
                self._tell(_not_saved(error))

    def close(self) -> None:
        """Writes what is not written yet, and ends the thread."""
        self._closed.set()
        self._wanted.set()
        self.flush()

    def _work(self) -> None:
        while self._wanted.wait() and not self._closed.is_set():
            self._wanted.clear()
            self._closed.wait(PAUSE_S)
            self.flush()


def _not_saved(error: WizardError | OSError) -> Problem:
    if isinstance(error, WizardError):
        return error.problem
    return Problem(
        "answers-not-saved",
        "The answers could not be saved.",
        f"{error.strerror or error}.",
        "Mend that, then type on: they are saved with the next change.",
    )
