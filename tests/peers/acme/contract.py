"""What the sides of the ACME contract have in common: an authority, and a client that does as it is told."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest
import requests
from cryptography import x509
from josepy.jwk import JWKEC

from tests.peers.acme.keys import Obj, csr, digest, encode, jwk, new_jwk, new_key, sign
from tests.peers.differences import Difference, Differences

Found = TypeVar("Found")
JOSE = "application/jose+json"
DOMAIN = "registry.practice.test"
CLOSED = "closed.practice.test"
ABSENT = "absent.practice.test"
KID, HMAC_KEY = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
TOKENS = ".well-known/acme-challenge"
DEADLINE_S = 60.0
OTHER = "other.practice.test"

OLD = "Debian's Pebble is of 2022"
PEBBLES, DEBIAN = ("debian", "current"), ("debian",)
# Practice holds with RFC 8555 and Let's Encrypt in all of them.
DIFFERENCES: Differences = {
    "test_a_signature_for_another_url_is_unauthorized": Difference(
        "They say malformed.", "test_a_signature_for_another_url_has_no_effect", PEBBLES, "RFC 8555, 6.4"
    ),
    "test_a_key_of_another_account_is_told": Difference(
        "They answer 200, and change nothing either.",
        "test_keys_that_are_not_changed",
        PEBBLES,
        "RFC 8555, 7.3.5",
    ),
    "test_a_name_that_does_not_resolve": Difference(
        "They say connection or unauthorized.",
        "test_a_name_that_leads_nowhere_is_told",
        PEBBLES,
        "RFC 8555, 6.7: dns",
    ),
    "test_an_algorithm_that_is_not_taken": Difference(
        f"{OLD} and says malformed; keys of each kind that is used are taken by all.",
        "test_the_client_changes_its_key_and_leaves",
        DEBIAN,
        "RFC 8555, 6.2: badSignatureAlgorithm",
    ),
    "test_terms_have_to_be_agreed_to": Difference(
        f"{OLD} and says agreementRequired; our client always agrees.",
        "test_the_client_gets_a_certificate",
        DEBIAN,
        "RFC 8555, 7.3.3: userActionRequired",
    ),
    "test_a_signing_request_with_a_broken_signature": Difference(
        f"{OLD} and does not look; ours is whole, and taken by all three.",
        "test_the_client_gets_a_certificate",
        DEBIAN,
        "RFC 8555, 7.4: badCSR",
    ),
    "test_an_authorization_is_given_up": Difference(
        f"{OLD}, its order is deactivated, not invalid.",
        "test_an_order_that_was_given_up_is_over",
        DEBIAN,
        "RFC 8555, 7.1.6",
    ),
}


@dataclass(frozen=True, slots=True)
class Ca:
    """An authority that finds the names below practice.test at a web server of `webroot`.

    `ca_file` is for its HTTPS, `roots_pem` for what it issues; CLOSED leads to where nobody listens.
    """

    name: str
    directory_url: str
    ca_file: Path
    roots_pem: bytes
    webroot: Path
    set_txt: Callable[[str, Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    headers: Mapping[str, str]
    body: Obj
    text: str

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and type, without its namespace, of a problem document (RFC 8555, 6.7)."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.text
        assert self.body.get("status", self.code) == self.code
        assert self.body["detail"]
        return self.code, short(self.body)

    def ok(self) -> Obj:
        """The body of an answer that is no refusal."""
        assert self.code < 300, self.text
        return self.body

    def links(self, relation: str) -> list[str]:
        """Targets of the Link headers of that relation."""
        found = requests.utils.parse_header_links(self.headers.get("Link", ""))
        return [link["url"] for link in found if link.get("rel") == relation]


@dataclass(slots=True)
class Raw:
    """One account's key; `url`, `alg`, `nonce`, `kid` and `jwk` of a request can be given otherwise."""

    ca: Ca
    session: requests.Session
    key: JWKEC = field(default_factory=new_jwk)
    kid: str = ""
    directory: Obj = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = self.directory or self.ask("GET", self.ca.directory_url).ok()

    def ask(self, method: str, url: str, body: bytes | None = None, kind: str = "") -> Answer:
        headers = {"Content-Type": kind} if kind else {}
        found = self.session.request(method, url, data=body, headers=headers, timeout=DEADLINE_S)
        is_json = "json" in found.headers.get("Content-Type", "")
        return Answer(
            found.status_code, found.headers, found.json() if is_json and found.content else {}, found.text
        )

    def nonce(self) -> str:
        return self.ask("HEAD", self.directory["newNonce"]).headers["Replay-Nonce"]

    def signed(self, target: str, payload: object, **members: object) -> Obj:
        """The JWS; a payload of None is that of POST-as-GET, a member of None is left out."""
        header: Obj = {"alg": "ES256", "url": target}
        if "nonce" not in members:
            header["nonce"] = self.nonce()
        if not members.keys() & {"kid", "jwk"}:
            header |= {"kid": self.kid} if self.kid else {"jwk": jwk(self.key)}
        header = {name: value for name, value in (header | members).items() if value is not None}
        return sign(self.key, header, payload)

    def post(self, where: str, payload: object, **members: object) -> Answer:
        """`where`: a URL, or a name of the directory."""
        target = self.directory.get(where, where)
        return self.send(target, self.signed(target, payload, **members))

    def send(self, url: str, jws: object, kind: str = JOSE) -> Answer:
        return self.ask("POST", url, json.dumps(jws).encode(), kind)

    def get(self, url: str) -> Answer:
        return self.post(url, None)

    def register(self, **wanted: object) -> Answer:
        """Signs as that account from now on, if there is one."""
        answer = self.post("newAccount", {"termsOfServiceAgreed": True, **wanted}, jwk=jwk(self.key))
        self.kid = answer.headers.get("Location", self.kid)
        return answer

    def order(self, *names: str, **more: object) -> Answer:
        return self.post("newOrder", {"identifiers": [{"type": "dns", "value": n} for n in names], **more})

    def ordered(self, *names: str, **more: object) -> "Ordered":
        answer = self.order(*names, **more)
        return Ordered(self, answer.headers["Location"], answer.ok())

    def until(self, url: str, is_met: Callable[[Obj], bool]) -> Obj:
        """Asks for the URL until its body is as wanted."""
        return poll(lambda: self.get(url).ok(), is_met)


@dataclass(slots=True)
class Ordered:
    raw: Raw
    url: str
    body: Obj

    def authorizations(self) -> list[Obj]:
        return [self.raw.get(url).ok() for url in self.body["authorizations"]]

    def prove(self, kind: str = "http-01", *, content: str | None = None) -> list[Obj]:
        """Meets the challenges, or with other content fails; the authorizations as they end."""
        for found in self.authorizations():
            wanted = challenge(found, kind)
            self.show(found["identifier"]["value"], wanted, content)
            self.raw.post(wanted["url"], {}).ok()
        return [
            self.raw.until(url, lambda found: found["status"] != "pending")
            for url in self.body["authorizations"]
        ]

    def show(self, name: str, wanted: Obj, content: str | None = None) -> None:
        proof = f"{wanted['token']}.{encode(self.raw.key.thumbprint())}"
        if wanted["type"] == "dns-01":
            self.raw.ca.set_txt(f"_acme-challenge.{name}", [content or digest(proof)])
        else:
            directory = self.raw.ca.webroot / TOKENS
            directory.mkdir(parents=True, exist_ok=True)
            (directory / str(wanted["token"])).write_text(content or proof)

    def now(self) -> Obj:
        return self.raw.get(self.url).ok()

    def finalize(self, csr: bytes) -> Answer:
        return self.raw.post(self.body["finalize"], {"csr": encode(csr)})

    def finish(self, key_pem: bytes) -> Obj:
        """The order when it is valid."""
        names = [
            ("*." if a.get("wildcard") else "") + a["identifier"]["value"] for a in self.authorizations()
        ]
        self.raw.until(self.url, lambda found: found["status"] == "ready")
        self.finalize(csr(key_pem, *names)).ok()
        return self.raw.until(self.url, lambda found: found["status"] == "valid")


def poll(ask: Callable[[], Found], is_met: Callable[[Found], bool]) -> Found:
    end = time.monotonic() + DEADLINE_S
    while not is_met(found := ask()):
        if time.monotonic() > end:
            pytest.fail(f"waited {DEADLINE_S:.0f} s in vain; last seen: {found}")
        time.sleep(0.02)
    return found


def challenge(authorization: Obj, kind: str = "http-01") -> Obj:
    return next(found for found in authorization["challenges"] if found["type"] == kind)


def short(problem: Obj) -> str:
    kind = str(problem["type"])
    assert kind.startswith("urn:ietf:params:acme:error:")
    return kind.rpartition(":")[2]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def proven(raw: Raw, *names: str) -> Ordered:
    order = raw.ordered(*names)
    order.prove()
    raw.until(order.url, lambda found: found["status"] == "ready")
    return order


def chain_of(raw: Raw, order: Obj) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(raw.get(order["certificate"]).text.encode())


def issued(raw: Raw) -> tuple[x509.Certificate, bytes]:
    """A certificate, and its key."""
    key = new_key()
    return chain_of(raw, proven(raw, DOMAIN).finish(key))[0], key
