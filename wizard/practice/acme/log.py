"""What the practice authority remembers for tests and for the curious."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["account", "order", "failed", "issued", "revoked"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """`names` are those of the order, sorted; `detail`: an id, a hexadecimal serial number or the failure."""

    kind: Kind
    names: tuple[str, ...]
    detail: str
    at: datetime
