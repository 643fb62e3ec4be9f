"""What a report tells, and that no secret planted in the state directory gets into it."""

import json
from pathlib import Path

import bcrypt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wizard import report
from wizard.answers import Answers
from wizard.cli import run
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
PLANTED = {
    "a PEM": PEM.splitlines()[1],
    "a hash": BCRYPT,
    "a token": JWT,
    "an S3 key": AWS_SECRET,
    "a session": SESSION,
    "a password": "correct horse",
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
    {"event": "noted", "text": "from-the-environment-7 typed-in-this-run"},
)


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> SetupDirectory:
    """One whose files hold what none of them ever should."""
    directory = SetupDirectory(state_root(), "team")
    directory.save_answers(Answers(setup="team"))
    for line in LINES:
        directory.log(line)
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
