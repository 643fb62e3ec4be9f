"""DNS questions: to this machine's name servers, to a zone's own, to its parent's, to public resolvers.

Where name servers are named in the endpoints, every question goes to those.
"""

import ipaddress
from collections.abc import Sequence

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import requests

from wizard.endpoints import Endpoints
from wizard.errors import Problem, Unreachable
from wizard.services import web

TIMEOUT_S = 2.0
LIFETIME_S = 5.0
PUBLIC_SERVERS = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
PUBLIC_HTTPS = ("https://cloudflare-dns.com/dns-query", "https://dns.google/dns-query")


class Resolver:
    """Answers are text, names in lower case without the final dot; () is NXDOMAIN or no such record.

    Every method raises Unreachable where no server answers.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._named = tuple(_server(text) for text in endpoints.nameservers)
        self._is_port_blocked = False

    def addresses(self, name: str) -> tuple[str, ...]:
        """IPv4 and IPv6 addresses, those of a CNAME's target included."""
        return self.lookup(name, "A") + self.lookup(name, "AAAA")

    def lookup(self, name: str, rdtype: str) -> tuple[str, ...]:
        """By this machine's name servers, hence with what they have cached."""
        return self._ask(self._local(), name, rdtype)

    def public(self, name: str, rdtype: str) -> tuple[str, ...]:
        """By public resolvers; over HTTPS (RFC 8484) where port 53 is blocked."""
        if self._named:
            return self.lookup(name, rdtype)
        if not self._is_port_blocked:
            try:
                return self._ask(self._resolver([_server(text) for text in PUBLIC_SERVERS]), name, rdtype)
            except Unreachable:
                self._is_port_blocked = True
        return self._over_https(name, rdtype)

    def authoritative(
        self, zone: str, name: str, rdtype: str, *, name_servers: Sequence[str]
    ) -> dict[str, tuple[str, ...]]:
        """What each of the zone's own servers says; silent ones are left out.

        Raises Unreachable where all are silent, as behind a firewall that blocks port 53.
        """
        if self._named:
            answers = self.lookup(name, rdtype)
            return dict.fromkeys(name_servers or self._endpoints.nameservers, answers)
        found = {}
        for server in name_servers:
            reply = self._ask_server(server, name, rdtype)
            if reply is not None:
                found[server] = _texts(reply.answer, rdtype)
        if not found:
            raise _silent(f"the name servers of {zone}", "")
        return found

    def delegation(self, zone: str) -> tuple[str, ...]:
        """The name servers that the parent zone leads to; () where it leads nowhere."""
        if self._named:
            return self.lookup(zone, "NS")
        for server in self._parent_servers(zone):
            reply = self._ask_server(server, zone, "NS")
            if reply is not None and (found := delegated_by(reply, zone)) is not None:
                return found
        return self.public(zone, "NS")

    def _parent_servers(self, zone: str) -> tuple[str, ...]:
        parent = dns.name.from_text(zone).parent()
        while True:
            text = parent.to_text(omit_final_dot=True) if parent != dns.name.root else "."
            if servers := self.public(text, "NS"):
                return servers
            if parent == dns.name.root:
                return ()
            parent = parent.parent()

    def _ask_server(self, server: str, name: str, rdtype: str) -> dns.message.Message | None:
        query = dns.message.make_query(name, rdtype)
        query.flags &= ~dns.flags.RD
        for address in self.public(server, "A") or self.public(server, "AAAA"):
            try:
                reply, _ = dns.query.udp_with_fallback(
                    query, address, timeout=TIMEOUT_S * self._endpoints.patience
                )
            except (OSError, dns.exception.DNSException):
                continue
            return reply
        return None

    def _local(self) -> dns.resolver.Resolver:
        if self._named:
            return self._resolver(self._named)
        try:
            found = dns.resolver.Resolver(configure=True)
        except dns.resolver.NoResolverConfiguration:
            return self._resolver([_server(text) for text in PUBLIC_SERVERS])
        self._bound(found)
        return found

    def _resolver(self, servers: Sequence[dns.nameserver.Nameserver]) -> dns.resolver.Resolver:
        made = dns.resolver.Resolver(configure=False)
        made.nameservers = list(servers)
        self._bound(made)
        return made

    def _bound(self, resolver: dns.resolver.Resolver) -> None:
        patience = self._endpoints.patience
        resolver.timeout, resolver.lifetime = TIMEOUT_S * patience, LIFETIME_S * patience

    def _ask(self, resolver: dns.resolver.Resolver, name: str, rdtype: str) -> tuple[str, ...]:
        try:
            answer = resolver.resolve(_absolute(name), rdtype, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.exception.DNSException as error:
            raise _silent("the name servers", name, error) from error
        return _texts([answer.rrset] if answer.rrset is not None else [], rdtype)

    def _over_https(self, name: str, rdtype: str) -> tuple[str, ...]:
        query = dns.message.make_query(_absolute(name), rdtype, id=0)
        headers = {"Content-Type": "application/dns-message", "Accept": "application/dns-message"}
        with web.session(self._endpoints) as session:
            for url in PUBLIC_HTTPS:
                try:
                    answer = session.post(url, data=query.to_wire(), headers=headers)
                    answer.raise_for_status()
                    return _texts(dns.message.from_wire(answer.content).answer, rdtype)
                except (requests.RequestException, dns.exception.DNSException):
                    continue
        raise _silent("public resolvers", name)


def delegated_by(reply: dns.message.Message, zone: str) -> tuple[str, ...] | None:
    """Where a server of the parent zone leads; None for what says nothing, as from a middlebox.

    It refers to the zone's servers, or has authority over the zone or its absence (RFC 1034, 4.3.2).
    """
    has_authority = bool(reply.flags & dns.flags.AA)
    if reply.rcode() == dns.rcode.NXDOMAIN:
        return () if has_authority else None
    if reply.rcode() != dns.rcode.NOERROR:
        return None
    if has_authority:
        return _texts(reply.answer, "NS", zone)
    return None if reply.answer else _texts(reply.authority, "NS", zone) or None


def _server(text: str) -> dns.nameserver.Nameserver:
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    return dns.nameserver.Do53Nameserver(str(ipaddress.ip_address(host)), int(port))


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def _texts(rrsets: Sequence[dns.rrset.RRset], rdtype: str, owner: str = "") -> tuple[str, ...]:
    wanted = dns.rdatatype.from_text(rdtype)
    lower = rdtype in {"CNAME", "NS", "PTR"}
    return tuple(
        item.to_text().lower().rstrip(".") if lower else item.to_text()
        for rrset in rrsets
        if rrset.rdtype == wanted and (not owner or rrset.name == dns.name.from_text(owner))
        for item in rrset
    )


def _silent(whom: str, name: str, error: Exception | None = None) -> Unreachable:
    about = f" about {name}" if name else ""
    return Unreachable(
        Problem(
            "dns-no-answer",
            f"No answer from {whom}{about}.",
            "DNS (port 53) may be blocked here, or the name servers are down.",
            "Check this machine's network, or name servers that answer in [endpoints] nameservers.",
            str(error or ""),
        )
    )
