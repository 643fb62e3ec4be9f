"""The wizard's own client with all authorities of the contract, and its certificate step with the Pebbles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.peers.acme.conftest import StartPebble, Web
from tests.peers.acme.contract import ABSENT, CLOSED, DOMAIN, HMAC_KEY, KID, Ca, Raw, poll
from tests.peers.acme.keys import pem_of
from tests.peers.acme.setup import Setup, write_kubeconfig
from wizard.answers import from_mapping
from wizard.endpoints import Endpoints
from wizard.errors import WizardError
from wizard.journal import Journal
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.services import Services, certificates
from wizard.services.acme import Acme, Authorization, read_directory
from wizard.services.webroot import Webroot

pytestmark = pytest.mark.peers
TOKEN = "token-of-the-test"
IN_A_ROW = 20
# Half of the good nonces are refused, and each validation may sleep for a second before it looks (with 1, it
# would sleep for less than one second, which is none).
ROUGH = {"PEBBLE_WFE_NONCEREJECT": "50", "PEBBLE_VA_SLEEPTIME": "2"}


# The client


@pytest.fixture
def client(ca: Ca) -> Iterator[Acme]:
    made = Acme(ca.directory_url, certificates.new_key("ecdsa-p256"), Endpoints(), ca_file=str(ca.ca_file))
    made.register(contact="", external_account=None)
    yield made
    made.close()


def settled(client: Acme, url: str) -> Authorization:
    return poll(lambda: client.authorization(url), lambda found: found.status != "pending")


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(WizardError) as caught:
        work()
    return caught.value.problem.code


def test_the_client_gets_a_certificate(client: Acme, ca: Ca) -> None:
    found = read_directory(ca.directory_url, Endpoints(), ca_file=str(ca.ca_file))
    assert found.terms
    assert not found.needs_external_account
    order = client.new_order([DOMAIN])
    (challenge,) = (
        c for c in client.authorization(order.authorizations[0]).challenges if c.kind == "http-01"
    )
    webroot = Webroot(str(ca.webroot))
    webroot.place(challenge.token, challenge.content)
    client.answer(challenge)
    assert settled(client, order.authorizations[0]).status == "valid"
    order = poll(lambda: client.order(order.url), lambda found: found.status == "ready")
    key = certificates.new_key("ecdsa-p256")
    client.finalize(order, certificates.signing_request(key, [DOMAIN]))
    order = poll(lambda: client.order(order.url), lambda found: found.status == "valid")
    for pem in client.chains(order):
        chain = certificates.read_chain(certificates.arrange(pem, key), key, extra_roots_pem=ca.roots_pem)
        assert (chain.key_matches, chain.chain_error, chain.names) == (True, "", (DOMAIN,))


@pytest.mark.parametrize("name", [ABSENT, CLOSED])
@pytest.mark.parametrize("kind", ["http-01", "dns-01"])
def test_a_name_that_leads_nowhere_is_told(client: Acme, name: str, kind: str) -> None:
    """In a sentence that names it, whatever the authority calls the problem."""
    url = client.new_order([name]).authorizations[0]
    client.answer(next(each for each in client.authorization(url).challenges if each.kind == kind))
    found = settled(client, url)
    assert (found.domain, found.status) == (name, "invalid")
    assert found.problem is not None
    assert name in found.problem.what
    assert found.problem.fix


def test_a_challenge_may_be_answered_again_by_a_run_that_goes_on(client: Acme) -> None:
    """While the authority looks, and when it has looked."""
    url = client.new_order([CLOSED]).authorizations[0]
    (challenge,) = (each for each in client.authorization(url).challenges if each.kind == "http-01")
    for _ in range(5):
        client.answer(challenge)
    assert settled(client, url).status == "invalid"
    client.answer(challenge)


def test_the_client_is_told_what_is_refused(client: Acme) -> None:
    assert refusal(lambda: client.new_order(["under_score.practice.test"])) == "acme-malformed"
    order = client.new_order([DOMAIN])
    request = certificates.signing_request(certificates.new_key("ecdsa-p256"), [DOMAIN])
    assert refusal(lambda: client.finalize(order, request)) == "acme-order-not-ready"


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_the_client_changes_its_key_and_leaves(client: Acme, ca: Ca, kind: str) -> None:
    """Whoever opens the account with the new key finds it; nobody does once it is given up."""
    uri = client.register(contact="", external_account=None)
    key = certificates.new_key(kind)
    client.change_key(key)
    assert client.new_order([DOMAIN]).status == "pending"
    later = Acme(ca.directory_url, key, Endpoints(), ca_file=str(ca.ca_file))
    try:
        assert later.register(contact="", external_account=None) == uri
        client.deactivate()
        assert refusal(lambda: later.new_order([DOMAIN])) == "acme-unauthorized"
    finally:
        later.close()


def test_an_order_that_was_given_up_is_over(ca: Ca, connect: Callable[[Ca], Raw]) -> None:
    """Its status is none that a run goes on with."""
    raw = connect(ca)
    raw.register().ok()
    order = raw.ordered(DOMAIN)
    raw.post(order.body["authorizations"][0], {"status": "deactivated"}).ok()
    client = Acme(ca.directory_url, pem_of(raw.key), Endpoints(), ca_file=str(ca.ca_file))
    try:
        client.use(raw.kid)
        assert client.order(order.url).status in {"invalid", "deactivated"}
        assert client.authorization(order.body["authorizations"][0]).status == "deactivated"
    finally:
        client.close()


def test_the_client_binds_its_account(bound_ca: Ca) -> None:
    key = certificates.new_key("ecdsa-p256")
    client = Acme(bound_ca.directory_url, key, Endpoints(), ca_file=str(bound_ca.ca_file))
    try:

        def register(binding: tuple[str, SecretStr] | None) -> str:
            return client.register(contact="", external_account=binding)

        assert refusal(lambda: register(None)) == "acme-external-account-required"
        assert refusal(lambda: register(("unknown", SecretStr(HMAC_KEY)))) == "eab-refused"
        uri = register((KID, SecretStr(HMAC_KEY)))
        assert register((KID, SecretStr(HMAC_KEY))) == uri
    finally:
        client.close()


# The certificate step


@pytest.fixture
def setup(
    request: pytest.FixtureRequest,
    start_pebble: StartPebble,
    web: Web,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Setup]:
    """Its names come from Pebble's DNS server, its way to port 80 is a proxy's, its cluster is practice."""
    pebble = start_pebble(request.param, environment=ROUGH)
    authority, ledger, root = Authority(), Ledger(), tmp_path / "cluster-ca.pem"
    root.write_bytes(authority.root_pem)
    with ExitStack() as stack:
        proxy = ProxyServer(lambda _: [WEB_ADDRESS], web.network, ledger)
        context = authority.server_context(["127.0.0.1"])
        cluster = KubernetesServer(ledger, ssl_context=context, tokens={TOKEN: "tester"})
        for server in (proxy, cluster):
            stack.callback(server.stop)
            server.start()
        write_kubeconfig(tmp_path / "kubeconfig", cluster.url, root, TOKEN)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        ca_file = tmp_path / "roots.pem"
        ca_file.write_bytes(pebble.server_ca_file.read_bytes() + pebble.roots_pem)
        wanted = {
            "domain": DOMAIN,
            "webroot": str(web.root),
            "agree_tos": True,
            "directory": pebble.directory_url,
            "overridden": ["delegation", "address", "caa"],  # its DNS server knows of no zones
        }
        answers = from_mapping({"setup": "team", "certificate": wanted})
        endpoints = Endpoints(nameservers=(pebble.nameserver,), proxy=proxy.url, ca_file=str(ca_file))
        made = Setup(answers, Services(answers, endpoints), Journal(tmp_path / "journal.jsonl"))
        stack.callback(made.close)
        yield made


@pytest.mark.parametrize("setup", ["debian", "current"], indirect=True)
def test_many_certificates_in_a_row_from_a_rough_authority(setup: Setup, web: Web) -> None:
    serials, accounts = set(), set()
    for _ in range(IN_A_ROW):
        setup.run()
        assert setup.failed_checks() == {}
        serials.add(setup.chain().serial)
        accounts.add(setup.facts.certificate.account_uri if setup.facts.certificate else "")
        setup.forget()
    assert (len(serials), len(accounts)) == (IN_A_ROW, 1)
    assert all(accounts)
    assert not list(web.root.glob(".well-known/**/*.*"))
