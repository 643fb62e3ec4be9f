"""Certificate requests: what a finalize request may carry (RFC 8555, section 7.4)."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from wizard.practice.acme import encoding
from wizard.practice.acme.problems import Problem
from wizard.practice.pki import LeafKey

CURVES = ("secp256r1", "secp384r1")
RSA_BITS = (2048, 3072, 4096)
HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def read(encoded: object) -> tuple[LeafKey, tuple[str, ...]]:
    """The public key and the sorted names of a base64url DER request. Raises Problem."""
    try:
        request = x509.load_der_x509_csr(encoding.decode(encoded))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Problem("malformed", f"Error parsing certificate request: {error}") from error
    try:
        key, names = _public_key(request), _names(request)
        is_signed = request.is_signature_valid
        is_strong = isinstance(request.signature_hash_algorithm, HASHES)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Problem("badCSR", f"unable to parse CSR: {error}") from error
    if not is_strong:
        raise Problem("badCSR", "signature algorithm not supported")
    if not is_signed:
        raise Problem("badCSR", "invalid signature on CSR")
    if not names:
        raise Problem("badCSR", "at least one identifier is required")
    return key, names


def _public_key(request: x509.CertificateSigningRequest) -> LeafKey:
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in RSA_BITS:
            raise Problem("badCSR", f"invalid public key in CSR: key size not supported: {key.key_size}")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return key
    raise Problem("badCSR", "invalid public key in CSR: unknown key type or curve")


def _names(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    names = {str(a.value).lower() for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        alternative = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(sorted(names))
    for found in alternative:
        if not isinstance(found, x509.DNSName):
            raise Problem("badCSR", "CSR contains identifiers that are not DNS names")
        names.add(found.value.lower())
    return tuple(sorted(names))
