"""The steps in their order, and how each of them stands: what the first screen needs of the events."""

import enum


class StepId(enum.StrEnum):
    """The steps in their order."""

    CONNECT = "connect"
    BUCKET = "bucket"
    USER = "user"
    CERTIFICATE = "certificate"
    HTPASSWD = "htpasswd"
    DEPLOY = "deploy"
    DNS = "dns"
    PROOF = "proof"


STEPS = tuple(StepId)


class CheckStatus(enum.StrEnum):
    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepStatus(enum.StrEnum):
    """How a step stands: `changed` means changed outside, `waiting` not begun."""

    WAITING = "waiting"
    DONE = "done"
    CHANGED = "changed"
    MISSING = "missing"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    UNDONE = "undone"


class Verb(enum.StrEnum):
    CREATE = "create"
    CHANGE = "change"
    ADOPT = "adopt"
    KEEP = "keep"
    DELETE = "delete"
