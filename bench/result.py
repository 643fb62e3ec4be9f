"""What a measurement gives: a number with its aim, or the reason why there is none."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Unmeasured(Exception):
    """A measurement could not be made; the text says why."""


class Unit(StrEnum):
    RATIO = "x"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MEBIBYTES = "MiB"


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the table; `aim` is the largest value that is good enough, None where there is none.

    `is_needed`: a run without it has failed.
    """

    name: str
    unit: Unit
    aim: float | None = None
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """`value` is a median of `runs`; `detail` tells the numbers behind it, `reason` why there is no value."""

    measure: Measure
    value: float | None = None
    runs: int = 0
    detail: str = ""
    reason: str = ""

    @property
    def is_met(self) -> bool | None:
        """None where there is no aim or no value."""
        if self.value is None or self.measure.aim is None:
            return None
        return self.value <= self.measure.aim


class Budget:
    """The time that one part of the run may take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def limit(self, seconds: float) -> float:
        """At most `seconds`, less if less is left. Raises Unmeasured when nothing is left."""
        left = self.left_s
        if left < 1:
            raise Unmeasured("The time for this part was used up before this.")
        return min(seconds, left)


def ratio_row(measure: Measure, subject: Sequence[float], base: Sequence[float], base_name: str) -> Row:
    """Median over median, both in seconds and taken in turns within this run."""
    top, bottom = statistics.median(subject), statistics.median(base)
    return Row(measure, top / bottom, len(subject), f"{top:.3f} s against {bottom:.3f} s for {base_name}")


def plain_row(measure: Measure, values: Sequence[float], detail: str = "") -> Row:
    spread = f"{min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
    text = "; ".join(filter(None, (spread, detail)))
    return Row(measure, statistics.median(values), len(values), text)


def without(measures: Sequence[Measure], reason: object) -> list[Row]:
    """These measures, with the reason why they could not be taken."""
    return [Row(measure, reason=str(reason)) for measure in measures]
