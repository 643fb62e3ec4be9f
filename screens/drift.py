"""What has become of the setups of the first screen: looked at side by side, while the screen is live."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from textual.message import Message

from screens.messages import Drifted
from wizard.errors import Problem, WizardError
from wizard.status import STEPS, StepId, StepStatus

MOST_AT_ONCE = 4
WORDS = {
    StepStatus.CHANGED: "changed outside",
    StepStatus.MISSING: "something is gone",
    StepStatus.INTERRUPTED: "interrupted",
    StepStatus.WAITING: "to be verified again",
    StepStatus.UNDONE: "taken back",
    StepStatus.FAILED: "failed",
}


class Drift:
    """`post` gets a Drifted message for each setup; after `stop` none, and no further setup is looked at."""

    def __init__(self, root: Path, post: Callable[[Message], object]) -> None:
        self._root = root
        self._post = post
        self._stopped = threading.Event()
        self._turns = threading.Semaphore(MOST_AT_ONCE)

    def look(self, setups: Iterable[str]) -> None:
        for setup in setups:
            threading.Thread(target=self._look, args=(setup,), name=f"drift-{setup}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _look(self, setup: str) -> None:
        with self._turns:
            if self._stopped.is_set():
                return
            try:
                words, is_well = self._told(setup)
            except WizardError as error:
                words, is_well = f"cannot be looked at now: {error.problem.what}", False
            except Exception as error:  # noqa: BLE001 - a sentence on the screen, never a traceback over it
                words, is_well = unforeseen(error).what, False
        if not self._stopped.is_set():
            self._post(Drifted(setup, words, is_well=is_well))

    def _told(self, setup: str) -> tuple[str, bool]:
        from wizard.answers import with_environment
        from wizard.endpoints import Endpoints
        from wizard.engine import Engine
        from wizard.overview import view
        from wizard.services import Services
        from wizard.state import SetupDirectory

        directory = SetupDirectory(self._root, setup)
        answers = with_environment(directory.load_answers(), os.environ)
        services = Services(answers, Endpoints.gather(answers.endpoints, os.environ))
        try:
            engine = Engine(directory, answers, services, emit=lambda _event: None, cancel=self._stopped)
            engine.inspect()
            return told(view(directory).done, engine.statuses())
        finally:
            services.close()


def told(done: Iterable[StepId], statuses: Mapping[StepId, StepStatus]) -> tuple[str, bool]:
    """What no longer is as it was verified, and what was broken off; and whether that is nothing."""
    done = set(done)
    off = [
        f"{step.value} {WORDS[statuses[step]]}"
        for step in STEPS
        if statuses[step] is not StepStatus.DONE
        and (step in done or statuses[step] is StepStatus.INTERRUPTED)
    ]
    if off:
        return ", ".join(off), False
    return "as it was left" if done else "nothing is verified yet", True


def unforeseen(error: Exception) -> Problem:
    from wizard.checks import unexpected

    return unexpected(error, "Something went wrong that the wizard did not foresee.")
