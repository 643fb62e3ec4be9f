"""What the practice authority can be told to do differently while it runs, faults included."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from wizard.practice.acme.faults import (
    ExternalAccount,
    FaultScript,
    OtherProfiles,
    RenewalWindow,
    ShortLife,
    Slow,
)
from wizard.practice.pki import BACKDATED


@dataclass(frozen=True, slots=True)
class Profile:
    """A certificate profile as the directory offers it; `description` is shown to clients."""

    description: str
    lifetime: timedelta
    has_common_name: bool


@dataclass(frozen=True, slots=True)
class Limit:
    count: int
    window: timedelta


@dataclass(slots=True)
class RateLimits:
    """None means no limit."""

    new_accounts: Limit | None = None
    orders_per_account: Limit | None = None
    certificates_per_domain: Limit | None = None
    certificates_per_names: Limit | None = None
    failed_validations: Limit | None = None

    @classmethod
    def production(cls) -> "RateLimits":
        """Let's Encrypt's limits, as https://letsencrypt.org/docs/rate-limits/ has them."""
        week = timedelta(days=7)
        return cls(
            new_accounts=Limit(10, timedelta(hours=3)),
            orders_per_account=Limit(300, timedelta(hours=3)),
            certificates_per_domain=Limit(50, week),
            certificates_per_names=Limit(5, week),
            failed_validations=Limit(5, timedelta(hours=1)),
        )


def _profiles() -> dict[str, Profile]:
    return {
        "classic": Profile("90 days, with a common name", timedelta(days=90), has_common_name=True),
        "tlsserver": Profile("45 days, for TLS servers", timedelta(days=45), has_common_name=False),
        "shortlived": Profile(
            "160 hours, for those who automate", timedelta(hours=160), has_common_name=False
        ),
    }


@dataclass(slots=True)
class AcmeSettings:
    """Every field may be changed at run time and holds from the next request on.

    - `profiles`, `default_profile`: what can be ordered, and what an order without a profile gets.
    - `external_accounts`: key id -> base64url MAC key; when there are any, new accounts need one of them.
    - `validation_delay_s`, `issuance_delay_s`: how long a challenge and an order stay in "processing".
    - `latency_s`: how long every answer takes.
    - `retry_after_s`: what polls and outages are answered with (Retry-After); nothing takes long here.
    - `fetch_timeout_s`: per connection of http-01.
    - `bad_nonce_share`: 0 to 1, this share of the signed requests is refused with badNonce, evenly spread.
    - `reuse_authorizations`: a name proven by the account is not asked for again.
    - `outages`: kind of request ("directory", "newOrder", "finalize", ...) -> HTTP status it is refused with.
    - `rejected_names`: names for which policy forbids certificates, subdomains included.
    - `mismatch_problem`: what wrong content of a challenge is called; Let's Encrypt says "unauthorized".
    - `renewal_window`, `renewal_explanation`: what renewalInfo says in place of the computed window.
    - `faults`: what happens so many times only; the methods say what holds with them.
    """

    profiles: dict[str, Profile] = field(default_factory=_profiles)
    default_profile: str = "classic"
    external_accounts: dict[str, str] = field(default_factory=dict)
    validation_delay_s: float = 0.05
    issuance_delay_s: float = 0.0
    latency_s: float = 0.0
    fetch_timeout_s: float = 10.0
    retry_after_s: int = 0
    bad_nonce_share: float = 0.0
    reuse_authorizations: bool = False
    outages: dict[str, int] = field(default_factory=dict)
    limits: RateLimits = field(default_factory=RateLimits)
    rejected_names: set[str] = field(default_factory=set)
    caa_identities: tuple[str, ...] = ("ca.practice.test",)
    mismatch_problem: Literal["unauthorized", "incorrectResponse"] = "unauthorized"
    renewal_window: tuple[datetime, datetime] | None = None
    renewal_explanation: str | None = None
    faults: FaultScript = field(default_factory=FaultScript)

    def bindings(self, *, is_creating: bool) -> dict[str, str]:
        """The keys that a new account may be bound to, empty where it need not be."""
        fault = self.faults.take(ExternalAccount) if is_creating else self.faults.peek(ExternalAccount)
        return {fault.key_id: fault.hmac_key} if fault else self.external_accounts

    def offered(self, *, is_ordering: bool) -> dict[str, Profile]:
        """The profiles that can be ordered; the first is the default where `default_profile` is not there."""
        fault = self.faults.take(OtherProfiles) if is_ordering else self.faults.peek(OtherProfiles)
        if fault is None or not fault.lifetimes_s:
            return self.profiles
        return {
            name: Profile(f"{name}, as told", timedelta(seconds=lifetime_s), has_common_name=False)
            for name, lifetime_s in fault.lifetimes_s.items()
        }

    def lifetime(self, profile: Profile) -> timedelta:
        """Of a certificate that is issued now; it begins in the past."""
        fault = self.faults.take(ShortLife)
        return BACKDATED + timedelta(seconds=fault.lifetime_s) if fault else profile.lifetime

    def delay_s(self, at: Literal["validation", "issuance"]) -> float:
        fault = self.faults.take(Slow, lambda each: each.at == at)
        usual_s = self.validation_delay_s if at == "validation" else self.issuance_delay_s
        return fault.delay_s if fault else usual_s

    def window(self, *, is_asked: bool) -> tuple[tuple[datetime, datetime] | None, str | None]:
        """What renewalInfo says in place of the computed window, and why."""
        fault = self.faults.take(RenewalWindow) if is_asked else self.faults.peek(RenewalWindow)
        if fault is None:
            return self.renewal_window, self.renewal_explanation
        now = datetime.now(UTC)
        ends = (now + timedelta(seconds=fault.start_s), now + timedelta(seconds=fault.end_s))
        return ends, fault.explanation or None
