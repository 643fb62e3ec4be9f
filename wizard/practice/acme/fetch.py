"""Fetches for http-01 by the practice world's names and ports; words its errors as Let's Encrypt does."""

import http.client
import ipaddress
import json
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from wizard.practice.acme.problems import Problem
from wizard.practice.acme.settings import AcmeSettings
from wizard.practice.network import Network

LOG = logging.getLogger(__name__)
USER_AGENT = "Mozilla/5.0 (compatible; practice validation server)"
REDIRECTS_MAX = 10
REDIRECT_STATUSES = (301, 302, 307, 308)
BODY_MAX = 128  # a key authorization has 87 characters
Found = TypeVar("Found")


def look_up(resolve: Callable[[str], list[Found]], name: str, record: str) -> list[Found]:
    """Asks one of the world's resolvers; one that fails is a name server that fails. Raises Problem "dns"."""
    try:
        return resolve(name)
    except Exception as error:
        LOG.exception("looking up %s for %s", record, name)
        raise Problem(
            "dns",
            f"DNS problem: SERVFAIL looking up {record} for {name} - the domain's nameservers may be"
            " malfunctioning",
        ) from error


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    location: str | None
    body: bytes


class Fetcher:
    """Follows redirects to ports 80 and 443, certificates unchecked (RFC 8555, section 8.3)."""

    def __init__(self, resolve: Callable[[str], list[str]], network: Network, settings: AcmeSettings) -> None:
        self._resolve = resolve
        self._network = network
        self._settings = settings

    def get(self, name: str, path: str) -> bytes:
        """The body of a 200 answer. Raises Problem: dns, connection, tls, unauthorized."""
        url = f"http://{name}{path}"
        addresses = self._addresses(name)
        seen: list[str] = []
        while True:
            seen.append(url)
            address, answer = self._try(url, addresses)
            if answer.status not in REDIRECT_STATUSES or not answer.location:
                return self._accepted(url, address, answer)
            try:
                url = _redirect_target(url, answer.location, seen)
                addresses = self._addresses(urlsplit(url).hostname or "")
            except Problem as problem:
                raise problem.about(f"{address}: Fetching {answer.location}: ") from problem

    def _accepted(self, url: str, address: str, answer: Answer) -> bytes:
        if answer.status != 200:
            raise Problem("unauthorized", f"{address}: Invalid response from {url}: {answer.status}")
        if len(answer.body) >= BODY_MAX:
            text = json.dumps(answer.body.decode("utf-8", "replace"), ensure_ascii=False)
            raise Problem("unauthorized", f"{address}: Invalid response from {url}: {text}")
        return answer.body

    def _addresses(self, name: str) -> list[str]:
        """The first IPv6 address, then the first IPv4 one, as Let's Encrypt tries them."""
        found = look_up(self._resolve, name, "A")
        if not found:
            hint = "check that a DNS record exists for this domain"
            raise Problem(
                "dns",
                "; ".join(
                    f"DNS problem: NXDOMAIN looking up {kind} for {name} - {hint}" for kind in ("A", "AAAA")
                ),
            )
        six = [address for address in found if ":" in address]
        four = [address for address in found if ":" not in address]
        return six[:1] + four[:1]

    def _try(self, url: str, addresses: list[str]) -> tuple[str, Answer]:
        """The address that answered; the next is tried only where the connection could not be made."""
        for address in addresses:
            try:
                connection = self._connect(urlsplit(url), address)
            except OSError as error:
                failure = _as_problem(error, is_connected=False).about(f"{address}: Fetching {url}: ")
                continue
            try:
                return address, _ask(connection, urlsplit(url))
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = _as_problem(error, is_connected=True)
                raise problem.about(f"{address}: Fetching {url}: ") from error
            finally:
                connection.close()
        raise failure

    def _connect(self, url: SplitResult, address: str) -> http.client.HTTPConnection:
        port = url.port or (443 if url.scheme == "https" else 80)
        target = self._network.target(address, port)
        if target is None:
            raise ConnectionRefusedError
        timeout_s = self._settings.fetch_timeout_s
        connection = http.client.HTTPConnection(url.hostname or "", port, timeout=timeout_s)
        connection.sock = socket.create_connection(target, timeout_s)
        if url.scheme == "https":
            connection.default_port = 443
            try:
                connection.sock = _unchecked().wrap_socket(connection.sock, server_hostname=url.hostname)
            except OSError:
                connection.close()
                raise
        return connection


def _ask(connection: http.client.HTTPConnection, url: SplitResult) -> Answer:
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection.request(
        "GET", path, headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    )
    with connection.getresponse() as response:
        return Answer(response.status, response.getheader("Location"), response.read(BODY_MAX))


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _redirect_target(start: str, location: str, seen: list[str]) -> str:
    """The URL to go on to. Raises Problem "connection" for a target that Let's Encrypt does not follow."""
    if len(seen) > REDIRECTS_MAX:
        raise Problem("connection", "Too many redirects")
    try:
        url = location if urlsplit(location).scheme else urljoin(start, location)
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        host.encode("ascii")
    except ValueError as error:
        raise Problem("connection", "Error getting validation data") from error
    if parts.scheme not in {"http", "https"}:
        raise Problem(
            "connection",
            'Invalid protocol scheme in redirect target. Only "http" and "https" protocol schemes are'
            f' supported, not "{parts.scheme}"',
        )
    if port not in {None, 80, 443}:
        raise Problem(
            "connection",
            f"Invalid port in redirect target. Only ports 80 and 443 are supported, not {port}",
        )
    _check_host(host)
    if url in seen:
        raise Problem("connection", "Redirect loop detected")
    return url


def _check_host(host: str) -> None:
    if not host:
        raise Problem("connection", "Invalid empty host in redirect target")
    if host.endswith(".well-known"):
        raise Problem(
            "connection",
            f"Invalid host in redirect target \"{host}\". Check webserver config for missing '/' in redirect"
            " target.",
        )
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    raise Problem("connection", "Invalid host in redirect target: IP address is in a reserved address block")


def _as_problem(error: Exception, *, is_connected: bool) -> Problem:
    if isinstance(error, TimeoutError):
        late = "Timeout after connect (your server may be slow or overloaded)"
        early = "Timeout during connect (likely firewall problem)"
        return Problem("connection", late if is_connected else early)
    if isinstance(error, ssl.SSLError):
        return Problem("tls", f"remote error: {error.reason or 'handshake failure'}")
    if isinstance(error, ConnectionRefusedError):
        return Problem("connection", "Connection refused")
    if isinstance(error, ConnectionResetError) and not isinstance(error, http.client.RemoteDisconnected):
        return Problem("connection", "Connection reset by peer")
    return Problem("connection", "Error getting validation data")
