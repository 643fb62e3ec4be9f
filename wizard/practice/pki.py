"""The practice world's certificate authority: a root and an intermediate that live in memory only.

A second root signs the same intermediate key, because real authorities offer alternate chains too.
"""

import ipaddress
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

LeafKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

ROOT_LIFETIME = timedelta(days=3650)
INTERMEDIATE_LIFETIME = timedelta(days=1825)
SERVER_LIFETIME = timedelta(days=90)
BACKDATED = timedelta(hours=1)  # as Let's Encrypt does, for clients whose clocks are slow
DOMAIN_VALIDATED = ObjectIdentifier("2.23.140.1.2.1")  # CA/Browser Forum, Baseline Requirements 7.1.6.1
COMMON_NAME_MAX = 64  # RFC 5280, upper bounds


class Authority:
    """Root CN "Practice Root CA <hex>"; PEMs are bytes, chains run from the leaf up without the root."""

    def __init__(self) -> None:
        mark = secrets.token_hex(3)
        root, root_key = _root(f"Practice Root CA {mark}")
        alternate_root, alternate_key = _root(f"Practice Alternate Root CA {mark}")
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Practice Intermediate CA {mark}")
        self._intermediate = _intermediate(name, self._key.public_key(), root, root_key)
        alternate = _intermediate(name, self._key.public_key(), alternate_root, alternate_key)
        self.root_pem = root.public_bytes(Encoding.PEM)
        self.alternate_root_pem = alternate_root.public_bytes(Encoding.PEM)
        self.intermediate_pem = self._intermediate.public_bytes(Encoding.PEM)
        self.alternate_intermediate_pem = alternate.public_bytes(Encoding.PEM)

    def issue(
        self,
        public_key: LeafKey,
        names: Sequence[str],
        *,
        lifetime: timedelta,
        has_common_name: bool = True,
    ) -> x509.Certificate:
        """A server certificate for DNS names and IP addresses, valid since an hour ago for `lifetime`.

        The common name is the first name that fits; Let's Encrypt's newer profiles leave it out.
        """
        start = _now() - BACKDATED
        common = next((n for n in names if len(n) <= COMMON_NAME_MAX), None) if has_common_name else None
        subject = _name(common) if common else x509.Name([])
        builder = _builder(subject, self._intermediate.subject, public_key, start, lifetime)
        return (
            builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=not common
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_leaf_usage(public_key), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.CertificatePolicies([x509.PolicyInformation(DOMAIN_VALIDATED, None)]), critical=False
            )
            .add_extension(_issuer_key_id(self._intermediate), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def chain(self, leaf: x509.Certificate, *, is_alternate: bool = False) -> bytes:
        """Leaf and intermediate as PEM; the alternate chain leads to the other root."""
        issuer = self.alternate_intermediate_pem if is_alternate else self.intermediate_pem
        return leaf.public_bytes(Encoding.PEM) + issuer

    def server_context(self, names: Sequence[str]) -> ssl.SSLContext:
        """A TLS server context with a fresh key and certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self.issue(key.public_key(), names, lifetime=SERVER_LIFETIME)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with tempfile.TemporaryDirectory(prefix="practice-tls-") as directory:
            pair = Path(directory, "pair.pem")  # ssl reads keys from files only; the directory is 0700
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            pair.write_bytes(private + self.chain(leaf))
            context.load_cert_chain(pair)
        return context


def _root(common_name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = _builder(name, name, key.public_key(), _now() - BACKDATED, ROOT_LIFETIME)
    return _as_authority(builder, path_length=1).sign(key, hashes.SHA256()), key


def _intermediate(
    name: x509.Name,
    key: ec.EllipticCurvePublicKey,
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    builder = _builder(name, root.subject, key, _now() - BACKDATED, INTERMEDIATE_LIFETIME)
    builder = builder.add_extension(_issuer_key_id(root), critical=False)
    return _as_authority(builder, path_length=0).sign(root_key, hashes.SHA256())


def _as_authority(builder: x509.CertificateBuilder, *, path_length: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: LeafKey, start: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(
            start + lifetime - timedelta(seconds=1)
        )  # the last second counts (RFC 5280, 4.1.2.5)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issuer_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _leaf_usage(key: LeafKey) -> x509.KeyUsage:
    return _usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPublicKey))


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
