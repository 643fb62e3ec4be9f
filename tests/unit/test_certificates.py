"""Keys, requests and chains, against CAs made on the spot."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from wizard.errors import WizardError
from wizard.services import certificates

PEM = serialization.Encoding.PEM
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def cert_pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def make(
    common_name: str,
    issuer: Pair | None = None,
    *,
    ca: bool = False,
    names: tuple[str, ...] = (),
    days: tuple[int, int] = (-1, 89),
    extra: tuple[x509.ExtensionType, ...] = (),
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    for each in extra:
        builder = builder.add_extension(each, critical=False)
    return Pair(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


ROOT = make("Root", ca=True)
MIDDLE = make("Middle", ROOT, ca=True)
LEAF = make("leaf", MIDDLE, names=("registry.example.com",))


def chain_error(*chain: Pair, roots: bytes = ROOT.cert_pem) -> str:
    pem = b"".join(each.cert_pem for each in chain)
    return certificates.read_chain(pem, chain[0].key_pem, extra_roots_pem=roots).chain_error


def test_a_whole_chain_is_read() -> None:
    found = certificates.read_chain(
        LEAF.cert_pem + MIDDLE.cert_pem, LEAF.key_pem, extra_roots_pem=ROOT.cert_pem
    )
    assert found.chain_error == ""
    assert found.key_matches
    assert found.names == ("registry.example.com",)
    assert found.issuer == "CN=Middle"
    assert int(found.serial, 16) == LEAF.certificate.serial_number
    assert found.serial == found.serial.lower()
    assert found.not_after == LEAF.certificate.not_valid_after_utc


def test_another_key_does_not_match() -> None:
    found = certificates.read_chain(LEAF.cert_pem, MIDDLE.key_pem)
    assert not found.key_matches
    assert not certificates.read_chain(LEAF.cert_pem, None).key_matches


def test_each_broken_chain_has_its_sentence() -> None:
    server_only = make(
        "leaf",
        MIDDLE,
        names=("a.example.com",),
        extra=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),),
    )
    not_a_ca = make("Middle", ROOT)
    assert "is missing" in chain_error(LEAF)
    assert "is missing" in chain_error(LEAF, MIDDLE, roots=b"")
    assert "not trusted" in chain_error(LEAF, MIDDLE, ROOT, roots=b"")
    assert "out of order" in chain_error(LEAF, ROOT, MIDDLE)
    assert "not a server's" in chain_error(server_only, MIDDLE)
    assert "basicConstraints" in chain_error(make("leaf", not_a_ca, names=("a.example.com",)), not_a_ca)
    assert "names no host" in chain_error(make("leaf", MIDDLE), MIDDLE)
    assert "expired" in chain_error(make("leaf", MIDDLE, names=("a.b",), days=(-9, -1)), MIDDLE)
    assert "not valid before" in chain_error(make("leaf", MIDDLE, names=("a.b",), days=(1, 9)), MIDDLE)


def test_the_missing_issuer_is_named_with_its_address() -> None:
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier("http://ca.example.com/middle.der"),
            )
        ]
    )
    leaf = make("leaf", MIDDLE, names=("a.example.com",), extra=(access,))
    assert "http://ca.example.com/middle.der" in chain_error(leaf)


def test_a_wildcard_chain_holds() -> None:
    assert chain_error(make("leaf", MIDDLE, names=("*.example.com",)), MIDDLE) == ""


def test_the_chain_is_put_in_order() -> None:
    found = certificates.arrange(ROOT.cert_pem + MIDDLE.cert_pem + LEAF.cert_pem, LEAF.key_pem)
    assert found == LEAF.cert_pem + MIDDLE.cert_pem


def test_a_chain_without_the_key_is_refused() -> None:
    with pytest.raises(WizardError) as caught:
        certificates.arrange(MIDDLE.cert_pem, LEAF.key_pem)
    assert caught.value.problem.code == "key-mismatch"


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_a_new_key_signs_a_request(key_type: str) -> None:
    key_pem = certificates.new_key(key_type)
    request = x509.load_pem_x509_csr(certificates.signing_request(key_pem, ["a.example.com"]))
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificates.key_type(key_pem) == key_type
    assert request.is_signature_valid
    assert names.get_values_for_type(x509.DNSName) == ["a.example.com"]


def test_useless_keys_are_told_apart() -> None:
    plain = serialization.PrivateFormat.PKCS8
    locked = LEAF.key.private_bytes(PEM, plain, serialization.BestAvailableEncryption(b"word"))
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, plain, serialization.NoEncryption())
    for pem, code in ((locked, "key-encrypted"), (b"junk", "key-unreadable"), (edwards, "key-kind")):
        with pytest.raises(WizardError) as caught:
            certificates.read_key(pem)
        assert caught.value.problem.code == code
        assert certificates.key_type(pem) == ""


@pytest.mark.parametrize(
    "junk", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_is_no_certificate_is_refused(junk: bytes) -> None:
    with pytest.raises(WizardError) as caught:
        certificates.read_chain(junk, None)
    assert caught.value.problem.code == "certificate-unreadable"


@pytest.mark.parametrize(
    ("names", "is_covered"),
    [
        (("registry.example.com",), True),
        (("*.example.com",), True),
        (("REGISTRY.example.com",), True),
        (("*.com",), False),
        (("example.com", "*.registry.example.com"), False),
        ((), False),
    ],
)
def test_names_cover_a_domain(names: tuple[str, ...], is_covered: bool) -> None:
    assert certificates.covers(names, "registry.example.com") is is_covered


def test_a_certificate_is_due_with_a_third_left() -> None:
    found = certificates.read_chain(LEAF.cert_pem, None)
    third = found.not_after - (found.not_after - found.not_before) / 3
    assert not certificates.is_due(found, third - DAY)
    assert certificates.is_due(found, third)


def test_addresses_do_not_count_as_names() -> None:
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])
    assert "names no host" in chain_error(make("leaf", MIDDLE, extra=(address,)), MIDDLE)
