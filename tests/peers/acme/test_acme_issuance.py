"""ACME (RFC 8555) as the wizard relies on it, from order to renewal: practice and both Pebbles alike."""

import email.utils
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from acme import challenges, client, crypto_util, messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store
from josepy import jwa

from tests.peers.acme.contract import (
    ABSENT,
    CLOSED,
    DEADLINE_S,
    DOMAIN,
    TOKENS,
    Ca,
    Obj,
    Ordered,
    Raw,
    challenge,
    csr,
    encode,
    key_of,
    new_jwk,
    new_key,
    pem_of,
    poll,
    short,
)
from tests.peers.acme.pebble import BLOCKED
from wizard.practice.acme.renewal import certificate_id

pytestmark = pytest.mark.peers
Connect = Callable[[Ca], Raw]
WITH_RENEWALS = pytest.mark.parametrize("ca", ["practice", "current"], indirect=True)
OTHER = "other.practice.test"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# Orders (7.4)


def test_an_order(raw: Raw) -> None:
    answer = raw.order(DOMAIN)
    assert answer.code == 201
    order = answer.body
    assert order["status"] == "pending"
    assert order["identifiers"] == [{"type": "dns", "value": DOMAIN}]
    assert len(order["authorizations"]) == 1
    assert order["finalize"].startswith("https://127.0.0.1:")
    assert moment(order["expires"]) > datetime.now(UTC)
    assert "certificate" not in order
    assert "error" not in order
    seen = raw.get(answer.headers["Location"]).ok()
    assert (seen["status"], seen["authorizations"]) == ("pending", order["authorizations"])


def test_an_order_of_several_names(raw: Raw) -> None:
    order = raw.ordered(DOMAIN, OTHER.upper(), OTHER, f"*.{DOMAIN}")
    assert {each["value"] for each in order.body["identifiers"]} == {DOMAIN, OTHER, f"*.{DOMAIN}"}
    found = {(a["identifier"]["value"], a.get("wildcard", False)) for a in order.authorizations()}
    assert found == {(DOMAIN, False), (OTHER, False), (DOMAIN, True)}


@pytest.mark.parametrize(
    "name",
    ["", "127.0.0.1", "under_score.practice.test", "a b", "dot.practice.test.", "*.*.x.test", "x*.y.test"],
)
def test_names_that_cannot_be(raw: Raw, name: str) -> None:
    assert raw.order(name).refusal == (400, "malformed")


def test_an_order_of_nothing(raw: Raw) -> None:
    assert raw.order().refusal == (400, "malformed")
    assert raw.post("newOrder", {}).refusal == (400, "malformed")


def test_a_name_that_policy_forbids(raw: Raw) -> None:
    assert raw.order(BLOCKED).refusal == (400, "rejectedIdentifier")
    assert raw.order(f"sub.{BLOCKED}").refusal == (400, "rejectedIdentifier")


def test_what_is_somebody_elses(raw: Raw, ca: Ca, connect: Connect) -> None:
    order, other = raw.ordered(DOMAIN), connect(ca)
    other.register().ok()
    wanted = challenge(order.authorizations()[0])
    for url in (order.url, order.body["authorizations"][0], wanted["url"]):
        assert other.get(url).refusal == (403, "unauthorized")
    assert other.post(wanted["url"], {}).refusal == (403, "unauthorized")
    csr_of_other = {"csr": encode(csr(new_key(), DOMAIN))}
    assert other.post(order.body["finalize"], csr_of_other).refusal == (403, "unauthorized")


def test_what_is_not_there(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    for url in (order.url, order.body["authorizations"][0], raw.directory["newOrder"]):
        assert raw.get(url.rpartition("/")[0] + "/nothing-here").code == 404


# Profiles


@WITH_RENEWALS
def test_a_profile_is_ordered(raw: Raw) -> None:
    order = raw.ordered(DOMAIN, profile="shortlived")
    assert order.body["profile"] == "shortlived"
    order.prove()
    leaf = chain_of(raw, order.finish(new_key()))[0]
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days < 8
    assert raw.order(DOMAIN, profile="nope").refusal == (400, "invalidProfile")


# Authorizations and challenges (7.5, 8)


def test_an_authorization(raw: Raw) -> None:
    (found,) = raw.ordered(DOMAIN).authorizations()
    assert found["status"] == "pending"
    assert found["identifier"] == {"type": "dns", "value": DOMAIN}
    assert not found.get("wildcard")
    assert moment(found["expires"]) > datetime.now(UTC)
    kinds = {each["type"]: each for each in found["challenges"]}
    assert kinds.keys() >= {"http-01", "dns-01"}
    for kind in ("http-01", "dns-01"):
        assert kinds[kind]["status"] == "pending"
        assert kinds[kind]["url"].startswith("https://127.0.0.1:")
        assert len(kinds[kind]["token"]) >= 22
        assert raw.get(kinds[kind]["url"]).ok()["token"] == kinds[kind]["token"]


def test_a_wildcard_is_proven_by_dns_only(raw: Raw) -> None:
    (found,) = raw.ordered(f"*.{DOMAIN}").authorizations()
    assert found["wildcard"] is True
    assert found["identifier"]["value"] == DOMAIN
    kinds = {each["type"] for each in found["challenges"]}
    assert "dns-01" in kinds
    assert "http-01" not in kinds


def test_a_file_proves_a_name(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    wanted = challenge(order.authorizations()[0])
    order.show(DOMAIN, wanted)
    begun = raw.post(wanted["url"], {})
    assert begun.ok()["status"] in {"pending", "processing", "valid"}
    assert begun.links("up") == order.body["authorizations"]
    ended = raw.until(order.body["authorizations"][0], lambda found: found["status"] != "pending")
    assert ended["status"] == "valid"
    (shown,) = ended["challenges"]
    assert (shown["type"], shown["status"]) == ("http-01", "valid")
    assert moment(shown["validated"]) <= datetime.now(UTC)
    assert order.now()["status"] == "ready"


def test_a_challenge_is_answered_once(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    wanted = challenge(order.authorizations()[0])
    order.prove()
    assert raw.post(wanted["url"], {}).refusal == (400, "malformed")
    assert order.now()["status"] == "ready"


def test_records_prove_a_name_and_its_wildcard(raw: Raw) -> None:
    """Both stand at the same name."""
    order = raw.ordered(DOMAIN, f"*.{DOMAIN}")
    try:
        assert {each["status"] for each in order.prove("dns-01")} == {"valid"}
    finally:
        raw.ca.set_txt(f"_acme-challenge.{DOMAIN}", [])
    done = order.finish(new_key())
    leaf = chain_of(raw, done)[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {DOMAIN, f"*.{DOMAIN}"}


def failed(raw: Raw, name: str, kind: str = "http-01", content: str | None = None) -> Obj:
    """The problem of the challenge, which ended order and authorization."""
    order = raw.ordered(name)
    (ended,) = order.prove(kind, content=content)
    assert ended["status"] == "invalid"
    (shown,) = ended["challenges"]
    assert (shown["type"], shown["status"]) == (kind, "invalid")
    seen = order.now()
    assert seen["status"] == "invalid"
    assert short(seen["error"]) == short(shown["error"])
    assert order.finalize(csr(new_key(), name)).refusal == (403, "orderNotReady")
    return cast("Obj", shown["error"])


def test_a_file_with_something_else(raw: Raw) -> None:
    assert short(failed(raw, DOMAIN, content="nonsense")) == "unauthorized"


def test_a_file_that_is_not_there(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    raw.post(challenge(order.authorizations()[0])["url"], {}).ok()
    ended = raw.until(order.body["authorizations"][0], lambda found: found["status"] != "pending")
    assert short(ended["challenges"][0]["error"]) == "unauthorized"


def test_a_name_where_nobody_listens(raw: Raw) -> None:
    assert short(failed(raw, CLOSED)) == "connection"


@pytest.mark.parametrize("kind", ["http-01", "dns-01"])
def test_a_name_that_does_not_resolve(raw: Raw, kind: str) -> None:
    order = raw.ordered(ABSENT)
    raw.post(challenge(order.authorizations()[0], kind)["url"], {}).ok()
    ended = raw.until(order.body["authorizations"][0], lambda found: found["status"] != "pending")
    assert short(ended["challenges"][0]["error"]) == "dns"


def test_a_record_with_something_else(raw: Raw) -> None:
    try:
        assert short(failed(raw, OTHER, "dns-01", "nonsense")) == "unauthorized"
    finally:
        raw.ca.set_txt(f"_acme-challenge.{OTHER}", [])


def test_one_failure_ends_an_order_of_several(raw: Raw) -> None:
    order = raw.ordered(DOMAIN, OTHER)
    first, second = order.authorizations()
    raw.post(challenge(first)["url"], {}).ok()
    assert raw.until(order.url, lambda found: found["status"] != "pending")["status"] == "invalid"
    assert second["status"] == "pending"


def test_an_authorization_is_given_up(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    url = order.body["authorizations"][0]
    assert raw.post(url, {"status": "valid"}).refusal == (400, "malformed")
    assert raw.post(url, {"status": "deactivated"}).ok()["status"] == "deactivated"
    assert raw.get(url).ok()["status"] == "deactivated"
    assert order.now()["status"] == "invalid"


# Finalizing (7.4)


def proven(raw: Raw, *names: str) -> Ordered:
    order = raw.ordered(*names)
    order.prove()
    raw.until(order.url, lambda found: found["status"] == "ready")
    return order


def test_an_order_is_not_ready(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    assert order.finalize(csr(new_key(), DOMAIN)).refusal == (403, "orderNotReady")
    assert order.now()["status"] == "pending"


def test_signing_requests_that_are_wrong(raw: Raw) -> None:
    order = proven(raw, DOMAIN)
    assert order.finalize(b"not a request").refusal == (400, "malformed")
    assert raw.post(order.body["finalize"], {"csr": 5}).refusal == (400, "malformed")
    assert order.finalize(csr(new_key(), OTHER)).refusal == (403, "unauthorized")
    assert order.finalize(csr(new_key(), DOMAIN, OTHER)).refusal == (403, "unauthorized")
    assert order.finalize(csr(pem_of(raw.key), DOMAIN)).refusal == (400, "badCSR")
    assert order.now()["status"] == "ready"
    assert order.finish(new_key())["status"] == "valid"


def test_a_signing_request_with_a_broken_signature(raw: Raw) -> None:
    good = csr(new_key(), DOMAIN)
    assert proven(raw, DOMAIN).finalize(good[:-1] + bytes([good[-1] ^ 1])).refusal == (400, "badCSR")


def test_an_order_is_finished_once(raw: Raw) -> None:
    order, key = proven(raw, DOMAIN), new_key()
    answer = order.finalize(csr(key, DOMAIN))
    assert answer.ok()["status"] in {"processing", "valid"}
    done = raw.until(order.url, lambda found: found["status"] == "valid")
    assert done["certificate"].startswith("https://127.0.0.1:")
    assert order.finalize(csr(key, DOMAIN)).refusal == (403, "orderNotReady")


@WITH_RENEWALS
def test_an_order_in_work_says_when_to_ask_again(raw: Raw) -> None:
    """Seconds or a date (RFC 9110, 10.2.3)."""
    answer = proven(raw, DOMAIN).finalize(csr(new_key(), DOMAIN))
    assert answer.ok()["status"] == "processing"
    told = answer.headers["Retry-After"]
    assert told.isdigit() or email.utils.parsedate_to_datetime(told)


# Certificates (7.4.2)


def chain_of(raw: Raw, order: Obj) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(raw.get(order["certificate"]).text.encode())


def issued(raw: Raw) -> tuple[x509.Certificate, bytes]:
    """A certificate, and its key."""
    key = new_key()
    return chain_of(raw, proven(raw, DOMAIN).finish(key))[0], key


def test_a_certificate_and_its_chains(raw: Raw, ca: Ca, connect: Connect) -> None:
    key = new_key()
    done = proven(raw, DOMAIN, OTHER).finish(key)
    answer = raw.get(done["certificate"])
    assert answer.headers["Content-Type"].startswith("application/pem-certificate-chain")
    alternates = answer.links("alternate")
    assert alternates
    roots = x509.load_pem_x509_certificates(ca.roots_pem)
    used = set()
    for text in (answer.text, *(raw.get(url).text for url in alternates)):
        leaf, *rest = x509.load_pem_x509_certificates(text.encode())
        assert leaf.public_key() == load_pem_private_key(key, None).public_key()
        verifier = PolicyBuilder().store(Store(roots)).build_server_verifier(x509.DNSName(OTHER))
        used.add(verifier.verify(leaf, rest)[-1].subject)
    assert len(used) == len(alternates) + 1
    other = connect(ca)
    other.register().ok()
    assert other.get(done["certificate"]).refusal == (403, "unauthorized")


# Revocation (7.6)


def revocation(leaf: x509.Certificate, **more: object) -> Obj:
    return {"certificate": encode(leaf.public_bytes(Encoding.DER)), **more}


def test_a_certificate_is_revoked_by_its_account(raw: Raw) -> None:
    leaf, _ = issued(raw)
    assert raw.post("revokeCert", revocation(leaf, reason=99)).refusal == (400, "badRevocationReason")
    assert raw.post("revokeCert", revocation(leaf, reason=4)).code == 200
    assert raw.post("revokeCert", revocation(leaf)).refusal == (400, "alreadyRevoked")


def test_a_certificate_is_revoked_by_its_key(raw: Raw, stranger: Raw) -> None:
    leaf, key = issued(raw)
    assert stranger.post("revokeCert", revocation(leaf)).refusal == (403, "unauthorized")
    stranger.key = key_of(key)
    assert stranger.post("revokeCert", revocation(leaf)).code == 200


def test_a_certificate_that_is_not_to_be_revoked(raw: Raw, ca: Ca, connect: Connect) -> None:
    leaf, _ = issued(raw)
    other = connect(ca)
    other.register().ok()
    assert other.post("revokeCert", revocation(leaf)).refusal == (403, "unauthorized")
    assert short(raw.post("revokeCert", {"certificate": encode(b"nothing")}).body) == "malformed"


# Renewal information (RFC 9773)


@WITH_RENEWALS
def test_when_to_renew(raw: Raw) -> None:
    leaf, _ = issued(raw)
    at = f"{raw.directory['renewalInfo']}/{certificate_id(leaf)}"
    answer = raw.ask("GET", at)
    window = answer.ok()["suggestedWindow"]
    start, end = moment(window["start"]), moment(window["end"])
    assert leaf.not_valid_before_utc < start < end < leaf.not_valid_after_utc
    assert int(answer.headers["Retry-After"]) >= 60
    raw.post("revokeCert", revocation(leaf))
    window = raw.ask("GET", at).ok()["suggestedWindow"]
    assert moment(window["start"]) < moment(window["end"]) <= datetime.now(UTC)


@WITH_RENEWALS
def test_renewal_of_what_is_not_there(raw: Raw) -> None:
    leaf, _ = issued(raw)
    issuer = certificate_id(leaf).partition(".")[0]
    at = raw.directory["renewalInfo"]
    assert raw.ask("GET", f"{at}/{issuer}.{encode(b'unknown')}").refusal == (404, "malformed")
    assert raw.ask("GET", f"{at}/nonsense").refusal == (400, "malformed")


@WITH_RENEWALS
def test_a_certificate_is_replaced_once(raw: Raw, ca: Ca, connect: Connect) -> None:
    leaf, _ = issued(raw)
    replaces = certificate_id(leaf)
    other = connect(ca)
    other.register().ok()
    assert other.order(DOMAIN, replaces=replaces).refusal == (403, "unauthorized")
    order = raw.ordered(DOMAIN, replaces=replaces)
    assert order.body["replaces"] == replaces
    order.prove()
    order.finish(new_key())
    # Pebble marks it a moment after the order is valid.
    again = poll(lambda: raw.order(DOMAIN, replaces=replaces), lambda answer: answer.code != 201)
    assert again.refusal == (409, "alreadyReplaced")


# With the library that the wizard has


def test_the_library_gets_and_revokes_a_certificate(ca: Ca) -> None:
    key = new_jwk()
    # The annotation says bool, but a path goes straight to requests.
    net = client.ClientNetwork(key, alg=jwa.ES256, verify_ssl=cast("bool", str(ca.ca_file)), timeout=10)
    try:
        acme = client.ClientV2(client.ClientV2.get_directory(ca.directory_url, net), net)
        acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))
        order = acme.new_order(crypto_util.make_csr(new_key(), [DOMAIN]))
        (authorization,) = order.authorizations
        wanted = next(c for c in authorization.body.challenges if isinstance(c.chall, challenges.HTTP01))
        response, validation = wanted.response_and_validation(key)
        (ca.webroot / TOKENS).mkdir(parents=True, exist_ok=True)
        (ca.webroot / TOKENS / wanted.chall.encode("token")).write_text(validation)
        acme.answer_challenge(wanted, response)
        deadline = datetime.now() + timedelta(seconds=DEADLINE_S)  # noqa: DTZ005 - the library compares naive ones
        done = acme.finalize_order(acme.poll_authorizations(order, deadline), deadline, True)
        assert len(done.alternative_fullchains_pem) == 1
        leaf = x509.load_pem_x509_certificates(done.fullchain_pem.encode())[0]
        acme.revoke(leaf, 0)
        with pytest.raises(messages.Error) as known:
            acme.revoke(leaf, 0)
        assert known.value.code == "alreadyRevoked"
    finally:
        net.session.close()
