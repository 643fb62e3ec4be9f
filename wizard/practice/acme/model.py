"""Accounts, orders, authorizations, challenges and certificates, and their JSON (RFC 8555, section 7.1)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cryptography import x509
from josepy.jwk import JWK

from wizard.practice.acme.encoding import timestamp
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.settings import Profile

AccountStatus = Literal["valid", "deactivated"]
AuthorizationStatus = Literal["pending", "valid", "invalid", "deactivated"]
ChallengeKind = Literal["http-01", "dns-01"]
ChallengeStatus = Literal["pending", "processing", "valid", "invalid"]
OrderStatus = Literal["pending", "ready", "processing", "valid", "invalid"]


@dataclass(frozen=True, slots=True)
class Urls:
    """Where things are; ids are unguessable text."""

    base: str

    def of(self, kind: str, *parts: str) -> str:
        return "/".join((self.base, kind, *parts))

    def account(self, identity: str) -> str:
        return self.of("account", identity)

    def order(self, identity: str) -> str:
        return self.of("order", identity)

    def authorization(self, identity: str) -> str:
        return self.of("authz", identity)

    def certificate(self, identity: str) -> str:
        return self.of("certificate", identity)


@dataclass(slots=True)
class Account:
    identity: str
    key: JWK
    contact: list[str]
    binding: dict[str, Any] | None
    created: datetime
    status: AccountStatus = "valid"

    def to_json(self, urls: Urls) -> dict[str, Any]:
        found = {
            "status": self.status,
            "contact": self.contact,
            "termsOfServiceAgreed": True,
            "key": self.key.to_json(),
            "createdAt": timestamp(self.created),
            "orders": urls.of("orders", self.identity),
        }
        return found | ({"externalAccountBinding": self.binding} if self.binding else {})


@dataclass(slots=True)
class Challenge:
    kind: ChallengeKind
    token: str
    status: ChallengeStatus = "pending"
    validated: datetime | None = None
    problem: Problem | None = None

    def to_json(self, urls: Urls, authorization: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "type": self.kind,
            "url": urls.of("challenge", authorization, self.kind),
            "token": self.token,
            "status": self.status,
        }
        if self.validated:
            found["validated"] = timestamp(self.validated)
        if self.problem:
            found["error"] = self.problem.document()
        return found


@dataclass(slots=True)
class Authorization:
    """`name` stands without the "*." of a wildcard, as section 7.1.4 wants it."""

    identity: str
    account: str
    name: str
    is_wildcard: bool
    expires: datetime
    challenges: list[Challenge]
    status: AuthorizationStatus = "pending"

    def to_json(self, urls: Urls) -> dict[str, Any]:
        found: dict[str, Any] = {
            "identifier": {"type": "dns", "value": self.name},
            "status": self.status,
            "expires": timestamp(self.expires),
            "challenges": [c.to_json(urls, self.identity) for c in self._shown],
        }
        return found | ({"wildcard": True} if self.is_wildcard else {})

    @property
    def _shown(self) -> list[Challenge]:
        """Once it is settled, only what settled it (section 7.1.4)."""
        if self.status not in {"valid", "invalid"}:
            return self.challenges
        return [each for each in self.challenges if each.status == self.status]

    @property
    def problem(self) -> Problem | None:
        return next((c.problem for c in self.challenges if c.problem), None)


@dataclass(slots=True)
class Order:
    """`profile` is the name in force, shown only where the client asked for one, `terms` what it meant."""

    identity: str
    account: str
    names: tuple[str, ...]
    authorizations: list[str]
    profile: str
    terms: Profile
    has_chosen_profile: bool
    expires: datetime
    replaces: str | None = None
    status: OrderStatus = "pending"
    problem: Problem | None = None
    certificate: str | None = None

    def to_json(self, urls: Urls) -> dict[str, Any]:
        found: dict[str, Any] = {
            "status": self.status,
            "expires": timestamp(self.expires),
            "identifiers": [{"type": "dns", "value": name} for name in self.names],
            "authorizations": [urls.authorization(identity) for identity in self.authorizations],
            "finalize": urls.of("finalize", self.identity),
        }
        if self.has_chosen_profile:
            found["profile"] = self.profile
        if self.replaces:
            found["replaces"] = self.replaces
        if self.problem:
            found["error"] = self.problem.document()
        if self.certificate:
            found["certificate"] = urls.certificate(self.certificate)
        return found


@dataclass(slots=True)
class Issued:
    identity: str
    account: str
    names: tuple[str, ...]
    certificate: x509.Certificate
    is_revoked: bool = False
    replaced_by: str | None = None


@dataclass(slots=True)
class Request:
    """A verified request; `payload` is None for POST-as-GET, `account` for a request by jwk."""

    url: str
    key: JWK
    payload: dict[str, Any] | None
    account: Account | None

    @property
    def owner(self) -> Account:
        if self.account is None:
            raise Problem("malformed", "No Key ID in JWS header")
        return self.account

    @property
    def members(self) -> dict[str, Any]:
        return self.payload or {}


@dataclass(slots=True)
class Response:
    """`body` is JSON, or bytes with a Content-Type among the headers, or nothing."""

    status: int
    body: dict[str, Any] | bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
