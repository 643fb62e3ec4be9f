"""Keys, signing requests and certificate chains in PEM form; nothing here asks the network.

Only the roots that could have signed a chain are parsed: reading a whole trust store costs 50 ms.
"""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from pydantic import SecretStr

from wizard.errors import WizardError, wizard_error
from wizard.facts import ChainFacts
from wizard.services.web import base_bundle

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key(key_type: str) -> bytes:
    """A new private key, PKCS#8 in PEM; `key_type` as in the answers (ecdsa-p256, rsa-2048, ...)."""
    made: PrivateKey
    if key_type.startswith("rsa-"):
        made = rsa.generate_private_key(65537, int(key_type.removeprefix("rsa-")))
    else:
        made = ec.generate_private_key(ec.SECP384R1() if key_type == "ecdsa-p384" else ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_type(key_pem: bytes) -> str:
    """The answers' word for a key, "" for what is not a usable key."""
    try:
        key = read_key(key_pem)
    except WizardError:
        return ""
    if isinstance(key, rsa.RSAPrivateKey):
        return f"rsa-{key.key_size}"
    return f"ecdsa-p{key.key_size}"


def read_key(key_pem: bytes, source: str = "The private key") -> PrivateKey:
    """Raises WizardError: encrypted, not PEM, or neither RSA nor ECDSA."""
    try:
        key = load_pem_private_key(key_pem, password=None)
    except TypeError as error:
        raise wizard_error(
            "key-encrypted",
            f"{source} is encrypted.",
            why="The registry starts without anyone to type a pass phrase.",
            fix="Decrypt it first: openssl pkey -in KEY -out PLAIN-KEY.",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise wizard_error(
            "key-unreadable",
            f"{source} is not a private key in PEM form.",
            why="A block that begins with -----BEGIN PRIVATE KEY----- is needed.",
            fix="Name the file that holds the private key.",
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise wizard_error(
            "key-kind",
            f"{source} is neither RSA nor ECDSA.",
            why="Registry clients know only these two.",
            fix="Get a certificate for an RSA or ECDSA key.",
        )
    return key


def signing_request(key_pem: bytes, names: Sequence[str]) -> bytes:
    """A CSR in PEM with the names as subjectAltName and an empty subject (RFC 8555, 7.4)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = builder.add_extension(alternatives, critical=False).sign(read_key(key_pem), hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


def is_request_for(request_pem: bytes, key_pem: bytes, names: Sequence[str]) -> bool:
    """Whether a signing request is by this key, for exactly these names."""
    try:
        found = x509.load_pem_x509_csr(request_pem)
        key = read_key(key_pem).public_key()
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, WizardError, x509.ExtensionNotFound):
        return False
    return found.public_key() == key and set(listed.get_values_for_type(x509.DNSName)) == {*names}


def read_chain(cert_pem: bytes, key_pem: bytes | None, *, extra_roots_pem: bytes = b"") -> ChainFacts:
    """What a certificate file says; the first certificate is the server's.

    `chain_error` is a sentence, "" where the chain leads, in order and complete, to a root of this system
    or of `extra_roots_pem`. Raises WizardError where the PEM cannot be read.
    """
    chain = _read_certificates(cert_pem)
    leaf = chain[0]
    return ChainFacts(
        serial=f"{leaf.serial_number:x}",
        names=_names(leaf),
        issuer=leaf.issuer.rfc4514_string(),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        key_matches=key_pem is not None and _belongs(leaf, key_pem),
        chain_error=_chain_error(chain, extra_roots_pem),
    )


def arrange(cert_pem: bytes, key_pem: bytes) -> bytes:
    """The chain in the order that servers send it: the key's certificate, then each issuer, no root.

    Raises WizardError where no certificate belongs to the key.
    """
    found = _read_certificates(cert_pem)
    leaf = next((each for each in found if _belongs(each, key_pem)), None)
    if leaf is None:
        raise wizard_error(
            "key-mismatch",
            "The private key does not belong to the certificate.",
            why="No certificate of the file holds the key's public half.",
            fix="Name the key that the certificate was requested with.",
        )
    chain = [leaf]
    while issuer := next((each for each in found if each not in chain and _signed(chain[-1], each)), None):
        if _signed(issuer, issuer):
            break
        chain.append(issuer)
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain)


def read_pkcs12(bundle: bytes, password: SecretStr | None, source: str) -> tuple[bytes, bytes]:
    """Certificates and key of a PKCS#12 file (RFC 7292), in PEM; raises WizardError.

    Without a password the empty one is tried, and none at all, for files are made in both ways.
    """
    tried = [password.get_secret_value().encode()] if password else [b"", None]
    for each in tried:
        try:
            key, leaf, others = load_key_and_certificates(bundle, each)
        except ValueError:
            continue
        if key is None or leaf is None:
            raise wizard_error(
                "pkcs12-incomplete",
                f"{source} holds no certificate with its private key.",
                why="A registry needs both.",
                fix="Export it again, with the private key.",
            )
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        read_key(plain, f"The key in {source}")
        return b"".join(found.public_bytes(Encoding.PEM) for found in (leaf, *others)), plain
    raise wizard_error(
        "pkcs12-locked",
        f"{source} cannot be opened.",
        why="The password is wrong, or it is no PKCS#12 file." if password else "It needs a password.",
        fix="Set KUBE_REGISTRY_PKCS12_PASSWORD to its password; it is never stored.",
    )


def missing_issuer_url(cert_pem: bytes, extra_roots_pem: bytes) -> str:
    """Where the issuer of the topmost certificate is to be had, "" where none is missing or named."""
    chain = _read_certificates(cert_pem)
    top = chain[-1]
    if _possible_roots([top], extra_roots_pem) or _signed(top, top):
        return ""
    return _issuer_url(top)


def with_issuer(cert_pem: bytes, issuer: bytes) -> bytes:
    """The chain with its next certificate, from DER or PEM; unchanged where it is not the issuer's."""
    chain = _read_certificates(cert_pem)
    try:
        found = (
            x509.load_pem_x509_certificate(issuer)
            if issuer.startswith(b"-----")
            else x509.load_der_x509_certificate(issuer)
        )
    except ValueError:
        return cert_pem
    is_next = _signed(chain[-1], found) and not _signed(found, found)
    return cert_pem + found.public_bytes(Encoding.PEM) if is_next else cert_pem


def covers(names: Sequence[str], domain: str) -> bool:
    """Whether a certificate's names hold for the domain; a wildcard holds for one label (RFC 9525, 6.3)."""
    parent = domain.partition(".")[2]
    return any(name.lower() in {domain, f"*.{parent}"} for name in names)


def missing(names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted names that a certificate does not hold for."""
    return tuple(each for each in wanted if not covers(names, each))


def leads_to(cert_pem: bytes, root: str) -> bool:
    """Whether the topmost certificate of a chain was issued by a root of this common name."""
    top = _read_certificates(cert_pem)[-1].issuer
    return root.lower() in {
        str(each.value).lower() for each in top.get_attributes_for_oid(NameOID.COMMON_NAME)
    }


def is_due(chain: ChainFacts, now: datetime) -> bool:
    """Whether a third of the life or less is left."""
    return now >= chain.not_after - (chain.not_after - chain.not_before) / 3


def _read_certificates(cert_pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(cert_pem)
    except ValueError as error:
        raise wizard_error(
            "certificate-unreadable",
            "The certificate is not in PEM form.",
            why="A block that begins with -----BEGIN CERTIFICATE----- is needed.",
            fix="Name the file that holds certificate and chain; DER is converted by openssl x509.",
            raw=error,
        ) from error


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _belongs(certificate: x509.Certificate, key_pem: bytes) -> bool:
    try:
        public = read_key(key_pem).public_key()
    except WizardError:
        return False
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(*form) == public.public_bytes(*form)


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _chain_error(chain: Sequence[x509.Certificate], extra_roots_pem: bytes) -> str:
    leaf, now = chain[0], datetime.now(UTC)
    names = _names(leaf)
    if not names:
        return "The certificate names no host (subjectAltName); clients refuse it."
    if now > leaf.not_valid_after_utc:
        return f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}."
    if now < leaf.not_valid_before_utc:
        return f"The certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC."
    for lower, upper in pairwise(chain):
        if not _signed(lower, upper):
            return "The chain is out of order: each certificate must be followed by its issuer's."
    roots = _possible_roots(chain, extra_roots_pem)
    if not roots:
        return _missing_issuer(chain[-1])
    verifier = (
        PolicyBuilder()
        .store(Store(roots))
        .extension_policies(ca_policy=_ca_policy(), ee_policy=_server_policy())
        .build_server_verifier(x509.DNSName(names[0].replace("*", "any", 1)))
    )
    try:
        verifier.verify(leaf, list(chain[1:]))
    except VerificationError as error:
        return f"The chain does not hold: {error}."
    return ""


def _missing_issuer(top: x509.Certificate) -> str:
    issuer = top.issuer.rfc4514_string()
    if _signed(top, top):
        return f"Its root, {issuer}, is not trusted by this system."
    where = f" The CA offers it at {url}." if (url := _issuer_url(top)) else ""
    return f"The chain ends before a trusted root: the certificate of {issuer} is missing.{where}"


def _issuer_url(certificate: x509.Certificate) -> str:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ""
    for each in found:
        if each.access_method == AuthorityInformationAccessOID.CA_ISSUERS:
            return str(each.access_location.value)
    return ""


def _possible_roots(chain: Sequence[x509.Certificate], extra_roots_pem: bytes) -> list[x509.Certificate]:
    issuers = {certificate.issuer.public_bytes() for certificate in chain}
    trusted = _split(Path(base_bundle()).read_text(encoding="utf-8"))
    trusted += _split(extra_roots_pem.decode("ascii", "replace"))
    return [
        x509.load_der_x509_certificate(der) for der in trusted if any(issuer in der for issuer in issuers)
    ]


def _split(pem: str) -> list[bytes]:
    end = "-----END CERTIFICATE-----"
    blocks = (block[block.index("-----BEGIN") :] + end for block in pem.split(end) if "-----BEGIN" in block)
    return [ssl.PEM_cert_to_DER_cert(block) for block in blocks]


def _ca_policy() -> ExtensionPolicy:
    """Looser than the web's: a company's own CA often leaves out key identifiers, and clients accept it."""
    return ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)


def _server_policy() -> ExtensionPolicy:
    policy = ExtensionPolicy.permit_all().require_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    return policy.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _must_serve)


def _must_serve(_policy: Policy, _certificate: x509.Certificate, found: x509.ExtendedKeyUsage | None) -> None:
    wanted = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if found is not None and not wanted & set(found):
        raise ValueError("it is not a server's certificate")
