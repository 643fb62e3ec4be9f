"""What RFC 8555 asks of servers when a client does not behave, by requests signed by hand."""

import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from josepy import jwa
from josepy.b64 import b64encode
from josepy.jwk import JWK, JWKEC, JWKRSA

from wizard.practice.acme import AcmeServer
from wizard.practice.web import WebServer

PROBLEM = "urn:ietf:params:acme:error:"
NAME = "registry.practice.test"
JOSE = {"Content-Type": "application/jose+json"}


def encoded(what: object) -> str:
    return b64encode(what if isinstance(what, bytes) else json.dumps(what).encode()).decode()


def flattened(header: dict[str, Any], payload: object, key: JWK, algorithm: str = "ES256") -> dict[str, str]:
    protected, body = encoded(header), "" if payload is None else encoded(payload)
    signature = getattr(jwa, algorithm).sign(key.key, f"{protected}.{body}".encode())
    return {"protected": protected, "payload": body, "signature": encoded(signature)}


class Raw:
    """Signs whatever it is told to; `account` is the account's URL once there is one."""

    def __init__(self, server: AcmeServer, ca_file: str) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.ca_file = ca_file
        self.base = server.directory_url.removesuffix("/directory")
        self.key: JWK = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        self.account = ""

    def nonce(self) -> str:
        answer = self.session.head(f"{self.base}/newNonce", verify=self.ca_file, timeout=60)
        return answer.headers["Replay-Nonce"]

    def send(self, url: str, body: object, headers: dict[str, str] | None = None) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.session.post(url, data=data, headers=headers or JOSE, verify=self.ca_file, timeout=60)

    def post(self, path: str, payload: object, **header: Any) -> requests.Response:
        """By kid when there is an account, else by jwk; header members given as None are left out."""
        url = path if path.startswith("https:") else f"{self.base}/{path}"
        who = {"kid": self.account} if self.account else {"jwk": self.key.public_key().to_json()}
        full = {"alg": "ES256", "nonce": self.nonce(), "url": url, **who, **header}
        kept = {name: value for name, value in full.items() if value is not None}
        return self.send(url, flattened(kept, payload, self.key))

    def register(self) -> None:
        answer = self.post("newAccount", {"termsOfServiceAgreed": True})
        assert answer.status_code == 201
        self.account = answer.headers["Location"]

    def order(self, *names: str) -> requests.Response:
        return self.post("newOrder", {"identifiers": [{"type": "dns", "value": name} for name in names]})


@pytest.fixture
def raw(server: AcmeServer, ca_file: str) -> Iterator[Raw]:
    made = Raw(server, ca_file)
    yield made
    made.session.close()


@pytest.fixture
def known(raw: Raw) -> Raw:
    raw.register()
    return raw


def assert_problem(answer: requests.Response, status: int, kind: str, detail: str = "") -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = answer.json()
    assert (answer.status_code, found["type"]) == (status, PROBLEM + kind), found["detail"]
    assert found["status"] == status
    assert detail in found["detail"]
    return dict(found)


def test_the_directory_names_every_resource(raw: Raw) -> None:
    answer = raw.session.get(f"{raw.base}/directory", verify=raw.ca_file, timeout=60)
    found = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    wanted = {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo", "meta"}
    assert set(found) == wanted
    assert set(found["meta"]["profiles"]) == {"classic", "tlsserver", "shortlived"}
    assert found["meta"]["caaIdentities"] == ["ca.practice.test"]
    assert raw.session.get(found["meta"]["termsOfService"], verify=raw.ca_file, timeout=60).ok


def test_nonces_come_by_head_and_get_and_with_every_answer_to_a_post(raw: Raw) -> None:
    head = raw.session.head(f"{raw.base}/newNonce", verify=raw.ca_file, timeout=60)
    get = raw.session.get(f"{raw.base}/newNonce", verify=raw.ca_file, timeout=60)
    refused = raw.send(f"{raw.base}/newOrder", b"{}")
    assert (head.status_code, get.status_code, refused.status_code) == (200, 204, 400)
    nonces = {answer.headers["Replay-Nonce"] for answer in (head, get, refused)}
    assert len(nonces) == 3
    assert all(f'<{raw.base}/directory>;rel="index"' in answer.headers["Link"] for answer in (head, refused))
    assert "no-cache" in head.headers["Cache-Control"]


def test_an_account_shows_its_orders_and_nothing_of_other_accounts(
    known: Raw, server: AcmeServer, ca_file: str
) -> None:
    made = known.order(NAME)
    assert made.status_code == 201
    account = known.post(known.account, None).json()
    assert known.post(account["orders"], None).json() == {"orders": [made.headers["Location"]]}
    other = Raw(server, ca_file)
    with other.session:
        other.register()
        assert_problem(other.post(made.headers["Location"], None), 403, "unauthorized")
        assert_problem(other.post(made.json()["authorizations"][0], None), 403, "unauthorized")
        assert_problem(other.post(made.json()["finalize"], {"csr": ""}), 403, "unauthorized")
        assert_problem(other.post(known.account, None), 403, "unauthorized")


def test_only_existing_accounts_are_returned_when_asked(raw: Raw) -> None:
    asked = {"onlyReturnExisting": True}
    assert_problem(raw.post("newAccount", asked), 400, "accountDoesNotExist")
    raw.register()
    location, raw.account = raw.account, ""
    answer = raw.post("newAccount", asked)
    assert (answer.status_code, answer.headers["Location"]) == (200, location)


@pytest.mark.parametrize(
    ("header", "status", "kind", "detail"),
    [
        ({"nonce": "never-given-out"}, 400, "badNonce", "invalid anti-replay nonce"),
        ({"nonce": None}, 400, "badNonce", "no anti-replay nonce"),
        ({"nonce": 7}, 400, "badNonce", "no anti-replay nonce"),
        ({"url": "https://127.0.0.1/newOrder"}, 403, "unauthorized", "'url' incorrect"),
        ({"url": None}, 403, "unauthorized", "'url' incorrect"),
        ({"kid": "https://127.0.0.1/account/1"}, 400, "malformed", "invalid account URL"),
        ({"kid": ["x"]}, 400, "malformed", "invalid account URL"),
        ({"kid": None}, 400, "malformed", "No Key ID"),
        ({"jwk": {}}, 400, "malformed", "mutually exclusive"),
        ({"alg": "HS256"}, 400, "badSignatureAlgorithm", "unsupported algorithm"),
        ({"alg": "none"}, 400, "badSignatureAlgorithm", "unsupported algorithm"),
        ({"alg": ["ES256"]}, 400, "badSignatureAlgorithm", "unsupported algorithm"),
        ({"alg": "RS256"}, 400, "malformed", "does not match expected algorithm"),
        ({"crit": ["b64"]}, 400, "malformed", "Parse error"),
    ],
)
def test_wrong_headers_are_refused(
    known: Raw, header: dict[str, Any], status: int, kind: str, detail: str
) -> None:
    order = {"identifiers": [{"type": "dns", "value": NAME}]}
    assert_problem(known.post("newOrder", order, **header), status, kind, detail)


def test_a_nonce_is_good_once(known: Raw) -> None:
    nonce = known.nonce()
    assert known.post(known.account, None, nonce=nonce).ok
    assert_problem(known.post(known.account, None, nonce=nonce), 400, "badNonce")


def test_a_bad_algorithm_is_told_which_are_good(raw: Raw) -> None:
    found = assert_problem(raw.post("newAccount", {}, alg="PS256"), 400, "badSignatureAlgorithm")
    assert found["algorithms"] == ["RS256", "ES256", "ES384", "ES512"]


@pytest.mark.parametrize("member", ["payload", "protected", "signature"])
def test_a_changed_request_does_not_verify(known: Raw, member: str) -> None:
    url = f"{known.base}/newOrder"
    header = {"alg": "ES256", "nonce": known.nonce(), "url": url, "kid": known.account}
    body = flattened(header, {"identifiers": [{"type": "dns", "value": NAME}]}, known.key)
    changed = {
        "payload": encoded({"identifiers": [{"type": "dns", "value": "evil.test"}]}),
        "protected": encoded(header | {"x": 1}),
        "signature": encoded(bytes(64)),
    }
    answer = known.send(url, body | {member: changed[member]})
    assert_problem(answer, 400, "malformed", "JWS verification error")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"protected": 1, "payload": [], "signature": {}}',
        b'{"protected": "e30", "payload": "", "signature": ""}',
        b'{"protected": "e30=", "payload": "", "signature": "AA"}',
        b'{"protected": "bnVsbA", "payload": "", "signature": "AA"}',
        b'{"protected": "e30", "payload": "", "signature": "AA", "header": {}}',
        b'{"signatures": []}',
        b"[" * 100_000,
        b'{"protected": "' + encoded(b"[" * 60_000).encode() + b'", "payload": "", "signature": "AA"}',
    ],
)
@pytest.mark.parametrize("path", ["newAccount", "newOrder", "revokeCert", "keyChange"])
def test_garbage_is_malformed(raw: Raw, path: str, body: bytes) -> None:
    assert_problem(raw.send(f"{raw.base}/{path}", body), 400, "malformed")


@pytest.mark.parametrize(
    "payload",
    [
        b"not json",
        b"[]",
        b"7",
        {},
        {"identifiers": "x"},
        {"identifiers": []},
        {"identifiers": [None]},
        {"identifiers": [{"type": "dns"}]},
        {"identifiers": [{"type": "dns", "value": 7}]},
        {"identifiers": [{"type": "dns", "value": NAME}] * 101},
        {"identifiers": [{"type": "dns", "value": NAME}], "notAfter": "2030-01-01T00:00:00Z"},
        {"identifiers": [{"type": "dns", "value": NAME}], "replaces": 7},
        {"identifiers": [{"type": "dns", "value": NAME}], "replaces": "nonsense"},
        {"identifiers": [{"type": "dns", "value": "\ud800.test"}]},
    ],
)
def test_orders_that_make_no_sense_are_malformed(known: Raw, payload: object) -> None:
    assert_problem(known.post("newOrder", payload), 400, "malformed")


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("localhost", "needs at least one dot"),
        ("a..test", "two dots in a row"),
        ("a.test.", "ends in a dot"),
        ("under_score.test", "invalid character"),
        ("-a.test", "invalid character"),
        ("127.0.0.1", "value is an IP address"),
        ("a.*.test", "invalid wildcard"),
        ("a" * 64 + ".test", "longer than 63 bytes"),
        ("a." * 130 + "test", "longer than 253 bytes"),
    ],
)
def test_names_are_refused_with_the_reason(known: Raw, name: str, detail: str) -> None:
    prefix = f'Invalid identifiers requested :: Cannot issue for "{name}": '
    found = assert_problem(known.order(name), 400, "malformed", prefix)
    assert detail in found["detail"]


def test_addresses_are_no_supported_identifiers(known: Raw) -> None:
    answer = known.post("newOrder", {"identifiers": [{"type": "ip", "value": "127.0.0.1"}]})
    assert_problem(answer, 400, "unsupportedIdentifier")


def test_weak_odd_and_private_keys_are_refused(raw: Raw) -> None:
    weak = JWKRSA(key=rsa.generate_private_key(65537, 1024)).public_key().to_json()  # noqa: S505 (weak on purpose)
    private = raw.key.to_json()
    odd = raw.key.public_key().to_json() | {"x": encoded(bytes(32))}
    for jwk in (weak, private, odd, {"kty": "oct", "k": "AAAA"}, {"kty": ["EC"]}, {}, "x", None):
        answer = raw.post("newAccount", {"termsOfServiceAgreed": True}, jwk=jwk or {})
        assert_problem(answer, 400, "badPublicKey")


def test_a_read_with_a_payload_is_refused(known: Raw) -> None:
    order = known.order(NAME)
    answer = known.post(order.headers["Location"], {})
    assert_problem(answer, 400, "malformed", "POST-as-GET requests must have an empty payload")


def test_content_type_and_method_are_checked(known: Raw) -> None:
    answer = known.send(f"{known.base}/newOrder", {}, {"Content-Type": "application/json"})
    assert_problem(answer, 415, "malformed", "Content-Type must be")
    get = known.session.get(known.account, verify=known.ca_file, timeout=60)
    assert_problem(get, 405, "malformed", "Method not allowed")
    assert get.headers["Allow"] == "POST"
    put = known.session.put(f"{known.base}/directory", verify=known.ca_file, timeout=60)
    assert_problem(put, 405, "malformed")
    for path in ("", "nowhere", "order", "order/", "order/a/b", "directory/x", "challenge/x"):
        gone = known.session.get(f"{known.base}/{path}", verify=known.ca_file, timeout=60)
        assert_problem(gone, 404, "malformed")


def test_a_large_body_is_not_read(raw: Raw) -> None:
    assert_problem(raw.send(f"{raw.base}/newAccount", b"x" * 200_000), 413, "malformed")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW /directory HTTP/1.1\r\n\r\n",
        b"GET /directory HTTP/7.0\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /newOrder HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /newOrder HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_refusal(server: AcmeServer, ca_file: str, request_bytes: bytes) -> None:
    port = int(server.directory_url.split(":")[2].split("/")[0])
    context = ssl.create_default_context(cafile=ca_file)
    with (
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(request_bytes)
        answer = b""
        while more := secured.recv(65536):
            answer += more
    assert b"urn:ietf:params:acme:error:malformed" in answer
    assert requests.get(server.directory_url, verify=ca_file, timeout=60).ok


def test_a_challenge_links_up_and_is_answered_once(known: Raw, web: WebServer) -> None:
    web.refuse()
    order = known.order(NAME).json()
    authorization = known.post(order["authorizations"][0], None).json()
    challenge = next(c for c in authorization["challenges"] if c["type"] == "http-01")
    assert known.post(challenge["url"], None).json()["status"] == "pending"
    answer = known.post(challenge["url"], {})
    assert f'<{order["authorizations"][0]}>;rel="up"' in answer.headers["Link"]
    while (found := known.post(challenge["url"], None).json())["status"] == "processing":
        assert "error" not in found
    assert found["status"] == "invalid"
    assert found["error"]["type"] == f"{PROBLEM}connection"
    web.heal()
    assert_problem(known.post(challenge["url"], {}), 400, "malformed")
    assert known.post(order["authorizations"][0], None).json()["status"] == "invalid"


def test_a_deactivated_authorization_ends_its_order(known: Raw) -> None:
    made = known.order(NAME)
    url = made.json()["authorizations"][0]
    assert_problem(known.post(url, {"status": "valid"}), 400, "malformed")
    assert known.post(url, {"status": "deactivated"}).json()["status"] == "deactivated"
    assert_problem(known.post(url, {"status": "deactivated"}), 400, "malformed")
    assert known.post(made.headers["Location"], None).json()["status"] == "invalid"
    csr = {"csr": ""}
    assert_problem(known.post(made.json()["finalize"], csr), 403, "orderNotReady", '("invalid")')


def change_key(raw: Raw, new: JWK, **changes: Any) -> requests.Response:
    url = f"{raw.base}/keyChange"
    payload = {"account": raw.account, "oldKey": raw.key.public_key().to_json(), **changes}
    header = {"alg": "ES256", "jwk": new.public_key().to_json(), "url": url}
    return raw.post("keyChange", flattened(header, payload, new))


def test_an_account_changes_its_key(known: Raw, server: AcmeServer, ca_file: str) -> None:
    new = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    assert_problem(change_key(known, new, account=f"{known.base}/account/x"), 400, "malformed")
    assert_problem(change_key(known, new, oldKey=new.public_key().to_json()), 400, "malformed")
    assert_problem(change_key(known, known.key), 400, "malformed", "same as the old key")
    other = Raw(server, ca_file)
    with other.session:
        other.register()
    taken = change_key(known, other.key)
    assert_problem(taken, 409, "malformed", "already in use")
    assert taken.headers["Location"] == other.account
    assert change_key(known, new).ok
    assert_problem(known.post(known.account, None), 400, "malformed", "JWS verification error")
    known.key = new
    assert known.post(known.account, None).ok


def der(key: ec.EllipticCurvePrivateKey, *names: str) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    )
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    signed = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    return encoded(signed.public_bytes(Encoding.DER))


def ready_order(raw: Raw, server: AcmeServer, records: dict[str, list[str]]) -> dict[str, Any]:
    """An order whose name was proven by DNS."""
    order = raw.order(NAME)
    authorization = raw.post(order.json()["authorizations"][0], None).json()
    challenge = next(c for c in authorization["challenges"] if c["type"] == "dns-01")
    proof = f"{challenge['token']}.{encoded(raw.key.thumbprint())}"
    digest = hashes.Hash(hashes.SHA256())
    digest.update(proof.encode())
    records[f"_acme-challenge.{NAME}"] = [encoded(digest.finalize())]
    raw.post(challenge["url"], {})
    while (found := raw.post(order.headers["Location"], None).json())["status"] == "pending":
        assert server.directory_url
    assert found["status"] == "ready"
    return dict(found)


def test_requests_for_certificates_are_checked(
    known: Raw, server: AcmeServer, records: dict[str, list[str]]
) -> None:
    order = ready_order(known, server, records)
    own = known.key.key._wrapped
    fresh = ec.generate_private_key(ec.SECP256R1())
    curve = ec.generate_private_key(ec.SECP521R1())
    for csr, kind in (
        (None, "malformed"),
        ("AAAA", "malformed"),
        (der(fresh, "other.practice.test"), "unauthorized"),
        (der(fresh, NAME, "other.practice.test"), "unauthorized"),
        (der(own, NAME), "badCSR"),
        (der(curve, NAME), "badCSR"),
    ):
        refused = known.post(order["finalize"], {"csr": csr})
        code = 403 if kind == "unauthorized" else 400
        assert_problem(refused, code, kind, "Error finalizing order :: ")
    done = known.post(order["finalize"], {"csr": der(fresh, NAME.upper())})
    assert done.json()["status"] == "valid"
    chain = known.post(done.json()["certificate"], None)
    assert chain.headers["Content-Type"] == "application/pem-certificate-chain"
    assert_problem(known.post(order["finalize"], {"csr": der(fresh, NAME)}), 403, "orderNotReady")


def test_the_key_of_a_certificate_revokes_it(
    known: Raw, server: AcmeServer, records: dict[str, list[str]]
) -> None:
    order = ready_order(known, server, records)
    fresh = ec.generate_private_key(ec.SECP256R1())
    done = known.post(order["finalize"], {"csr": der(fresh, NAME)}).json()
    leaf = x509.load_pem_x509_certificate(known.post(done["certificate"], None).content)
    payload = {"certificate": encoded(leaf.public_bytes(Encoding.DER)), "reason": 1}
    known.account = ""
    assert_problem(known.post("revokeCert", payload), 403, "unauthorized")
    known.key = JWKEC(key=fresh)
    assert known.post("revokeCert", payload).ok
    assert_problem(known.post("revokeCert", payload), 400, "alreadyRevoked")
    assert_problem(known.post("revokeCert", {"certificate": "AAAA"}), 400, "malformed")
    assert_problem(known.post("revokeCert", payload | {"reason": "x"}), 400, "badRevocationReason")
