"""One cell of the matrix: a run with a fault, a run without, and what has to be true then."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tests.crash.answers import RETRY_AFTER_S
from tests.crash.script import Fault, Slot
from tests.crash.stand import APPLY, UNDO, Played, Stand


class Phase(StrEnum):
    APPLY = "apply"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    phase: Phase
    slot: Slot
    fault: Fault

    def __str__(self) -> str:
        return f"{self.phase}: {self.slot}: {self.fault}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`troubles` is empty where the cell converged; `code` is how the run with the fault ended."""

    cell: Cell
    troubles: tuple[str, ...]
    code: int = 0
    struck: int = 0


@dataclass
class Reference:
    """What an undisturbed run asks and leaves."""

    apply_slots: list[Slot] = field(default_factory=list)
    undo_slots: list[Slot] = field(default_factory=list)
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, stand: Stand) -> "Reference":
        found = cls(before=stand.inventory())
        applied = stand.run(APPLY)
        assert applied.ran.code == 0, applied.ran.out[-3000:] + applied.ran.err[-3000:]
        found.after = stand.inventory()
        undone = stand.run(UNDO)
        assert undone.ran.code == 0, undone.ran.out[-3000:]
        assert stand.inventory() == found.before
        found.apply_slots, found.undo_slots = list(applied.script.slots), list(undone.script.slots)
        stand.forget()
        return found

    def cells(self) -> list[Cell]:
        """Every fault at every request of both commands."""
        return [
            Cell(phase, slot, fault)
            for phase, slots in ((Phase.APPLY, self.apply_slots), (Phase.UNDO, self.undo_slots))
            for slot in slots
            for fault in Fault
        ]


def try_apply(stand: Stand, reference: Reference, cell: Cell) -> Verdict:
    """From nothing; leaves a finished setup where there were no troubles."""
    first = stand.run(APPLY, cell.slot, cell.fault)
    _heed(cell)
    again = stand.run(APPLY)
    troubles = tuple(_after_apply(stand, reference, first, again))
    return Verdict(cell, troubles, first.ran.code, first.script.struck)


def _heed(cell: Cell) -> None:
    """A CA that asked to be left alone for a while is left alone: the program would refuse to ask it."""
    if (cell.slot.service, cell.fault) == ("acme", Fault.THROTTLED):
        time.sleep(RETRY_AFTER_S + 0.1)


def _after_apply(stand: Stand, reference: Reference, first: Played, again: Played) -> list[str]:
    return [
        *_odd_end(first),
        *_not_passed(again, is_first=first.ran.code != 0),
        *_differs(stand.inventory(), reference.after),
        *_still_locked(stand),
        *_leaked(stand, [first, again]),
        *_twice(first, again),
    ]


def try_first_look(stand: Stand, reference: Reference, cells: Sequence[Cell]) -> list[Verdict]:
    """Faults before anything was changed: each run has to leave nothing, then one without a fault follows.

    That one stands for as many as there were faults, for all would have begun in the same world. A run that
    gets through all the same is a cell like any other.
    """
    verdicts = []
    for cell in cells:
        first = stand.run(APPLY, cell.slot, cell.fault)
        if first.ran.code == 0:
            verdicts.append(_got_through(stand, reference, cell, first))
            if verdicts[-1].troubles:
                return verdicts
            continue
        troubles = [
            *_odd_end(first),
            *_differs(stand.inventory(), reference.before),
            *_still_locked(stand),
            *_leaked(stand, [first]),
        ]
        if stand.journal():
            troubles.append(f"something was begun: {stand.journal()[:300]}")
        verdicts.append(Verdict(cell, tuple(troubles), first.ran.code, first.script.struck))
        if troubles:
            return verdicts
    for cell in cells:
        _heed(cell)
    again = stand.run(APPLY)
    troubles = [*_not_passed(again, is_first=True), *_differs(stand.inventory(), reference.after)]
    troubles += [*_still_locked(stand), *_leaked(stand, [again])]
    return [replace(verdict, troubles=(*verdict.troubles, *troubles)) for verdict in verdicts]


def _got_through(stand: Stand, reference: Reference, cell: Cell, first: Played) -> Verdict:
    again = stand.run(APPLY)
    troubles = [*_after_apply(stand, reference, first, again), *put_back(stand, reference)]
    return Verdict(cell, tuple(troubles), first.ran.code, first.script.struck)


def try_undo(stand: Stand, reference: Reference, cell: Cell) -> Verdict:
    """From a finished setup; leaves nothing where there were no troubles."""
    first = stand.run(UNDO, cell.slot, cell.fault)
    again = stand.run(UNDO)
    troubles = [
        *_odd_end(first),
        *([] if again.ran.code == 0 else [f"the second undo ended with {again.ran.code}: {_why(again)}"]),
        *_differs(stand.inventory(), reference.before),
        *_still_locked(stand),
        *_leaked(stand, [first, again]),
    ]
    return Verdict(cell, tuple(troubles), first.ran.code, first.script.struck)


def put_back(stand: Stand, reference: Reference) -> tuple[str, ...]:
    """Undoes what a cell of apply left; what is wrong with it."""
    undone = stand.run(UNDO)
    troubles = [] if undone.ran.code == 0 else [f"undo ended with {undone.ran.code}: {_why(undone)}"]
    troubles += [*_differs(stand.inventory(), reference.before), *_still_locked(stand)]
    stand.forget()
    return tuple(troubles)


def _odd_end(played: Played) -> list[str]:
    """Interrupted or not, a run ends in a way that is documented, and never by our own mistake."""
    ran = played.ran
    if ran.code not in {0, 1, 2, -9}:
        return [f"the run with the fault ended with {ran.code}: {ran.err[-300:]}"]
    if "Traceback" in ran.err:
        return [f"a traceback: {ran.err[-600:]}"]
    mistakes = [line for line in ran.out.splitlines() if '"code": "unexpected"' in line]
    return [f"unforeseen: {line[:600]}" for line in mistakes[:1]]


def _not_passed(played: Played, *, is_first: bool) -> list[str]:
    if played.ran.code != 0:
        return [f"the second run ended with {played.ran.code}: {_why(played)}"]
    good = {"passed", "warning"} if is_first else {"passed", "warning", "skipped"}
    bad = {
        event["check"]: (event["status"], event["detail"])
        for event in played.ran.events
        if event["event"] == "check_finished" and event["status"] not in good
    }
    proven = {name: told for name, told in bad.items() if told[0] == "skipped" and "(proven" in told[1]}
    return [f"the second run's check {name} is {told}" for name, told in bad.items() if name not in proven]


def _differs(found: str, wanted: str) -> list[str]:
    if found == wanted:
        return []
    here, there = found.splitlines(), wanted.splitlines()
    more = [line.strip() for line in here if line not in set(there)]
    less = [line.strip() for line in there if line not in set(here)]
    return [
        f"another inventory: more {more[:12]}, less {less[:12]}, {len(here)} lines instead of {len(there)}"
    ]


def _still_locked(stand: Stand) -> list[str]:
    return ["the lock is left in the cluster"] if stand.has_lock() else []


def _leaked(stand: Stand, runs: list[Played]) -> list[str]:
    return [f"secret {leak.secret} in {leak.place} as {leak.form}" for leak in stand.leaks(runs)[:3]]


def _twice(*runs: Played) -> list[str]:
    """More than one certificate was issued."""
    issued = sum(
        line.startswith("acme POST /finalize/") and line.endswith(" 200")
        for played in runs
        for line in played.script.carried_out
    )
    return [f"{issued} certificates were issued"] if issued > 1 else []


def _why(played: Played) -> str:
    try:
        return json.dumps(played.ran.finish.get("problem"))[:700]
    except (ValueError, IndexError, AssertionError):
        return (played.ran.out + played.ran.err)[-700:]
