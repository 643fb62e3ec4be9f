"""What an ACME server says, as plain values (RFC 8555, 7.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wizard.errors import Problem, WizardError


class RateLimited(WizardError):
    """The CA wants no more for now; `until` is its own word (Retry-After), None where it said nothing."""

    def __init__(self, problem: Problem, until: datetime | None) -> None:
        super().__init__(problem)
        self.until = until


@dataclass(frozen=True, slots=True)
class Directory:
    """What a CA says of itself (RFC 8555, 7.1.1); `profiles` maps names to descriptions.

    `clock_skew_s` is how far this machine's clock is ahead of the CA's.
    """

    url: str
    terms: str = ""
    needs_external_account: bool = False
    profiles: Mapping[str, str] = field(default_factory=dict)
    caa_identities: tuple[str, ...] = ()
    clock_skew_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Challenge:
    """`kind` is http-01 or dns-01; `content` is what the file, or the TXT record, must hold."""

    kind: str
    domain: str
    token: str
    content: str
    url: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """`status` as in RFC 8555, 7.1.6; `problem` says why a challenge failed."""

    domain: str
    status: str
    challenges: tuple[Challenge, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """`status`: pending, ready, processing, valid or invalid."""

    url: str
    status: str
    domains: tuple[str, ...]
    authorizations: tuple[str, ...]
    finalize_url: str
    certificate_url: str = ""
    problem: Problem | None = None
