"""Renewal information and replacement orders (RFC 9773)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests
from acme import client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from josepy import json_util

from wizard.practice.acme import AcmeServer, Limit
from wizard.practice.acme.renewal import certificate_id
from wizard.practice.pki import Authority

NAME = "registry.practice.test"
Issue = Callable[..., messages.OrderResource]


class ReplacementOrder(messages.NewOrder):
    replaces: str = json_util.field("replaces", omitempty=True)


def leaf_of(order: messages.OrderResource) -> x509.Certificate:
    return x509.load_pem_x509_certificate(order.fullchain_pem.encode())


def replace(acme: client.ClientV2, what: str, *names: str) -> dict[str, object]:
    """The library has no `replaces` yet: the order is sent as it stands in RFC 9773, section 5."""
    identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in names]
    order = ReplacementOrder(identifiers=identifiers, replaces=what)
    answer: dict[str, object] = acme._post(acme.directory["newOrder"], order).json()
    return answer


@pytest.mark.parametrize(("serial", "wanted"), [(0x7F, "fw"), (0x80, "AIA"), (0x87654321, "AIdlQyE")])
def test_serial_numbers_are_those_of_der(serial: int, wanted: str) -> None:
    """The key identifier and the last serial number are those of RFC 9773, section 4.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    issuer = bytes.fromhex("69885B6B87464041E1B37B847BD0AE2CDE01C8D4")
    leaf = (
        x509.CertificateBuilder(name, name, key.public_key(), serial, now, now + timedelta(days=1))
        .add_extension(x509.AuthorityKeyIdentifier(issuer, None, None), critical=False)
        .sign(key, hashes.SHA256())
    )
    assert certificate_id(leaf) == f"aYhba4dGQEHhs3uEe9CuLN4ByNQ.{wanted}"


@pytest.mark.parametrize(("profile", "share"), [("classic", 2 / 3), ("shortlived", 1 / 2)])
def test_the_window_lies_late_in_the_lifetime(
    client_with_account: client.ClientV2, issue: Issue, profile: str, share: float
) -> None:
    leaf = leaf_of(issue(client_with_account, NAME, profile=profile))
    when, ask_again = client_with_account.renewal_time(leaf.public_bytes(Encoding.PEM))
    assert when is not None
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    used = (when - leaf.not_valid_before_utc) / lifetime
    assert used == pytest.approx(share, abs=0.011)
    assert timedelta(hours=5) < ask_again - datetime.now() < timedelta(hours=7)  # noqa: DTZ005 (as the library)


def test_an_unknown_certificate_has_no_window(server: AcmeServer, ca_file: str, authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    stranger = certificate_id(authority.issue(key, [NAME], lifetime=timedelta(days=1)))
    base = server.directory_url.removesuffix("directory")
    for path, status in (
        (stranger, 404),
        ("x", 400),
        ("", 400),
        ("a.b.c", 400),
        ("!!.AA", 400),
        (f"{stranger}/x", 400),
    ):
        answer = requests.get(f"{base}renewalInfo/{path}", verify=ca_file, timeout=60)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


def test_a_scripted_window_is_told_with_its_reason(
    client_with_account: client.ClientV2, issue: Issue, server: AcmeServer, ca_file: str
) -> None:
    leaf = leaf_of(issue(client_with_account, NAME))
    now = datetime.now().astimezone().replace(microsecond=0)
    server.settings.renewal_window = (now - timedelta(hours=2), now - timedelta(hours=1))
    server.settings.renewal_explanation = "https://ca.practice.test/incident"
    url = f"{server.directory_url.removesuffix('directory')}renewalInfo/{certificate_id(leaf)}"
    found = requests.get(url, verify=ca_file, timeout=60).json()
    assert found["explanationURL"] == "https://ca.practice.test/incident"
    assert datetime.fromisoformat(found["suggestedWindow"]["end"]) == now - timedelta(hours=1)


def test_a_replacement_order_is_exempt_from_limits_only_when_due(
    client_with_account: client.ClientV2, issue: Issue, server: AcmeServer
) -> None:
    acme = client_with_account
    identity = certificate_id(leaf_of(issue(acme, NAME)))
    server.settings.limits.certificates_per_names = Limit(1, timedelta(days=7))
    with pytest.raises(messages.Error, match="rateLimited"):
        replace(acme, identity, NAME)
    now = datetime.now().astimezone()
    server.settings.renewal_window = (now - timedelta(hours=1), now + timedelta(hours=1))
    assert replace(acme, identity, NAME)["replaces"] == identity
    with pytest.raises(errors.ConflictError):  # the library takes every 409 for a known account
        replace(acme, identity, NAME)


def test_what_may_not_be_replaced(
    client_with_account: client.ClientV2, connect: Callable[..., client.ClientV2], issue: Issue
) -> None:
    leaf = leaf_of(issue(client_with_account, NAME))
    with pytest.raises(messages.Error, match=r"malformed.*do not match any identifiers"):
        replace(client_with_account, certificate_id(leaf), "other.practice.test")
    with pytest.raises(messages.Error, match=r"malformed.*no current certificate"):
        replace(client_with_account, "AAAA.AAAA", NAME)
    stranger = connect()
    stranger.new_account(messages.NewRegistration(terms_of_service_agreed=True))
    with pytest.raises(messages.Error, match=r"unauthorized.*did not request"):
        replace(stranger, certificate_id(leaf), NAME)
