"""A practice authority in front of a practice web server, one of each for every test."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from josepy import jwa
from josepy.jwk import JWK, JWKEC, JWKRSA

from wizard.practice.acme import AcmeServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.web import WebServer

Found = TypeVar("Found")
Csr = Callable[..., bytes]
Issue = Callable[..., messages.OrderResource]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "root.pem"
    path.write_bytes(authority.root_pem)
    return str(path)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def webroot(tmp_path: Path) -> Path:
    return tmp_path / "webroot"


@pytest.fixture
def web(webroot: Path, network: Network) -> Iterator[WebServer]:
    server = WebServer(webroot, network)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def records() -> dict[str, list[str]]:
    """TXT records by name; tests fill them."""
    return {}


@pytest.fixture
def server(
    authority: Authority, web: WebServer, network: Network, ledger: Ledger, records: dict[str, list[str]]
) -> Iterator[AcmeServer]:
    """Names below practice.test lead to the web server."""

    def resolve(name: str) -> list[str]:
        return [WEB_ADDRESS] if name.endswith(".practice.test") else []

    assert web.port
    acme = AcmeServer(authority, resolve, network, ledger, txt=lambda name: records.get(name, []))
    acme.settings.validation_delay_s = 0
    acme.start()
    yield acme
    acme.stop()


@pytest.fixture
def connect(server: AcmeServer, ca_file: str) -> Iterator[Callable[..., client.ClientV2]]:
    """Makes clients of the acme library, without an account; `kind` is the JWS algorithm."""
    made: list[client.ClientNetwork] = []

    def build(kind: str = "ES256") -> client.ClientV2:
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        key: JWK
        if kind in curves:
            key = JWKEC(key=ec.generate_private_key(curves[kind]))
        else:
            key = JWKRSA(key=rsa.generate_private_key(65537, 2048))
        alg = {"ES256": jwa.ES256, "ES384": jwa.ES384, "ES512": jwa.ES512}.get(kind, jwa.RS256)
        # The annotation says bool, but a path goes straight to requests.
        net = client.ClientNetwork(key, alg=alg, verify_ssl=cast("bool", ca_file), timeout=60)
        made.append(net)
        return client.ClientV2(client.ClientV2.get_directory(server.directory_url, net), net)

    yield build
    for net in made:
        net.session.close()


@pytest.fixture
def client_with_account(connect: Callable[..., client.ClientV2]) -> client.ClientV2:
    acme = connect()
    acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))
    return acme


@pytest.fixture
def csr() -> Csr:
    """A request for the names, in PEM, with a key that nobody keeps."""

    def build(*names: str) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return crypto_util.make_csr(pem, list(names))

    return build


@pytest.fixture
def issue(webroot: Path, csr: Csr) -> Issue:
    """Orders by webroot with an unmodified client. Raises what the client raises."""

    def run(
        acme: client.ClientV2, *names: str, profile: str | None = None, body: str | None = None
    ) -> messages.OrderResource:
        order = acme.new_order(csr(*names), profile=profile)
        directory = webroot / ".well-known" / "acme-challenge"
        directory.mkdir(parents=True, exist_ok=True)
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue
            challenge = next(
                c for c in authorization.body.challenges if isinstance(c.chall, challenges.HTTP01)
            )
            response, validation = challenge.response_and_validation(acme.net.key)
            (directory / challenge.chall.encode("token")).write_text(body or validation)
            acme.answer_challenge(challenge, response)
        return finish(acme, order)

    return run


def finish(acme: client.ClientV2, order: messages.OrderResource) -> messages.OrderResource:
    """As the library's poll_and_finalize, which sleeps a second at a time."""

    def ask() -> dict[str, Any]:
        return cast("dict[str, Any]", acme._post_as_get(order.uri).json())

    settled = wait_for(ask, lambda found: found["status"] != "pending")
    if settled["status"] == "invalid":
        raise errors.IssuanceError(messages.Error.from_json(settled["error"]))
    acme.begin_finalization(order)
    done = wait_for(ask, lambda found: found["status"] == "valid")
    chain = acme._post_as_get(done["certificate"]).text
    return cast(
        "messages.OrderResource",
        order.update(body=messages.Order.from_json(done), fullchain_pem=chain),
    )


def wait_for(ask: Callable[[], Found], is_met: Callable[[Found], bool]) -> Found:
    deadline = datetime.now().astimezone() + timedelta(seconds=60)
    while datetime.now().astimezone() < deadline:
        if is_met(found := ask()):
            return found
        threading.Event().wait(0.01)
    pytest.fail("the condition was not met within a minute")
