"""Renewal information (RFC 9773): certificate identifiers and when to renew."""

from datetime import timedelta
from typing import Any

from cryptography import x509

from wizard.practice.acme import encoding
from wizard.practice.acme.model import Issued
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.settings import AcmeSettings

SHORT_LIVED = timedelta(days=10)
ASK_AGAIN_S = 6 * 3600


def certificate_id(certificate: x509.Certificate) -> str:
    """Section 4.1: key identifier of the issuer, a dot, the serial number as DER has it."""
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    serial = certificate.serial_number
    der = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return f"{encoding.encode(issuer.key_identifier or b'')}.{encoding.encode(der)}"


def check_id(identity: str) -> None:
    """Raises Problem "malformed" for what can be no certificate identifier."""
    try:
        issuer, serial = identity.split(".")
        is_well_formed = bool(encoding.decode(issuer) and encoding.decode(serial))
    except ValueError:
        is_well_formed = False
    if not is_well_formed:
        raise Problem("malformed", "Invalid path: not a certificate identifier as RFC 9773 has it")


def is_due(issued: Issued, settings: AcmeSettings) -> bool:
    """Whether now lies in the suggested window: only then a replacement is exempt from rate limits."""
    window = information(issued, settings, is_asked=False)["suggestedWindow"]
    return bool(window["start"] <= encoding.timestamp(encoding.now()) < window["end"])


def information(issued: Issued, settings: AcmeSettings, *, is_asked: bool = True) -> dict[str, Any]:
    """The renewalInfo object; a revoked certificate is due at once, as Let's Encrypt has it."""
    certificate = issued.certificate
    expires = certificate.not_valid_after_utc
    lifetime = expires - certificate.not_valid_before_utc + timedelta(seconds=1)
    ideal = expires - lifetime / (2 if lifetime < SHORT_LIVED else 3)
    margin = lifetime / 100
    told, explanation = settings.window(is_asked=is_asked)
    start, end = told or (ideal - margin, ideal + margin)
    if issued.is_revoked:
        start = encoding.now() - timedelta(hours=1)
        end = start + timedelta(minutes=30)
    found: dict[str, Any] = {
        "suggestedWindow": {"start": encoding.timestamp(start), "end": encoding.timestamp(end)}
    }
    return found | ({"explanationURL": explanation} if explanation else {})
