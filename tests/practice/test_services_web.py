"""Sessions: which proxy, which CAs and which time-outs hold, against small servers of the test's own."""

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from wizard.endpoints import Endpoints
from wizard.errors import Refused
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.practice.web import WebServer
from wizard.services import web

URL = "http://web.practice.test/index.html"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[ProxyServer]:
    network = Network()
    server = WebServer(tmp_path / "web", network)
    made = ProxyServer(lambda name: [WEB_ADDRESS] if name == "web.practice.test" else [], network, Ledger())
    server.start()
    made.start()
    yield made
    made.stop()
    server.stop()


@pytest.fixture
def secure(authority: Authority) -> Iterator[str]:
    """An https server that its own CA vouches for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    context = authority.server_context(["127.0.0.1"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def root(authority: Authority, tmp_path: Path) -> str:
    path = tmp_path / "root.pem"
    path.write_bytes(authority.root_pem)
    return str(path)


def get(url: str, endpoints: Endpoints, **more: str) -> int:
    with web.session(endpoints, **more) as session:
        return session.get(url).status_code


def failure(url: str, endpoints: Endpoints) -> str:
    with web.session(endpoints) as session, pytest.raises(requests.RequestException) as caught:
        session.get(url)
    return web.explain(caught.value, url, endpoints).problem.code


def test_the_answered_proxy_wins_over_the_environments(
    proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert get(URL, Endpoints(proxy=proxy.url)) == 200


def test_the_environments_proxy_is_used_where_none_is_answered(
    proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    assert get(URL, Endpoints()) == 200


def test_no_proxy_holds_for_both(secure: str, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert get(secure, Endpoints(ca_file=root)) == 204
    assert get(secure, Endpoints(ca_file=root, proxy="http://127.0.0.1:9")) == 204


def test_a_ca_file_is_trusted_besides_the_others(secure: str, root: str) -> None:
    assert get(secure, Endpoints(ca_file=root)) == 204
    assert get(secure, Endpoints(), ca_file=root) == 204
    assert failure(secure, Endpoints()) == "tls-untrusted"


def test_a_bundle_of_the_environment_does_not_push_the_ca_file_out(
    secure: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = tmp_path / "company.pem"
    company.write_bytes(Authority().root_pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(company))
    assert get(secure, Endpoints(ca_file=root)) == 204
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", root)
    assert get(secure, Endpoints()) == 204


def test_the_merged_bundle_is_private_and_made_once(root: str) -> None:
    bundle = web.trusted_bundle(Endpoints(ca_file=root))
    assert web.trusted_bundle(Endpoints(ca_file=root)) == bundle
    assert Path(bundle).stat().st_mode & 0o077 == 0
    assert Path(root).read_bytes().strip() in Path(bundle).read_bytes()
    context = ssl.create_default_context(cafile=bundle)
    assert len(context.get_ca_certs()) > 50


@pytest.mark.parametrize(("content", "code"), [(None, "ca-file-unreadable"), (b"junk", "ca-file-not-pem")])
def test_a_useless_ca_file_is_refused(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused) as caught:
        web.session(Endpoints(ca_file=str(path)))
    assert caught.value.problem.code == code
    assert str(path) in caught.value.problem.what


def test_each_failure_has_its_word(proxy: ProxyServer, secure: str) -> None:
    assert failure("http://127.0.0.1:9/", Endpoints()) == "refused"
    assert failure("https://nowhere.practice.test/", Endpoints(proxy=proxy.url)) == "proxy-failed"
    assert failure(secure.replace("https", "http"), Endpoints()) == "no-answer"


def test_plain_http_on_a_tls_port_is_told() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as plain:

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert failure(f"https://127.0.0.1:{plain.getsockname()[1]}/", Endpoints()) == "not-tls"
        thread.join()


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "READ_TIMEOUT_S", timedelta(milliseconds=50).total_seconds())
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        assert failure(f"http://127.0.0.1:{silent.getsockname()[1]}/", Endpoints()) == "read-timeout"


def test_a_proxys_password_is_not_told() -> None:
    endpoints = Endpoints(proxy="http://user:hunter2@127.0.0.1:9")
    with web.session(endpoints) as session, pytest.raises(requests.RequestException) as caught:
        session.get(URL)
    problem = web.explain(caught.value, URL, endpoints).problem
    assert "127.0.0.1:9" in problem.what
    assert "hunter2" not in f"{problem} {problem.raw}"


def test_a_session_says_who_it_is_and_follows_ten_redirects() -> None:
    with web.session(Endpoints()) as session:
        assert session.max_redirects == 10
        assert str(session.headers["User-Agent"]).startswith("kube-registry/")
