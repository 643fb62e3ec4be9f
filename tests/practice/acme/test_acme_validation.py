"""What the authority says when it cannot validate a name, against real listeners."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from wizard.practice.acme.fetch import Fetcher
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.settings import AcmeSettings
from wizard.practice.acme.validation import Task, Validator
from wizard.practice.ledger import Ledger
from wizard.practice.listener import Listener
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.web import Fault, WebServer

NAME = "registry.practice.test"
PATH = "/.well-known/acme-challenge/token"
URL = f"http://{NAME}{PATH}"
OTHER = "127.80.9.9"
SIX = "fd00::1"
Serve = Callable[..., Listener]


class Names:
    """What the world's DNS answers; tests change it."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {NAME: [WEB_ADDRESS]}
        self.texts: dict[str, list[str]] = {}
        self.caa: dict[str, list[tuple[int, str, str]]] = {}
        self.is_broken = False

    def resolve(self, name: str) -> list[str]:
        if self.is_broken:
            raise TimeoutError("no name server answers")
        return self.addresses.get(name, [])


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def settings() -> AcmeSettings:
    return AcmeSettings()


@pytest.fixture
def fetcher(names: Names, network: Network, settings: AcmeSettings) -> Fetcher:
    return Fetcher(names.resolve, network, settings)


@pytest.fixture
def validator(fetcher: Fetcher, names: Names, settings: AcmeSettings) -> Validator:
    return Validator(
        fetcher,
        settings,
        txt=lambda name: names.texts.get(name, []),
        caa=lambda name: names.caa.get(name, []),
    )


@pytest.fixture
def serve(network: Network, authority: Authority) -> Iterator[Serve]:
    """Publishes a server made of a function, by default at port 80 of OTHER."""
    made: list[Listener] = []

    def build(
        answer: Callable[[socket.socket], None], port: int = 80, *, names: tuple[str, ...] = ()
    ) -> Listener:
        context = authority.server_context(names) if names else None
        listener = Listener("test", answer, context=context)
        listener.start()
        network.publish(OTHER, port, ("127.0.0.1", listener.port))
        made.append(listener)
        return listener

    yield build
    for listener in made:
        listener.stop()


def says(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))

    return answer


def problem_of(fetcher: Fetcher) -> Problem:
    with pytest.raises(Problem) as caught:
        fetcher.get(NAME, PATH)
    return caught.value


def test_an_unknown_name(fetcher: Fetcher, names: Names) -> None:
    del names.addresses[NAME]
    found = problem_of(fetcher)
    assert (found.kind, found.status) == ("dns", 400)
    assert found.detail.startswith(f"DNS problem: NXDOMAIN looking up A for {NAME} - check that a DNS record")


def test_a_name_server_that_fails(fetcher: Fetcher, names: Names) -> None:
    names.is_broken = True
    found = problem_of(fetcher)
    assert found.kind == "dns"
    assert found.detail.startswith(f"DNS problem: SERVFAIL looking up A for {NAME}")


def test_nothing_listens(fetcher: Fetcher, web: WebServer) -> None:
    web.refuse()
    found = problem_of(fetcher)
    assert (found.kind, found.detail) == (
        "connection",
        f"{WEB_ADDRESS}: Fetching {URL}: Connection refused",
    )


def test_the_server_behind_an_address_is_gone(fetcher: Fetcher, network: Network) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        network.publish(WEB_ADDRESS, 80, closed.getsockname())
    assert problem_of(fetcher).detail.endswith(": Connection refused")


def test_a_server_that_says_nothing(
    fetcher: Fetcher, names: Names, serve: Serve, settings: AcmeSettings
) -> None:
    settings.fetch_timeout_s = 0.2
    over = threading.Event()
    names.addresses[NAME] = [OTHER]
    serve(lambda _: over.wait(60) and None)
    try:
        detail = problem_of(fetcher).detail
    finally:
        over.set()
    assert detail == f"{OTHER}: Fetching {URL}: Timeout after connect (your server may be slow or overloaded)"


def test_a_server_that_hangs_up(fetcher: Fetcher, names: Names, serve: Serve) -> None:
    names.addresses[NAME] = [OTHER]
    serve(lambda connection: connection.recv(65536) and None)
    found = problem_of(fetcher)
    assert (found.kind, found.detail) == (
        "connection",
        f"{OTHER}: Fetching {URL}: Error getting validation data",
    )


def test_a_server_that_speaks_no_http(fetcher: Fetcher, names: Names, serve: Serve) -> None:
    names.addresses[NAME] = [OTHER]
    serve(lambda connection: connection.sendall(b"220 mail.practice.test ESMTP\r\n"))
    assert problem_of(fetcher).detail.endswith(": Error getting validation data")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_another_status(fetcher: Fetcher, web: WebServer, status: int) -> None:
    web.fail(Fault(status, b"no"))
    found = problem_of(fetcher)
    assert (found.kind, found.status) == ("unauthorized", 403)
    assert found.detail == f"{WEB_ADDRESS}: Invalid response from {URL}: {status}"


def test_a_page_instead_of_a_token(fetcher: Fetcher, web: WebServer) -> None:
    web.fail_content(b"<html>" + b"x" * 1000)
    found = problem_of(fetcher)
    assert found.kind == "unauthorized"
    assert found.detail.startswith(f'{WEB_ADDRESS}: Invalid response from {URL}: "<html>xxx')
    assert len(found.detail) < 300


def test_a_stale_ipv6_address_comes_first_and_the_next_is_tried(
    fetcher: Fetcher, names: Names, network: Network, web: WebServer, serve: Serve
) -> None:
    web.fail_content(b"by IPv4")
    names.addresses[NAME] = [WEB_ADDRESS, SIX]
    assert fetcher.get(NAME, PATH) == b"by IPv4"
    listener = serve(says(b"by IPv6"))
    network.publish(SIX, 80, ("127.0.0.1", listener.port))
    assert fetcher.get(NAME, PATH) == b"by IPv6"


def test_redirects_lead_to_https_without_a_look_at_the_certificate(
    fetcher: Fetcher, names: Names, web: WebServer, serve: Serve
) -> None:
    names.addresses["other.practice.test"] = [OTHER]
    serve(says(b"found"), 443, names=("wrong.practice.test",))
    web.fail_redirect("https://other.practice.test{path}?x=1")
    assert fetcher.get(NAME, PATH) == b"found"


def test_https_that_is_none(fetcher: Fetcher, names: Names, web: WebServer, serve: Serve) -> None:
    names.addresses["other.practice.test"] = [OTHER]
    serve(says(b"plain"), 443)
    web.fail_redirect("https://other.practice.test/")
    assert problem_of(fetcher).kind == "tls"


@pytest.mark.parametrize(
    ("location", "detail"),
    [
        ("http://registry.practice.test:8080/", "Only ports 80 and 443 are supported, not 8080"),
        (
            "ftp://registry.practice.test/",
            'Only "http" and "https" protocol schemes are supported, not "ftp"',
        ),
        ("http://registry.practice.test.well-known/x", "Check webserver config for missing '/'"),
        ("http://127.0.0.1/", "IP address is in a reserved address block"),
        ("http:///x", "Invalid empty host in redirect target"),
        ("http://unknown.practice.test/", "NXDOMAIN looking up A for unknown.practice.test"),
        ("http://[broken/", "Error getting validation data"),
        ("{path}", "Redirect loop detected"),
    ],
)
def test_redirects_that_are_not_followed(
    fetcher: Fetcher, web: WebServer, location: str, detail: str
) -> None:
    web.fail_redirect(location)
    found = problem_of(fetcher)
    assert found.detail.startswith(f"{WEB_ADDRESS}: Fetching ")
    assert detail in found.detail


def test_ten_redirects_are_followed_and_no_more(fetcher: Fetcher, names: Names, serve: Serve) -> None:
    ends_after = 10
    asked: list[bytes] = []

    def hop(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        if len(asked) > ends_after:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        else:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /%d\r\n\r\n" % len(asked))

    names.addresses[NAME] = [OTHER]
    serve(hop)
    assert fetcher.get(NAME, PATH) == b"done"
    asked.clear()
    ends_after = 11
    assert "Too many redirects" in problem_of(fetcher).detail
    assert len(asked) == 11


def task(kind: str = "dns-01", *, is_wildcard: bool = False) -> Task:
    url = "https://127.0.0.1/account/1"
    return Task("http-01" if kind == "http-01" else "dns-01", NAME, is_wildcard, "token", "token.thumb", url)


def test_txt_records(validator: Validator, names: Names, settings: AcmeSettings) -> None:
    with pytest.raises(Problem, match=f"NXDOMAIN looking up TXT for _acme-challenge.{NAME}"):
        validator.check(task())
    names.texts[f"_acme-challenge.{NAME}"] = ["old", "older"]
    with pytest.raises(Problem) as caught:
        validator.check(task())
    wanted = f'Incorrect TXT record "old" (and 1 more) found at _acme-challenge.{NAME}'
    assert (caught.value.kind, caught.value.detail) == ("unauthorized", wanted)
    settings.mismatch_problem = "incorrectResponse"
    with pytest.raises(Problem) as caught:
        validator.check(task())
    assert caught.value.kind == "incorrectResponse"


@pytest.mark.parametrize(
    ("at", "records", "is_wildcard", "may_issue"),
    [
        (NAME, [(0, "issue", "ca.practice.test")], False, True),
        (NAME, [(0, "issue", "CA.practice.test; validationmethods=http-01,dns-01")], False, True),
        (NAME, [(0, "issue", "ca.practice.test; validationmethods=http-01")], False, False),
        (NAME, [(0, "issue", "ca.practice.test; accounturi=https://127.0.0.1/account/1")], False, True),
        (NAME, [(0, "issue", "ca.practice.test; accounturi=https://127.0.0.1/account/2")], False, False),
        (NAME, [(0, "issue", ";")], False, False),
        (NAME, [(0, "issue", "letsencrypt.org")], False, False),
        (NAME, [(0, "issue", "letsencrypt.org"), (0, "issue", "ca.practice.test")], False, True),
        (NAME, [(0, "issue", "ca.practice.test"), (0, "issuewild", ";")], False, True),
        (NAME, [(0, "issue", "ca.practice.test"), (0, "issuewild", ";")], True, False),
        (NAME, [(0, "issue", "ca.practice.test")], True, True),
        (NAME, [(0, "iodef", "mailto:ops@practice.test")], False, True),
        (NAME, [(128, "future", "x")], False, False),
        (NAME, [(0, "future", "x")], False, True),
        ("practice.test", [(0, "issue", "letsencrypt.org")], False, False),
        ("other.test", [(0, "issue", "letsencrypt.org")], False, True),
    ],
)
def test_caa_records(
    validator: Validator,
    names: Names,
    at: str,
    records: list[tuple[int, str, str]],
    is_wildcard: bool,
    may_issue: bool,
) -> None:
    # The digest of "token.thumb", base64url: RFC 8555, section 8.4.
    names.texts[f"_acme-challenge.{NAME}"] = ["lCdftpJCXapaZHkBGIZbcubeKW8RmA0jSG_aZN01zbU"]
    names.caa[at] = records
    if may_issue:
        validator.check(task(is_wildcard=is_wildcard))
        return
    with pytest.raises(Problem) as caught:
        validator.check(task(is_wildcard=is_wildcard))
    wanted = f"While processing CAA for {NAME}: CAA record for {at} prevents issuance"
    assert (caught.value.kind, caught.value.status, caught.value.detail) == ("caa", 403, wanted)


def test_the_closest_caa_records_decide(validator: Validator, names: Names) -> None:
    names.texts[f"_acme-challenge.{NAME}"] = ["lCdftpJCXapaZHkBGIZbcubeKW8RmA0jSG_aZN01zbU"]
    names.caa["practice.test"] = [(0, "issue", ";")]
    names.caa[NAME] = [(0, "issue", "ca.practice.test")]
    validator.check(task())


def test_nothing_is_counted_by_the_fetches(ledger: Ledger, fetcher: Fetcher, web: WebServer) -> None:
    web.fail_content(b"x")
    assert fetcher.get(NAME, PATH) == b"x"
    assert ledger.total == 0
