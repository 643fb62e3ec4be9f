"""Completes a chain with the intermediates that its certificates say where to find (RFC 5280, 4.2.2.1)."""

import requests

from wizard.endpoints import Endpoints
from wizard.errors import WizardError
from wizard.services import certificates, web

LONGEST = 4
LARGEST_BYTES = 64 * 1024


def completed(cert_pem: bytes, endpoints: Endpoints, extra_roots_pem: bytes) -> bytes:
    """The chain, with what it lacks up to a trusted root, as far as that can be fetched; in PEM.

    Nothing is asked where nothing is missing. A chain that cannot be completed comes back as it was.
    """
    found = cert_pem
    for _ in range(LONGEST):
        url = certificates.missing_issuer_url(found, extra_roots_pem)
        if not url.startswith("http://"):
            return found
        try:
            with web.session(endpoints) as session, session.get(url, stream=True) as answer:
                answer.raise_for_status()
                issuer = answer.raw.read(LARGEST_BYTES, decode_content=True)
            longer = certificates.with_issuer(found, issuer)
        except (requests.RequestException, WizardError):
            return found
        if longer == found:
            return found
        found = longer
    return found
