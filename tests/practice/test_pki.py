"""The practice authority's certificates, judged by OpenSSL in its strict mode and by a TLS handshake."""

import socket
import ssl
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from wizard.practice.pki import Authority

NAME = "registry.practice.test"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.mark.parametrize("is_alternate", [False, True])
def test_openssl_accepts_both_chains_strictly(
    authority: Authority, tmp_path: Path, is_alternate: bool
) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    leaf = authority.issue(key, [NAME], lifetime=timedelta(days=90))
    root = authority.alternate_root_pem if is_alternate else authority.root_pem
    (tmp_path / "root.pem").write_bytes(root)
    (tmp_path / "chain.pem").write_bytes(authority.chain(leaf, is_alternate=is_alternate))
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    strict = ["-x509_strict", "-purpose", "sslserver", "-verify_hostname", NAME]
    files = ["-CAfile", "root.pem", "-untrusted", "chain.pem", "leaf.pem"]
    subprocess.run(["openssl", "verify", *strict, *files], cwd=tmp_path, check=True, capture_output=True)


def test_the_root_is_recognizable_and_new_for_every_authority(authority: Authority) -> None:
    names = [
        x509.load_pem_x509_certificate(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        for pem in (authority.root_pem, Authority().root_pem)
    ]
    assert all(str(name).startswith("Practice Root CA ") for name in names)
    assert names[0] != names[1]


def test_key_usage_follows_the_kind_of_key(authority: Authority) -> None:
    for key, encipherment in (
        (ec.generate_private_key(ec.SECP256R1()).public_key(), False),
        (rsa.generate_private_key(65537, 2048).public_key(), True),
    ):
        leaf = authority.issue(key, [NAME], lifetime=timedelta(days=1))
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        assert (usage.digital_signature, usage.key_encipherment) == (True, encipherment)


def test_a_name_too_long_for_a_common_name_stands_in_the_alternative_names_only(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    long = f"{'a' * 60}.practice.test"
    leaf = authority.issue(key, [long], lifetime=timedelta(days=1))
    assert not leaf.subject.rdns
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == [long]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_strict_client_trusts_the_worlds_own_servers(authority: Authority, name: str) -> None:
    server_context = authority.server_context(["127.0.0.1", "localhost"])
    client_context = ssl.create_default_context(cadata=authority.root_pem.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            with server_context.wrap_socket(plain, server_side=True) as secured:
                secured.recv(1)

        server = threading.Thread(target=serve)
        server.start()
        plain = socket.create_connection(listening.getsockname(), 60)
        with client_context.wrap_socket(plain, server_hostname=name) as secured:
            secured.sendall(b"x")
        server.join(60)
