"""Answers files: what is refused, in which words, and that nothing is lost on the way."""

from pathlib import Path

import pytest

from wizard import answers
from wizard.errors import ExitCode, Refused
from wizard.resources import assets


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("nope", "answers-not-toml", ["TOML"]),
        ("[bucket]\nnmae = 'x'", "answers-unknown-key", ["bucket.nmae", "Did you mean name?"]),
        ("[buket]\nname = 'x'", "answers-unknown-key", ["buket", "bucket"]),
        ("[dns]\nzzz = 1", "answers-unknown-key", ["dns.zzz", "hosted_zone_id"]),
        ("[bucket]\nname = 'UPPER'", "answers-wrong-value", ["bucket.name", "lower-case"]),
        ("[deploy]\nload_balancer = 'nbl'", "answers-wrong-value", ["deploy.load_balancer", "nlb"]),
        ("[deploy]\nreplicas = 0", "answers-wrong-value", ["deploy.replicas", "greater than or equal to 1"]),
        ("[deploy]\nreplicas = '2'", "answers-wrong-value", ["deploy.replicas", "integer"]),
        ("[htpasswd]\nusers = ['a:b']", "answers-wrong-value", ["htpasswd.users.0", "colon"]),
        ("[consent]\nadopt = ['bucked']", "answers-wrong-value", ["consent.adopt.0"]),
        ("[certificate]\ndomain = 'https://x.y'", "answers-wrong-value", ["certificate.domain", "https"]),
        ("version = 2", "answers-wrong-value", ["version"]),
        ("setup = 'practice'", "answers-wrong-value", ["setup"]),
    ],
)
def test_wrong_answers_are_refused_in_a_sentence(text: str, code: str, words: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        answers.parse(text, source="my.toml")
    problem = caught.value.problem
    assert caught.value.exit_code is ExitCode.REFUSED
    assert problem.code == code
    assert "my.toml" in str(problem)
    assert problem.fix
    for word in words:
        assert word in str(problem)


def test_unreadable_and_oversized_files_are_refused(tmp_path: Path) -> None:
    for path, code in (
        (tmp_path / "absent.toml", "answers-unreadable"),
        (tmp_path, "answers-unreadable"),
    ):
        with pytest.raises(Refused) as caught:
            answers.load(path)
        assert caught.value.problem.code == code
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="cannot be read"):
        answers.load(binary)
    large = tmp_path / "large.toml"
    large.write_text("#" * (answers.LARGEST_FILE_BYTES + 1))
    with pytest.raises(Refused, match="larger than"):
        answers.load(large)


def test_dump_and_parse_are_reverses() -> None:
    made = answers.Answers(setup="team")
    made.bucket.name = "acme-images"
    made.htpasswd.users = ["alice", "bob"]
    made.consent.replace_record = 'A "1.2.3.4"'
    assert answers.parse(answers.dump(made)) == made


def test_the_shipped_examples_are_valid_and_complete() -> None:
    for name in ("example", "practice"):
        found = answers.load(assets() / "answers" / f"{name}.toml")
        environment = {"KUBE_REGISTRY_DOMAIN": "registry.practice.test", "KUBE_REGISTRY_WEBROOT": "/webroot"}
        assert list(answers.missing(answers.with_environment(found, environment))) == []


def test_the_example_names_every_key() -> None:
    text = (assets() / "answers" / "example.toml").read_text()
    for table, field in answers.Answers.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, answers.Table):
            section = text.partition(f"[{table}]\n")[2].partition("\n[")[0]
            for key in field.annotation.model_fields:
                assert f"{key} = " in section, f"{table}.{key}"


def test_the_environment_fills_but_does_not_overrule() -> None:
    environ = {"KUBE_REGISTRY_DOMAIN": "a.test", "KUBE_REGISTRY_WEBROOT": "/w"}
    made = answers.Answers()
    assert answers.with_environment(made, environ).certificate.domain == "a.test"
    made.certificate.domain = "b.test"
    assert answers.with_environment(made, environ).certificate.domain == "b.test"


def test_missing_answers_are_named() -> None:
    assert [key for _, key in answers.missing(answers.Answers())] == [
        "bucket.name",
        "certificate.domain",
        "certificate.webroot",
        "certificate.agree_tos",
    ]


def test_a_proxys_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(Refused) as caught:
        answers.from_mapping(
            {"setup": "team", "endpoints": {"proxy": "http://me:hushhush99@proxy.test:3128"}}
        )
    assert "hushhush99" not in repr(caught.value.problem)
    assert "HTTPS_PROXY" in caught.value.problem.why
