"""Debian's certbot with the practice authority: a client that nobody here wrote gets all that it asks for."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.peers.acme.conftest import IS_CI, Web
from tests.peers.acme.contract import HMAC_KEY, KID
from tests.peers.acme.pebble import free_ports
from wizard.practice.acme import AcmeServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS
from wizard.practice.pki import Authority

pytestmark = pytest.mark.peers
DOMAIN, OTHER, ALONE = "registry.practice.test", "other.practice.test", "alone.practice.test"
ALONE_ADDRESS = "127.80.9.10"
LONGEST_S = 120
HOOK = """#!/bin/sh
echo "_acme-challenge.$CERTBOT_DOMAIN $CERTBOT_VALIDATION" >>'{records}'
"""


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """The TXT records that the authority sees: lines of a name and a text."""
    path = tmp_path / "records"
    path.touch()
    return path


@pytest.fixture
def practice(web: Web, tmp_path: Path, records: Path) -> Iterator[AcmeServer]:
    authority = Authority()
    (tmp_path / "root.pem").write_bytes(authority.root_pem)

    def resolve(name: str) -> list[str]:
        return [ALONE_ADDRESS if name == ALONE else WEB_ADDRESS]

    def txt(name: str) -> list[str]:
        lines = (line.split() for line in records.read_text().splitlines())
        return [text for of, text in lines if of == name]

    server = AcmeServer(authority, resolve, web.network, Ledger(), txt=txt)
    server.start()
    yield server
    server.stop()


Certbot = Callable[..., str]


@pytest.fixture
def certbot(practice: AcmeServer, tmp_path: Path) -> Certbot:
    """`certbot(command, *flags)` gives what it said, or fails the test with it."""
    program = shutil.which("certbot")
    if not program:
        why = "not there: certbot; run tests/peers/install"
        if IS_CI:
            pytest.fail(why)
        pytest.skip(why)

    def run(command: str, *flags: str) -> str:
        places = [f"--{each}-dir={tmp_path / each}" for each in ("config", "work", "logs")]
        done = subprocess.run(
            [program, command, "-n", "--server", practice.directory_url, *places, *flags],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "REQUESTS_CA_BUNDLE": str(tmp_path / "root.pem"),
            },
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def signed_up(*flags: str) -> tuple[str, ...]:
    return ("--agree-tos", "--register-unsafely-without-email", *flags)


def names_of(path: Path) -> set[str]:
    leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(found.get_values_for_type(x509.DNSName))


def kinds(practice: AcmeServer) -> list[str]:
    return [entry.kind for entry in practice.log]


def test_a_webroot_renewals_and_the_way_out(
    practice: AcmeServer, certbot: Certbot, web: Web, tmp_path: Path
) -> None:
    """With an authority that refuses every fourth nonce: certbot tries each once more."""
    practice.settings.bad_nonce_share = 0.25
    live = tmp_path / "config" / "live" / DOMAIN
    certbot("certonly", *signed_up("--webroot", "-w", str(web.root), "-d", DOMAIN, "-d", OTHER))
    assert names_of(live / "cert.pem") == {DOMAIN, OTHER}
    assert len(x509.load_pem_x509_certificates((live / "fullchain.pem").read_bytes())) == 2
    before = (live / "cert.pem").read_bytes()
    certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert (live / "cert.pem").read_bytes() != before
    certbot("revoke", "--cert-name", DOMAIN, "--reason", "superseded", "--delete-after-revoke")
    certbot("unregister")
    assert kinds(practice) == ["account", "order", "issued", "order", "issued", "revoked"]


def test_a_server_of_its_own(certbot: Certbot, web: Web, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    web.network.publish(ALONE_ADDRESS, 80, ("127.0.0.1", port))
    with contextlib.ExitStack() as stack:
        stack.callback(web.network.withdraw, ALONE_ADDRESS)
        alone = ("--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(port))
        certbot("certonly", *signed_up(*alone, "-d", ALONE, "--key-type", "rsa"))
    assert names_of(tmp_path / "config" / "live" / ALONE / "cert.pem") == {ALONE}


def test_records_for_a_wildcard(certbot: Certbot, records: Path, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(HOOK.format(records=records))
    hook.chmod(0o755)
    by_hand = ("--manual", "--preferred-challenges", "dns", "--manual-auth-hook", str(hook))
    certbot("certonly", *signed_up(*by_hand, "-d", DOMAIN, "-d", f"*.{DOMAIN}"))
    assert names_of(tmp_path / "config" / "live" / DOMAIN / "cert.pem") == {DOMAIN, f"*.{DOMAIN}"}


def test_an_account_that_is_bound(practice: AcmeServer, certbot: Certbot) -> None:
    practice.settings.external_accounts = {KID: HMAC_KEY}
    certbot("register", *signed_up("--eab-kid", KID, "--eab-hmac-key", HMAC_KEY))
    certbot("update_account", "-m", "ops@practice.test", "--no-eff-email")
    assert kinds(practice) == ["account"]


def test_a_failure_is_told_in_the_authoritys_words(
    practice: AcmeServer, certbot: Certbot, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(AssertionError) as told:
        certbot("certonly", *signed_up("--webroot", "-w", str(elsewhere), "-d", DOMAIN))
    assert "Type:   unauthorized" in str(told.value)
    assert f"http://{DOMAIN}/.well-known/acme-challenge/" in str(told.value)
    assert kinds(practice) == ["account", "order", "failed"]
