"""The resolver against name servers of the test's own."""

import socket
import threading
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from wizard.endpoints import Endpoints
from wizard.errors import Unreachable
from wizard.services import resolver as module
from wizard.services.resolver import Resolver

Zone = dict[tuple[str, str], list[str]]
ZONE: Zone = {
    ("web.example.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("web.example.test.", "AAAA"): ["2001:db8::1"],
    ("alias.example.test.", "CNAME"): ["Web.Example.test."],
    ("example.test.", "NS"): ["NS1.example.test.", "ns2.example.test."],
    ("only6.example.test.", "AAAA"): ["2001:db8::2"],
}


@pytest.fixture
def serve() -> Iterator[Callable[[Zone], str]]:
    """`serve(zone)` starts a name server on loopback and gives its ip:port."""
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(zone: Zone) -> str:
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_answer, args=(listening, zone))
        sockets.append(listening)
        threads.append(thread)
        thread.start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for listening, thread in zip(sockets, threads, strict=True):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", listening.getsockname())
        thread.join()
        listening.close()


def _answer(listening: socket.socket, zone: Zone) -> None:
    while wire := (packet := listening.recvfrom(4096))[0]:
        query = dns.message.from_wire(wire)
        asked = query.question[0]
        name = asked.name.to_text().lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        if values := zone.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *values))
        elif not any(owner == name for owner, _ in zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        listening.sendto(reply.to_wire(), packet[1])


@pytest.fixture
def resolver(serve: Callable[[Zone], str]) -> Resolver:
    return Resolver(Endpoints(nameservers=(serve(ZONE),)))


def test_addresses_are_of_both_kinds(resolver: Resolver) -> None:
    assert set(resolver.addresses("web.example.test")) == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
    assert resolver.addresses("only6.example.test") == ("2001:db8::2",)


def test_absent_names_and_absent_types_are_empty(resolver: Resolver) -> None:
    assert resolver.addresses("absent.example.test") == ()
    assert resolver.lookup("web.example.test", "TXT") == ()


def test_names_are_plain(resolver: Resolver) -> None:
    assert resolver.lookup("alias.example.test", "CNAME") == ("web.example.test",)
    assert set(resolver.delegation("example.test")) == {"ns1.example.test", "ns2.example.test"}


def test_every_question_goes_to_the_named_servers(resolver: Resolver) -> None:
    servers = ("ns1.example.test", "ns2.example.test")
    found = resolver.authoritative("example.test", "only6.example.test", "AAAA", name_servers=servers)
    assert found == dict.fromkeys(servers, ("2001:db8::2",))
    assert resolver.public("only6.example.test", "AAAA") == ("2001:db8::2",)


def test_the_second_server_answers_for_a_dead_one(
    serve: Callable[[Zone], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    resolver = Resolver(Endpoints(nameservers=("127.0.0.1:9", serve(ZONE))))
    assert resolver.lookup("web.example.test", "AAAA") == ("2001:db8::1",)


def test_silence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIFETIME_S", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = Resolver(Endpoints(nameservers=(f"127.0.0.1:{silent.getsockname()[1]}",)))
        with pytest.raises(Unreachable) as caught:
            resolver.lookup("web.example.test", "A")
    assert caught.value.problem.code == "dns-no-answer"
    assert "web.example.test" in caught.value.problem.what


def _reply(rcode: dns.rcode.Rcode, *, section: str = "", is_authority: bool = False) -> dns.message.Message:
    reply = dns.message.make_response(dns.message.make_query("example.test", "NS"))
    reply.set_rcode(rcode)
    if is_authority:
        reply.flags |= dns.flags.AA
    if section:
        getattr(reply, section).append(dns.rrset.from_text("example.test.", 60, "IN", "NS", "ns1.test."))
    return reply


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (_reply(dns.rcode.NOERROR, section="authority"), ("ns1.test",)),
        (_reply(dns.rcode.NOERROR, section="answer", is_authority=True), ("ns1.test",)),
        (_reply(dns.rcode.NOERROR, is_authority=True), ()),
        (_reply(dns.rcode.NXDOMAIN, is_authority=True), ()),
        (_reply(dns.rcode.NXDOMAIN), None),
        (_reply(dns.rcode.REFUSED), None),
        (_reply(dns.rcode.SERVFAIL), None),
        (_reply(dns.rcode.NOERROR), None),
        (_reply(dns.rcode.NOERROR, section="answer"), None),
    ],
    ids=["referral", "own", "nothing", "absent", "hearsay", "refused", "failed", "empty", "cached"],
)
def test_a_delegation_is_taken_from_those_who_know(
    reply: dns.message.Message, found: tuple[str, ...] | None
) -> None:
    assert module.delegated_by(reply, "example.test") == found


def test_the_next_server_of_the_parent_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = {
        "a.parent.test": _reply(dns.rcode.REFUSED),
        "b.parent.test": None,
        "c.parent.test": _reply(dns.rcode.NOERROR, section="authority"),
    }
    resolver = Resolver(Endpoints())
    monkeypatch.setattr(resolver, "_parent_servers", lambda _: tuple(replies))
    monkeypatch.setattr(resolver, "_ask_server", lambda server, *_: replies[server])
    assert resolver.delegation("example.test") == ("ns1.test",)
