"""Signed requests: flattened JWS in ACME's restricted form (RFC 8555, section 6.2; RFC 7515)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy import errors, jwa
from josepy.jwk import JWK, JWKEC, JWKRSA

from wizard.practice.acme import encoding
from wizard.practice.acme.problems import Problem

ALGORITHMS = {"RS256": jwa.RS256, "ES256": jwa.ES256, "ES384": jwa.ES384, "ES512": jwa.ES512}
MAC_ALGORITHMS = {"HS256": jwa.HS256, "HS384": jwa.HS384, "HS512": jwa.HS512}
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
KEYS: dict[str, Callable[[dict[str, Any]], JWK]] = {
    "RSA": JWKRSA.fields_from_json,
    "EC": JWKEC.fields_from_json,
}
PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
RSA_BITS = range(2048, 4097)
LONGEST_MEMBER = 1024  # characters; a 4096-bit modulus takes 683


@dataclass(frozen=True, slots=True)
class Signed:
    """A parsed JWS whose signature is not yet checked; `header` is the protected one."""

    header: dict[str, Any]
    payload: bytes
    signature: bytes
    signing_input: bytes

    def text(self, member: str) -> str | None:
        value = self.header.get(member)
        return value if isinstance(value, str) else None


def parse(body: bytes) -> Signed:
    """Reads an HTTP body. Raises Problem "malformed"."""
    try:
        return from_object(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise Problem("malformed", "Parse error reading JWS") from error


def from_object(found: object) -> Signed:
    """Reads a flattened JWS, an outer or an inner one. Raises Problem "malformed"."""
    if not isinstance(found, dict):
        raise Problem("malformed", "Parse error reading JWS")
    if "header" in found:
        raise Problem("malformed", 'JWS "header" field not allowed. All headers must be in "protected" field')
    if "signatures" in found:
        raise Problem(
            "malformed",
            'JWS "signatures" field not allowed. Only the "signature" field should contain a signature',
        )
    try:
        header = json.loads(encoding.decode(found.get("protected")))
        payload, signature = encoding.decode(found.get("payload")), encoding.decode(found.get("signature"))
    except (ValueError, RecursionError) as error:
        raise Problem("malformed", "Parse error reading JWS") from error
    if not isinstance(header, dict) or "crit" in header:
        raise Problem("malformed", "Parse error reading JWS")
    if not signature:
        raise Problem("malformed", "POST JWS not signed")
    return Signed(header, payload, signature, f"{found['protected']}.{found['payload']}".encode())


def public_key(found: object) -> JWK:
    """An account's key from its JWK. Raises Problem "badPublicKey"; private keys are refused, not kept."""
    members = found if isinstance(found, dict) else {}
    wanted = PUBLIC_MEMBERS.get(str(members.get("kty")), ())
    public: dict[str, Any] = {name: members.get(name) for name in ("kty", *wanted)}
    if not wanted or not all(isinstance(v, str) and len(v) <= LONGEST_MEMBER for v in public.values()):
        raise Problem(
            "badPublicKey",
            "JWK contains unsupported key type (expected RSA, or ECDSA P-256, P-384, or P-521)",
        )
    if "d" in members:
        raise Problem("badPublicKey", "JWK holds a private key. Send the public one only")
    try:
        key = KEYS[public["kty"]](public)
    except (errors.Error, ValueError, TypeError) as error:
        raise Problem("badPublicKey", "Invalid JWK in JWS header") from error
    if isinstance(key, JWKRSA) and key.key.key_size not in RSA_BITS:
        raise Problem(
            "badPublicKey", f"invalid request signing key: key size not supported: {key.key.key_size}"
        )
    return key


def algorithm_for(key: JWK) -> str:
    """The one JWS algorithm that a key of this kind may sign with."""
    if isinstance(key, JWKEC):
        return CURVES[key.key.curve.name]
    return "RS256"


def verify(signed: Signed, key: JWK) -> None:
    """Raises Problem "badSignatureAlgorithm" or "malformed"."""
    name = signed.text("alg")
    if name not in ALGORITHMS:
        raise Problem(
            "badSignatureAlgorithm",
            f"JWS signature header contains unsupported algorithm {json.dumps(signed.header.get('alg'))},"
            f" expected one of {' '.join(ALGORITHMS)}",
            algorithms=list(ALGORITHMS),
        )
    if name != algorithm_for(key):
        raise Problem(
            "malformed",
            f'JWS signature header algorithm "{name}" does not match expected algorithm'
            f' "{algorithm_for(key)}" for JWK',
        )
    if not ALGORITHMS[name].verify(key.key, signed.signing_input, signed.signature):
        raise Problem("malformed", "JWS verification error")


def payload_object(signed: Signed) -> dict[str, Any] | None:
    """The payload, or None for the empty one of POST-as-GET. Raises Problem "malformed"."""
    if not signed.payload:
        return None
    try:
        found = json.loads(signed.payload)
    except (ValueError, RecursionError) as error:
        raise Problem("malformed", "Request payload did not parse as JSON") from error
    if not isinstance(found, dict):
        raise Problem("malformed", "Request payload did not parse as JSON")
    return found


def is_key(key: JWK, other: object) -> bool:
    """Whether an account's key is this key of a certificate, or of a request for one."""
    return (
        isinstance(key, JWKEC | JWKRSA)
        and isinstance(other, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        and bool(key.key == type(key.key)(other))
    )
