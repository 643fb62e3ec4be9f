"""ACME (RFC 8555) as the wizard relies on it, certificates and renewals: practice and both Pebbles alike."""

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
    DEADLINE_S,
    DOMAIN,
    OTHER,
    TOKENS,
    Ca,
    Raw,
    chain_of,
    issued,
    moment,
    poll,
    proven,
    short,
)
from tests.peers.acme.keys import Obj, encode, key_of, new_jwk, new_key
from wizard.practice.acme.renewal import certificate_id

pytestmark = pytest.mark.peers
Connect = Callable[[Ca], Raw]
WITH_RENEWALS = pytest.mark.parametrize("ca", ["practice", "current"], indirect=True)


# Profiles


@WITH_RENEWALS
def test_a_profile_is_ordered(raw: Raw) -> None:
    order = raw.ordered(DOMAIN, profile="shortlived")
    assert order.body["profile"] == "shortlived"
    order.prove()
    leaf = chain_of(raw, order.finish(new_key()))[0]
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days < 8
    assert raw.order(DOMAIN, profile="nope").refusal == (400, "invalidProfile")


# Certificates (7.4.2)


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
