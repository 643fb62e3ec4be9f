"""The registry client against the real registry, and against servers that misbehave on purpose."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import Message

import bcrypt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from wizard.endpoints import Endpoints
from wizard.errors import AccessDenied, NotFound, Unreachable, WizardError
from wizard.events import StepId
from wizard.polling import wait_until
from wizard.practice.listener import HttpHandler, Listener
from wizard.practice.node.ports import free_port
from wizard.practice.pki import Authority
from wizard.services.registry import MANIFEST_TYPE, Login, Registry, digest_of
from wizard.services.tls import served
from wizard.traffic import Request

BINARY = shutil.which("docker-registry") or shutil.which("registry")
NAME = "127.0.0.1"
LOGIN = Login("kube-registry-check", SecretStr("a password"))
LAYER = os.urandom(1024 * 1024 + 17)
Misbehaving = Callable[..., Registry]

real = pytest.mark.skipif(BINARY is None, reason="the registry binary is not on PATH")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def endpoints(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    ca_file = tmp_path_factory.mktemp("ca") / "root.pem"
    ca_file.write_bytes(authority.root_pem)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield Endpoints(ca_file=str(ca_file))


@pytest.fixture(scope="module")
def address(
    authority: Authority, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A real registry with TLS and htpasswd, its layers in a directory."""
    place = tmp_path_factory.mktemp("registry")
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = authority.issue(key.public_key(), [NAME], lifetime=timedelta(days=1))
    (place / "tls.crt").write_bytes(authority.chain(leaf))
    (place / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    hashed = bcrypt.hashpw(LOGIN.password.get_secret_value().encode(), bcrypt.gensalt(4))
    (place / "htpasswd").write_bytes(LOGIN.user.encode() + b":" + hashed + b"\n")
    (place / "config.yml").write_text("version: 0.1\nstorage:\n  filesystem: {}\nhttp: {}\n")
    port = free_port()
    environ = {
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(place / "data"),
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
        "REGISTRY_HTTP_SECRET": "of this test",
        "REGISTRY_HTTP_TLS_CERTIFICATE": str(place / "tls.crt"),
        "REGISTRY_HTTP_TLS_KEY": str(place / "tls.key"),
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "kube-registry",
        "REGISTRY_AUTH_HTPASSWD_PATH": str(place / "htpasswd"),
    }
    assert BINARY is not None
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [BINARY, "serve", str(place / "config.yml")], env=environ, stdout=log, stderr=log
        )
        try:
            wait_for_tls(port, endpoints)
            yield f"{NAME}:{port}"
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def registry(address: str, endpoints: Endpoints) -> Iterator[Registry]:
    with Registry(address, endpoints, login=LOGIN) as client:
        yield client


@pytest.fixture
def misbehaving(authority: Authority, endpoints: Endpoints) -> Iterator[Misbehaving]:
    """Starts a server that answers every request alike, and gives a client of it."""
    started: list[Listener] = []
    clients: list[Registry] = []

    def start(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Registry:
        def serve(connection: socket.socket) -> None:
            Answering(connection, status, headers, body)

        listener = Listener("misbehaving", serve, context=authority.server_context([NAME]))
        listener.start()
        started.append(listener)
        clients.append(Registry(f"{NAME}:{listener.port}", endpoints, login=LOGIN))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
    for listener in started:
        listener.stop()


@real
def test_anonymous_and_wrong_logins_are_challenged(address: str, endpoints: Endpoints) -> None:
    for login in (None, Login(LOGIN.user, SecretStr("wrong"))):
        with Registry(address, endpoints, login=login) as client:
            greeting = client.ping()
        assert greeting.status == 401
        assert greeting.challenge == 'Basic realm="kube-registry"'


@real
def test_the_right_login_is_let_in(registry: Registry) -> None:
    greeting = registry.ping()
    assert (greeting.status, greeting.api_version) == (200, "registry/2.0")


@real
def test_requests_are_told_without_the_state_in_their_query(registry: Registry, endpoints: Endpoints) -> None:
    told: list[Request] = []
    endpoints.traffic.goes_to(told.append)
    registry.push_blob("team/told", LAYER)
    assert [(each.service, each.operation.split()[0], each.status) for each in told] == [
        ("registry", "POST", 202),
        ("registry", "PATCH", 202),
        ("registry", "PUT", 201),
    ]
    assert all(each.operation.split()[1].startswith("/v2/team/told/blobs/uploads/") for each in told)
    assert not any("?" in each.operation for each in told)
    assert all(each.elapsed_s > 0 for each in told)


@real
def test_an_image_goes_in_and_comes_out_the_same(registry: Registry) -> None:
    digest = registry.push_blob("team/app", LAYER)
    assert digest == digest_of(LAYER)
    assert registry.has_blob("team/app", digest)
    pulled = registry.pull_blob("team/app", digest)
    assert (pulled.digest, pulled.size_bytes, pulled.came_from) == (digest, len(LAYER), "")

    config = registry.push_blob("team/app", b"{}")
    body = (
        f'{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}",'
        f'"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},'
        f'"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar",'
        f'"digest":"{digest}","size":{len(LAYER)}}}]}}'
    ).encode()
    manifest = registry.put_manifest("team/app", "one", body)
    got = registry.get_manifest("team/app", "one")
    assert (got.body, got.media_type, got.digest) == (body, MANIFEST_TYPE, manifest)

    registry.delete_manifest("team/app", manifest)
    assert not registry.has_manifest("team/app", "one")
    registry.delete_manifest("team/app", manifest)


@real
def test_refusals_of_the_real_registry_have_sentences(address: str, endpoints: Endpoints) -> None:
    with Registry(address, endpoints) as anonymous, pytest.raises(AccessDenied) as refused:
        anonymous.push_blob("team/app", b"x")
    assert refused.value.problem.code == "registry-login"
    with Registry(address, endpoints, login=LOGIN) as client, pytest.raises(NotFound):
        client.pull_blob("team/app", digest_of(b"never pushed"))


def test_an_upload_that_goes_on_by_plain_http_is_told(misbehaving: Misbehaving) -> None:
    client = misbehaving(202, {"Location": "http://127.0.0.1/v2/a/blobs/uploads/1?_state=hidden"})
    problem = failure(lambda: client.push_blob("a", b"x"))
    assert problem.problem.code == "upload-location-http"
    assert "hidden" not in repr(problem.problem)


def test_an_upload_that_goes_elsewhere_is_told(misbehaving: Misbehaving) -> None:
    client = misbehaving(202, {"Location": "https://elsewhere.test/v2/a/blobs/uploads/1"})
    assert failure(lambda: client.push_blob("a", b"x")).problem.code == "upload-location-elsewhere"


def test_a_redirect_to_an_unreachable_storage_is_told(misbehaving: Misbehaving) -> None:
    target = f"http://127.0.0.1:{free_port()}/layer?X-Amz-Signature=hidden"
    problem = failure(lambda: misbehaving(307, {"Location": target}).pull_blob("a", digest_of(b"x")))
    assert problem.problem.code == "redirect-unreachable"
    assert "hidden" not in repr(problem.problem)


def test_a_redirect_is_followed_once_and_without_the_login(misbehaving: Misbehaving) -> None:
    seen: list[Message] = []

    def serve(connection: socket.socket) -> None:
        Answering(connection, 200, body=LAYER, seen=seen)

    storage = Listener("storage", serve)
    storage.start()
    try:
        client = misbehaving(307, {"Location": f"http://127.0.0.1:{storage.port}/layer"})
        pulled = client.pull_blob("a", digest_of(LAYER))
    finally:
        storage.stop()
    assert (pulled.digest, pulled.came_from) == (digest_of(LAYER), "127.0.0.1")
    assert [headers["Authorization"] for headers in seen] == [None]


@pytest.mark.parametrize(
    ("status", "body", "code", "why"),
    [
        (401, b"", "registry-login", "htpasswd"),
        (403, b"", "registry-forbidden", "in front"),
        (404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "registry-not-found", ""),
        (404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}', "registry-http-secret", "HTTP secret"),
        (405, b'{"errors":[{"code":"UNSUPPORTED"}]}', "registry-unsupported", "switched off"),
        (413, b"<html>", "registry-too-large", "proxy"),
        (429, b"", "registry-busy", ""),
        (
            500,
            b'{"errors":[{"code":"UNKNOWN","detail":{"DriverName":"s3aws","Enclosed":"AccessDenied: no"}}]}',
            "registry-storage",
            "may not",
        ),
        (
            500,
            b'{"errors":[{"code":"UNKNOWN","detail":"s3aws: NoSuchBucket: gone"}]}',
            "registry-storage",
            "bucket",
        ),
        (500, b'{"errors":[]}', "registry-error", ""),
        (500, b"\xff not json", "registry-error", ""),
        (503, b"", "registry-unavailable", "No Pod"),
    ],
)
def test_each_refusal_has_its_own_sentence(
    misbehaving: Misbehaving, status: int, body: bytes, code: str, why: str
) -> None:
    error = failure(lambda: misbehaving(status, {}, body).get_manifest("a", "latest"))
    assert error.problem.code == code
    assert why in error.problem.why
    assert str(status) in error.problem.what
    assert error.problem.fix


def test_nobody_there_is_told(endpoints: Endpoints) -> None:
    with Registry(f"127.0.0.1:{free_port()}", endpoints) as client, pytest.raises(Unreachable) as caught:
        client.ping()
    assert caught.value.problem.code == "connection-refused"


def test_a_certificate_of_nobody_is_told(misbehaving: Misbehaving) -> None:
    trusted = misbehaving(200)
    assert trusted.ping().status == 200
    with Registry(trusted.host, Endpoints()) as distrusting, pytest.raises(Unreachable) as caught:
        distrusting.ping()
    assert caught.value.problem.code == "certificate-refused"


def test_a_stored_digest_that_differs_is_told(misbehaving: Misbehaving) -> None:
    client = misbehaving(201, {"Docker-Content-Digest": digest_of(b"something else")})
    assert failure(lambda: client.put_manifest("a", "latest", b"{}")).problem.code == "digest-differs"


class Answering(HttpHandler):
    """Answers every method alike; what it was asked goes into `seen`."""

    def __init__(
        self,
        connection: socket.socket,
        status: int,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        seen: list[Message] | None = None,
    ) -> None:
        self.status, self.more, self.content = status, headers or {}, body
        self.seen = [] if seen is None else seen
        super().__init__(connection)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        self.seen.append(self.headers)
        self.body(1024 * 1024)
        self.reply(self.status, list(self.more.items()), self.content)


def wait_for_tls(port: int, endpoints: Endpoints) -> None:
    def answers() -> bool:
        try:
            return bool(served(NAME, port, NAME, endpoints).serial)
        except Unreachable:
            return False

    wait_until(
        answers,
        what="the registry",
        deadline_s=60,
        step=StepId.PROOF,
        emit=lambda _: None,
        cancel=threading.Event(),
        every_s=0.02,
    )


def failure(doing: Callable[[], object]) -> WizardError:
    with pytest.raises(WizardError) as caught:
        doing()
    return caught.value
