"""Asks a server for its certificate, through a proxy too, whether or not it can be trusted."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from cryptography import x509
from requests.utils import get_auth_from_url
from urllib3.connection import HTTPSConnection, ProxyConfig
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers, parse_url

from wizard.endpoints import Endpoints
from wizard.services import web
from wizard.services._connections import certificate_fault, name_not_found, unreachable, verification_error

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """`serial` is lower-case hex; `chain_error` is "" where a trusted root vouches for the name."""

    serial: str
    names: tuple[str, ...]
    not_after: datetime
    chain_error: str = ""


def served(host: str, port: int, server_name: str, endpoints: Endpoints) -> ServedCertificate:
    """The certificate that `host` shows to clients which ask for `server_name` (SNI, RFC 6066).

    A certificate that is not to be trusted is reported, not raised. Raises Unreachable.
    """
    proxy = endpoints.proxy_for("https", host)
    try:
        try:
            return _described(_leaf(host, port, server_name, endpoints, _trusting(endpoints)), "")
        except (HTTPError, OSError) as error:
            fault = verification_error(error)
            if fault is None:
                raise
            leaf = _leaf(host, port, server_name, endpoints, _looking_only())
            return _described(leaf, certificate_fault(fault))
    except (HTTPError, OSError) as error:
        raise unreachable(error, host, port, proxy=proxy) from error


def address_of(host: str, endpoints: Endpoints) -> str:
    """Where to connect to: `host` itself, or its address where name servers of one's own are set.

    Raises Unreachable where these do not answer or do not know the name.
    """
    if not endpoints.nameservers or _is_address(host):
        return host
    from wizard.services.resolver import Resolver

    if addresses := Resolver(endpoints).addresses(host):
        return addresses[0]
    raise name_not_found(host)


def _leaf(host: str, port: int, server_name: str, endpoints: Endpoints, context: ssl.SSLContext) -> bytes:
    """The leaf in DER; no application data is ever sent."""
    if proxy := endpoints.proxy_for("https", host):
        connection = _tunnel(proxy, host, port, server_name, endpoints, context)
    else:
        at = address_of(host, endpoints)
        connection = HTTPSConnection(
            at, port, timeout=TIMEOUT_S * endpoints.patience, ssl_context=context, server_hostname=server_name
        )
    try:
        connection.connect()
        # In TLS inside TLS it is urllib3's SSLTransport, which has the same method.
        return cast("bytes", cast("ssl.SSLSocket", connection.sock).getpeercert(binary_form=True))
    finally:
        connection.close()


def _tunnel(
    proxy: str, host: str, port: int, server_name: str, endpoints: Endpoints, context: ssl.SSLContext
) -> HTTPSConnection:
    url = parse_url(proxy)
    own = _trusting(endpoints) if url.scheme == "https" else None
    connection = HTTPSConnection(
        url.host or "",
        url.port or (443 if url.scheme == "https" else 80),
        timeout=TIMEOUT_S * endpoints.patience,
        proxy=url,
        proxy_config=ProxyConfig(own, False, None, None),
        ssl_context=context,
        server_hostname=server_name,
    )
    headers = make_headers(proxy_basic_auth=":".join(get_auth_from_url(proxy))) if url.auth else {}
    connection.set_tunnel(host, port, headers, scheme=url.scheme or "http")
    return connection


def _trusting(endpoints: Endpoints) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=web.trusted_bundle(endpoints))


def _looking_only() -> ssl.SSLContext:
    """Only for a second look at a certificate that was refused: nothing is sent over such a connection."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _described(leaf: bytes, chain_error: str) -> ServedCertificate:
    certificate = x509.load_der_x509_certificate(leaf)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(found.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        names = ()
    return ServedCertificate(
        f"{certificate.serial_number:x}", names, certificate.not_valid_after_utc, chain_error
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
