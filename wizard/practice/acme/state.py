"""All that the authority knows, under one lock, and what its services share."""

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography import x509

from wizard.practice.acme import encoding, renewal
from wizard.practice.acme.background import Background
from wizard.practice.acme.limits import Limiter
from wizard.practice.acme.log import Kind, LogEntry
from wizard.practice.acme.model import Account, Authorization, Issued, Order, Urls
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.settings import AcmeSettings
from wizard.practice.acme.validation import Validator
from wizard.practice.pki import Authority

Thing = TypeVar("Thing")


def new_id() -> str:
    return secrets.token_urlsafe(12)


@dataclass(slots=True)
class State:
    """Hold `lock` while reading or writing; it is never held while the network is asked."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    accounts: dict[str, Account] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    authorizations: dict[str, Authorization] = field(default_factory=dict)
    certificates: dict[str, Issued] = field(default_factory=dict)

    def account_of_key(self, thumbprint: bytes) -> Account | None:
        return next((a for a in self.accounts.values() if a.key.thumbprint() == thumbprint), None)

    def issued_by_id(self, certificate_id: str) -> Issued | None:
        """By the identifier of RFC 9773."""
        return self._issued(lambda issued: renewal.certificate_id(issued.certificate) == certificate_id)

    def issued_as(self, certificate: x509.Certificate) -> Issued | None:
        return self._issued(lambda issued: issued.certificate == certificate)

    def orders_with(self, authorization: str) -> Iterator[Order]:
        return (order for order in self.orders.values() if authorization in order.authorizations)

    def _issued(self, fits: Callable[[Issued], bool]) -> Issued | None:
        return next((issued for issued in self.certificates.values() if fits(issued)), None)


@dataclass(slots=True)
class Desk:
    """What the services of one running authority share."""

    authority: Authority
    settings: AcmeSettings
    urls: Urls
    validator: Validator
    state: State
    limiter: Limiter
    background: Background
    log: list[LogEntry]

    def note(self, kind: Kind, names: tuple[str, ...], detail: str) -> None:
        self.log.append(LogEntry(kind, names, detail, encoding.now()))


def owned(things: dict[str, Thing], identity: str, account: Account, what: str) -> Thing:
    """The thing of that id. Raises Problem 404 when there is none, 403 when it is another account's."""
    thing = things.get(identity)
    if thing is None:
        raise Problem("malformed", f"No such {what}", status=404)
    if getattr(thing, "account", None) != account.identity:
        raise Problem("unauthorized", f"Account ID doesn't match ID for {what}")
    return thing
