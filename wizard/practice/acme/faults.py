"""What the practice authority does wrong, or otherwise, on purpose: a list of faults, each so many times.

`script.set([FailValidation(times=2)])` lets two validations fail and then all work. Faults of one kind follow
each other: the second begins when the first is used up. A running world takes the same list as JSON.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeVar

AnyFault = TypeVar("AnyFault", bound="Fault")
At = Literal[
    "",
    "directory",
    "newNonce",
    "renewalInfo",
    "newAccount",
    "account",
    "keyChange",
    "newOrder",
    "order",
    "authz",
    "challenge",
    "finalize",
    "certificate",
    "revokeCert",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Happens `times` times (None: for as long as it is in the script) after `after` that go well."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    times: int | None = 1
    after: int = 0

    def __post_init__(self) -> None:
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError("times is 1 or more or null, after 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Fault):
    """A request is refused: with rateLimited and when to come again, badNonce, serverInternal and so on.

    `at` is the kind of request, "" any signed one; `status` 0 is the usual one of the problem's type.
    """

    kind: Literal["refuse"] = "refuse"
    at: At = "newOrder"
    problem: str = "rateLimited"
    detail: str = "The practice authority was told to refuse this."
    status: Literal[0, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504] = 0
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailValidation(Fault):
    """A challenge is found wrong without a look; `name` "" is any name."""

    kind: Literal["fail-validation"] = "fail-validation"
    name: str = ""
    problem: str = "connection"
    detail: str = "Timeout during connect (likely firewall problem)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Fault):
    """A challenge (`at` validation) or an order (issuance) stays in "processing" for `delay_s`."""

    kind: Literal["slow"] = "slow"
    at: Literal["validation", "issuance"] = "validation"
    delay_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortLife(Fault):
    """A certificate ends `lifetime_s` after it was issued, whatever the profile says."""

    kind: Literal["short-life"] = "short-life"
    lifetime_s: float = 3600.0
    times: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAccount(Fault):
    """A new account has to be bound to this key, base64url; the directory says so."""

    kind: Literal["external-account"] = "external-account"
    key_id: str = "practice"
    hmac_key: str = "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I"
    times: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherProfiles(Fault):
    """Orders are taken for these profiles only, name -> lifetime in seconds; the first is the default one."""

    kind: Literal["profiles"] = "profiles"
    lifetimes_s: dict[str, float]
    times: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalWindow(Fault):
    """renewalInfo says that it is to be renewed from `start_s` to `end_s` from now."""

    kind: Literal["renewal-window"] = "renewal-window"
    start_s: float = -7200.0
    end_s: float = -3600.0
    explanation: str = ""
    times: int | None = None


AcmeFault = Refuse | FailValidation | Slow | ShortLife | ExternalAccount | OtherProfiles | RenewalWindow


class FaultScript:
    """Thread-safe; `take` counts an occasion, `peek` only looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[AcmeFault] = []

    def set(self, faults: Sequence[AcmeFault]) -> None:
        """In place of whatever was left."""
        with self._lock:
            self._left = list(faults)

    @property
    def left(self) -> list[AcmeFault]:
        """What has not happened yet, with the counts that remain."""
        with self._lock:
            return list(self._left)

    def peek(self, kind: type[AnyFault]) -> AnyFault | None:
        """The fault that would happen on the next occasion."""
        with self._lock:
            found = next((each for each in self._left if isinstance(each, kind)), None)
        return found if found is not None and not found.after else None

    def take(
        self, kind: type[AnyFault], fits: Callable[[AnyFault], bool] = lambda _: True
    ) -> AnyFault | None:
        """The fault that happens now, None where all goes well."""
        with self._lock:
            for place, each in enumerate(self._left):
                if not isinstance(each, kind) or not fits(each):
                    continue
                if each.after:
                    self._left[place] = replace(each, after=each.after - 1)
                    return None
                if each.times == 1:
                    del self._left[place]
                elif each.times is not None:
                    self._left[place] = replace(each, times=each.times - 1)
                return each
        return None
