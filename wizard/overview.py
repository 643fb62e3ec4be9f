"""How far each setup is, by its journal alone: nothing is asked of any server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wizard.events import STEPS, StepId, StepStatus
from wizard.state import SetupDirectory, setups


@dataclass(frozen=True, slots=True)
class SetupView:
    setup: str
    state: StepStatus
    done: tuple[StepId, ...]
    touched: datetime
    path: Path

    def to_json(self) -> Mapping[str, object]:
        """Shape: setup, state, done [step], steps_done, steps, touched (RFC 3339), path."""
        return {
            "setup": self.setup,
            "state": self.state.value,
            "done": [step.value for step in self.done],
            "steps_done": len(self.done),
            "steps": len(STEPS),
            "touched": self.touched.isoformat(timespec="seconds"),
            "path": str(self.path),
        }


_ORDER = (StepStatus.INTERRUPTED, StepStatus.DONE, StepStatus.UNDONE)


def overview(root: Path) -> list[SetupView]:
    """Every setup under a state root: the unfinished first, those taken back last, else by name."""
    return sorted((view(directory) for directory in setups(root)), key=lambda each: _ORDER.index(each.state))


def view(directory: SetupDirectory) -> SetupView:
    journal = directory.journal()
    entries = journal.entries()
    is_undone = bool(entries) and not journal.standing()
    done = () if is_undone else tuple(step for step in STEPS if journal.last_verified(step))
    if is_undone:
        state = StepStatus.UNDONE
    else:
        state = StepStatus.DONE if len(done) == len(STEPS) else StepStatus.INTERRUPTED
    return SetupView(directory.name, state, done, directory.touched(), directory.path)
