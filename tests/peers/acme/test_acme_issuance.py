"""ACME (RFC 8555) as the wizard relies on it, orders and their proofs: practice and both Pebbles alike."""

import email.utils
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest
from cryptography import x509

from tests.peers.acme.contract import (
    ABSENT,
    CLOSED,
    DOMAIN,
    OTHER,
    Ca,
    Raw,
    chain_of,
    challenge,
    moment,
    proven,
    short,
)
from tests.peers.acme.keys import Obj, csr, encode, new_key, pem_of
from tests.peers.acme.pebble import BLOCKED

pytestmark = pytest.mark.peers
Connect = Callable[[Ca], Raw]
WITH_RENEWALS = pytest.mark.parametrize("ca", ["practice", "current"], indirect=True)


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
