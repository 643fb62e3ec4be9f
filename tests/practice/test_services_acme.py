"""The ACME client against the practice authority: each way an order can go."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import SecretStr

from wizard.endpoints import Endpoints
from wizard.errors import Unreachable, WizardError
from wizard.events import StepId
from wizard.polling import wait_until
from wizard.practice.acme import AcmeServer
from wizard.practice.acme.settings import Limit
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.web import WebServer
from wizard.services import _acme_words, acme, certificates
from wizard.services.acme import Acme, Authorization, Order
from wizard.services.webroot import Webroot
from wizard.traffic import Request

DOMAIN = "registry.practice.test"
HMAC = "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I"


@dataclass
class Place:
    server: AcmeServer
    endpoints: Endpoints
    webroot: Webroot
    ledger: Ledger
    key_pem: bytes

    @property
    def url(self) -> str:
        return self.server.directory_url

    def client(self) -> Acme:
        return Acme(self.url, self.key_pem, self.endpoints)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    network, ledger, authority = Network(), Ledger(), Authority()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)
    web = WebServer(tmp_path / "web", network)
    names = {DOMAIN: [WEB_ADDRESS], "closed.practice.test": ["127.80.9.9"]}
    server = AcmeServer(authority, lambda name: names.get(name, []), network, ledger)
    server.settings.validation_delay_s = 0.0
    web.start()
    server.start()
    endpoints = Endpoints(ca_file=str(root))
    yield Place(server, endpoints, Webroot(str(tmp_path / "web")), ledger, certificates.new_key("ecdsa-p256"))
    server.stop()
    web.stop()


@pytest.fixture
def client(place: Place) -> Iterator[Acme]:
    made = place.client()
    made.register(contact="", external_account=None)
    yield made
    made.close()


def until(ready: Callable[[], bool]) -> None:
    wait_until(
        ready,
        what="the CA",
        deadline_s=10,
        step=StepId.CERTIFICATE,
        emit=lambda _: None,
        cancel=threading.Event(),
        every_s=0.01,
    )


def proven(client: Acme, place: Place, order: Order, *, content: str = "") -> Authorization:
    found = client.authorization(order.authorizations[0])
    challenge = next(each for each in found.challenges if each.kind == "http-01")
    place.webroot.place(challenge.token, content or challenge.content)
    client.answer(challenge)
    until(lambda: client.authorization(order.authorizations[0]).status != "pending")
    return client.authorization(order.authorizations[0])


def refusal(work: Callable[[], object]) -> WizardError:
    with pytest.raises(WizardError) as caught:
        work()
    return caught.value


def test_the_directory_says_what_the_authority_offers(place: Place) -> None:
    found = acme.read_directory(place.url, place.endpoints)
    assert found.terms.startswith("https://")
    assert "shortlived" in found.profiles
    assert not found.needs_external_account


def test_requests_are_told_by_path_and_status(client: Acme, place: Place) -> None:
    """A nonce is no id, so none is told."""
    told: list[Request] = []
    place.endpoints.traffic.goes_to(told.append)
    order = client.new_order([DOMAIN])
    [last] = told[-1:]
    assert (last.service, last.operation.split("/")[0], last.status) == ("acme", "POST ", 201)
    assert last.elapsed_s > 0
    assert last.request_id == ""
    client.order(order.url)
    assert told[-1].operation.startswith("POST /")
    assert place.url.split("/")[2] not in repr(told)


@pytest.mark.parametrize("profile", ["", "shortlived"])
def test_a_certificate_is_issued(client: Acme, place: Place, profile: str) -> None:
    order = client.new_order([DOMAIN], profile=profile)
    assert order.status == "pending"
    assert proven(client, place, order).status == "valid"
    key_pem = certificates.new_key("ecdsa-p256")
    client.finalize(client.order(order.url), certificates.signing_request(key_pem, [DOMAIN]))
    until(lambda: client.order(order.url).status == "valid")
    pem = client.certificate(client.order(order.url))
    roots = Path(place.endpoints.ca_file).read_bytes()
    chain = certificates.read_chain(pem, key_pem, extra_roots_pem=roots)
    assert (chain.key_matches, chain.chain_error, chain.names) == (True, "", (DOMAIN,))
    assert len(x509.load_pem_x509_certificates(pem)) == 2
    assert (chain.not_after - chain.not_before).days < 10 if profile else True


def test_the_account_of_a_key_is_found_again(place: Place, client: Acme) -> None:
    first = client.register(contact="ops@practice.test", external_account=None)
    other = place.client()
    assert other.register(contact="", external_account=None) == first
    assert other.new_order([DOMAIN]).status == "pending"
    other.close()


def test_wrong_content_is_told_with_what_the_authority_saw(client: Acme, place: Place) -> None:
    found = proven(client, place, client.new_order([DOMAIN]), content="nonsense")
    assert found.status == "invalid"
    assert found.problem is not None
    assert "something else" in found.problem.what
    assert "nonsense" in found.problem.why


@pytest.mark.parametrize(
    ("domain", "code"), [("closed.practice.test", "acme-connection"), ("absent.practice.test", "acme-dns")]
)
def test_a_domain_that_leads_nowhere_is_told(client: Acme, place: Place, domain: str, code: str) -> None:
    found = proven(client, place, client.new_order([domain]))
    assert found.problem is not None
    assert found.problem.code == code
    assert domain in found.problem.what


def test_many_refused_nonces_are_survived(client: Acme, place: Place) -> None:
    place.server.settings.bad_nonce_share = 0.9
    assert client.new_order([DOMAIN]).status == "pending"


def test_endless_refused_nonces_are_told(client: Acme, place: Place) -> None:
    place.server.settings.bad_nonce_share = 1.0
    assert refusal(lambda: client.new_order([DOMAIN])).problem.code == "acme-bad-nonce"


def test_a_rate_limit_says_until_when(client: Acme, place: Place) -> None:
    place.server.settings.limits.orders_per_account = Limit(0, timedelta(hours=3))
    problem = refusal(lambda: client.new_order([DOMAIN])).problem
    assert problem.code == "acme-rate-limited"
    assert " UTC" in problem.fix


def test_forbidden_names_and_profiles_are_told(client: Acme, place: Place) -> None:
    place.server.settings.rejected_names = {"forbidden.practice.test"}
    forbidden = refusal(lambda: client.new_order(["forbidden.practice.test"])).problem
    assert (forbidden.code, "forbidden.practice.test" in forbidden.what) == (
        "acme-rejected-identifier",
        True,
    )
    unknown = refusal(lambda: client.new_order([DOMAIN], profile="nope")).problem
    assert unknown.code == "acme-invalid-profile"


def test_an_order_that_is_not_ready_cannot_be_finished(client: Acme) -> None:
    order = client.new_order([DOMAIN])
    request = certificates.signing_request(certificates.new_key("ecdsa-p256"), [DOMAIN])
    assert refusal(lambda: client.finalize(order, request)).problem.code == "acme-order-not-ready"


def test_external_accounts_are_bound(place: Place) -> None:
    place.server.settings.external_accounts = {"customer-7": HMAC}
    assert acme.read_directory(place.url, place.endpoints).needs_external_account
    client = place.client()
    without = refusal(lambda: client.register(contact="", external_account=None))
    assert without.problem.code == "acme-external-account-required"
    wrong = refusal(lambda: client.register(contact="", external_account=("customer-8", SecretStr(HMAC))))
    assert wrong.problem.code == "eab-refused"
    for key in ("", "c2VjcmV0 LWtl", "c2Vj+mV0", "c2VjcmV0L"):
        unreadable = refusal(partial(client.register, contact="", external_account=("k", SecretStr(key))))
        assert unreadable.problem.code == "eab-hmac-unreadable", key
    assert client.register(contact="", external_account=("customer-7", SecretStr(HMAC)))
    client.close()


def test_the_account_goes_on_with_another_key(client: Acme, place: Place) -> None:
    own = client.register(contact="", external_account=None)
    new = certificates.new_key("rsa-2048")
    client.change_key(new)
    assert client.new_order([DOMAIN]).status == "pending"
    place.key_pem = new
    other = place.client()
    assert other.register(contact="", external_account=None) == own
    other.close()


def test_an_account_can_be_given_up(client: Acme) -> None:
    client.register(contact="", external_account=None)
    client.deactivate()
    assert refusal(lambda: client.new_order([DOMAIN])).problem.code == "acme-unauthorized"


def test_the_other_chains_are_offered(client: Acme, place: Place) -> None:
    order = client.new_order([DOMAIN])
    proven(client, place, order)
    request = certificates.signing_request(certificates.new_key("ecdsa-p256"), [DOMAIN])
    client.finalize(client.order(order.url), request)
    until(lambda: client.order(order.url).status == "valid")
    chains = client.chains(client.order(order.url))
    assert len(set(chains)) == 2
    assert chains[0] == client.certificate(client.order(order.url))


def test_every_problem_of_the_protocol_has_words() -> None:
    """The types of RFC 8555, 6.7, of RFC 9773, 7.4, and of the profiles' draft."""
    types = (
        "accountDoesNotExist alreadyRevoked badCSR badNonce badPublicKey badRevocationReason "
        "badSignatureAlgorithm caa compound connection dns externalAccountRequired incorrectResponse "
        "invalidContact malformed orderNotReady rateLimited rejectedIdentifier serverInternal tls "
        "unauthorized unsupportedContact unsupportedIdentifier userActionRequired alreadyReplaced "
        "invalidProfile"
    )
    other = _acme_words.refused(_acme_words.Refusal("nonsense"), domain=DOMAIN)
    for each in types.split():
        for words in (_acme_words.refused, _acme_words.not_proven):
            told = words(_acme_words.Refusal(each, "detail"), domain=DOMAIN)
            assert told.what != other.what, each
            assert "{" not in str(told)
            assert "detail" in told.why
            assert told.fix


def test_an_account_that_is_gone_is_told(client: Acme) -> None:
    own = client.register(contact="", external_account=None)
    client.use(f"{own.rpartition('/')[0]}/nobody")
    assert refusal(lambda: client.new_order([DOMAIN])).problem.code == "acme-account-does-not-exist"


def test_an_outage_is_told(client: Acme, place: Place) -> None:
    place.server.settings.outages = {"newOrder": 500}
    assert refusal(lambda: client.new_order([DOMAIN])).problem.code == "acme-server-internal"


def test_other_servers_are_no_directories(place: Place, tmp_path: Path) -> None:
    untrusted = refusal(lambda: acme.read_directory(place.url, Endpoints()))
    assert untrusted.problem.code == "tls-untrusted"
    for url in (f"{place.url}/nothing", place.url.replace("/directory", "/terms")):
        error = refusal(partial(acme.read_directory, url, place.endpoints))
        assert isinstance(error, Unreachable)
        assert error.problem.code == "not-acme"
    refused = refusal(lambda: acme.read_directory("https://127.0.0.1:9/directory", place.endpoints))
    assert refused.problem.code == "refused"
    missing = refusal(lambda: acme.read_directory(place.url, Endpoints(ca_file=str(tmp_path / "no.pem"))))
    assert missing.problem.code == "ca-file-unreadable"


def test_looking_at_an_order_changes_nothing(client: Acme, place: Place) -> None:
    order = client.new_order([DOMAIN])
    before = place.ledger.snapshot()["mutating_total"]
    client.order(order.url)
    client.authorization(order.authorizations[0])
    assert place.ledger.snapshot()["mutating_total"] == before
