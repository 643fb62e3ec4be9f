"""Errors that teach: what happened, why, and the one thing to do."""

import enum
from dataclasses import dataclass
from typing import Literal


class ExitCode(enum.IntEnum):
    """The process's exit status; scripts rely on it."""

    DONE = 0
    FAILED = 1
    REFUSED = 2
    HELD = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Remedy:
    """The fix where a program can do it: "set" an answer to a value, or "wait" some seconds and try again.

    `table` and `key` name the answer as the answers file does.
    """

    kind: Literal["set", "wait"]
    table: str = ""
    key: str = ""
    value: str | bool = ""
    wait_s: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """`code` is a stable kebab-case name; `raw` is the foreign text, kept whole and folded away."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    raw: str = ""
    remedy: Remedy | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.fix) if part)


class WizardError(Exception):
    """Every error a person may see; `problem` holds its words, the type says how the run ends."""

    exit_code = ExitCode.FAILED

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def wizard_error(code: str, what: str, *, why: str = "", fix: str = "", raw: object = "") -> "WizardError":
    """The short way to a step's error; `raw` may be the foreign exception."""
    return WizardError(Problem(code, what, why, fix, str(raw)))


class Refused(WizardError):
    """Nothing was changed, and nothing was tried that could have changed anything."""

    exit_code = ExitCode.REFUSED


class Held(WizardError):
    """Another run holds the setup."""

    exit_code = ExitCode.HELD


class Cancelled(WizardError):
    """The operator stopped the run; what was done is in the journal."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, what: str = "Stopped on request.") -> None:
        super().__init__(Problem("cancelled", what, fix="Run the same command again to go on."))


class AccessDenied(WizardError):
    """A service refused an action; `action` is its name, such as s3:CreateBucket or create secrets."""

    def __init__(self, problem: Problem, *, action: str = "") -> None:
        super().__init__(problem)
        self.action = action


class NotFound(WizardError):
    """The thing asked for is not there."""


class Conflict(WizardError):
    """Somebody else changed or holds the thing meanwhile."""


class Unreachable(WizardError):
    """A server did not answer, or not in the way its protocol demands."""


class CredentialsError(WizardError):
    """There are no credentials, or they are expired or broken."""
