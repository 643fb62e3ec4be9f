"""Exec plugins: run without a terminal, in bounded time, with their errors told."""

import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from wizard.errors import CredentialsError, Problem
from wizard.services.cluster import credentials
from wizard.services.cluster.credentials import Credential, EksPlugin, Renewable, eks_plugin, run_plugin
from wizard.services.cluster.kubeconfig import Chosen

Plugin = Callable[..., Chosen]


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    def make(script: str, **entry: object) -> Chosen:
        path = tmp_path / "login"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        user = {"exec": {"command": str(path), **entry}}
        return Chosen("blue", "https://blue.test", {"server": "https://blue.test"}, user)

    return make


def problem_of(chosen: Chosen) -> Problem:
    with pytest.raises(CredentialsError) as caught:
        run_plugin(chosen)
    return caught.value.problem


def test_a_token_and_its_end_are_taken(plugin: Plugin) -> None:
    found = run_plugin(
        plugin('echo \'{"status": {"token": "abc", "expirationTimestamp": "2026-01-02T03:04:05Z"}}\'')
    )
    assert (found.token, found.expires_at) == ("abc", 1767323045.0)
    assert "abc" not in repr(found)


def test_arguments_environment_and_request_reach_the_plugin(plugin: Plugin) -> None:
    script = 'echo "{\\"status\\": {\\"token\\": \\"$1-$EXTRA-$(echo $KUBERNETES_EXEC_INFO | wc -c)\\"}}"'
    found = run_plugin(plugin(script, args=["one"], env=[{"name": "EXTRA", "value": "two"}]))
    assert found.token.startswith("one-two-")
    assert int(found.token.rsplit("-", 1)[1]) > 50


def test_the_wizards_own_secrets_do_not_reach_the_plugin(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PASSWORD_ALICE", "EAB_HMAC", "PKCS12_PASSWORD"):
        monkeypatch.setenv(f"KUBE_REGISTRY_{variable}", "canary")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    script = 'echo "{\\"status\\": {\\"token\\": \\"$(env | grep -c canary)-$AWS_PROFILE\\"}}"'
    assert run_plugin(plugin(script)).token == "0-mine"


def test_the_plugin_has_no_terminal_and_no_input(plugin: Plugin) -> None:
    script = (
        "if (exec < /dev/tty) 2>/dev/null; then t=tty; else t=none; fi; read x; "
        'echo "{\\"status\\": {\\"token\\": \\"$t$x\\"}}"'
    )
    assert run_plugin(plugin(script)).token == "none"


def test_a_failing_plugin_is_told_with_what_it_said(plugin: Plugin) -> None:
    problem = problem_of(plugin("echo 'session expired' >&2; exit 3"))
    assert problem.code == "plugin-failed"
    assert "status 3" in problem.why
    assert problem.raw == "session expired"


def test_what_a_plugin_prints_is_not_shown(plugin: Plugin) -> None:
    problem = problem_of(plugin("echo 'token very-secret'"))
    assert "very-secret" not in f"{problem} {problem.raw}"


@pytest.mark.parametrize(
    "out", ["", "{}", "[]", '{"status": {}}', '{"status": {"clientCertificateData": "x"}}']
)
def test_an_answer_of_no_use_is_refused(plugin: Plugin, out: str) -> None:
    assert problem_of(plugin(f"echo '{out}'")).code == "plugin-failed"


def test_a_plugin_that_is_not_there_is_named_with_its_hint(tmp_path: Path) -> None:
    user = {"exec": {"command": str(tmp_path / "absent"), "installHint": "Get it from the shelf."}}
    problem = problem_of(Chosen("blue", "https://blue.test", {}, user))
    assert (problem.code, problem.fix) == ("plugin-missing", "Get it from the shelf.")


def test_a_plugin_that_hangs_is_stopped_with_its_children(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "PLUGIN_TIMEOUT_S", 0.2)
    started = time.monotonic()
    assert "no token within" in problem_of(plugin("sleep 60 & sleep 60")).why
    assert time.monotonic() - started < 50


GET_TOKEN = ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "prod", "--output", "json"]


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"command": "aws", "args": GET_TOKEN}, EksPlugin("prod", "", "eu-west-1")),
        (
            {"command": "/usr/bin/aws", "args": ["eks", "get-token", "--cluster-name=prod", "--profile=ops"]},
            EksPlugin("prod", "ops"),
        ),
        (
            {"command": "aws", "args": GET_TOKEN, "env": [{"name": "AWS_PROFILE", "value": "ops"}]},
            EksPlugin("prod", "ops", "eu-west-1"),
        ),
        ({"command": "aws-iam-authenticator", "args": ["token", "-i", "prod"]}, EksPlugin("prod")),
        ({"command": "aws", "args": [*GET_TOKEN, "--role-arn", "arn:aws:iam::1:role/x"]}, None),
        ({"command": "aws-iam-authenticator", "args": ["token", "-i", "prod", "-r", "arn"]}, None),
        ({"command": "aws", "args": ["eks", "get-token"]}, None),
        ({"command": "aws", "args": ["s3", "ls"]}, None),
        ({"command": "gke-gcloud-auth-plugin"}, None),
    ],
)
def test_eks_plugins_are_known(entry: Mapping[str, Any], found: EksPlugin | None) -> None:
    assert eks_plugin(entry) == found


def test_a_credential_is_renewed_shortly_before_it_ends() -> None:
    made: list[Credential] = []

    def obtain() -> Credential:
        made.append(Credential(f"token-{len(made)}", expires_at=time.time() + (1000 if made else 30)))
        return made[-1]

    renewable = Renewable(obtain)
    assert [renewable.credential().token for _ in range(3)] == ["token-0", "token-1", "token-1"]
    renewable.forget()
    assert renewable.credential().token == "token-2"
