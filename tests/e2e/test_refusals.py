"""Wrong input is refused with what, why, fix and exit 2, and nothing is changed."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.e2e.program import ANSWERS, Program, Ran

pytestmark = pytest.mark.e2e


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def _answers(home: Path, *lines: str) -> str:
    """The practice answers with lines put in front of the tables they belong to."""
    text = ANSWERS.read_text()
    for line in lines:
        table, _, rest = line.partition(".")
        key = rest.partition(" ")[0]
        kept = [old for old in text.splitlines() if not old.startswith(f"{key} =") or table == "connect"]
        text = "\n".join(kept)
        header = f"[{table}]"
        text = text.replace(header, f"{header}\n{rest}") if header in text else f"{text}\n{header}\n{rest}\n"
    path = home / "answers.toml"
    path.write_text(text)
    return str(path)


def _refused(program: Program, answers: str, environment: Mapping[str, str]) -> Ran:
    """Runs apply as a real user would, with the world's addresses in the environment."""
    before = program.mutations()
    ran = program.run("apply", "-a", answers, "--json", environment=environment)
    assert ran.code == 2, ran.out[-3000:] + ran.err
    problem = ran.finish["problem"]
    assert problem["what"]
    assert problem["fix"]
    assert program.mutations() == before
    return ran


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bucket.nmae = 'x'", ["bucket.nmae"]),
        ("bucket.name = 'UPPER'", ["bucket.name", "lower-case"]),
        ("certificate.domain = 'no_domain'", ["certificate.domain"]),
        ("user.name = 'a b'", ["user.name"]),
        ("connect.aws_region = 'eu-west-9'", ["eu-west-9"]),
        ("connect.kube_context = 'practise'", ["practise", "practice"]),
        ("connect.aws_profile = 'practise'", ["practise"]),
        ("connect.namespace = 'absent'", ["absent"]),
        ("bucket.name = 'taken-by-someone-else'", ["taken-by-someone-else"]),
        ("htpasswd.users = ['alice']", ["alice", "KUBE_REGISTRY_PASSWORD_ALICE"]),
        ("certificate.domain = 'registry.unknown.test'", ["registry.unknown.test"]),
    ],
)
def test_wrong_answers(program: Program, tmp_path: Path, line: str, words: list[str]) -> None:
    ran = _refused(program, _answers(tmp_path, line), program.world_environment())
    for word in words:
        assert word in json.dumps(ran.finish["problem"])


def test_kubeconfig_missing_broken_and_empty(program: Program, tmp_path: Path) -> None:
    for name, text in (("absent", None), ("broken", "{{{"), ("empty", ""), ("list", "[]")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        ran = _refused(program, str(ANSWERS), {**program.world_environment(), "KUBECONFIG": str(path)})
        assert str(path) in json.dumps(ran.finish["problem"]), name


def test_a_token_that_is_not_accepted(program: Program, tmp_path: Path) -> None:
    environment = program.world_environment()
    config = yaml.safe_load(Path(environment["KUBECONFIG"]).read_text())
    config["users"][0]["user"]["token"] = "expired"
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    ran = _refused(program, str(ANSWERS), {**environment, "KUBECONFIG": str(path)})
    assert "credentials" in json.dumps(ran.finish["problem"]).lower()


def test_no_aws_credentials(program: Program) -> None:
    environment = program.world_environment()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del environment[name]
    environment |= {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    ran = _refused(program, str(ANSWERS), environment)
    assert "credentials" in ran.finish["problem"]["what"].lower()


def test_wrong_aws_keys(program: Program) -> None:
    environment = {**program.world_environment(), "AWS_SECRET_ACCESS_KEY": "wrong"}
    _refused(program, str(ANSWERS), environment)
    environment = {**program.world_environment(), "AWS_SESSION_TOKEN": "expired"}
    _refused(program, str(ANSWERS), environment)


def test_an_api_server_that_does_not_answer_is_told_in_ten_seconds(
    program: Program, tmp_path: Path, black_hole: int
) -> None:
    environment = program.world_environment()
    config = yaml.safe_load(Path(environment["KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{black_hole}"
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    started = time.monotonic()
    ran = _refused(program, str(ANSWERS), {**environment, "KUBECONFIG": str(path)})
    assert str(black_hole) in json.dumps(ran.finish["problem"])
    assert time.monotonic() - started < 45, "ten seconds, and three programs on a busy machine"


def test_a_missing_permission_is_named(program: Program, tmp_path: Path) -> None:
    """An operator who may do everything but create buckets."""
    environment = program.world_environment()
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:CreateBucket", "Resource": "*"},
        ],
    }
    code = f"""
import boto3, json
iam = boto3.client("iam")
iam.create_user(UserName="limited")
iam.put_user_policy(UserName="limited", PolicyName="p", PolicyDocument=json.dumps({document!r}))
key = iam.create_access_key(UserName="limited")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
"""
    made = subprocess.run(
        [program.command()[0], "-c", code],
        env={**program.environment, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    key_id, secret = made.stdout.split()
    limited = {**environment, "AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
    ran = _refused(program, str(ANSWERS), limited)
    assert "s3:CreateBucket" in json.dumps(ran.finish["problem"])
    del tmp_path


def test_a_plan_that_connect_stops_tells_of_connect_only(program: Program, tmp_path: Path) -> None:
    """What cannot be seen for that reason would be told again seven times."""
    answers = _answers(tmp_path, "connect.namespace = 'not-there'")
    ran = program.run("plan", "--practice", "-a", answers)
    assert ran.code == 2
    assert ran.out.count("blocked") == 1
    assert "not-there is not in the cluster" in ran.out
    assert ran.out.endswith("The later steps cannot be seen before this is mended.\n")
