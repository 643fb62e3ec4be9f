"""`apply` as a command that ends half-way: no password is lost, and what it says to run goes on."""

import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wizard import cli, commands
from wizard.answers import dump, from_mapping, load
from wizard.errors import wizard_error
from wizard.journal import Entry
from wizard.practice.world import DOMAIN, World
from wizard.state import SetupDirectory, setups, state_root
from wizard.step import Change, Context, Receipt
from wizard.steps.certificate import CertificateStep
from wizard.steps.deploy import DeployStep


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answers_file(tmp_path: Path, environment: dict[str, str], namespace: str) -> Path:
    """Everything of its own, so that what one test leaves is nothing to the next."""
    answers = from_mapping(
        {
            "setup": namespace,
            "connect": {"namespace": namespace, "create_namespace": True},
            "bucket": {"name": f"{namespace}-images"},
            "user": {"name": namespace, "policy": namespace},
            "certificate": {
                "agree_tos": True,
                "domain": DOMAIN,
                "webroot": environment["KUBE_REGISTRY_WEBROOT"],
                "directory": environment["KUBE_REGISTRY_ACME_DIRECTORY"],
            },
            "htpasswd": {"users": ["alice"]},
            "consent": {"replace_record": "A 127.80.0.1"},
        }
    )
    path = tmp_path / "my answers.toml"
    path.write_text(dump(answers))
    return path


def fail(*_arguments: object) -> Any:
    raise wizard_error("broken", "It broke.")


_deploy = DeployStep.apply


def fail_in_its_turn(step: DeployStep, ctx: Context, change: Change, entry: Entry) -> Receipt:
    """The Service is made at the very beginning; the rest of deploy comes after the passwords."""
    return _deploy(step, ctx, change, entry) if change.action == "apply-service" else fail()


def test_a_generated_password_is_shown_though_a_later_step_fails(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = answers_file(tmp_path, environment, "shown")
    monkeypatch.setattr(DeployStep, "apply", fail_in_its_turn)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "")
    monkeypatch.setattr("sys.stdin", Terminal())
    told = Terminal()
    monkeypatch.setattr("sys.stderr", told)
    options = cli.parser().parse_args(["apply", "-a", str(path)])
    assert commands.run(options) == 1
    assert "It broke." in told.getvalue()
    assert "\n  alice: " in told.getvalue()


def test_the_command_that_is_told_goes_on_with_the_passwords_file(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, to = answers_file(tmp_path, environment, "resumed"), tmp_path / "passwords"
    words = ["apply", "-a", str(path), "--passwords-to", str(to), "--json"]

    def run(words: list[str]) -> list[str]:
        """The words of the command that it says to run next."""
        assert commands.run(cli.parser().parse_args(words)) == 1
        finish = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert finish["problem"]["code"] == "broken", finish
        return shlex.split(finish["next_command"])[1:]

    with monkeypatch.context() as patch:
        patch.setattr(CertificateStep, "apply", fail)
        words = run(words)
    assert not to.exists()
    monkeypatch.setattr(DeployStep, "apply", fail_in_its_turn)
    words = run(words)
    written = to.read_text()
    assert written.startswith("alice: ")
    assert run(words) == words
    assert to.read_text() == written


def test_a_refused_first_run_leaves_no_setup(
    tmp_path: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = answers_file(tmp_path, environment, "refused")
    path.write_text(path.read_text().replace("refused-images", "taken-by-someone-else"))
    assert commands.run(cli.parser().parse_args(["apply", "-a", str(path), "--json"])) == 2
    capsys.readouterr()
    assert setups(state_root()) == []
    assert commands.run(cli.parser().parse_args(["check", "--json"])) == 2
    assert json.loads(capsys.readouterr().out)["problem"]["code"] == "which-setup"


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The problem with which `apply` ends."""
    assert commands.run(cli.parser().parse_args(["apply", "-a", str(path), "--json"])) == 2
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])["problem"]
    assert setups(state_root()) == []
    return found


def test_a_session_that_has_expired_is_refused(
    tmp_path: Path,
    environment: dict[str, str],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As STS gave it, and over since."""
    path, keys = answers_file(tmp_path, environment, "expired"), world.aws.session(lasts_s=0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys.session_token or "")
    before = world.dump()
    assert refused(path, capsys)["code"] == "aws-token-expired"
    assert world.dump() == before


def test_a_verb_that_is_missing_in_the_cluster_is_named(
    tmp_path: Path,
    environment: dict[str, str],
    other_cluster: Callable[..., str],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = answers_file(tmp_path, environment, "default")
    monkeypatch.setenv("KUBECONFIG", other_cluster(frozenset({("create", "secrets")})))
    before = world.dump()
    told = refused(path, capsys)
    assert "create secrets" in " ".join(str(each) for each in told.values()), told
    assert world.dump() == before


def test_a_run_that_only_asks_leaves_the_former_answers(
    tmp_path: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = answers_file(tmp_path, environment, "asked")
    directory, former = SetupDirectory(state_root(), "asked"), load(path)
    directory.save_answers(former)
    path.write_text(path.read_text().replace("A 127.80.0.1", "").replace("asked-images", "others-images"))
    words = ["apply", "-a", str(path), "--passwords-to", str(tmp_path / "passwords"), "--json"]
    assert commands.run(cli.parser().parse_args(words)) == 1
    finish = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert finish["problem"]["code"] == "consent-needed", finish
    assert directory.load_answers() == former


def test_undo_is_told_with_all_its_words() -> None:
    words = ["undo", "team", "--yes", "--delete-bucket", "my-images"]
    told = commands._next_command(cli.parser().parse_args(words))
    assert cli.parser().parse_args(shlex.split(told)[1:]) == cli.parser().parse_args(words)
