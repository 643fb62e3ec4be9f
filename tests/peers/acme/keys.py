"""Keys, signing requests and signatures by hand."""

import base64
import hashlib
import json
from typing import Any

from acme import crypto_util
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from josepy import jwa
from josepy.jwk import JWKEC

Obj = dict[str, Any]


def new_jwk() -> JWKEC:
    return JWKEC(key=ec.generate_private_key(ec.SECP256R1()))


def new_key() -> bytes:
    """In PEM."""
    return pem_of(new_jwk())


def pem_of(key: JWKEC) -> bytes:
    pem = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert isinstance(pem, bytes)
    return pem


def key_of(pem: bytes) -> JWKEC:
    return JWKEC(key=load_pem_private_key(pem, None))


def jwk(key: JWKEC) -> Obj:
    return dict(key.public_key().to_json())


def csr(key_pem: bytes, *names: str) -> bytes:
    """In DER."""
    pem = crypto_util.make_csr(key_pem, list(names)).decode()
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


def sign(key: JWKEC, header: Obj, payload: object) -> Obj:
    data = b"" if payload is None else payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    protected, body = encode(json.dumps(header).encode()), encode(data)
    signature = jwa.ES256.sign(key.key, f"{protected}.{body}".encode())
    return {"protected": protected, "payload": body, "signature": encode(signature)}


def digest(text: str) -> str:
    return encode(hashlib.sha256(text.encode()).digest())


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
