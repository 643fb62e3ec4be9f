"""ACME (RFC 8555) as the wizard relies on it, up to the account: practice and both Pebbles alike."""

from collections.abc import Callable
from typing import cast

import pytest
import requests
from acme import client, errors, messages
from josepy import jwa
from josepy.jwk import JWKEC

from tests.peers.acme.contract import DOMAIN, HMAC_KEY, KID, Ca, Raw
from tests.peers.acme.keys import Obj, encode, jwk, new_jwk, sign

pytestmark = pytest.mark.peers
Connect = Callable[[Ca], Raw]


# The directory, nonces and plain requests (7.1.1, 7.2, 6.3)


def test_directory(stranger: Raw) -> None:
    found = stranger.directory
    for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange"):
        assert found[name].startswith("https://127.0.0.1:")
    assert found["meta"]["termsOfService"]
    assert found["meta"]["externalAccountRequired"] is False


@pytest.mark.parametrize("ca", ["practice", "current"], indirect=True)
def test_directory_offers_profiles_and_renewal_information(stranger: Raw) -> None:
    assert set(stranger.directory["meta"]["profiles"]) >= {"classic", "shortlived"}
    assert stranger.directory["renewalInfo"].startswith("https://127.0.0.1:")


@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("GET", 204)])
def test_new_nonce(stranger: Raw, method: str, code: int) -> None:
    answers = [stranger.ask(method, stranger.directory["newNonce"]) for _ in range(2)]
    assert [answer.code for answer in answers] == [code, code]
    assert len({answer.headers["Replay-Nonce"] for answer in answers}) == 2
    assert "no-cache" in answers[0].headers["Cache-Control"]
    assert answers[0].links("index") == [stranger.ca.directory_url]


def test_plain_get_is_refused(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    for url in (order.url, order.body["authorizations"][0], raw.directory["newOrder"]):
        answer = raw.ask("GET", url)
        assert answer.refusal == (405, "malformed")
        assert answer.headers["Allow"] == "POST"
        assert "Replay-Nonce" not in answer.headers


# Signed requests (6.2 to 6.5)


def test_a_nonce_is_good_once_and_the_refusal_brings_another(raw: Raw) -> None:
    nonce = raw.nonce()
    assert raw.post(raw.kid, None, nonce=nonce).code == 200
    refused = raw.post(raw.kid, None, nonce=nonce)
    assert refused.refusal == (400, "badNonce")
    assert raw.post(raw.kid, None, nonce=refused.headers["Replay-Nonce"]).code == 200


@pytest.mark.parametrize("nonce", [None, "bm90LW9uZS1vZi15b3Vycw"])
def test_a_missing_or_foreign_nonce(raw: Raw, nonce: str | None) -> None:
    answer = raw.post(raw.kid, None, nonce=nonce)
    assert answer.refusal == (400, "badNonce")
    assert answer.headers["Replay-Nonce"]


def test_every_answer_to_a_post_brings_a_nonce_and_the_index(raw: Raw) -> None:
    for answer in (raw.get(raw.kid), raw.order("not a name")):
        assert answer.headers["Replay-Nonce"]
        assert answer.links("index") == [raw.ca.directory_url]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"protected": "e30"}', b"\xff\xfe"])
def test_what_is_no_jws(raw: Raw, body: bytes) -> None:
    assert raw.ask("POST", raw.directory["newOrder"], body, "application/jose+json").refusal == (
        400,
        "malformed",
    )


@pytest.mark.parametrize("kind", ["", "application/json", "application/jose+json; charset=utf-8"])
def test_wrong_content_type(raw: Raw, kind: str) -> None:
    jws = raw.signed(raw.kid, None)
    assert raw.send(raw.kid, jws, kind).refusal == (415, "malformed")


def test_a_broken_signature(raw: Raw) -> None:
    jws = raw.signed(raw.kid, None)
    other = raw.signed(raw.kid, None)
    assert raw.send(raw.kid, {**jws, "signature": other["signature"]}).refusal == (400, "malformed")


@pytest.mark.parametrize("alg", ["HS256", "none", "PS256"])
def test_an_algorithm_that_is_not_taken(raw: Raw, alg: str) -> None:
    assert raw.post(raw.kid, None, alg=alg).refusal == (400, "badSignatureAlgorithm")


def test_an_algorithm_that_is_not_the_keys(raw: Raw) -> None:
    assert raw.post(raw.kid, None, alg="RS256").code == 400


def test_key_and_account_at_once(raw: Raw) -> None:
    assert raw.post(raw.kid, None, kid=raw.kid, jwk=jwk(raw.key)).refusal == (400, "malformed")


def test_a_key_where_an_account_is_wanted(raw: Raw) -> None:
    assert raw.post("newOrder", {}, jwk=jwk(raw.key)).refusal == (400, "malformed")


def test_an_account_where_a_key_is_wanted(raw: Raw) -> None:
    assert raw.post("newAccount", {"termsOfServiceAgreed": True}).refusal == (400, "malformed")


def test_neither_key_nor_account(raw: Raw) -> None:
    assert raw.post("newOrder", {}, kid=None).refusal == (400, "malformed")


def test_an_unknown_account(raw: Raw) -> None:
    unknown = raw.kid.rpartition("/")[0] + "/unknown"
    assert raw.post("newOrder", {}, kid=unknown).refusal == (400, "accountDoesNotExist")
    assert raw.post("newOrder", {}, kid="https://elsewhere.test/1").refusal == (400, "malformed")


def test_a_signature_for_another_url_is_unauthorized(raw: Raw) -> None:
    assert raw.post(raw.kid, None, url=raw.directory["newOrder"]).refusal == (403, "unauthorized")


def test_a_signature_for_another_url_has_no_effect(raw: Raw) -> None:
    contact = {"contact": ["mailto:thief@practice.test"]}
    for url in (raw.directory["newOrder"], raw.kid + "/", raw.kid.replace("127.0.0.1", "localhost"), None):
        code, kind = raw.post(raw.kid, contact, url=url).refusal
        assert 400 <= code < 500
        assert kind in {"malformed", "unauthorized"}
    assert not raw.get(raw.kid).ok().get("contact")


def test_a_payload_that_is_not_json(raw: Raw) -> None:
    assert raw.post("newOrder", b"{").refusal == (400, "malformed")
    assert raw.post("newOrder", b"[1]").refusal == (400, "malformed")


def test_a_body_where_post_as_get_is_wanted(raw: Raw) -> None:
    assert raw.post(raw.ordered(DOMAIN).url, {}).refusal == (400, "malformed")


# Accounts (7.3)


def test_an_account_is_made_once(stranger: Raw) -> None:
    made = stranger.register(contact=["mailto:ops@practice.test"])
    assert made.code == 201
    assert made.body["status"] == "valid"
    assert made.body["contact"] == ["mailto:ops@practice.test"]
    again = stranger.register()
    assert (again.code, again.headers["Location"]) == (200, made.headers["Location"])
    found = stranger.register(onlyReturnExisting=True)
    assert (found.code, found.headers["Location"]) == (200, made.headers["Location"])
    assert stranger.get(stranger.kid).ok()["status"] == "valid"


def test_an_account_that_is_only_looked_for(stranger: Raw) -> None:
    assert stranger.register(onlyReturnExisting=True).refusal == (400, "accountDoesNotExist")
    assert stranger.register().code == 201


@pytest.mark.parametrize("agreed", [False, None])
def test_terms_have_to_be_agreed_to(stranger: Raw, agreed: bool | None) -> None:
    answer = stranger.register(termsOfServiceAgreed=agreed)
    assert answer.refusal == (403, "userActionRequired")
    assert answer.links("terms-of-service")


@pytest.mark.parametrize(
    ("contact", "kind"),
    [("tel:+123", "unsupportedContact"), ("mailto:nobody", "invalidContact"), ("mailto:", "invalidContact")],
)
def test_contacts_that_are_not_taken(stranger: Raw, contact: str, kind: str) -> None:
    assert stranger.register(contact=[contact]).refusal == (400, kind)
    stranger.register()
    assert stranger.post(stranger.kid, {"contact": [contact]}).refusal == (400, kind)


def test_contacts_are_changed(raw: Raw) -> None:
    changed = raw.post(raw.kid, {"contact": ["mailto:other@practice.test"]}).ok()
    assert changed["contact"] == ["mailto:other@practice.test"]
    assert raw.get(raw.kid).ok()["contact"] == ["mailto:other@practice.test"]


def test_a_deactivated_account_is_gone_for_good(raw: Raw) -> None:
    order = raw.ordered(DOMAIN)
    assert raw.post(raw.kid, {"status": "deactivated"}).ok()["status"] == "deactivated"
    assert raw.order(DOMAIN).refusal == (403, "unauthorized")
    assert raw.get(order.url).refusal == (403, "unauthorized")
    assert raw.register().refusal == (403, "unauthorized")


def test_an_unknown_status_of_an_account(raw: Raw) -> None:
    assert raw.post(raw.kid, {"status": "revoked"}).refusal == (400, "malformed")
    assert raw.get(raw.kid).ok()["status"] == "valid"


# External accounts (7.3.4)


def bound(raw: Raw, key: JWKEC, *, kid: str = KID, hmac_key: str = HMAC_KEY) -> Obj:
    return messages.ExternalAccountBinding.from_data(
        key.public_key(), kid, hmac_key, messages.Directory.from_json(raw.directory)
    )


def test_a_binding_is_wanted(bound_ca: Ca, connect: Connect) -> None:
    raw = connect(bound_ca)
    assert raw.directory["meta"]["externalAccountRequired"] is True
    assert raw.register().refusal == (403, "externalAccountRequired")
    assert raw.register(externalAccountBinding=bound(raw, raw.key)).code == 201
    assert raw.register().code == 200
    assert raw.order(DOMAIN).code == 201


def test_bindings_that_are_wrong(bound_ca: Ca, connect: Connect) -> None:
    raw = connect(bound_ca)

    def refusal(binding: object) -> tuple[int, str]:
        return raw.register(externalAccountBinding=binding).refusal

    assert refusal(bound(raw, raw.key, kid="unknown")) == (403, "unauthorized")
    assert refusal(bound(raw, raw.key, hmac_key=encode(b"k" * 32))) == (403, "unauthorized")
    assert refusal(bound(raw, new_jwk())) == (400, "badPublicKey")
    assert refusal({"protected": "e30", "payload": "e30", "signature": "e30"})[0] == 400
    assert refusal({})[0] == 400


# Change of key (7.3.5)


def rollover(raw: Raw, new: JWKEC, **otherwise: object) -> Obj:
    inner = {"account": raw.kid, "oldKey": jwk(raw.key), **otherwise}
    return sign(new, {"alg": "ES256", "jwk": jwk(new), "url": raw.directory["keyChange"]}, inner)


def test_the_key_is_changed(raw: Raw, connect: Connect) -> None:
    new = new_jwk()
    assert raw.post("keyChange", rollover(raw, new)).code == 200
    assert raw.get(raw.kid).refusal == (400, "malformed")
    late = connect(raw.ca)
    late.key = raw.key
    assert late.register(onlyReturnExisting=True).refusal == (400, "accountDoesNotExist")
    late.key = new
    assert late.register(onlyReturnExisting=True).headers["Location"] == raw.kid
    assert late.order(DOMAIN).code == 201


def test_a_key_of_another_account_is_told(raw: Raw, connect: Connect) -> None:
    other = connect(raw.ca)
    other.register().ok()
    taken = raw.post("keyChange", rollover(raw, other.key))
    assert (taken.code, taken.headers.get("Location")) == (409, other.kid)


def test_keys_that_are_not_changed(raw: Raw, connect: Connect) -> None:
    other = connect(raw.ca)
    other.register().ok()
    raw.post("keyChange", rollover(raw, other.key))
    for wrong in (
        rollover(raw, raw.key),
        rollover(raw, new_jwk(), oldKey=jwk(new_jwk())),
        rollover(raw, new_jwk(), account=other.kid),
        {},
    ):
        assert raw.post("keyChange", wrong).refusal == (400, "malformed")
    assert raw.get(raw.kid).code == 200


# With the library that the wizard has


def test_the_library_makes_finds_and_closes_an_account(ca: Ca) -> None:
    key = new_jwk()
    # The annotation says bool, but a path goes straight to requests.
    net = client.ClientNetwork(key, alg=jwa.ES256, verify_ssl=cast("bool", str(ca.ca_file)), timeout=60)
    try:
        acme = client.ClientV2(client.ClientV2.get_directory(ca.directory_url, net), net)
        made = acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))
        net.account = None
        with pytest.raises(errors.ConflictError) as known:
            acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))
        assert known.value.location == made.uri
        net.account = None
        assert acme.query_registration(made).uri == made.uri
        acme.deactivate_registration(made)
        with pytest.raises(messages.Error) as gone:
            acme.query_registration(made)
        assert gone.value.code == "unauthorized"
    finally:
        net.session.close()


def test_requests_trusts_the_directory_by_its_own_authority_only(ca: Ca) -> None:
    assert requests.get(ca.directory_url, verify=str(ca.ca_file), timeout=60).ok
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(ca.directory_url, timeout=60)
