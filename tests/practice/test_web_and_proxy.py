"""The practice web server and the proxy, with curl, requests, skopeo's kind of traffic and bare sockets."""

import contextlib
import hashlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from wizard.practice.ledger import Ledger
from wizard.practice.listener import HttpHandler, Listener
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.practice.web import WebServer

NAME = "registry.practice.test"
SECURE = "127.80.0.9"
SECURE_NAME = "secure.practice.test"
NOT_LISTENING = "127.80.0.8"
BIG = 30 * 1024 * 1024
TIMEOUT_S = 60
Serve = Callable[..., Listener]


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def webroot(tmp_path: Path) -> Path:
    return tmp_path / "webroot"


@pytest.fixture
def web(webroot: Path, network: Network) -> Iterator[WebServer]:
    server = WebServer(webroot, network)
    server.start()
    yield server
    server.stop()


def resolve(name: str) -> list[str]:
    if name == "broken.practice.test":
        raise TimeoutError("no name server answers")
    return {
        NAME: [WEB_ADDRESS],
        SECURE_NAME: [SECURE],
        "two.practice.test": [NOT_LISTENING, WEB_ADDRESS],
        "outside.practice.test": ["203.0.113.5"],
    }.get(name, [])


@pytest.fixture
def proxy(network: Network, ledger: Ledger) -> Iterator[ProxyServer]:
    server = ProxyServer(resolve, network, ledger)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def session(proxy: ProxyServer) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.proxies = {"http": proxy.url, "https": proxy.url}
        yield made


class Store(HttpHandler):
    """Answers GET with 30 MiB, and PUT with the digest of what came; both stream."""

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        self.send_response(200)
        self.send_header("Content-Length", str(BIG))
        self.end_headers()
        for _ in range(BIG // 65536):
            self.wfile.write(b"x" * 65536)

    def do_PUT(self) -> None:  # noqa: N802 (http.server's name)
        digest = hashlib.sha256()
        if "Content-Length" in self.headers:
            left = int(self.headers["Content-Length"])
            while left and (found := self.rfile.read(min(left, 65536))):
                digest.update(found)
                left -= len(found)
        else:
            while size := int(self.rfile.readline(), 16):
                digest.update(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        self.reply(201, [("X-Host", self.headers["Host"])], digest.hexdigest().encode())


def store(connection: socket.socket) -> None:
    Store(connection)


class Early(HttpHandler):
    """Refuses uploads before they are read, as registries do without a login."""

    def do_PUT(self) -> None:  # noqa: N802 (http.server's name)
        self.close_connection = True
        self.reply(401, [("WWW-Authenticate", "Basic")], b"who are you?")

    def handle_expect_100(self) -> bool:
        return True


@pytest.fixture
def publish(network: Network, authority: Authority) -> Iterator[Callable[..., Listener]]:
    """Serves each connection by the handler or function, at the address and port given."""
    made: list[Listener] = []

    def build(
        serve: Callable[[socket.socket], object], address: str = SECURE, port: int = 80, *, tls: bool = False
    ) -> Listener:
        context = authority.server_context([SECURE_NAME]) if tls else None

        def run(connection: socket.socket) -> None:
            serve(connection)

        listener = Listener("test", run, context=context)
        listener.start()
        network.publish(address, port, ("127.0.0.1", listener.port))
        made.append(listener)
        return listener

    yield build
    for listener in made:
        listener.stop()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "root.pem"
    path.write_bytes(authority.root_pem)
    return str(path)


def curl(proxy: ProxyServer, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """With nothing of our environment but PATH."""
    return subprocess.run(
        ["curl", "-sS", "-q", "-m", str(TIMEOUT_S), "-x", proxy.url, "--noproxy", "", *arguments],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )


def dial(proxy: ProxyServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), TIMEOUT_S)


def read_all(connection: socket.socket) -> bytes:
    found = b""
    while more := connection.recv(65536):
        found += more
    return found


def until(is_met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_met():
        assert time.monotonic() < deadline, "the condition was not met in time"
        threading.Event().wait(0.01)


# The web server


def at(web: WebServer, path: str, method: str = "GET") -> requests.Response:
    with requests.Session() as direct:
        direct.trust_env = False
        return direct.request(
            method, f"http://127.0.0.1:{web.port}{path}", timeout=TIMEOUT_S, allow_redirects=False
        )


def test_the_web_server_says_what_it_is(web: WebServer) -> None:
    answer = at(web, "/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "This is the practice web server" in answer.text


def test_files_are_served_as_they_are(web: WebServer, webroot: Path) -> None:
    token = webroot / ".well-known" / "acme-challenge" / "token"
    token.parent.mkdir(parents=True)
    token.write_bytes(b"proof\n")
    answer = at(web, "/.well-known/acme-challenge/token?x=1")
    assert (answer.status_code, answer.content) == (200, b"proof\n")
    head = at(web, "/.well-known/acme-challenge/token", "HEAD")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "6")


def test_an_index_that_is_there_is_kept(webroot: Path, network: Network) -> None:
    webroot.mkdir()
    (webroot / "index.html").write_text("mine")
    server = WebServer(webroot, network)
    server.start()
    try:
        assert at(server, "/").text == "mine"
    finally:
        server.stop()


def test_nothing_outside_the_webroot_is_served(web: WebServer, webroot: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (webroot / "link").symlink_to(tmp_path / "secret")
    (webroot / "up").symlink_to(tmp_path)
    (webroot / "loop").symlink_to(webroot / "loop")
    (webroot / "empty").mkdir()
    for path in ("/../secret", "/%2e%2e/secret", "/..%2fsecret", "/link", "/up/secret", "/loop", "/empty/"):
        with socket.create_connection(("127.0.0.1", web.port), TIMEOUT_S) as plain:
            plain.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = read_all(plain)
        assert answer.startswith(b"HTTP/1.1 404 "), path
        assert b"secret" not in answer
    assert at(web, "/%00").status_code == 404
    assert at(web, "/" + "a" * 5000).status_code == 404


def test_other_methods_are_not_allowed(web: WebServer) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = at(web, "/index.html", method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "line", [b"\x16\x03\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"X / HTTP/1.1\r\n\r\n"]
)
def test_the_web_server_outlives_garbage(web: WebServer, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", web.port), TIMEOUT_S) as plain:
        plain.sendall(line)
        assert read_all(plain)[9:10] in {b"4", b"5"}
    assert at(web, "/").ok


def test_faults_come_and_go(web: WebServer, webroot: Path, network: Network) -> None:
    path = "/.well-known/acme-challenge/token"
    (webroot / path[1:]).parent.mkdir(parents=True)
    (webroot / path[1:]).write_text("proof")
    web.fail_missing()
    assert at(web, path).status_code == 404
    assert at(web, "/").ok
    web.fail_content(b"other")
    assert at(web, path).content == b"other"
    web.fail_redirect("http://elsewhere.practice.test{path}")
    assert at(web, path).headers["Location"] == f"http://elsewhere.practice.test{path}"
    web.refuse()
    assert network.target(WEB_ADDRESS, 80) is None
    web.heal()
    assert at(web, path).content == b"proof"
    assert network.target(WEB_ADDRESS, 80) == ("127.0.0.1", web.port)


def test_the_web_server_stops_twice_and_is_gone(webroot: Path, network: Network) -> None:
    others = set(threading.enumerate())
    web = WebServer(webroot, network)
    web.start()
    web.stop()
    web.stop()
    assert network.target(WEB_ADDRESS, 80) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", web.port), TIMEOUT_S)
    until(lambda: not set(threading.enumerate()) - others)


# The proxy


@pytest.mark.usefixtures("web")
def test_names_lead_to_what_the_world_publishes(proxy: ProxyServer, session: requests.Session) -> None:
    for url in (
        f"http://{NAME}/",
        f"http://{NAME.upper()}.:80/",
        f"http://{WEB_ADDRESS}/",
        "http://two.practice.test/",
    ):
        assert "practice web server" in session.get(url, timeout=TIMEOUT_S).text
        assert b"practice web server" in curl(proxy, url).stdout


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("url", "status", "text"),
    [
        ("http://nope.practice.test/", 502, "host name nope.practice.test could not be resolved"),
        ("http://broken.practice.test/", 502, "could not be resolved: its name server failed"),
        (f"http://{NAME}:81/", 503, f"Nothing listens at {NAME} ({WEB_ADDRESS}), port 81"),
        (f"http://{NOT_LISTENING}/", 503, "Nothing listens at"),
        ("http://outside.practice.test/", 503, "Nothing listens at outside.practice.test (203.0.113.5)"),
        ("http://203.0.113.5/", 403, "lies outside the practice world"),
        ("http://[2001:db8::1]/", 403, "lies outside the practice world"),
        ("http://127.0.0.1:1/", 503, "Connection refused"),
        ("http://localhost:1/", 503, "Connection refused"),
    ],
)
def test_the_proxy_says_why_it_cannot(session: requests.Session, url: str, status: int, text: str) -> None:
    answer = session.get(url, timeout=TIMEOUT_S)
    assert (answer.status_code, answer.headers["Connection"]) == (status, "close")
    assert text in answer.text


def test_a_tunnel_that_cannot_be_made_is_refused(proxy: ProxyServer, session: requests.Session) -> None:
    with pytest.raises(
        requests.exceptions.ProxyError, match=r"502 The host name nope\.practice\.test could not be resolved"
    ):
        session.get("https://nope.practice.test/", timeout=TIMEOUT_S)
    assert b"response 403" in curl(proxy, "https://203.0.113.5/").stderr


def test_other_loopback_addresses_are_reached_directly(
    session: requests.Session, publish: Callable[..., Listener]
) -> None:
    listener = publish(Store)
    for host in ("127.0.0.1", "localhost"):
        answer = session.put(f"http://{host}:{listener.port}/", data=b"abc", timeout=TIMEOUT_S)
        assert answer.text == hashlib.sha256(b"abc").hexdigest()
        assert answer.headers["X-Host"] == f"{host}:{listener.port}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_large_bodies_stream_both_ways(
    proxy: ProxyServer,
    session: requests.Session,
    publish: Callable[..., Listener],
    ca_file: str,
    tmp_path: Path,
    scheme: str,
) -> None:
    publish(Store, port=443 if scheme == "https" else 80, tls=scheme == "https")
    url = f"{scheme}://{SECURE_NAME}/blob"
    body = os.urandom(1024 * 1024) * 30
    digest = hashlib.sha256(body).hexdigest()
    source = tmp_path / "blob"
    source.write_bytes(body)
    assert len(session.get(url, timeout=TIMEOUT_S, verify=ca_file).content) == BIG
    assert session.put(url, data=body, timeout=TIMEOUT_S, verify=ca_file).text == digest
    pieces = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
    assert session.put(url, data=pieces, timeout=TIMEOUT_S, verify=ca_file).text == digest
    trusted = ("--cacert", ca_file)
    assert curl(proxy, *trusted, "-T", str(source), url).stdout.decode() == digest
    expecting = ("-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked")
    assert curl(proxy, *trusted, *expecting, "-T", str(source), url).stdout.decode() == digest


def test_certificates_are_checked_through_the_tunnel(
    proxy: ProxyServer, session: requests.Session, publish: Callable[..., Listener]
) -> None:
    publish(Store, port=443, tls=True)
    with pytest.raises(requests.exceptions.SSLError):
        session.get(f"https://{SECURE_NAME}/", timeout=TIMEOUT_S)
    assert b"certificate" in curl(proxy, f"https://{SECURE_NAME}/").stderr


def test_an_upload_that_is_refused_early_gets_its_answer(
    proxy: ProxyServer, publish: Callable[..., Listener], tmp_path: Path
) -> None:
    publish(Early)
    source = tmp_path / "blob"
    source.write_bytes(bytes(4 * 1024 * 1024))
    for extra in ((), ("-H", "Expect:")):
        answer = curl(proxy, *extra, "-i", "-T", str(source), f"http://{SECURE_NAME}/").stdout
        assert b"401 Unauthorized" in answer
        assert answer.endswith(b"who are you?")


def test_the_server_sees_an_ordinary_request(proxy: ProxyServer, publish: Callable[..., Listener]) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\nok"
        )
        connection.recv(65536)

    publish(serve)
    with dial(proxy) as client:
        client.sendall(
            b"GET http://user@Secure.Practice.Test/a%20b?c=d#e HTTP/1.1\r\nHost: other\r\nX-One: 1\r\n"
            b"Proxy-Connection: keep-alive\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
            b"Proxy-Authorization: Basic eA==\r\n\r\n"
        )
        found = b""
        while not found.endswith(b"ok"):
            found += client.recv(65536)
    assert seen == [
        b"GET /a%20b?c=d HTTP/1.1\r\nHost: Secure.Practice.Test\r\nX-One: 1\r\nConnection: close\r\n\r\n"
    ]
    assert found == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def test_interim_answers_pass(proxy: ProxyServer, publish: Callable[..., Listener]) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No"
        )
        connection.sendall(b" Content\r\n\r\n")

    publish(serve)
    with dial(proxy) as client:
        client.sendall(f"GET http://{SECURE_NAME}/ HTTP/1.1\r\n\r\n".encode())
        answer = read_all(client)
    assert answer == (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    )


def test_an_answer_that_is_no_http_passes_as_it_is(
    proxy: ProxyServer, publish: Callable[..., Listener]
) -> None:
    publish(lambda connection: connection.sendall(b"220 no http here\n"))
    with dial(proxy) as client:
        client.sendall(f"GET http://{SECURE_NAME}/ HTTP/1.1\r\n\r\n".encode())
        assert read_all(client) == b"220 no http here\n"


def test_half_closed_tunnels_still_answer(proxy: ProxyServer, publish: Callable[..., Listener]) -> None:
    """The client ends first, and gets what the server makes of all that it sent."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(hashlib.sha256(read_all(connection)).hexdigest().encode())

    publish(serve, port=7)
    with dial(proxy) as client:
        client.sendall(f"CONNECT {SECURE_NAME}:7 HTTP/1.1\r\nHost: x\r\n\r\nearly ".encode())
        client.sendall(b"late")
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert answer.endswith(b"\r\n\r\n" + hashlib.sha256(b"early late").hexdigest().encode())


def test_both_sides_may_send_at_once_without_a_standstill(
    proxy: ProxyServer, publish: Callable[..., Listener]
) -> None:
    """Neither side reads before it has sent all: buffers fill up, and the proxy must keep both moving."""
    upward, downward = os.urandom(8 * 1024 * 1024), os.urandom(8 * 1024 * 1024)
    arrived: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        sender = threading.Thread(target=connection.sendall, args=(downward,))
        sender.start()
        arrived.append(read_all(connection))
        sender.join(TIMEOUT_S)

    publish(serve, port=7)
    with dial(proxy) as client:
        client.sendall(f"CONNECT {SECURE_NAME}:7 HTTP/1.1\r\n\r\n".encode())

        def send() -> None:
            client.sendall(upward)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        answer = read_all(client)
        sender.join(TIMEOUT_S)
    assert answer.partition(b"\r\n\r\n")[2] == downward
    assert arrived == [upward]


def test_a_server_that_breaks_off_an_upload_is_still_heard(
    proxy: ProxyServer, publish: Callable[..., Listener]
) -> None:
    """It answers and closes upon what it has not read, which resets the connection."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def serve(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(refusal)
        connection.close()

    publish(serve)
    with dial(proxy) as client:
        client.sendall(f"PUT http://{SECURE_NAME}/ HTTP/1.1\r\nContent-Length: 8388608\r\n\r\n".encode())
        # A client that is cut off while it sends reads all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(bytes(8 * 1024 * 1024))
        heard = b""
        # The reset may come to it, too, once all was said.
        with contextlib.suppress(ConnectionResetError):
            while more := client.recv(65536):
                heard += more
        assert heard == refusal


def test_who_waits_for_100_continue_gets_it_before_the_body() -> None:
    listener = Listener("expecting", store)
    listener.start()
    try:
        with socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S) as client:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
            assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"x")
            assert client.recv(65536).startswith(b"HTTP/1.1 201 ")
    finally:
        listener.stop()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET https://registry.practice.test/ HTTP/1.1\r\n\r\n",
        b"GET ftp://registry.practice.test/ HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\n\r\n",
        b"GET http://a:99999/ HTTP/1.1\r\n\r\n",
        b"GET http://a_b!/ HTTP/1.1\r\n\r\n",
        b"GET http://\xc3\xa4.test/ HTTP/1.1\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nno field\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nX: a\nb: c\r\n\r\n",
        b"CONNECT registry.practice.test HTTP/1.1\r\n\r\n",
        b"CONNECT registry.practice.test:x HTTP/1.1\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xff\x01\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nX: " + b"a" * 70_000,
    ],
)
def test_the_proxy_outlives_garbage(
    web: WebServer, proxy: ProxyServer, session: requests.Session, request_bytes: bytes
) -> None:
    with dial(proxy) as client:
        client.sendall(request_bytes)
        assert read_all(client).startswith(b"HTTP/1.1 400 ")
    assert web.port
    assert session.get(f"http://{NAME}/", timeout=TIMEOUT_S).ok


def test_clients_that_just_leave_cost_nothing(
    web: WebServer, proxy: ProxyServer, session: requests.Session
) -> None:
    for start in (
        b"",
        b"GET http://registry.practice.test/ HT",
        b"CONNECT registry.practice.test:80 HTTP/1.1\r\n\r\n",
    ):
        with dial(proxy) as client:
            client.sendall(start)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "proxy"])
    assert web.port
    assert session.get(f"http://{NAME}/", timeout=TIMEOUT_S).ok


@pytest.mark.usefixtures("web")
def test_requests_are_counted_and_never_as_changes(session: requests.Session, ledger: Ledger) -> None:
    session.post(f"http://{NAME}/", timeout=TIMEOUT_S)
    snapshot = ledger.snapshot()
    assert (snapshot["total"], snapshot["mutating_total"]) == ({"proxy": 1}, 0)


def test_stop_cuts_what_is_open(proxy: ProxyServer, publish: Callable[..., Listener]) -> None:
    publish(read_all, port=7)
    with dial(proxy) as client:
        client.sendall(f"CONNECT {SECURE_NAME}:7 HTTP/1.1\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        proxy.stop()
        proxy.stop()
        assert time.monotonic() - started < TIMEOUT_S / 2
        assert read_all(client) == b""
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("proxy")])


def test_more_connections_than_allowed_wait_their_turn() -> None:
    listener = Listener("few", store, limit=2)
    listener.start()
    try:
        with requests.Session() as direct:
            direct.trust_env = False
            url = f"http://127.0.0.1:{listener.port}/"
            held = [socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S) for _ in range(2)]
            until(lambda: sum(thread.name == "few" for thread in threading.enumerate()) == 2)
            answers: list[str] = []
            waiting = threading.Thread(
                target=lambda: answers.append(direct.put(url, data=b"abc", timeout=TIMEOUT_S).text)
            )
            waiting.start()
            assert sum(thread.name == "few" for thread in threading.enumerate()) == 2
            for connection in held:
                connection.close()
            waiting.join(TIMEOUT_S)
            assert answers == [hashlib.sha256(b"abc").hexdigest()]
    finally:
        listener.stop()
