"""An ACME client (RFC 8555) that never sleeps: each call is one step, waiting is the caller's business.

The `acme` library signs and speaks; orders and authorizations come out as plain values, because only a
caller that looks at every status can tell why an order stands still.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import requests
from acme import challenges, client, errors, jws, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from josepy import json_util
from josepy.errors import Error as JoseError
from josepy.interfaces import JSONDeSerializable
from josepy.jwk import JWK, JWKEC, JWKRSA
from pydantic import SecretStr

from wizard.endpoints import Endpoints
from wizard.errors import Problem, WizardError
from wizard.services import web
from wizard.services._acme_directory import not_acme, read_directory
from wizard.services._acme_network import Network, algorithm_of, kind_of, links
from wizard.services._acme_values import Authorization, Challenge, Directory, Order, RateLimited
from wizard.services._acme_words import Refusal, binding_refused, hmac_unreadable, not_proven, refused
from wizard.services.certificates import read_key

__all__ = [
    "Acme",
    "Authorization",
    "Challenge",
    "Directory",
    "Order",
    "RateLimited",
    "hmac_unreadable",
    "is_hmac_key",
    "read_directory",
]
FOREIGN = (errors.Error, JoseError, requests.RequestException, LookupError, TypeError, ValueError)
LIMITS = frozenset({"rateLimited", "serverInternal"})
BASE64URL = re.compile(r"(?:[\w-]{4})*(?:[\w-]{4}|[\w-]{3}=?|[\w-]{2}(?:==)?)", re.ASCII)
BINDING_REFUSED = frozenset({"unauthorized", "malformed", "externalAccountRequired"})
"""What CAs answer to a binding that is wrong (RFC 8555, 7.3.4, names no type)."""


class Acme:
    """One account at one CA; close it after use. Raises WizardError only."""

    def __init__(
        self, directory_url: str, account_key_pem: bytes, endpoints: Endpoints, *, ca_file: str = ""
    ) -> None:
        """Reads the directory."""
        self._url, self._endpoints = directory_url, endpoints
        self._key = _jwk(account_key_pem)
        self._net = Network(self._key, endpoints, ca_file=ca_file)
        try:
            with self._explained():
                self._client = client.ClientV2(
                    client.ClientV2.get_directory(directory_url, self._net), self._net
                )
        except WizardError:
            self.close()
            raise

    def register(self, *, contact: str, external_account: tuple[str, SecretStr] | None) -> str:
        """The account's address, of a new account or of the one that has this key; terms are agreed to.

        `external_account` is a key ID and an HMAC key in base64url (RFC 8555, 7.3.4).
        """
        wanted: dict[str, Any] = {"terms_of_service_agreed": True}
        if contact:
            wanted["contact"] = (f"mailto:{contact}",)
        self._net.account = None
        if external_account:
            wanted["external_account_binding"] = self._binding(*external_account)
        with self._explained():
            try:
                made = self._client.new_account(messages.NewRegistration(**wanted))
            except errors.ConflictError as known:
                self.use(known.location)
                return known.location
            except messages.Error as error:
                if external_account and kind_of(error) in BINDING_REFUSED:
                    raise WizardError(binding_refused(_said(error), external_account[0])) from error
                raise
        return str(made.uri)

    @property
    def terms(self) -> str:
        """The address of the CA's terms of service, "" where it names none."""
        return str(self._client.directory.meta.terms_of_service or "")

    def use(self, account_uri: str) -> None:
        """Signs as this account from now on."""
        self._net.account = messages.RegistrationResource(body=messages.Registration(), uri=account_uri)

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> Order:
        """Asks for a certificate; counts against the CA's limits.

        `replaces` is the identifier of the certificate before (RFC 9773, 4.1 and 5).
        """
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in domains]
        wanted = _NewOrder(identifiers=identifiers, profile=profile or None, replaces=replaces or None)
        with self._explained(domains[0]):
            answer = self._post(self._client.directory["newOrder"], wanted)
            return _order(answer.headers["Location"], answer)

    def order(self, url: str) -> Order:
        with self._explained():
            return _order(url, self._post(url, None))

    def authorization(self, url: str) -> Authorization:
        with self._explained():
            found = messages.Authorization.from_json(self._post(url, None).json())
            domain = str(found.identifier.value)
            return Authorization(
                domain,
                str(found.status.name),
                tuple(self._challenges(domain, found)),
                next(
                    (
                        _failure(each.error, domain, str(each.chall.typ))
                        for each in found.challenges
                        if each.error
                    ),
                    None,
                ),
            )

    def answer(self, challenge: Challenge) -> None:
        """Tells the CA to look; it looks on its own time.

        A run that was cut off may have told it before, which some CAs refuse to hear again.
        """
        with self._explained(challenge.domain):
            try:
                # Sent as {}, for every kind of challenge (RFC 8555, 7.5.1).
                self._post(challenge.url, challenges.HTTP01Response(key_authorization=challenge.content))
            except messages.Error:
                if self._post(challenge.url, None).json()["status"] == "pending":
                    raise

    def finalize(self, order: Order, request_pem: bytes) -> Order:
        """Hands in the signing request; the order must be ready."""
        with self._explained(order.domains[0]):
            request = messages.CertificateRequest(csr=x509.load_pem_x509_csr(request_pem))
            return _order(order.url, self._post(order.finalize_url, request))

    def certificate(self, order: Order) -> bytes:
        """The chain in PEM; the order must be valid."""
        return self.chains(order, is_default_enough=True)[0]

    def chains(self, order: Order, *, is_default_enough: bool = False) -> list[bytes]:
        """The chains that the CA offers, its own choice first (RFC 8555, 7.4.2)."""
        with self._explained(order.domains[0]):
            first = self._post(order.certificate_url, None)
            others = [] if is_default_enough else links(first, "alternate")
            return [first.content, *(self._post(url, None).content for url in others)]

    def change_key(self, new_key_pem: bytes) -> None:
        """The account goes on with another key (RFC 8555, 7.3.5): a JWS by the new one inside ours."""
        new, url = _jwk(new_key_pem), self._client.directory["keyChange"]
        wanted = {"account": self._account_uri, "oldKey": self._key.public_key().to_partial_json()}
        signed = jws.JWS.sign(json.dumps(wanted).encode(), new, algorithm_of(new), nonce=None, url=url)
        with self._explained():
            self._post(url, _Raw(signed.to_partial_json()))
        self._key = self._net.key = new
        self._net.alg = algorithm_of(new)

    def has_this_key(self) -> bool:
        """Whether the account that is signed as has this client's key (RFC 8555, 6.2 and 7.3)."""
        with self._explained():
            try:
                self._post(self._account_uri, None)
            except messages.Error:
                return False
        return True

    def deactivate(self) -> None:
        """The account is given up for good (RFC 8555, 7.3.6); its certificates stay valid."""
        with self._explained():
            self._post(self._account_uri, _Raw({"status": "deactivated"}))

    @property
    def wait_until(self) -> datetime | None:
        """Before when the last answer asked not to be asked again."""
        return self._net.retry_after

    def close(self) -> None:
        self._net.session.close()

    def _challenges(self, domain: str, found: messages.Authorization) -> Iterator[Challenge]:
        for each in found.challenges:
            if isinstance(each.chall, challenges.HTTP01 | challenges.DNS01):
                content = each.chall.validation(self._key)
                yield Challenge(each.chall.typ, domain, each.chall.encode("token"), content, each.uri)

    def _binding(self, kid: str, hmac_key: SecretStr) -> dict[str, Any]:
        """The account's key, signed with the customer's (RFC 8555, 7.3.4)."""
        if not is_hmac_key(hmac_key):
            raise WizardError(hmac_unreadable())
        return messages.ExternalAccountBinding.from_data(
            self._key.public_key(), kid, hmac_key.get_secret_value(), self._client.directory
        )

    @property
    def _account_uri(self) -> str:
        return str(self._net.account.uri) if self._net.account else ""

    def _refused(self, error: messages.Error, domain: str) -> WizardError:
        kind, until = kind_of(error), self._net.retry_after
        told = f"{until:%Y-%m-%d %H:%M} UTC" if until else ""
        problem = refused(Refusal(kind, _said(error), told, self._net.terms), domain=domain)
        return RateLimited(problem, until) if kind in LIMITS else WizardError(problem)

    def _post(self, url: str, body: JSONDeSerializable | None) -> requests.Response:
        return self._net.post(url, body, new_nonce_url=self._client.directory["newNonce"])

    @contextmanager
    def _explained(self, domain: str = "the domain") -> Iterator[None]:
        try:
            yield
        except messages.Error as error:
            raise self._refused(error, domain) from error
        except requests.RequestException as error:
            raise web.explain(error, self._url, self._endpoints) from error
        except FOREIGN as error:
            raise not_acme(self._url, error) from error


class _NewOrder(messages.NewOrder):
    """The library has no `replaces` (RFC 9773, 5)."""

    replaces: str | None = json_util.field("replaces", omitempty=True)


class _Raw(JSONDeSerializable):
    """A body that is JSON already."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    def to_partial_json(self) -> dict[str, Any]:
        return self._body

    @classmethod
    def from_json(cls, jobj: Any) -> "_Raw":
        return cls(jobj)


def is_hmac_key(hmac_key: SecretStr) -> bool:
    """Whether it is base64url, as CAs give it; the library skips what is not, and signs with the rest."""
    return bool(BASE64URL.fullmatch(hmac_key.get_secret_value()))


def _jwk(key_pem: bytes) -> JWK:
    key = read_key(key_pem, "The ACME account's key")
    return JWKEC(key=key) if isinstance(key, ec.EllipticCurvePrivateKey) else JWKRSA(key=key)


def _order(url: str, answer: requests.Response) -> Order:
    found = messages.Order.from_json(answer.json())
    domains = tuple(str(each.value) for each in found.identifiers)
    return Order(
        url,
        str(found.status.name),
        domains,
        tuple(found.authorizations),
        str(found.finalize),
        found.certificate or "",
        _failure(found.error, domains[0], "") if found.error else None,
    )


def _failure(error: messages.Error, domain: str, kind: str) -> Problem:
    return not_proven(Refusal(kind_of(error), _said(error)), domain=domain, kind=kind)


def _said(error: messages.Error) -> str:
    return " ".join(filter(None, (error.detail, *(each.detail for each in error.subproblems or ()))))
