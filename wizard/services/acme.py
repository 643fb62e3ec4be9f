"""An ACME client (RFC 8555) that never sleeps: each call is one step, waiting is the caller's business.

The `acme` library signs and speaks; orders and authorizations come out as plain values, because only a
caller that looks at every status can tell why an order stands still.
"""

import email.utils
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.interfaces import JSONDeSerializable
from josepy.jwa import ES256, RS256
from josepy.jwk import JWK, JWKEC, JWKRSA
from pydantic import SecretStr

from wizard.endpoints import Endpoints
from wizard.errors import Problem, Unreachable, WizardError
from wizard.services import web
from wizard.services._acme_words import Refusal, not_proven, refused
from wizard.services.certificates import read_key

NONCE_TRIES = 4
FOREIGN = (errors.Error, JoseError, requests.RequestException, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Directory:
    """What a CA says of itself (RFC 8555, 7.1.1); `profiles` maps names to descriptions."""

    url: str
    terms: str = ""
    needs_external_account: bool = False
    profiles: Mapping[str, str] = field(default_factory=dict)


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


def read_directory(url: str, endpoints: Endpoints, *, ca_file: str = "") -> Directory:
    """One GET; raises Unreachable where it does not answer, or not as an ACME server does."""
    with web.session(endpoints, ca_file=ca_file) as session:
        try:
            answer = session.get(url)
            answer.raise_for_status()
            found = answer.json()
            meta = found.get("meta") or {}
            if not all(
                str(found[name]).startswith("http") for name in ("newNonce", "newAccount", "newOrder")
            ):
                raise ValueError("an address is missing")  # noqa: TRY301 - told with the other mistakes below
            return Directory(
                url,
                str(meta.get("termsOfService", "")),
                meta.get("externalAccountRequired") is True,
                {str(name): str(text) for name, text in (meta.get("profiles") or {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError, requests.HTTPError) as error:
            raise _not_acme(url, error) from error
        except requests.RequestException as error:
            raise web.explain(error, url, endpoints) from error


class Acme:
    """One account at one CA; close it after use. Raises WizardError only."""

    def __init__(
        self, directory_url: str, account_key_pem: bytes, endpoints: Endpoints, *, ca_file: str = ""
    ) -> None:
        """Reads the directory."""
        self._url, self._endpoints = directory_url, endpoints
        key = read_key(account_key_pem, "The ACME account's key")
        is_elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
        self._key: JWK = JWKEC(key=key) if is_elliptic else JWKRSA(key=key)
        self._net = _Network(self._key, alg=ES256 if is_elliptic else RS256)
        self._net.session.close()
        self._net.session = web.session(endpoints, ca_file=ca_file)
        self._net.session.hooks["response"].append(self._remember_wait)
        self._retry_after = ""
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
        with self._explained():
            if external_account:
                kid, hmac_key = external_account
                wanted["external_account_binding"] = messages.ExternalAccountBinding.from_data(
                    self._key.public_key(), kid, hmac_key.get_secret_value(), self._client.directory
                )
            try:
                made = self._client.new_account(messages.NewRegistration(**wanted))
            except errors.ConflictError as known:
                self.use(known.location)
                return known.location
        return str(made.uri)

    def use(self, account_uri: str) -> None:
        """Signs as this account from now on."""
        self._net.account = messages.RegistrationResource(body=messages.Registration(), uri=account_uri)

    def new_order(self, domains: Sequence[str], *, profile: str = "") -> Order:
        """Asks for a certificate; counts against the CA's limits."""
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in domains]
        wanted = messages.NewOrder(identifiers=identifiers, profile=profile or None)
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
                next((_failure(each.error, domain) for each in found.challenges if each.error), None),
            )

    def answer(self, challenge: Challenge) -> None:
        """Tells the CA to look; it looks on its own time."""
        with self._explained(challenge.domain):
            # Sent as {}, for every kind of challenge (RFC 8555, 7.5.1).
            self._post(challenge.url, challenges.HTTP01Response(key_authorization=challenge.content))

    def finalize(self, order: Order, request_pem: bytes) -> Order:
        """Hands in the signing request; the order must be ready."""
        with self._explained(order.domains[0]):
            request = messages.CertificateRequest(csr=x509.load_pem_x509_csr(request_pem))
            return _order(order.url, self._post(order.finalize_url, request))

    def certificate(self, order: Order) -> bytes:
        """The chain in PEM; the order must be valid."""
        with self._explained(order.domains[0]):
            return self._post(order.certificate_url, None).content

    def close(self) -> None:
        self._net.session.close()

    def _challenges(self, domain: str, found: messages.Authorization) -> Iterator[Challenge]:
        for each in found.challenges:
            if isinstance(each.chall, challenges.HTTP01 | challenges.DNS01):
                content = each.chall.validation(self._key)
                yield Challenge(each.chall.typ, domain, each.chall.encode("token"), content, each.uri)

    def _post(self, url: str, body: JSONDeSerializable | None) -> requests.Response:
        return self._net.post(url, body, new_nonce_url=self._client.directory["newNonce"])

    def _remember_wait(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        self._retry_after = _moment(answer.headers.get("Retry-After", ""))

    @contextmanager
    def _explained(self, domain: str = "the domain") -> Iterator[None]:
        try:
            yield
        except messages.Error as error:
            refusal = Refusal(_kind(error), error.detail or "", self._retry_after)
            raise WizardError(refused(refusal, domain=domain)) from error
        except requests.RequestException as error:
            raise web.explain(error, self._url, self._endpoints) from error
        except FOREIGN as error:
            raise _not_acme(self._url, error) from error


class _Network(client.ClientNetwork):
    """The library tries a refused nonce once more; a busy CA refuses several in a row."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(NONCE_TRIES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if _kind(error) != "badNonce":
                    raise
        return super().post(*args, **kwargs)


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
        _failure(found.error, domains[0]) if found.error else None,
    )


def _failure(error: messages.Error, domain: str) -> Problem:
    return not_proven(Refusal(_kind(error), error.detail or ""), domain=domain)


def _kind(error: messages.Error) -> str:
    return str(error.typ).rsplit(":", 1)[-1]


def _moment(retry_after: str) -> str:
    """Retry-After (RFC 9110, 10.2.3) as a time of day in UTC, "" where there is none."""
    if retry_after.isdigit():
        moment = datetime.fromtimestamp(time.time() + int(retry_after), UTC)
    elif parsed := email.utils.parsedate_tz(retry_after):
        moment = datetime.fromtimestamp(email.utils.mktime_tz(parsed), UTC)
    else:
        return ""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _not_acme(url: str, error: Exception) -> Unreachable:
    return Unreachable(
        Problem(
            "not-acme",
            f"{url} does not answer as an ACME server does.",
            "It may be another address, or the CA is out of order.",
            "Check [certificate] directory; the CA's status page tells of outages.",
            f"{type(error).__name__}: {error}"[:500],
        )
    )
