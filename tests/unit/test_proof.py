"""What a proof depends on, where it looks, and what there is to copy afterwards."""

from datetime import UTC, datetime

import pytest

from wizard.answers import from_mapping
from wizard.endpoints import Endpoints
from wizard.facts import CertificateFacts, ChainFacts, DeployFacts, FactBook, UserFacts
from wizard.step import Plan
from wizard.steps._proof_blobs import blob_key
from wizard.steps.proof import ProofStep, snippets

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ANSWERS = from_mapping(
    {
        "bucket": {"name": "reg-prod"},
        "certificate": {"domain": "registry.example.com"},
        "htpasswd": {"users": ["alice", "bob"]},
        "connect": {"namespace": "tools"},
    }
)


def book(serial: str = "abc", key: str = "AKIA", host: str = "elb") -> FactBook:
    chain = ChainFacts(serial=serial, names=(), issuer="CA", not_before=NOW, not_after=NOW, key_matches=True)
    return FactBook(
        user=UserFacts(secret_access_key_id=key),
        certificate=CertificateFacts(chain=chain),
        deploy=DeployFacts(balancer_hostname=host),
    )


@pytest.mark.parametrize("changed", [{"serial": "def"}, {"key": "AKIB"}, {"host": "other"}])
def test_what_matters_is_proven_anew(changed: dict[str, str]) -> None:
    step = ProofStep()
    assert step.probed(ANSWERS, book()) == step.probed(ANSWERS, book())
    assert step.probed(ANSWERS, book()) != step.probed(ANSWERS, book(**changed))


def test_another_image_is_proven_anew() -> None:
    other = from_mapping({**ANSWERS.model_dump(), "deploy": {"image": "registry:2.8.3"}})
    assert ProofStep().probed(ANSWERS, book()) != ProofStep().probed(other, book())


def test_there_is_never_anything_to_change() -> None:
    assert ProofStep().plan(ANSWERS, FactBook()) == Plan()


def test_the_registrys_place_of_a_blob() -> None:
    assert blob_key("sha256:" + "ab" * 32) == "docker/registry/v2/blobs/sha256/ab/" + "ab" * 32 + "/data"


def test_the_snippets_name_domain_user_and_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    lines = snippets(ANSWERS, Endpoints(), ["docker"])
    assert lines[0] == "docker login registry.example.com --username alice"
    assert "docker push registry.example.com/busybox" in lines
    assert "--namespace tools" in lines[-1]


@pytest.mark.parametrize(
    ("proxy", "there", "wanted"),
    [
        ("", ["docker"], {"docker"}),
        ("", ["skopeo"], {"skopeo"}),
        ("", ["docker", "skopeo"], {"docker", "skopeo"}),
        ("", [], {"docker"}),
        ("http://127.0.0.1:3128", ["docker", "skopeo"], {"skopeo"}),
        ("http://127.0.0.1:3128", ["docker"], {"skopeo"}),
        ("http://127.0.0.1:3128", [], {"skopeo"}),
    ],
)
def test_the_snippets_are_those_that_work_here(
    proxy: str, there: list[str], wanted: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's daemon takes no proxy from a shell; skopeo does."""
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    lines = snippets(ANSWERS, Endpoints(proxy=proxy), there)
    logins = {line.split()[0] for line in lines if " login " in line}
    assert logins == wanted
