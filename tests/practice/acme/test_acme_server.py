"""The practice authority as the unmodified acme library sees it."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from wizard.practice.acme import AcmeServer, Limit
from wizard.practice.ledger import Ledger
from wizard.practice.pki import Authority
from wizard.practice.web import WebServer

NAME = "registry.practice.test"
Connect = Callable[..., client.ClientV2]
Issue = Callable[..., messages.OrderResource]
Csr = Callable[..., bytes]


def chain_of(order: messages.OrderResource) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(order.fullchain_pem.encode())


def verify(chain: list[x509.Certificate], root_pem: bytes, name: str) -> None:
    store = Store(x509.load_pem_x509_certificates(root_pem))
    PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name)).verify(chain[0], chain[1:])


@pytest.mark.parametrize("kind", ["ES256", "ES384", "ES512", "RS256"])
def test_issues_by_webroot_to_every_kind_of_account(
    connect: Connect, issue: Issue, authority: Authority, kind: str
) -> None:
    acme = connect(kind)
    acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))
    chain = chain_of(issue(acme, NAME))
    verify(chain, authority.root_pem, NAME)
    lifetime = chain[0].not_valid_after_utc - chain[0].not_valid_before_utc + timedelta(seconds=1)
    assert lifetime == timedelta(days=90)
    assert chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == NAME


def test_the_librarys_own_polling_works_and_finds_the_alternate_chain(
    client_with_account: client.ClientV2, csr: Csr, webroot: Path, authority: Authority
) -> None:
    acme = client_with_account
    order = acme.new_order(csr(NAME))
    challenge = next(
        c for c in order.authorizations[0].body.challenges if isinstance(c.chall, challenges.HTTP01)
    )
    response, validation = challenge.response_and_validation(acme.net.key)
    token = webroot / ".well-known" / "acme-challenge" / challenge.chall.encode("token")
    token.parent.mkdir(parents=True)
    token.write_text(validation + "\n")
    acme.answer_challenge(challenge, response)
    deadline = datetime.now() + timedelta(seconds=60)  # noqa: DTZ005 (the library wants naive deadlines)
    proven = acme.poll_authorizations(order, deadline)
    done = acme.finalize_order(proven, deadline, fetch_alternative_chains=True)
    verify(chain_of(done), authority.root_pem, NAME)
    (alternate,) = done.alternative_fullchains_pem
    verify(x509.load_pem_x509_certificates(alternate.encode()), authority.alternate_root_pem, NAME)


def test_several_names_stand_in_one_certificate(client_with_account: client.ClientV2, issue: Issue) -> None:
    leaf = chain_of(issue(client_with_account, "a.practice.test", "b.practice.test"))[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == ["a.practice.test", "b.practice.test"]


@pytest.mark.parametrize(
    ("profile", "lifetime", "has_common_name"),
    [
        ("classic", timedelta(days=90), True),
        ("tlsserver", timedelta(days=45), False),
        ("shortlived", timedelta(hours=160), False),
    ],
)
def test_profiles_decide_lifetime_and_common_name(
    client_with_account: client.ClientV2,
    issue: Issue,
    profile: str,
    lifetime: timedelta,
    has_common_name: bool,
) -> None:
    leaf = chain_of(issue(client_with_account, NAME, profile=profile))[0]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1) == lifetime
    assert bool(leaf.subject.rdns) == has_common_name


def test_an_unknown_profile_is_refused(client_with_account: client.ClientV2, csr: Csr) -> None:
    with pytest.raises(messages.Error) as refused:
        client_with_account.new_order(csr(NAME), profile="eternal")
    assert refused.value.typ == "urn:ietf:params:acme:error:invalidProfile"


def test_wrong_content_is_told_as_lets_encrypt_tells_it(
    client_with_account: client.ClientV2, issue: Issue, server: AcmeServer
) -> None:
    with pytest.raises(errors.IssuanceError) as failed:
        issue(client_with_account, NAME, body="something else")
    assert failed.value.error.typ == "urn:ietf:params:acme:error:unauthorized"
    detail = failed.value.error.detail or ""
    assert detail.startswith(
        "The key authorization file from the server did not match this challenge. Expected"
    )
    assert detail.endswith('(got "something else")')
    assert [entry.kind for entry in server.log] == ["account", "order", "failed"]


def test_a_known_key_gets_its_account_again(client_with_account: client.ClientV2) -> None:
    acme = client_with_account
    assert acme.net.account is not None
    known = acme.net.account
    acme.net.account = None
    with pytest.raises(errors.ConflictError) as conflict:
        acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))
    assert conflict.value.location == known.uri
    assert acme.query_registration(known).body.status == "valid"


def test_contact_is_kept_changed_and_checked(client_with_account: client.ClientV2) -> None:
    acme = client_with_account
    assert acme.net.account is not None
    body = messages.Registration(contact=("mailto:ops@practice.test",))
    assert acme.update_registration(acme.net.account, body).body.emails == ("ops@practice.test",)
    for contact, kind in (
        ("mailto:ops@example.com", "invalidContact"),
        ("mailto:nobody", "invalidContact"),
        ("tel:+123", "unsupportedContact"),
    ):
        with pytest.raises(messages.Error, match=kind):
            acme.update_registration(acme.net.account, messages.Registration(contact=(contact,)))


def test_terms_must_be_agreed_to(connect: Connect) -> None:
    with pytest.raises(messages.Error, match="userActionRequired"):
        connect().new_account(messages.NewRegistration())


def test_a_deactivated_account_is_refused(client_with_account: client.ClientV2, csr: Csr) -> None:
    assert client_with_account.net.account is not None
    client_with_account.deactivate_registration(client_with_account.net.account)
    with pytest.raises(messages.Error, match=r'unauthorized.*has status "deactivated"'):
        client_with_account.new_order(csr(NAME))


def test_external_accounts_are_bound(connect: Connect, server: AcmeServer) -> None:
    mac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    server.settings.external_accounts["kid-1"] = mac
    acme = connect()
    own_key = acme.net.key
    assert own_key
    assert acme.external_account_required()
    with pytest.raises(messages.Error, match="externalAccountRequired"):
        acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))

    def register(kid: str, key: str) -> messages.RegistrationResource:
        binding = messages.ExternalAccountBinding.from_data(own_key.public_key(), kid, key, acme.directory)
        return acme.new_account(
            messages.NewRegistration(terms_of_service_agreed=True, external_account_binding=binding)
        )

    with pytest.raises(messages.Error, match=r"unauthorized.*'kid' references a key that is not known"):
        register("kid-2", mac)
    with pytest.raises(messages.Error, match=r"unauthorized.*JWS verification error"):
        register("kid-1", mac[::-1])
    assert register("kid-1", mac).body.status == "valid"


def test_a_wildcard_is_proven_by_dns_alone(
    client_with_account: client.ClientV2, csr: Csr, records: dict[str, list[str]]
) -> None:
    acme = client_with_account
    order = acme.new_order(csr("*.practice.test"))
    (challenge,) = order.authorizations[0].body.challenges
    assert isinstance(challenge.chall, challenges.DNS01)
    response, validation = challenge.response_and_validation(acme.net.key)
    records["_acme-challenge.practice.test"] = ["left over from before", validation]
    acme.answer_challenge(challenge, response)
    deadline = datetime.now() + timedelta(seconds=60)  # noqa: DTZ005 (the library wants naive deadlines)
    leaf = chain_of(acme.poll_and_finalize(order, deadline))[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["*.practice.test"]


def test_revocation_by_the_account(
    client_with_account: client.ClientV2, connect: Connect, issue: Issue, server: AcmeServer
) -> None:
    leaf = chain_of(issue(client_with_account, NAME))[0]
    stranger = connect()
    stranger.new_account(messages.NewRegistration(terms_of_service_agreed=True))
    with pytest.raises(messages.Error, match="unauthorized"):
        stranger.revoke(leaf, 0)
    with pytest.raises(messages.Error, match="badRevocationReason"):
        client_with_account.revoke(leaf, 2)
    client_with_account.revoke(leaf, 4)
    with pytest.raises(messages.Error, match="alreadyRevoked"):
        client_with_account.revoke(leaf, 4)
    assert server.log[-1].kind == "revoked"
    assert server.log[-1].detail == f"{leaf.serial_number:x}"
    start, _ = client_with_account.renewal_time(leaf.public_bytes(Encoding.PEM))
    assert start is not None
    assert start < datetime.now().astimezone()


def test_authorizations_are_reused_only_when_told(
    client_with_account: client.ClientV2, issue: Issue, csr: Csr, server: AcmeServer
) -> None:
    issue(client_with_account, NAME)
    assert client_with_account.new_order(csr(NAME)).body.status == messages.STATUS_PENDING
    server.settings.reuse_authorizations = True
    assert client_with_account.new_order(csr(NAME)).body.status == messages.STATUS_READY


def test_slow_issuance_shows_as_processing(
    client_with_account: client.ClientV2, csr: Csr, issue: Issue, server: AcmeServer
) -> None:
    issue(client_with_account, NAME)
    server.settings.reuse_authorizations = True
    server.settings.issuance_delay_s = 60
    order = client_with_account.begin_finalization(client_with_account.new_order(csr(NAME)))
    assert order.body.status == messages.STATUS_PROCESSING
    assert order.body.certificate is None


def test_a_share_of_the_nonces_is_refused_and_the_client_carries_on(
    client_with_account: client.ClientV2, issue: Issue, server: AcmeServer, ledger: Ledger
) -> None:
    server.settings.bad_nonce_share = 0.34
    assert issue(client_with_account, NAME).fullchain_pem
    mutating = ledger.snapshot()["mutating"]
    assert mutating == [
        "acme POST newAccount",
        "acme POST newOrder",
        "acme POST challenge",
        "acme POST finalize",
    ]


def test_looking_is_not_counted_as_changing(
    client_with_account: client.ClientV2, issue: Issue, ledger: Ledger
) -> None:
    leaf = chain_of(issue(client_with_account, NAME))[0]
    before = ledger.snapshot()["mutating_total"]
    acme = client_with_account
    assert acme.net.account is not None
    acme.query_registration(acme.net.account)
    acme.renewal_time(leaf.public_bytes(Encoding.PEM))
    acme._post_as_get(acme.net.account.uri)
    assert ledger.snapshot()["mutating_total"] == before


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (
            "certificates_per_names",
            "too many certificates (1) already issued for this exact set of identifiers",
        ),
        ("certificates_per_domain", 'too many certificates (1) already issued for "practice.test"'),
        ("orders_per_account", "too many new orders (1) from this account"),
    ],
)
def test_rate_limits_hold_and_say_when_to_come_back(
    client_with_account: client.ClientV2, issue: Issue, csr: Csr, server: AcmeServer, limit: str, text: str
) -> None:
    setattr(server.settings.limits, limit, Limit(1, timedelta(hours=168)))
    issue(client_with_account, NAME)
    with pytest.raises(messages.Error) as refused:
        client_with_account.new_order(csr(NAME))
    assert refused.value.typ == "urn:ietf:params:acme:error:rateLimited"
    assert (refused.value.detail or "").startswith(f"{text} in the last 168h0m0s, retry after 20")


def test_failed_validations_are_limited(
    client_with_account: client.ClientV2, issue: Issue, csr: Csr, server: AcmeServer
) -> None:
    server.settings.limits.failed_validations = Limit(1, timedelta(hours=1))
    with pytest.raises(errors.IssuanceError):
        issue(client_with_account, NAME, body="wrong")
    with pytest.raises(messages.Error, match=r"too many failed authorizations \(1\)"):
        client_with_account.new_order(csr(NAME))


def test_a_webroot_that_serves_nothing(
    client_with_account: client.ClientV2, issue: Issue, web: WebServer
) -> None:
    web.fail_missing()
    with pytest.raises(errors.IssuanceError) as failed:
        issue(client_with_account, NAME)
    assert "Invalid response from http://registry.practice.test/.well-known/acme-challenge/" in str(
        failed.value.error
    )


def test_an_order_of_names_that_are_refused_tells_each(
    client_with_account: client.ClientV2, csr: Csr, server: AcmeServer
) -> None:
    server.settings.rejected_names.add("bank.test")
    with pytest.raises(messages.Error) as refused:
        client_with_account.new_order(csr("bank.test", "www.bank.test", "fine.practice.test"))
    assert refused.value.typ == "urn:ietf:params:acme:error:rejectedIdentifier"
    named = [sub.identifier.value for sub in refused.value.subproblems or () if sub.identifier]
    assert named == ["bank.test", "www.bank.test"]


def test_outages_answer_with_their_status(server: AcmeServer, ca_file: str) -> None:
    server.settings.outages["directory"] = 503
    answer = requests.get(server.directory_url, verify=ca_file, timeout=60)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:ietf:params:acme:error:serverInternal"
    assert answer.headers["Retry-After"]


@pytest.mark.usefixtures("client_with_account")
def test_stop_ends_threads_and_open_connections(server: AcmeServer, ca_file: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(server.directory_url, timeout=60, verify=ca_file).ok
        server.stop()
        server.stop()
        left = [thread for thread in threading.enumerate() if thread.name.startswith("acme")]
        for thread in left:
            thread.join(60)
        assert not any(thread.is_alive() for thread in left)
        with pytest.raises(requests.ConnectionError):
            session.get(server.directory_url, timeout=60, verify=ca_file)
