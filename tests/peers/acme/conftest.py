"""The authorities of the contract: the practice world's own, and the two Pebbles that no one here wrote."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.peers.acme.contract import ABSENT, CLOSED, DIFFERENCES, HMAC_KEY, KID, Ca, Raw
from tests.peers.acme.pebble import BLOCKED, CALM, Pebble, Programs
from tests.peers.differences import expect
from wizard.practice.acme import AcmeServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.web import WebServer

IS_CI = bool(os.environ.get("CI"))
BOUND = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {KID: HMAC_KEY}}
StartPebble = Callable[..., Pebble]


@dataclass
class Web:
    """A web server at 127.0.0.1, for the practice world at WEB_ADDRESS, port 80."""

    root: Path
    network: Network = field(default_factory=Network)

    def __post_init__(self) -> None:
        self.server = WebServer(self.root, self.network)


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    made = Web(tmp_path_factory.mktemp("webroot"))
    made.server.start()
    yield made
    made.server.stop()


@pytest.fixture(scope="session")
def programs(go_tools: Path) -> Callable[[str], Programs]:
    """`programs("debian")` or `programs("current")`; skips, or in CI fails, where they are absent."""

    def find(which: str) -> Programs:
        at = {"debian": "", "current": f"{go_tools}/"}[which]
        wanted = [f"{at}pebble", f"{at}pebble-challtestsrv"]
        if missing := [name for name in wanted if not shutil.which(name)]:
            why = f"not there: {', '.join(missing)}; run tests/peers/install"
            if IS_CI:
                pytest.fail(why)
            pytest.skip(why)
        return Programs(*wanted)

    return find


@pytest.fixture(scope="session")
def start_pebble(
    programs: Callable[[str], Programs], web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartPebble]:
    """`start_pebble(which, environment=, config=)`."""
    with contextlib.ExitStack() as stack:

        def start(which: str, **options: Any) -> Pebble:
            directory = tmp_path_factory.mktemp(f"pebble-{which}")
            pebble = Pebble(programs(which), directory, http_port=web.server.port, **options)
            stack.callback(pebble.stop)
            pebble.start()
            return pebble

        yield start


@contextlib.contextmanager
def _practice(directory: Path, web: Web, *, is_bound: bool) -> Iterator[Ca]:
    authority, records = Authority(), dict[str, list[str]]()
    ca_file = directory / "root.pem"
    ca_file.write_bytes(authority.root_pem)

    def resolve(name: str) -> list[str]:
        return {CLOSED: ["127.80.9.9"], ABSENT: []}.get(name, [WEB_ADDRESS])

    def set_txt(name: str, texts: Sequence[str]) -> None:
        records[name] = [*records.get(name, []), *texts] if texts else []

    server = AcmeServer(authority, resolve, web.network, Ledger(), txt=lambda name: records.get(name, []))
    server.settings.rejected_names = {BLOCKED}
    server.settings.external_accounts = {KID: HMAC_KEY} if is_bound else {}
    server.settings.issuance_delay_s = 0.02
    server.start()
    roots = authority.root_pem + authority.alternate_root_pem
    try:
        yield Ca("practice", server.directory_url, ca_file, roots, web.root, set_txt)
    finally:
        server.stop()


def _real(pebble: Pebble, name: str, web: Web) -> Ca:
    pebble.set_address(CLOSED, "127.0.0.9")
    pebble.set_trouble(ABSENT)
    return Ca(name, pebble.directory_url, pebble.server_ca_file, pebble.roots_pem, web.root, pebble.set_txt)


def _side(request: pytest.FixtureRequest, web: Web, *, is_bound: bool) -> Iterator[Ca]:
    if request.param == "practice":
        factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        with _practice(factory.mktemp("practice"), web, is_bound=is_bound) as made:
            yield made
    else:
        start: StartPebble = request.getfixturevalue("start_pebble")
        config = BOUND if is_bound else {}
        yield _real(start(request.param, environment=CALM, config=config), request.param, web)


@pytest.fixture(scope="module", params=["practice", "debian", "current"])
def ca(request: pytest.FixtureRequest, web: Web) -> Iterator[Ca]:
    yield from _side(request, web, is_bound=False)


@pytest.fixture(scope="module", params=["practice", "debian", "current"])
def bound_ca(request: pytest.FixtureRequest, web: Web) -> Iterator[Ca]:
    """One that wants new accounts bound to KID, whose key is HMAC_KEY."""
    yield from _side(request, web, is_bound=True)


@pytest.fixture(autouse=True)
def _differences(request: pytest.FixtureRequest) -> None:
    expect(request, DIFFERENCES, "ca")


@pytest.fixture
def connect() -> Iterator[Callable[[Ca], Raw]]:
    """`connect(ca)` gives a client with a key of its own, and no account."""
    with contextlib.ExitStack() as stack:

        def make(ca: Ca) -> Raw:
            session = stack.enter_context(requests.Session())
            session.trust_env = False
            session.verify = str(ca.ca_file)
            return Raw(ca, session)

        yield make


@pytest.fixture
def stranger(ca: Ca, connect: Callable[[Ca], Raw]) -> Raw:
    """Without an account."""
    return connect(ca)


@pytest.fixture
def raw(ca: Ca, connect: Callable[[Ca], Raw]) -> Raw:
    """With an account."""
    made = connect(ca)
    made.register().ok()
    return made
