"""What stands in the way, and which row of the checklist it belongs to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from wizard.errors import AccessDenied, NotFound, Problem

Value = TypeVar("Value")


@dataclass(slots=True)
class Findings:
    """Filled from several threads; `blame` leads from a problem's code to its check."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    blame: dict[str, str] = field(default_factory=dict)

    def block(self, check: str, problem: Problem) -> None:
        self.blame[problem.code] = check
        self.problems.append(problem)

    def warn(self, check: str, problem: Problem) -> None:
        self.blame[problem.code] = check
        self.warnings.append(problem)


def if_allowed(look: Callable[[], Value], otherwise: Value) -> Value:
    """What `look` sees, or `otherwise` where that is forbidden or unknown to the cluster."""
    try:
        return look()
    except (AccessDenied, NotFound):
        return otherwise
