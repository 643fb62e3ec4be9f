"""The practice world's DNS server: answers from Route53's zones and the Network's names as they are.

It is the zones' own name server and everybody's resolver in one, so it sets AA for what the zones hold,
follows CNAMEs and aliases, and says NXDOMAIN for the rest of the internet, which does not exist here.
"""

import contextlib
import logging
import socket
import socketserver
import struct
import threading
from typing import Any, Protocol

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from wizard.practice.aws import Zone, ZoneBook
from wizard.practice.dnslookup import NAME_SERVER_ADDRESS, Lookup
from wizard.practice.network import Network

logger = logging.getLogger(__name__)

TCP_TIMEOUT_S = 5.0
PLAIN_UDP_SIZE = 512
UDP_SIZE = 1232
PORT_TRIES = 20
NOT_SERVED = frozenset({"AXFR", "IXFR", "MAILA", "MAILB"})


class Zones(Protocol):
    """What is asked of Route53: its zones as they are now."""

    def zone_book(self) -> ZoneBook: ...


class DnsServer:
    """UDP and TCP on one random `port`; `zones` is asked anew for every query."""

    def __init__(self, zones: Zones, network: Network) -> None:
        self._zones = zones
        self._network = network
        self._old: dict[tuple[str, str], str] = {}
        self._servers: list[_Tcp | _Udp] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        assert self._servers, "start() comes first"
        return int(self._servers[0].server_address[1])

    def start(self) -> None:
        if self._servers:
            return
        self._servers = list(_on_one_port(self._reply))
        self._network.publish(NAME_SERVER_ADDRESS, 53, ("127.0.0.1", self.port))
        for server in self._servers:
            thread = threading.Thread(
                target=server.serve_forever, args=(0.05,), name="practice-dns", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        if not self._servers:
            return
        self._network.withdraw(NAME_SERVER_ADDRESS)
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(2)
        self._servers.clear()
        self._threads.clear()

    def remember(self, name: str, kind: str, value: str) -> None:
        """The next answer to this question comes out of a cache, as old as that; those after it do not."""
        self._old[f"{name.lower().rstrip('.')}.", kind] = value

    def records(self, name: str, kind: str) -> list[str]:
        """The values of a name's records in presentation form, CNAMEs and aliases followed."""
        return [rdata.to_text() for rdata in self._rdatas(name, kind)]

    def resolve(self, name: str) -> list[str]:
        """IPv4 addresses of a host; none where the name or the address does not exist."""
        return self.records(name, "A")

    def txt(self, name: str) -> list[str]:
        """The texts of a name's TXT records, quotes removed."""
        return [b"".join(rdata.strings).decode("utf-8", "replace") for rdata in self._rdatas(name, "TXT")]

    def caa(self, name: str) -> list[tuple[int, str, str]]:
        """A name's own CAA records as (flags, tag, value)."""
        return [
            (int(rdata.flags), rdata.tag.decode("utf-8", "replace"), rdata.value.decode("utf-8", "replace"))
            for rdata in self._rdatas(name, "CAA")
        ]

    def _rdatas(self, name: str, kind: str) -> list[Any]:
        found, _ = self._lookup().answer(f"{name.lower().rstrip('.')}.", kind)
        wanted = dns.rdatatype.from_text(kind)
        return [rdata for rrset in found if rrset.rdtype == wanted for rdata in rrset]

    def _lookup(self) -> Lookup:
        return Lookup(self._zones.zone_book(), self._network)

    def _reply(self, wire: bytes, longest: int) -> bytes | None:
        """None for what must not be answered: scraps, and answers (they could be sent round in circles)."""
        if len(wire) < 12 or wire[2] & 0x80:
            return None
        try:
            query = dns.message.from_wire(wire)
            response = dns.message.make_response(query, recursion_available=True, our_payload=UDP_SIZE)
        except (dns.exception.DNSException, ValueError, NotImplementedError):
            return struct.pack("!2sHHHHH", wire[:2], 0x8000 | dns.rcode.FORMERR, 0, 0, 0, 0)
        if longest == PLAIN_UDP_SIZE and query.edns >= 0:
            longest = max(PLAIN_UDP_SIZE, min(query.payload, UDP_SIZE))
        bare = dns.message.make_response(query, recursion_available=True, our_payload=UDP_SIZE)
        try:
            self._fill(query, response)
            return response.to_wire(max_size=longest)
        except dns.exception.TooBig:
            bare.flags |= dns.flags.TC
        except Exception:
            logger.exception("The DNS practice server could not answer")
            bare.set_rcode(dns.rcode.SERVFAIL)
        return bare.to_wire()

    def _fill(self, query: dns.message.Message, response: dns.message.Message) -> None:
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
            return
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        if question.rdclass != dns.rdataclass.IN or kind in NOT_SERVED:
            response.set_rcode(dns.rcode.REFUSED)
            return
        name, lookup = question.name.to_text().lower(), self._lookup()
        if old := self._old.pop((name, kind), ""):
            response.answer = [dns.rrset.from_text(question.name, 60, "IN", kind, old)]
            return
        response.answer, exists = lookup.answer(name, kind)
        zone = lookup.zone_of(name)
        if zone is not None:
            response.flags |= dns.flags.AA
        if not exists:
            response.set_rcode(dns.rcode.NXDOMAIN)
        if zone is not None and not response.answer:
            response.authority = _start_of(zone)


def _start_of(zone: Zone) -> list[dns.rrset.RRset]:
    return [
        dns.rrset.from_text(zone.name, record.ttl or 0, "IN", "SOA", *record.values)
        for record in zone.records
        if record.type == "SOA"
    ]


class _Udp(socketserver.UDPServer):
    max_packet_size = 65_535


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(*args, **kwargs)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        with self._open_lock:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _on_one_port(reply: Any) -> tuple[_Tcp, _Udp]:
    """A TCP port that is free for UDP too: few tries are needed, but one may fail."""
    for _ in range(PORT_TRIES):
        tcp = _Tcp(("127.0.0.1", 0), _tcp_handler(reply))
        try:
            return tcp, _Udp(tcp.server_address, _udp_handler(reply))
        except OSError:
            tcp.server_close()
    raise OSError("No port of 127.0.0.1 is free for both UDP and TCP.")


def _udp_handler(reply: Any) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, listener = self.request
            answer = reply(wire, PLAIN_UDP_SIZE)
            if answer is not None:
                with contextlib.suppress(OSError):
                    listener.sendto(answer, self.client_address)

    return Handler


def _tcp_handler(reply: Any) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        timeout = TCP_TIMEOUT_S

        def handle(self) -> None:
            """Messages with two octets of length before each (RFC 1035, 4.2.2)."""
            with contextlib.suppress(OSError):
                while len(head := self.rfile.read(2)) == 2:
                    wire = self.rfile.read(int.from_bytes(head))
                    answer = reply(wire, 65_535)
                    if answer is None:
                        return
                    self.wfile.write(len(answer).to_bytes(2) + answer)

    return Handler
