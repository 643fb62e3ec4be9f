"""What the world says to single answers, asked as the screens ask, in a whole practice world."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from wizard.answers import Answers, from_mapping
from wizard.endpoints import Endpoints
from wizard.events import STEPS
from wizard.looks import Look, Looker, Verdict, has_look
from wizard.practice.aws.server import TAKEN_BUCKET
from wizard.practice.pki import Authority
from wizard.practice.world import DOMAIN, World
from wizard.services import Services, certificates

NO_ZONE = "registry.elsewhere.test"
See = Callable[..., Look | None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), threading.Event())
    world.start()
    yield world
    world.stop()


@pytest.fixture
def environment(_own_surroundings: None, world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = world.environment()
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def looker(environment: dict[str, str]) -> Iterator[Looker]:
    answers = Answers()
    services = Services(answers, Endpoints.gather(answers.endpoints, environment))
    made = Looker(lambda: (answers, services), lambda _name: None)
    yield made
    made.close()
    services.close()


@pytest.fixture
def see(looker: Looker) -> See:
    """`see("bucket", "name", bucket={...})` is what stands beneath that field."""

    def look(table: str, key: str, **tables: Any) -> Look | None:
        return looker.at(table, key, from_mapping(tables))

    return look


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, str]:
    """Certificate and key files of the domain, by a CA that nobody knows."""
    authority, key_pem = Authority(), certificates.new_key("ecdsa-p256")
    public = certificates.read_key(key_pem).public_key()
    assert isinstance(public, EllipticCurvePublicKey)
    leaf = authority.issue(public, [DOMAIN], lifetime=timedelta(days=30))
    (tmp_path / "cert.pem").write_bytes(authority.chain(leaf))
    (tmp_path / "key.pem").write_bytes(key_pem)
    return {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}


@pytest.mark.parametrize(
    ("table", "key", "value", "verdict", "word"),
    [
        ("connect", "aws_profile", "", Verdict.GOOD, "answers"),
        ("connect", "aws_profile", "practice", Verdict.GOOD, "answers"),
        ("connect", "aws_profile", "nobody", Verdict.BAD, "no use"),
        ("connect", "aws_region", "", Verdict.GOOD, "eu-west-1"),
        ("connect", "aws_region", "us-east-1", Verdict.GOOD, "known"),
        ("connect", "aws_region", "eu-nowhere-9", Verdict.BAD, "unknown"),
        ("connect", "kube_context", "", Verdict.GOOD, "answers"),
        ("connect", "kube_context", "practise", Verdict.BAD, "no use"),
        ("connect", "namespace", "default", Verdict.GOOD, "there"),
        ("connect", "namespace", "brand-new", Verdict.BAD, "absent"),
        ("proof", "pull_secret_namespaces", ["default", "kube-system"], Verdict.GOOD, "there"),
        ("proof", "pull_secret_namespaces", ["default", "brand-new"], Verdict.BAD, "absent"),
        ("bucket", "name", "nobody-has-this", Verdict.GOOD, "free"),
        ("bucket", "name", "nobody.has.this", Verdict.WARNING, "free"),
        ("bucket", "name", TAKEN_BUCKET, Verdict.BAD, "taken"),
        ("user", "name", "nobody", Verdict.GOOD, "free"),
        ("user", "name", "practice-admin", Verdict.WARNING, "there"),
        ("user", "policy", "none-such", Verdict.GOOD, "free"),
        ("user", "permissions_boundary", "arn:aws:iam::123456789012:policy/none", Verdict.BAD, "absent"),
        ("user", "secret_name", "none-such", Verdict.GOOD, "free"),
        ("certificate", "domain", DOMAIN, Verdict.GOOD, "in zone"),
        ("certificate", "domain", NO_ZONE, Verdict.WARNING, "no zone"),
        ("certificate", "webroot", "/no/such/place", Verdict.BAD, "absent"),
        ("certificate", "webroot", "manual", Verdict.GOOD, "by hand"),
        ("certificate", "directory", "production", Verdict.GOOD, "answers"),
        ("certificate", "cert_file", "/no/such/file", Verdict.BAD, "unreadable"),
        ("certificate", "pkcs12_file", "/no/such/file", Verdict.BAD, "unreadable"),
        ("dns", "hosted_zone_id", "Z0NONE", Verdict.BAD, "absent"),
        ("dns", "aws_profile", "practice", Verdict.GOOD, "answers"),
    ],
)
def test_each_field_has_its_state(
    see: See, world: World, table: str, key: str, value: object, verdict: Verdict, word: str
) -> None:
    before = world.ledger.snapshot()["mutating_total"]
    found = see(table, key, **{table: {key: value}})
    assert found is not None
    assert (found.verdict, found.word) == (verdict, word), found
    assert world.ledger.snapshot()["mutating_total"] == before


def test_a_bucket_of_ones_own_in_another_region(see: See, looker: Looker) -> None:
    s3 = looker._doors.aws("", "us-west-2").client("s3")
    s3.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    try:
        found = see("bucket", "name", bucket={"name": "far-away"})
    finally:
        s3.delete_bucket(Bucket="far-away")
    assert found
    assert (found.verdict, found.word) == (Verdict.BAD, "elsewhere")
    assert "us-west-2" in found.fix


def test_a_private_zone(see: See, world: World) -> None:
    zone_id = world.aws.add_zone("lonely.test", is_private=True)
    found = see("dns", "hosted_zone_id", dns={"hosted_zone_id": zone_id})
    assert found
    assert (found.verdict, found.word) == (Verdict.BAD, "private")


def test_a_webroot_that_serves_the_domain(see: See, environment: dict[str, str]) -> None:
    webroot = environment["KUBE_REGISTRY_WEBROOT"]
    found = see("certificate", "webroot", certificate={"webroot": webroot, "domain": DOMAIN})
    assert found
    assert (found.verdict, found.word) == (Verdict.GOOD, "writable")
    assert f"http://{DOMAIN} answers (HTTP " in found.sentence
    assert [each.name for each in Path(webroot).iterdir()] == ["index.html"]


def test_key_and_certificate_are_held_together(see: See, pair: dict[str, str], tmp_path: Path) -> None:
    found = see("certificate", "key_file", certificate={**pair, "method": "import", "domain": DOMAIN})
    assert found
    assert (found.verdict, found.word) == (Verdict.WARNING, "chain")
    (tmp_path / "key.pem").write_bytes(certificates.new_key("ecdsa-p256"))
    found = see("certificate", "cert_file", certificate={**pair, "method": "import", "domain": DOMAIN})
    assert found
    assert (found.verdict, found.word) == (Verdict.BAD, "no match")


def test_a_stale_question_asks_nobody(looker: Looker, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(world.aws.settings, "fault", lambda _service, operation: asked.append(operation))
    answers = from_mapping({"bucket": {"name": "not-asked-for"}})
    assert looker.at("bucket", "name", answers, lambda: False) is None
    assert "HeadBucket" not in asked
    assert looker.at("bucket", "name", answers)
    assert "HeadBucket" in asked


def test_empty_answers_ask_nobody_where_they_mean_nothing(see: See) -> None:
    assert see("bucket", "name") is None
    assert not has_look("deploy", "image")


def test_first_answers_are_given_once(looker: Looker) -> None:
    answers = Answers()
    assert looker.default("certificate", "domain", answers) == DOMAIN
    assert looker.default("certificate", "domain", answers) == ""
    assert looker.default("connect", "aws_region", answers) == "", "the profile has one"


def test_the_region_of_the_nodes_is_offered(
    looker: Looker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "empty"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    assert looker.default("connect", "aws_region", Answers()) == "eu-west-1"


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("connect", "aws_profile", "practice"),
        ("connect", "aws_region", "eu-west-1"),
        ("connect", "kube_context", "practice"),
        ("connect", "namespace", "kube-system"),
        ("proof", "pull_secret_namespaces", "kube-system"),
        ("user", "name", "practice-admin"),
        ("certificate", "domain", DOMAIN),
    ],
)
def test_lists_hold_what_is_there(looker: Looker, table: str, key: str, value: str) -> None:
    found = [choice.value for page in looker.pages(table, key, Answers()) for choice in page]
    assert value in found


def test_every_look_belongs_to_a_field() -> None:
    from screens.forms import FORMS
    from wizard.looks.looker import _DEFAULTS, _LISTS, _LOOKS

    fields = {(field.table, field.key) for step in STEPS for field in FORMS[step].fields}
    assert {*_LOOKS, *_LISTS, *_DEFAULTS} <= fields
