"""A proxy that every HTTP request of a run goes through, and in which each of them can go wrong.

TLS ends here: for servers on loopback with a certificate of the proxy's own authority, for the registry
with the key that the cluster's Secret holds, so that clients see the very certificate that they expect.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.crash import naming
from tests.crash.answers import refusal, spoilt
from tests.crash.naming import Named
from tests.crash.script import Fault, Script
from tests.crash.wire import Ended, Message, Stream
from wizard.practice.pki import Authority

PATIENCE_S = 90
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the world's servers are; `own_key_id` is the operator's."""

    aws: Address
    kubernetes: Address
    acme: Address
    proxy: Address
    own_key_id: str


class Hung(Exception):
    """The client is to get nothing more; its connection has been dealt with."""


class FaultProxy:
    """`script` may be replaced between runs; `registry_context` finds the key for a leaf in DER."""

    def __init__(
        self,
        servers: Servers,
        registry_context: Callable[[bytes], ssl.SSLContext | None],
        harvest: Callable[[Named, Message, Message], dict[str, bytes]],
    ) -> None:
        self._servers = servers
        self._registry_context = registry_context
        self._harvest = harvest
        authority = Authority()
        self.root_pem = authority.root_pem
        self._context = authority.server_context(["127.0.0.1", "localhost"])
        self.script = Script()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._accept, name="fault proxy", daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(2)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection; whatever the two sides do to it ends here."""
        client.settimeout(PATIENCE_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = Stream(client)
        with client, contextlib.suppress(OSError, Hung, ValueError):
            request = stream.request()
            if request is None:
                return
            if request.start[0] == "CONNECT":
                self._tunnel(stream, request)
            else:
                self._plain(stream, request)

    def _plain(self, client: Stream, request: Message | None) -> None:
        """Requests in absolute form: AWS is asked directly, names go on through the world's own proxy."""
        while request is not None:
            url = urlsplit(request.start[1])
            host, port = url.hostname or "", url.port or 80
            is_local = host == "127.0.0.1"
            with self._connected((host, port) if is_local else self._servers.proxy) as end:
                sent = request.with_start(_origin_form(request)) if is_local else request
                goes_on = self._pass(client, Stream(end), sent, self._named((host, port), request))
            if not goes_on:
                return
            request = client.request()

    def _tunnel(self, client: Stream, connect: Message) -> None:
        host, _, port = connect.start[1].rpartition(":")
        address = (host, int(port))
        if host == "127.0.0.1":
            client.end.sendall(ESTABLISHED)
            with self._connected(address) as end, _trusting_anyone().wrap_socket(end) as server:
                self._talk(client, self._context, Stream(server), address)
            return
        named = Named("registry", f"CONNECT {naming.balancer(host)}", False)
        fault = self._struck(client, named)
        with self._connected(self._servers.proxy) as end:
            end.sendall(connect.head)
            answer = Stream(end).connect_answer()
            self._answered(client, named, answer, fault)
            if answer.status != 200:
                return
            with _trusting_anyone().wrap_socket(end, server_hostname=host) as server:
                context = self._registry_context(server.getpeercert(binary_form=True) or b"")
                if context is not None:
                    self._talk(client, context, Stream(server), address)

    def _talk(self, client: Stream, context: ssl.SSLContext, server: Stream, address: Address) -> None:
        with context.wrap_socket(client.end, server_side=True) as end:
            inner = Stream(end)
            while (request := inner.request()) is not None:
                if not self._pass(inner, server, request, self._named(address, request)):
                    return

    def _pass(self, client: Stream, server: Stream, request: Message, named: Named) -> bool:
        """One request and its answer, with the fault that is due; False where the connection is over."""
        fault = self._struck(client, named)
        server.end.sendall(request.head + request.body)
        answer = server.answer(request.start[0])
        self.script.was_carried_out(named.service, named.name, answer.status)
        self.script.learnt(self._harvest(named, request, answer))
        self._answered(client, named, answer, fault)
        says_close = "close" in (answer.header("Connection").lower(), request.header("Connection").lower())
        return not answer.ends_connection and not says_close

    def _struck(self, client: Stream, named: Named) -> Fault | None:
        """Faults that come before the server has heard anything; the one that comes later is returned."""
        fault = self.script.arrived(named.service, named.name, changes=named.changes)
        if fault is Fault.KILLED_BEFORE:
            self.script.kill()
            raise Hung
        if fault is Fault.RESET:
            _reset(client.end)
            raise Hung
        if fault is Fault.TIMEOUT:
            _say_nothing(client.end)
            raise Hung
        if fault in {Fault.ERROR, Fault.THROTTLED}:
            said = refusal(named.service, named.name, fault)
            client.end.sendall(said.head + said.body)
            raise Hung
        return fault

    def _answered(self, client: Stream, named: Named, answer: Message, fault: Fault | None) -> None:
        """The answer, or what a fault makes of it."""
        if fault is Fault.KILLED_AFTER:
            self.script.kill()
            raise Hung
        if fault is Fault.DELAYED:
            _say_nothing(client.end)
            raise Hung
        if fault is Fault.GARBAGE:
            client.end.sendall(spoilt(answer, named.name))
            raise Hung
        client.end.sendall(answer.head + answer.body)

    def _named(self, address: Address, request: Message) -> Named:
        if address == self._servers.aws:
            return naming.of_aws(request, self._servers.own_key_id)
        if address == self._servers.kubernetes:
            return naming.of_kubernetes(request)
        if address == self._servers.acme:
            return naming.of_acme(request)
        return naming.of_registry(request) if address[1] == 443 else naming.of_web(request)

    @staticmethod
    def _connected(address: Address) -> socket.socket:
        end = socket.create_connection(address, PATIENCE_S)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return end


def _origin_form(request: Message) -> str:
    method, target, version = request.start
    url = urlsplit(target)
    return f"{method} {target[target.index(url.netloc) + len(url.netloc) :] or '/'} {version}"


def _trusting_anyone() -> ssl.SSLContext:
    """Towards the world's servers, whose certificates the client is shown or has no use for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _reset(end: socket.socket) -> None:
    """Ends a connection with RST instead of FIN, also from inside TLS."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def _say_nothing(end: socket.socket) -> None:
    """Until the client has had enough."""
    with contextlib.suppress(OSError, Ended):
        while end.recv(65536):
            pass
