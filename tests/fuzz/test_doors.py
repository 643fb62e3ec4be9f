"""Who may come in: loopback alone, and only with the credentials that this world has made for itself."""

import re
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.fuzz.asking import TIMEOUT_S
from wizard.answers import EndpointAnswers
from wizard.endpoints import Endpoints
from wizard.errors import Refused, Unreachable
from wizard.practice.aws.callers import new_keys
from wizard.practice.listener import HttpHandler, Listener
from wizard.practice.pki import Authority
from wizard.practice.world import World
from wizard.services._acme_directory import read_directory

LISTENING = "0A"
ROOT = Path(__file__).resolve().parents[2]
UNVERIFIED = re.compile(
    r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified|disable_warnings|insecure|ssl\._create"
)
"""Where a certificate is looked at without being trusted, and why that is right there."""
ALLOWED = {
    "wizard/services/tls.py": "reads what is served, and reports whether it would be trusted",
    "wizard/services/cluster/connection.py": "a kubeconfig's own insecure-skip-tls-verify",
    "wizard/practice/node/probes.py": "a kubelet's probes do not verify",
    "wizard/practice/acme/fetch.py": "a CA follows a redirect to any certificate",
}


@pytest.mark.usefixtures("world")
def test_the_world_listens_on_loopback_only() -> None:
    """As the kernel tells it, for all sockets of this process, which is the world's here."""
    mine = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            mine.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[place] for place in (1, 3, 9))
            if inode in mine and (state == LISTENING or table.startswith("udp")):
                found.append(local.partition(":")[0])
    assert len(found) >= 8, "every server of the world is among them"
    assert set(found) == {"0100007F"}


def test_its_credentials_are_long_and_of_this_world(world: World) -> None:
    environment = world.environment()
    secrets = [environment["AWS_SECRET_ACCESS_KEY"], world._token]
    secrets += [world.cluster.user_token, world.cluster.node_token, world.cluster.cloud_token]
    assert len(set(secrets)) == len(secrets)
    assert min(map(len, secrets)) >= 32
    assert new_keys() != new_keys()
    assert world._files.stat().st_mode & 0o077 == 0
    for path in world._files.iterdir():
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Basic QTpC", "Bearer \u00fc"])
def test_kubernetes_and_control_want_their_own_token(world: World, ca_file: str, given: str) -> None:
    headers = {"Authorization": given.encode()} if given else {}
    with requests.Session() as session:
        session.trust_env = False
        for url in (f"{world.cluster.url}/api/v1/namespaces/default/secrets", f"{world.control.url}/dump"):
            answer = session.get(url, headers=headers, verify=ca_file, timeout=TIMEOUT_S)
            assert answer.status_code in {401, 403}, url
            assert "items" not in answer.text


def test_aws_wants_a_signature_of_its_own_key(world: World) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    admin, stranger = world.aws.admin, new_keys()
    with requests.Session() as session:
        session.trust_env = False
        for key_id, secret in (
            ("", ""),
            (admin.access_key_id, stranger.secret_access_key),
            (stranger.access_key_id, stranger.secret_access_key),
        ):
            asked = AWSRequest("GET", f"{world.aws.url}/2013-04-01/hostedzone")
            if key_id:
                SigV4Auth(Credentials(key_id, secret), "route53", world.aws.region).add_auth(asked)
            answer = session.get(
                f"{world.aws.url}/2013-04-01/hostedzone", headers=dict(asked.headers), timeout=TIMEOUT_S
            )
            assert answer.status_code == 403


def test_their_certificates_are_trusted_by_nobody_else(world: World) -> None:
    """A client with the system's roots, or another world's, ends the connection."""
    for url in (world.cluster.url, world.acme.directory_url):
        for context in (
            ssl.create_default_context(),
            ssl.create_default_context(cadata=Authority().root_pem.decode()),
        ):
            with (
                socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), TIMEOUT_S) as plain,
                pytest.raises(ssl.SSLCertVerificationError),
            ):
                context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_no_source_turns_verification_off() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in ("wizard", "screens")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if UNVERIFIED.search(path.read_text(encoding="utf-8"))
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize("word", ["insecure", "verify", "skip_tls", "no_check"])
def test_no_answer_and_no_option_turns_verification_off(word: str) -> None:
    from wizard.answers import Answers
    from wizard.cli import parser

    keys = {key for table in Answers.model_json_schema()["$defs"].values() for key in table["properties"]}
    assert not [key for key in keys if word in key]
    assert f"--{word}" not in parser().format_help()


@pytest.mark.parametrize("name", ["KUBE_REGISTRY_ACME_DIRECTORY", "KUBE_REGISTRY_ACME_STAGING"])
@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://ca.example.com/directory", True),
        ("http://127.0.0.1:14000/dir", True),
        ("http://localhost:14000/dir", True),
        ("http://ca.example.com/directory", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://127.0.0.1@example.com/", False),
        ("ftp://127.0.0.1/", False),
        ("https://", False),
        ("https://[", False),
        ("ca.example.com", False),
    ],
)
def test_an_acme_directory_is_https_or_on_this_machine(name: str, url: str, *, is_good: bool) -> None:
    if is_good:
        assert url in str(Endpoints.gather(EndpointAnswers(), {name: url}))
        return
    with pytest.raises(Refused, match="no https:// address"):
        Endpoints.gather(EndpointAnswers(), {name: url})


def test_a_directory_that_leads_to_http_is_none(tmp_path: Path) -> None:
    """Served with a certificate that is trusted, but its addresses are not https."""
    authority = Authority()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)
    body = b'{"newNonce":"http://ca.example/n","newAccount":"http://ca.example/a","newOrder":"http://ca.example/o"}'

    class Handler(HttpHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server looks for
            self.reply(200, [("Content-Type", "application/json")], body)

    def serve(connection: socket.socket) -> None:
        Handler(connection)

    listener = Listener("ca", serve, context=authority.server_context(["127.0.0.1"]))
    listener.start()
    try:
        with pytest.raises(Unreachable) as told:
            read_directory(f"https://127.0.0.1:{listener.port}/", Endpoints(), ca_file=str(root))
        assert "not https" in told.value.problem.raw
        with pytest.raises(Unreachable) as untrusted:
            read_directory(f"https://127.0.0.1:{listener.port}/", Endpoints())
        assert untrusted.value.problem.code == "tls-untrusted"
    finally:
        listener.stop()
