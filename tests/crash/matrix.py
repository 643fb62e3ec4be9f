"""Carries cells out side by side, each worker with a world of its own."""

import multiprocessing
import queue
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue

from tests.crash.cells import Cell, Phase, Reference, Verdict, put_back, try_apply, try_first_look, try_undo
from tests.crash.stand import APPLY, Stand

TASKS_A_WORLD = 150  # the world keeps what it was asked; a fresh one is a smaller one
Task = tuple[Cell, ...]
Told = Callable[[Verdict], None]


@dataclass(frozen=True, slots=True)
class Broken:
    """A worker that ended by a mistake in the matrix itself: `trace` says which."""

    trace: str


def references(mutant: str = "") -> Reference:
    """The distinct requests, from an undisturbed run."""
    with Stand(mutant) as stand:
        return Reference.of(stand)


def run(
    cells: Iterable[Cell], workers: int, told: Told, *, deadline_s: float = 0.0, mutant: str = ""
) -> list[str]:
    """Every verdict is told as it comes; past the deadline (0: none) no cell is begun.

    Returns what broke the workers that did not get to the end: cells may be missing then.
    """
    context = multiprocessing.get_context("spawn")
    applies: Queue[Task] = context.Queue()
    undos: Queue[Task] = context.Queue()
    verdicts: Queue[Verdict | Broken | None] = context.Queue()
    for end in (applies, undos):
        end.cancel_join_thread()  # cut short, nobody waits for what is still in there
    for task in _tasks(cells):
        (applies if task[0].phase is Phase.APPLY else undos).put(task)
    ends_at = time.time() + deadline_s if deadline_s else float("inf")
    arguments = (applies, undos, verdicts, ends_at, mutant)
    processes = [context.Process(target=_work, args=arguments, daemon=True) for _ in range(workers)]
    for process in processes:
        process.start()
    broken, working = [], len(processes)
    while working:
        try:
            found = verdicts.get(timeout=5)
        except queue.Empty:
            working = min(working, sum(process.is_alive() for process in processes))
            continue
        if found is None:
            working -= 1
        elif isinstance(found, Broken):
            broken.append(found.trace)
        else:
            told(found)
    for process in processes:
        process.join(30)
    return broken + [f"a worker ended with {each.exitcode}" for each in processes if each.exitcode]


def _tasks(cells: Iterable[Cell]) -> Iterable[Task]:
    """All faults of a first look go together, all others alone; in the order of each one's first cell."""
    found: dict[object, list[Cell]] = {}
    for cell in cells:
        is_first_look = cell.phase is Phase.APPLY and not cell.slot.is_after_change
        found.setdefault(cell.slot if is_first_look else cell, []).append(cell)
    return [tuple(task) for task in found.values()]


def _work(
    applies: "Queue[Task]",
    undos: "Queue[Task]",
    verdicts: "Queue[Verdict | Broken | None]",
    ends_at: float,
    mutant: str,
) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        while time.time() < ends_at:
            with Stand(mutant) as stand:
                if not _Worker(stand, Reference.of(stand), applies, undos, verdicts).work(ends_at):
                    break
    except Exception:  # noqa: BLE001 - told by the parent, the others go on
        verdicts.put(Broken(traceback.format_exc()))
    verdicts.put(None)


@dataclass(frozen=True, slots=True)
class _Worker:
    stand: Stand
    reference: Reference
    applies: "Queue[Task]"
    undos: "Queue[Task]"
    verdicts: "Queue[Verdict | Broken | None]"

    def work(self, ends_at: float) -> bool:
        """Cells of apply, then one of undo on what they left; False where there is nothing left to do.

        True asks for a new world: this one is used up, or a cell has left it in disorder.
        """
        for _ in range(TASKS_A_WORLD):
            apply, undo = _next(self.applies), _next(self.undos)
            if (apply is None and undo is None) or time.time() > ends_at:
                return False
            if not self._apply(apply, is_last=undo is None):
                if undo is not None:
                    self.undos.put(undo)  # its turn comes in a world that is in order
                return True
            if undo is not None and not self._undo(undo[0]):
                return True
        return True

    def _apply(self, task: Task | None, *, is_last: bool) -> bool:
        """Without a task it is an undisturbed run; the last one is undone again."""
        if task is None:
            self.stand.run(APPLY)
            return True
        if task[0].slot.is_after_change:
            found = [try_apply(self.stand, self.reference, task[0])]
        else:
            found = try_first_look(self.stand, self.reference, task)
        if is_last and not found[-1].troubles:
            found[-1] = replace(found[-1], troubles=put_back(self.stand, self.reference))
        for verdict in found:
            self.verdicts.put(verdict)
        return not found[-1].troubles

    def _undo(self, cell: Cell) -> bool:
        verdict = try_undo(self.stand, self.reference, cell)
        self.verdicts.put(verdict)
        self.stand.forget()
        return not verdict.troubles


def _next(tasks: "Queue[Task]") -> Task | None:
    try:
        return tasks.get(timeout=0.5)
    except queue.Empty:
        return None
