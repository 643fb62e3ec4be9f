"""What a look at the world gives a field: a verdict, a word, a sentence, and the one thing to do."""

import enum
from dataclasses import dataclass

from wizard.errors import AccessDenied, CredentialsError, Problem, Refused, Unreachable, WizardError


class Verdict(enum.Enum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"
    """It could not be asked: no right, no answer."""


@dataclass(frozen=True, slots=True)
class Look:
    """`word` says the state in one or two words, such as free or taken; the texts may be ""."""

    verdict: Verdict
    word: str
    sentence: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a list to pick from; `note` tells alike names apart."""

    value: str
    note: str = ""


def good(word: str, sentence: str = "") -> Look:
    return Look(Verdict.GOOD, word, sentence)


def warning(word: str, sentence: str, fix: str = "") -> Look:
    return Look(Verdict.WARNING, word, sentence, fix)


def bad(word: str, sentence: str, fix: str = "") -> Look:
    return Look(Verdict.BAD, word, sentence, fix)


def unknown(sentence: str, fix: str = "") -> Look:
    return Look(Verdict.UNKNOWN, "not known", sentence, fix)


def of_problem(problem: Problem, word: str) -> Look:
    return bad(word, _joined(problem.what, problem.why), problem.fix)


def of_error(error: WizardError) -> Look:
    """A look that may not be made is no fault of the answer; one that cannot be made says why."""
    problem = error.problem
    if isinstance(error, AccessDenied):
        action = f" ({error.action})" if error.action else ""
        return unknown(f"You may not look at this{action}; the step itself will tell.")
    if isinstance(error, Unreachable):
        return Look(Verdict.WARNING, "no answer", problem.what, problem.fix)
    if isinstance(error, CredentialsError | Refused):
        return of_problem(problem, "no use")
    return unknown(_joined(problem.what, problem.why), problem.fix)


def _joined(*sentences: str) -> str:
    return " ".join(each for each in sentences if each)
