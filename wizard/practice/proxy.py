"""The way into the practice world: an HTTP proxy whose names and ports are the world's.

It resolves by the world's DNS and leads each address and port to the socket that the network names.
Nothing it is asked for ever leaves loopback.
"""

import ipaddress
import logging
import socket
from collections.abc import Callable

from wizard.practice import relay
from wizard.practice.ledger import Ledger
from wizard.practice.listener import Listener
from wizard.practice.network import Network, Socket
from wizard.practice.proxyhead import (
    HEAD_MAX,
    BadHead,
    RequestHead,
    parse_request,
    read_head,
    response_for_client,
)

LOG = logging.getLogger(__name__)
PUBLISHED = ipaddress.ip_network("127.80.0.0/16")
HEAD_S = 60
CONNECT_S = 10
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Refused(Exception):
    """The proxy's own answer; the text says what happened and why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ProxyServer:
    """Absolute-form requests for http, CONNECT for everything else (RFC 9110, 9.3.6; RFC 9112, 3.2.2).

    One http request a connection: a request after it could be meant for another host.
    """

    CONNECTIONS_MAX = 1000

    def __init__(self, resolve: Callable[[str], list[str]], network: Network, ledger: Ledger) -> None:
        self._resolve = resolve
        self._network = network
        self._ledger = ledger
        self._listener = Listener("proxy", self._serve, limit=self.CONNECTIONS_MAX)

    @property
    def url(self) -> str:
        """For HTTP_PROXY and HTTPS_PROXY; known once the proxy was started."""
        return f"http://127.0.0.1:{self._listener.port}"

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        self._listener.stop()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(HEAD_S)
        try:
            raw, rest = read_head(client)
            if not raw:
                return
            head = parse_request(raw)
            self._ledger.record("proxy", head.method, f"{head.host}:{head.port}", is_mutating=False)
            server = self._connect(head.host, head.port)
        except BadHead as bad:
            self._refuse(client, Refused(400, str(bad)))
            return
        except Refused as refused:
            self._refuse(client, refused)
            return
        with server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if head.is_tunnel:
                client.sendall(ESTABLISHED)
                relay.both_ways(client, server, to_server=rest)
            else:
                self._forward(client, server, head, rest)

    def _forward(self, client: socket.socket, server: socket.socket, head: RequestHead, body: bytes) -> None:
        """Sends the request on; the answer's head is rewritten to say that the connection ends with it."""
        rewriter = relay.HeadRewriter(response_for_client, HEAD_MAX)
        relay.both_ways(client, server, to_server=head.for_server() + body, rewriter=rewriter)

    def _connect(self, host: str, port: int) -> socket.socket:
        failure = Refused(503, f"Nothing listens at {host}, port {port}.")
        for address in self._addresses(host):
            target = self._target(address, port)
            if target is None:
                failure = Refused(503, f"Nothing listens at {host} ({address}), port {port}.")
                continue
            try:
                return socket.create_connection(target, CONNECT_S)
            except OSError as error:
                reason = error.strerror or "timed out"
                failure = Refused(503, f"The connection to {host} ({address}), port {port} failed: {reason}.")
        raise failure

    def _addresses(self, host: str) -> list[str]:
        """Raises Refused for unknown names, and for literals that lie outside this machine."""
        if host == "localhost":
            return ["127.0.0.1"]
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            return self._resolved(host)
        if not literal.is_loopback:
            text = f"{host} lies outside the practice world. This proxy leads nowhere but to this machine."
            raise Refused(403, text)
        return [host]

    def _resolved(self, host: str) -> list[str]:
        try:
            found = self._resolve(host)
        except Exception as error:
            LOG.exception("resolving %s", host)
            raise Refused(
                502, f"The host name {host} could not be resolved: its name server failed."
            ) from error
        if not found:
            text = f"The host name {host} could not be resolved: no record of the practice world has it."
            raise Refused(502, text)
        return found

    def _target(self, address: str, port: int) -> Socket | None:
        """The real socket; None where nothing is published or the address is not on this machine."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return None
        if found.version == 4 and found in PUBLISHED:
            return self._network.target(address, port)
        return (address, port) if found.is_loopback else None

    def _refuse(self, client: socket.socket, refused: Refused) -> None:
        """The text stands in the status line too: of a refused tunnel most clients show nothing else."""
        body = f"{refused}\n".encode("ascii", "replace")
        head = (
            f"HTTP/1.1 {refused.status} {str(refused).rstrip('.')}\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        client.sendall(head.encode("ascii", "replace") + body)
