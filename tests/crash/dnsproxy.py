"""Passes DNS questions on to the world's name server, over UDP and TCP, unless a fault is due."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from tests.crash.naming import balancer
from tests.crash.script import Fault, Script

PATIENCE_S = 90
Send = Callable[[bytes], object]


class DnsFaultProxy:
    """`script` may be replaced between runs."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self.script = Script()
        self._udp, self._tcp = _pair()
        self.address = f"127.0.0.1:{self._udp.getsockname()[1]}"

    def start(self) -> None:
        for work in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=work, name="dns fault proxy", daemon=True).start()

    def stop(self) -> None:
        for end in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve_udp(self) -> None:
        while True:
            try:
                wire, client = self._udp.recvfrom(65535)
            except OSError:
                return

            def send(answer: bytes, client: tuple[str, int] = client) -> None:
                self._udp.sendto(answer, client)

            threading.Thread(target=self._passed, args=(wire, send, self._ask_udp), daemon=True).start()

    def _serve_tcp(self) -> None:
        while True:
            try:
                client, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(client,), daemon=True).start()

    def _converse(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE_S)
        with client, contextlib.suppress(OSError, struct.error):
            while head := client.recv(2, socket.MSG_WAITALL):
                wire = client.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                self._passed(wire, lambda answer: client.sendall(_framed(answer)), self._ask_tcp)

    def _passed(self, wire: bytes, send: Send, ask: Callable[[bytes], bytes]) -> None:
        """One question; a datagram cannot be reset, so a reset is silence like a time-out."""
        with contextlib.suppress(OSError, dns.exception.DNSException):
            query = dns.message.from_wire(wire)
            fault = self._arrived(query)
            if fault is Fault.KILLED_BEFORE:
                self.script.kill()
            elif fault in {Fault.ERROR, Fault.THROTTLED}:
                said = dns.message.make_response(query)
                said.set_rcode(dns.rcode.SERVFAIL if fault is Fault.THROTTLED else dns.rcode.REFUSED)
                send(said.to_wire())
            elif fault not in {Fault.RESET, Fault.TIMEOUT}:
                answer = ask(wire)
                if fault is Fault.KILLED_AFTER:
                    self.script.kill()
                elif fault is Fault.GARBAGE:
                    send(answer[: len(answer) // 2])
                elif fault is not Fault.DELAYED:
                    send(answer)

    def _arrived(self, query: dns.message.Message) -> Fault | None:
        asked = query.question[0]
        name = balancer(asked.name.to_text(omit_final_dot=True))
        kind = dns.rdatatype.to_text(asked.rdtype)
        return self.script.arrived("dns", f"{kind} {name}", changes=False)

    def _ask_udp(self, wire: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.settimeout(PATIENCE_S)
            end.sendto(wire, self._upstream)
            return end.recv(65535)

    def _ask_tcp(self, wire: bytes) -> bytes:
        with socket.create_connection(self._upstream, PATIENCE_S) as end:
            end.sendall(_framed(wire))
            head = end.recv(2, socket.MSG_WAITALL)
            return end.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)


def _framed(wire: bytes) -> bytes:
    return struct.pack("!H", len(wire)) + wire


def _pair() -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket with the same port."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        return udp, tcp
