"""The way to an API server: trust, logins, proxies, and servers that misbehave as none of ours does."""

import base64
import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from wizard.endpoints import Endpoints
from wizard.errors import CredentialsError, Refused, Unreachable, WizardError
from wizard.practice.listener import HttpHandler, Listener
from wizard.practice.pki import Authority
from wizard.services.aws import Aws
from wizard.services.cluster import Cluster
from wizard.services.cluster import transport as transport_module

VERSION = json.dumps({"gitVersion": "v1.37.0"}).encode()
UNAUTHORIZED = json.dumps({"reason": "Unauthorized", "message": "Unauthorized"}).encode()
JSON = [("Content-Type", "application/json")]

Serve = Callable[..., "Server"]
Connect = Callable[..., Cluster]


class Server:
    """Answers every request by `answer(path, headers)`, and remembers what it was asked."""

    def __init__(
        self,
        answer: Callable[[str, Any], tuple[int, list[tuple[str, str]], bytes]],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[tuple[str, Any]] = []
        server = self

        class Handler(HttpHandler):
            def _answer(self) -> None:
                server.requests.append((self.path, self.headers))
                self.reply(*answer(self.path, self.headers))

            do_GET = _answer  # noqa: N815 - the name that http.server looks for

        def handle(connection: socket.socket) -> None:
            Handler(connection)

        self._listener = Listener("misbehaving", handle, context=context)
        self._listener.start()
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._listener.port}"

    def stop(self) -> None:
        self._listener.stop()


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[Server] = []

    def start(answer: Any = lambda *_: (200, JSON, VERSION), context: ssl.SSLContext | None = None) -> Server:
        running.append(Server(answer, context))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    made: list[Cluster] = []

    def make(server: str, *, user: Any = None, endpoints: Endpoints | None = None, **cluster: Any) -> Cluster:
        config = {
            "current-context": "blue",
            "contexts": [{"name": "blue", "context": {"cluster": "blue", "user": "blue"}}],
            "clusters": [{"name": "blue", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "blue", "user": user or {"token": "very-secret"}}],
        }
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(path))
        given = endpoints or Endpoints()
        made.append(Cluster("", "default", given, aws=lambda: Aws("", "eu-west-1", given)))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def secured(authority: Authority) -> ssl.SSLContext:
    return server_context(authority, "127.0.0.1")


def server_context(authority: Authority, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = authority.issue(key.public_key(), [name], lifetime=timedelta(days=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(authority.chain(leaf) + pem(key))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def problem_of(cluster: Cluster, kind: type[WizardError] = Unreachable) -> str:
    with pytest.raises(kind) as caught:
        cluster.version()
    assert "very-secret" not in f"{caught.value.problem} {caught.value.problem.raw}"
    return caught.value.problem.code


# Trust


def test_the_kubeconfigs_ca_is_trusted(
    serve: Serve, connect: Connect, authority: Authority, secured: ssl.SSLContext
) -> None:
    server = serve(context=secured)
    cluster = connect(server.url, **{"certificate-authority-data": encoded(authority.root_pem)})
    assert cluster.version() == "v1.37.0"
    assert server.requests[0][1]["Authorization"] == "Bearer very-secret"


def test_without_a_ca_a_private_server_is_not_trusted(
    serve: Serve, connect: Connect, secured: ssl.SSLContext
) -> None:
    assert problem_of(connect(serve(context=secured).url)) == "api-server-untrusted"


def test_the_operators_ca_file_is_trusted_besides(
    serve: Serve, connect: Connect, authority: Authority, secured: ssl.SSLContext, tmp_path: Path
) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)
    endpoints = Endpoints(ca_file=str(root))
    other = encoded(Authority().root_pem)
    server = serve(context=secured)
    assert connect(server.url, endpoints=endpoints, **{"certificate-authority-data": other}).version()
    assert connect(server.url, endpoints=endpoints).version()


def test_a_ca_file_that_is_none_is_refused(
    serve: Serve, connect: Connect, secured: ssl.SSLContext, tmp_path: Path
) -> None:
    for number, text in enumerate(("", "rubbish")):
        (tmp_path / f"ca-{number}").write_text(text)
        endpoints = Endpoints(ca_file=str(tmp_path / f"ca-{number}"))
        cluster = connect(serve(context=secured).url, endpoints=endpoints)
        assert problem_of(cluster, Refused) == "ca-file-unusable"


def test_a_certificate_for_another_name_is_told(serve: Serve, connect: Connect, authority: Authority) -> None:
    server = serve(context=server_context(authority, "other.test"))
    ca = {"certificate-authority-data": encoded(authority.root_pem)}
    assert problem_of(connect(server.url, **ca)) == "api-server-certificate-name"
    assert connect(server.url, **ca, **{"tls-server-name": "other.test"}).version()


def test_a_kubeconfig_may_waive_verification(serve: Serve, connect: Connect, secured: ssl.SSLContext) -> None:
    assert connect(serve(context=secured).url, **{"insecure-skip-tls-verify": True}).version()


def test_a_client_certificate_logs_in_and_leaves_no_file(
    serve: Serve,
    connect: Connect,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, certificate = client_pair()
    context = server_context(authority, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate.decode())
    server = serve(context=context)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    ca = {"certificate-authority-data": encoded(authority.root_pem)}
    for _ in range(2):
        cluster = connect(server.url, user=user, **ca)
        assert cluster.version()
        assert list(temporary.iterdir()) == []
        cluster.close()


def client_pair() -> tuple[bytes, bytes]:
    """Key and self-signed certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ann")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return pem(key), certificate.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"client-certificate-data": "cnViYmlzaA==", "client-key-data": "cnViYmlzaA=="}, {}),
        ({"client-certificate-data": "***", "client-key-data": "***"}, {}),
        ({"client-certificate": "/nowhere/client.crt"}, {}),
        ({"token": "x"}, {"certificate-authority-data": "cnViYmlzaA=="}),
        ({"token": "x"}, {"certificate-authority": "/nowhere/ca.crt"}),
        ({"tokenFile": "/nowhere/token"}, {}),
    ],
)
def test_a_kubeconfig_with_broken_data_is_refused(connect: Connect, user: Any, cluster: Any) -> None:
    assert problem_of(connect("https://127.0.0.1:1", user=user, **cluster), Refused) == "kubeconfig-broken"


# Servers


def test_a_server_that_never_answers_is_told_once_for_all(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "FIRST_TIMEOUTS_S", (0.5, 0.5))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cluster = connect(f"http://127.0.0.1:{silent.getsockname()[1]}")
        found: list[str] = []

        def ask() -> None:
            try:
                cluster.get("v1", "Secret", "x")
            except Unreachable as error:
                found.append(error.problem.code)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["api-server-timeout"] * 6
        assert callers(silent) < 6, "those who wait for the first one's answer do not ask again"


def callers(silent: socket.socket) -> int:
    """How many have connected to it."""
    silent.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            silent.accept()[0].close()
            count += 1
    return count


def test_a_name_look_up_that_hangs_is_given_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        released.wait(30)
        raise OSError

    monkeypatch.setattr(transport_module, "FIRST_ANSWER_S", 0.3)
    cluster = connect("http://cluster.test")
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert problem_of(cluster) == "api-server-timeout"
    released.set()


def test_the_first_answer_is_bounded_by_ten_seconds() -> None:
    """With three of them for the program's start."""
    assert transport_module.FIRST_ANSWER_S <= 7
    assert sum(transport_module.FIRST_TIMEOUTS_S) <= 8


def test_a_port_where_nothing_listens_is_told(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert problem_of(connect(f"https://127.0.0.1:{port}")) == "api-server-refused-connection"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Log in</html>"),
        (200, b"[]"),
        (200, b""),
        (302, b""),
        (403, b"<html>Blocked</html>"),
        (502, b"bad gateway"),
        (200, b"\xff\xfe"),
    ],
)
def test_something_else_than_an_api_server_is_told(
    serve: Serve, connect: Connect, status: int, body: bytes
) -> None:
    server = serve(lambda *_: (status, [("Content-Type", "text/html")], body))
    assert problem_of(connect(server.url)) == "not-an-api-server"


def test_tls_to_a_plain_port_is_told(serve: Serve, connect: Connect) -> None:
    assert problem_of(connect(serve().url.replace("http:", "https:"))) == "api-server-not-tls"


def test_a_server_that_hangs_up_is_told(connect: Connect) -> None:
    listener = Listener("silent", lambda _: None)
    listener.start()
    try:
        assert problem_of(connect(f"http://127.0.0.1:{listener.port}")) == "api-server-unreachable"
    finally:
        listener.stop()


def test_warnings_are_kept_once(serve: Serve, connect: Connect) -> None:
    headers = [*JSON, ("Warning", '299 - "old \\"thing\\""'), ("Warning", '299 - "second"')]
    cluster = connect(serve(lambda path, _: (200, JSON if path == "/version" else headers, VERSION)).url)
    for _ in range(2):
        cluster.get("v1", "Secret", "x")
    assert cluster.warnings == ['old \\"thing\\"', "second"]


def test_lists_are_read_page_by_page(serve: Serve, connect: Connect) -> None:
    def answer(path: str, _: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        page = {
            "items": [{"n": 1}, {"n": 2}],
            "metadata": {"continue": "" if "continue=" in path else "next"},
        }
        return 200, JSON, json.dumps(page).encode()

    cluster = connect(serve(answer).url)
    assert len(cluster.list("v1", "Node", namespaced=False)) == 4
    assert len(cluster.list("v1", "Node", namespaced=False, limit=1)) == 1


# Logins


def test_a_refused_token_is_renewed_once(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    plugin = tmp_path / "login"
    plugin.write_text(
        f'#!/bin/sh\necho x >> {tmp_path}/runs\necho "{{\\"status\\": {{\\"token\\": '
        f'\\"token-$(wc -l < {tmp_path}/runs | tr -d " ")\\"}}}}"\n'
    )
    plugin.chmod(0o700)

    def answer(path: str, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        is_good = path == "/version" or headers["Authorization"] == "Bearer token-2"
        return (200, JSON, VERSION) if is_good else (401, JSON, UNAUTHORIZED)

    cluster = connect(serve(answer).url, user={"exec": {"command": str(plugin)}})
    assert cluster.get("v1", "Secret", "x") == {"gitVersion": "v1.37.0"}
    assert (tmp_path / "runs").read_text() == "x\nx\n"


def test_a_login_that_stays_refused_is_told(serve: Serve, connect: Connect) -> None:
    cluster = connect(serve(lambda *_: (401, JSON, UNAUTHORIZED)).url)
    assert problem_of(cluster, CredentialsError) == "not-logged-in"


def test_a_failing_plugin_is_told_before_any_request(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    server = serve()
    cluster = connect(server.url, user={"exec": {"command": str(tmp_path / "absent")}})
    assert problem_of(cluster, CredentialsError) == "plugin-missing"
    assert server.requests == []


def test_an_eks_login_needs_no_program(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("PATH", "")
    server = serve()
    args = ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "prod"]
    assert connect(server.url, user={"exec": {"command": "aws", "args": args}}).version()
    kind, _, token = server.requests[0][1]["Authorization"].partition(" k8s-aws-v1.")
    url = base64.urlsafe_b64decode(token + "==").decode()
    assert kind == "Bearer"
    assert "Action=GetCallerIdentity" in url
    assert "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" in url
    assert "X-Amz-Expires=60" in url


# Proxies


def test_the_kubeconfigs_proxy_wins_over_the_environments(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, ambient = serve(), serve()
    monkeypatch.setenv("HTTP_PROXY", ambient.url)
    monkeypatch.setenv("http_proxy", ambient.url)
    proxy = named.url.replace("//", "//ann:p%40ss@")
    assert connect("http://cluster.test", **{"proxy-url": proxy}).version()
    path, headers = named.requests[0]
    assert path == "http://cluster.test/version"
    assert headers["Proxy-Authorization"] == "Basic " + encoded(b"ann:p@ss")
    assert ambient.requests == []


def test_the_environments_proxy_and_its_exceptions_are_honoured(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, direct = serve(), serve()
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.url)
    assert connect("http://cluster.test").version()
    assert len(proxy.requests) == 1
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    assert connect(direct.url).version()
    assert (len(proxy.requests), len(direct.requests)) == (1, 1)


def test_the_operators_proxy_is_honoured(serve: Serve, connect: Connect) -> None:
    proxy = serve()
    assert connect("http://cluster.test", endpoints=Endpoints(proxy=proxy.url)).version()
    assert len(proxy.requests) == 1


def test_a_proxy_that_refuses_is_told(serve: Serve, connect: Connect) -> None:
    proxy = serve()
    cluster = connect("https://cluster.test", endpoints=Endpoints(proxy=proxy.url))
    assert problem_of(cluster) == "api-server-proxy"
