"""What a report tells, and that no secret planted in the state directory gets into it."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wizard import report
from wizard.answers import Answers
from wizard.cli import run
from wizard.errors import Problem
from wizard.redaction import redacted
from wizard.state import SetupDirectory, state_root

PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
BCRYPT = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJlLW9mLWEtdG9rZW4"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION = "FwoGZXIvYXdzE" + "Ab3" * 40
HTTP_SECRET = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PASSWORD = "xK2v-Qm7_dT4hR9wLz1NbY6c"
TOKEN = "Zb3kQ9vXw2Lr7TnYc5Hd8Jm4Gf6Ps1AeUoRiBqVxWzK"
PLANTED = {
    "a PEM": PEM.splitlines()[1],
    "a hash": BCRYPT,
    "a token": JWT,
    "an S3 key": AWS_SECRET,
    "a session": SESSION,
    "a password": "correct horse",
    "an HTTP secret": HTTP_SECRET,
    "a generated password": PASSWORD,
    "a token in prose": TOKEN,
    "an HMAC": "zWNDZM6eQGHWpSRTPal5",
    "a proxy's": "pa55word",
    "a signature": "f00f00f00f00",
    "an environment's": "from-the-environment-7",
    "typed": "typed-in-this-run",
}
LINES = (
    {"event": "noted", "text": PEM},
    {"event": "noted", "text": f"alice:{BCRYPT}"},
    {"event": "noted", "text": f"Authorization: Bearer {JWT}"},
    {"event": "noted", "text": f"aws gave {AWS_SECRET} and {SESSION}"},
    {"event": "noted", "password": "correct horse", "eab_hmac": "zWNDZM6eQGHWpSRTPal5"},
    {"event": "noted", "text": "http://me:pa55word@proxy.test and ?X-Amz-Signature=f00f00f00f00"},
    {"event": "noted", "text": f"the secret {HTTP_SECRET} of REGISTRY_HTTP_SECRET"},
    {"event": "noted", "text": f"alice got {PASSWORD}, and eve has {TOKEN}."},
    {"event": "noted", "text": "from-the-environment-7 typed-in-this-run"},
)


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> SetupDirectory:
    """One whose files hold what none of them ever should."""
    directory = SetupDirectory(state_root(), "team")
    directory.save_answers(Answers(setup="team"))
    with (directory.path / "log.jsonl").open("w") as log:
        log.writelines(f"{json.dumps(line)}\n" for line in LINES)
    problem = {"what": "It is wrong.", "why": "Because.", "fix": "Do this."}
    check = {"event": "check_finished", "step": "dns", "check": "record", "title": "the record"}
    directory.log({**check, "status": "failed", "problem": problem})
    arn = "arn:aws:iam::123456789012:user/me"
    with (directory.path / "journal.jsonl").open("w") as journal:
        journal.write(json.dumps({"caller": arn, "key": "AKIAIOSFODNN7EXAMPLE", "secret_name": "s3-key"}))
    monkeypatch.setenv("SOME_API_TOKEN", "from-the-environment-7")
    return directory


def test_no_planted_secret_is_in_it(setup: SetupDirectory, tmp_path: Path) -> None:
    path = report.write(setup, known=["typed-in-this-run"], into=tmp_path)
    text = path.read_text()
    everything = (setup.path / "log.jsonl").read_text()
    for kind, secret in PLANTED.items():
        assert secret in everything or kind in {"an environment's", "typed"}, f"{kind} was not planted"
        assert secret not in text, kind
    assert PEM.splitlines()[2] not in text
    assert "123456789012" not in text
    assert "AKIA…MPLE" in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent == tmp_path


def test_it_tells_what_helps(setup: SetupDirectory, tmp_path: Path) -> None:
    text = report.write(setup, into=tmp_path).read_text()
    assert "x failed   dns          the record\n    It is wrong.\n    Because.\n    Do this." in text
    for part in ("=== Versions ===", "boto3 ", "=== answers.toml ===", "=== journal.jsonl ===", "s3-key"):
        assert part in text


def test_what_is_no_secret_stays() -> None:
    plain = 'secret_name = "registry-s3-credentials"\nsha1 da39a3ee5e6b4b0d3255bfef95601890afd80709\n'
    assert redacted(plain) == plain


@pytest.mark.parametrize(
    "plain",
    [
        f"registry@sha256:{HTTP_SECRET}",
        "MalformedPolicyDocumentException and KubeControllerManagerUnreachable2",
        "My-Cluster-Context-Name-01 in Kube-Registry-Production-EU1",
        "Z0123456789ABCDEFGHIJ, 0a1b2c3d-4e5f-6789-abcd-ef0123456789",
        "a1b2c3d4e5f60718293a4b5c6d7e8f90-1234567890.eu-west-1.elb.amazonaws.com",
        "2026-11-29T20:41:53.123+00:00 registry-access-policy-of-the-team-2",
    ],
)
def test_ids_and_names_stay(plain: str) -> None:
    assert redacted(plain) == plain


@pytest.mark.parametrize("make", [lambda: secrets.token_urlsafe(18), lambda: secrets.token_urlsafe(32)])
def test_hardly_any_generated_password_stays(make: Callable[[], str]) -> None:
    """By chance one in some hundreds looks like a name."""
    made = [make() for _ in range(2000)]
    assert sum(redacted(f"it is {each} now") == f"it is {each} now" for each in made) < 40


def test_the_log_is_redacted_when_it_is_written(setup: SetupDirectory) -> None:
    path = setup.path / "log.jsonl"
    path.unlink()
    for line in LINES[:-1]:
        setup.log(line)
    text = path.read_text()
    for kind, secret in PLANTED.items():
        assert secret not in text, kind
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line.keys() for line in lines] == [line.keys() for line in LINES[:-1]]
    assert lines[0]["text"] == "[hidden: PEM]\n"


def test_the_command_prints_where(
    setup: SetupDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert setup.exists
    assert run(["report", "team"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent == tmp_path
    assert path.name.startswith("kube-registry-report-team-")
    assert run(["report", "another"]) == 2
    assert "There is no setup called another." in capsys.readouterr().err


def test_where_the_directory_takes_no_file_it_goes_beside_the_journal(setup: SetupDirectory) -> None:
    path = report.write(setup, into=Path("/proc"))
    assert path.parent == setup.path


def test_without_a_setup_it_tells_of_the_versions_and_of_what_stands_in_the_way(tmp_path: Path) -> None:
    key = "AKIAIOSFODNN7EXAMPLE"
    path = report.write(
        None, into=tmp_path, trouble=Problem("no-world", "It did not start.", raw=f"by {key}")
    )
    text = path.read_text()
    for part in ("setup (none is open)", "textual ", "=== What stands in the way ===", "It did not start."):
        assert part in text
    assert key not in text
    assert path.stat().st_mode & 0o777 == 0o600
