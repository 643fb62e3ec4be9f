"""Accounts: creation with or without external binding, update, deactivation, key change (RFC 8555, 7.3)."""

import re
from collections.abc import Mapping
from typing import Any

from josepy.jwk import JWK

from wizard.practice.acme import encoding, jws
from wizard.practice.acme.model import Account, Request, Response
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.state import Desk, new_id

MAILTO = re.compile(r"mailto:[^@\s,?#]+@[^@\s,?#]+\.[^@\s,?#.]+", re.ASCII)
CONTACTS_MAX = 10
FORBIDDEN_MAIL_DOMAINS = ("example.com", "example.net", "example.org")


class Accounts:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def create(self, request: Request) -> Response:
        wanted = request.members
        if known := self._desk.state.account_of_key(request.key.thumbprint()):
            if known.status != "valid":
                raise Problem(
                    "unauthorized", f"An account with the provided public key exists but is {known.status}"
                )
            return self._show(known, 200)
        if wanted.get("onlyReturnExisting"):
            raise Problem("accountDoesNotExist", "No account exists with the provided key")
        if wanted.get("termsOfServiceAgreed") is not True:
            raise Problem(
                "userActionRequired",
                "must agree to terms of service",
                headers=[("Link", f'<{self._desk.urls.of("terms")}>;rel="terms-of-service"')],
            )
        contact = read_contact(wanted.get("contact"))
        keys = self._desk.settings.bindings(is_creating=True)
        binding = _bound(request, keys) if keys else None
        self._desk.limiter.check_account(self._desk.settings.limits)
        account = Account(new_id(), request.key, contact, binding, encoding.now())
        self._desk.state.accounts[account.identity] = account
        self._desk.limiter.count("account", "")
        self._desk.note("account", (), account.identity)
        return self._show(account, 201)

    def update(self, request: Request, identity: str) -> Response:
        account = request.owner
        if identity != account.identity:
            raise Problem("unauthorized", "Request signing key did not match account key")
        wanted = request.members
        status = wanted.get("status", account.status)
        if status not in {"valid", "deactivated"}:
            raise Problem(
                "malformed",
                f'invalid status "{status}" for account update request, must be "valid" or "deactivated"',
            )
        if status == "deactivated":
            self._deactivate(account)
        elif "contact" in wanted:
            account.contact = read_contact(wanted["contact"])
        return self._show(account, 200)

    def orders(self, request: Request, identity: str) -> Response:
        """The account's orders that may still become, or are, certificates (section 7.1.2.1)."""
        if identity != request.owner.identity:
            raise Problem("unauthorized", "Request signing key did not match account key")
        found = [
            self._desk.urls.order(order.identity)
            for order in self._desk.state.orders.values()
            if order.account == identity and order.status != "invalid"
        ]
        return Response(200, {"orders": found})

    def change_key(self, request: Request) -> Response:
        """Section 7.3.5: the payload is a JWS by the new key over the account's URL and its old key."""
        account = request.owner
        inner = jws.from_object(request.payload)
        key = jws.public_key(inner.header.get("jwk"))
        jws.verify(inner, key)
        if inner.header.get("url") != request.url:
            raise Problem(
                "malformed",
                f"Outer JWS 'url' value \"{request.url}\" does not match inner JWS 'url' value"
                f' "{inner.header.get("url")}"',
            )
        wanted = jws.payload_object(inner) or {}
        if wanted.get("account") != self._desk.urls.account(account.identity):
            raise Problem("malformed", "Inner key rollover request specified a different account")
        if jws.public_key(wanted.get("oldKey")) != account.key:
            raise Problem(
                "malformed", "Inner JWS does not contain old key field matching current account key"
            )
        if key == account.key:
            raise Problem("malformed", "New key specified by rollover request is the same as the old key")
        if other := self._desk.state.account_of_key(key.thumbprint()):
            raise Problem(
                "malformed",
                "New key is already in use for a different account",
                status=409,
                headers=[("Location", self._desk.urls.account(other.identity))],
            )
        account.key = key
        return self._show(account, 200)

    def _show(self, account: Account, status: int) -> Response:
        urls = self._desk.urls
        return Response(
            status,
            account.to_json(urls),
            [
                ("Location", urls.account(account.identity)),
                ("Link", f'<{urls.of("terms")}>;rel="terms-of-service"'),
            ],
        )

    def _deactivate(self, account: Account) -> None:
        account.status = "deactivated"
        for authorization in self._desk.state.authorizations.values():
            if authorization.account == account.identity:
                authorization.status = "deactivated"
        for order in self._desk.state.orders.values():
            if order.account == account.identity and order.status in {"pending", "ready"}:
                order.status = "invalid"


def _bound(request: Request, keys: Mapping[str, str]) -> dict[str, Any]:
    """Checks the external account binding (section 7.3.4) and returns it as it came."""
    binding = request.members.get("externalAccountBinding")
    if not isinstance(binding, dict):
        raise Problem(
            "externalAccountRequired",
            "The request must include a value for the 'externalAccountBinding' field",
        )
    check_binding(binding, request, keys)
    return binding


def check_binding(binding: dict[str, Any], request: Request, keys: Mapping[str, str]) -> None:
    """MAC keys are base64url text.

    Raises Problem "malformed", "badSignatureAlgorithm", "badPublicKey" or "unauthorized".
    """
    inner = jws.from_object(binding)
    algorithm = jws.MAC_ALGORITHMS.get(inner.text("alg") or "")
    if algorithm is None:
        raise Problem(
            "badSignatureAlgorithm",
            "external account binding must be signed with HS256, HS384 or HS512",
            algorithms=list(jws.MAC_ALGORITHMS),
        )
    if inner.header.get("url") != request.url or "nonce" in inner.header:
        raise Problem("malformed", "external account binding has a wrong 'url' or a 'nonce' header")
    kid = inner.text("kid") or ""
    if kid not in keys:
        raise Problem("unauthorized", "the field 'kid' references a key that is not known to the ACME server")
    if not algorithm.verify(encoding.decode(keys[kid].rstrip("=")), inner.signing_input, inner.signature):
        raise Problem("unauthorized", "external account binding JWS verification error")
    if jws.public_key(jws.payload_object(inner)) != request.key:
        raise Problem("badPublicKey", "external account binding payload is not the account's key")


def read_contact(found: object) -> list[str]:
    """`mailto:` URLs (section 7.3). Raises Problem "unsupportedContact" or "invalidContact"."""
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Problem("malformed", "contact is not a list of URLs")
    if len(found) > CONTACTS_MAX:
        raise Problem("malformed", f"too many contacts provided: {len(found)} > {CONTACTS_MAX}")
    for one in found:
        if not one.startswith("mailto:"):
            raise Problem("unsupportedContact", "only contact scheme 'mailto:' is supported")
        if not MAILTO.fullmatch(one):
            raise Problem("invalidContact", "unable to parse email address")
        domain = one.rpartition("@")[2].lower()
        if domain in FORBIDDEN_MAIL_DOMAINS:
            raise Problem("invalidContact", f'contact email has forbidden domain "{domain}"')
    return found


def thumbprint(key: JWK) -> str:
    """The key's part of a key authorization (section 8.1, RFC 7638)."""
    return encoding.encode(key.thumbprint())
