"""From a path to the service that answers, and whether that changes anything."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from wizard.practice.acme.accounts import Accounts
from wizard.practice.acme.authorizations import Authorizations
from wizard.practice.acme.model import Request, Response
from wizard.practice.acme.orders import Orders
from wizard.practice.acme.revocation import Revocation
from wizard.practice.acme.state import Desk

Payload = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Route:
    """`parts` are how many path segments may follow; `signer` is the header that names the key."""

    kind: str
    handle: Callable[..., Response]
    is_mutating: Callable[[Payload], bool]
    parts: tuple[int, ...] = (0,)
    signer: Literal["jwk", "kid", "either"] = "kid"
    is_read: bool = False


def _always(_: Payload) -> bool:
    return True


def _never(_: Payload) -> bool:
    return False


def _with_members(payload: Payload) -> bool:
    return bool(payload)


def _with_payload(payload: Payload) -> bool:
    return payload is not None


def _unless_asking(payload: Payload) -> bool:
    return not (payload or {}).get("onlyReturnExisting")


def signed_routes(desk: Desk) -> dict[str, Route]:
    """By the first path segment, which is also the key in `AcmeSettings.outages`."""
    accounts, authorizations = Accounts(desk), Authorizations(desk)
    orders, revocation = Orders(desk, authorizations), Revocation(desk)
    routes = [
        Route("newAccount", accounts.create, _unless_asking, signer="jwk"),
        Route("account", accounts.update, _with_members, (1,)),
        Route("orders", accounts.orders, _never, (1,), is_read=True),
        Route("keyChange", accounts.change_key, _always),
        Route("newOrder", orders.create, _always),
        Route("order", orders.show, _never, (1,), is_read=True),
        Route("finalize", orders.finalize, _always, (1,)),
        Route("certificate", orders.certificate, _never, (1, 2), is_read=True),
        Route("authz", authorizations.show, _with_members, (1,)),
        Route("challenge", authorizations.challenge, _with_payload, (2,)),
        Route("revokeCert", revocation.revoke, _always, signer="either"),
    ]
    return {route.kind: route for route in routes}


def call(route: Route, request: Request, rest: list[str]) -> Response:
    return route.handle(request, *rest)
