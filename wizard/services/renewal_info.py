"""When a CA wants a certificate renewed: renewal information (RFC 9773), asked for without an account."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from cryptography import x509

from wizard.endpoints import Endpoints
from wizard.errors import WizardError
from wizard.services import web


@dataclass(frozen=True, slots=True)
class Window:
    """`explanation` is an address that says why, "" mostly."""

    start: datetime
    end: datetime
    explanation: str = ""

    def moment(self, serial: str) -> datetime:
        """Spread over the window (RFC 9773, 4.2), the same in every run: nothing has to be remembered."""
        digest = hashlib.sha256(serial.encode()).digest()
        return self.start + (self.end - self.start) * (int.from_bytes(digest[:4]) / 2**32)


def certificate_id(cert_pem: bytes) -> str:
    """The identifier of the first certificate (RFC 9773, 4.1), "" where its issuer left none in it."""
    leaf = x509.load_pem_x509_certificates(cert_pem)[0]
    try:
        issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    if not issuer:
        return ""
    serial = leaf.serial_number
    return f"{_encoded(issuer)}.{_encoded(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


def suggested(directory: str, cert_pem: bytes, endpoints: Endpoints, *, ca_file: str = "") -> Window | None:
    """None where the CA has no such service, or does not answer: then the certificate's own dates decide."""
    identifier = certificate_id(cert_pem)
    if not identifier:
        return None
    try:
        with web.session(endpoints, ca_file=ca_file) as session:
            base = session.get(directory).json().get("renewalInfo")
            if not isinstance(base, str):
                return None
            answer = session.get(f"{base.rstrip('/')}/{identifier}")
            answer.raise_for_status()
            found = answer.json()
        start, end = (_time(found["suggestedWindow"][key]) for key in ("start", "end"))
    except (requests.RequestException, WizardError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return Window(start, end, str(found.get("explanationURL", ""))) if start < end else None


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
