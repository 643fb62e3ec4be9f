"""Kubernetes and AWS practice servers for each module, and a rig that carries steps out as the engine."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from wizard.answers import Answers, from_mapping
from wizard.checks import run_checks
from wizard.endpoints import Endpoints
from wizard.events import CheckStatus, Event
from wizard.facts import FactBook
from wizard.journal import Journal
from wizard.practice.aws import AwsServer
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.pki import Authority
from wizard.services import Services
from wizard.services.cluster import Cluster
from wizard.step import Change, CheckResult, Context, Plan, Step
from wizard.vault import Vault

TOKEN = "the-operators-token"


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def forbidden() -> set[tuple[str, str]]:
    """What the server denies everybody."""
    return set()


@pytest.fixture
def denied(forbidden: set[tuple[str, str]]) -> Iterator[set[tuple[str, str]]]:
    """Pairs of verb and resource to be denied from now on; filled by the test, emptied after it."""
    yield forbidden
    forbidden.clear()


@pytest.fixture(scope="module")
def kubernetes(
    ledger: Ledger, authority: Authority, forbidden: set[tuple[str, str]]
) -> Iterator[KubernetesServer]:
    server = KubernetesServer(
        ledger,
        ssl_context=authority.server_context(["127.0.0.1", "localhost"]),
        tokens={TOKEN: "practice-admin"},
        denied=forbidden,
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def aws(ledger: Ledger) -> Iterator[AwsServer]:
    server = AwsServer(ledger)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def kubeconfig(
    kubernetes: KubernetesServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)
    cluster = {"server": kubernetes.url, "certificate-authority": "root.pem"}
    config = {
        "current-context": "practice",
        "contexts": [{"name": "practice", "context": {"cluster": "practice", "user": "practice"}}],
        "clusters": [{"name": "practice", "cluster": cluster}],
        "users": [{"name": "practice", "user": {"token": TOKEN}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def cluster(kubeconfig: Path) -> Iterator[Cluster]:
    """In the namespace default, which is emptied afterwards."""
    assert kubeconfig.exists()
    found = Cluster("", "default", Endpoints(), aws=_no_aws)
    yield found
    for api_version, kind in (("v1", "Secret"), ("v1", "Service"), ("v1", "ConfigMap")):
        for each in found.list(api_version, kind):
            name = each["metadata"]["name"]
            if name not in {"kubernetes", "kube-root-ca.crt"}:
                found.delete(api_version, kind, name)
    found.close()


def _no_aws() -> Any:
    raise AssertionError("AWS is not asked here")


@dataclass
class Rig:
    """One setup whose steps are carried out one by one; `events` has all that was emitted."""

    answers: Answers
    services: Services
    journal: Journal
    vault: Vault = field(default_factory=Vault)
    facts: FactBook = field(default_factory=FactBook)
    events: list[Event] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    def context(self, step: Step) -> Context:
        return Context(
            step.id,
            self.answers,
            self.services,
            self.facts,
            self.journal,
            self.vault,
            self.events.append,
            self.cancel,
        )

    def plan(self, step: Step) -> Plan:
        """Inspects and plans; facts that block are among the blockers, given consents are left out."""
        facts = step.inspect(self.context(step))
        self.facts.put(step.id, facts)
        plan = step.plan(self.answers, self.facts)
        needed = tuple(consent for consent in plan.consents if not consent.is_given(self.answers))
        return Plan(plan.changes, needed, (*facts.problems, *plan.blockers), plan.notes)

    def apply(self, step: Step, change: Change) -> None:
        with self.journal.intend(step.id, change) as entry:
            entry.done(step.apply(self.context(step), change, entry))

    def crash_before_done(self, step: Step, change: Change) -> None:
        """Carries a change out as a run does that is killed just before it can say so."""
        with self.journal.intend(step.id, change) as entry:
            step.apply(self.context(step), change, entry)

    def verify(self, step: Step) -> dict[str, CheckResult]:
        checks = step.verify(self.context(step))
        return run_checks(step.id, checks, self.events.append, self.cancel, may_write=True, why_not="")

    def run(self, step: Step) -> Plan:
        """Applies and verifies; no check may fail, and nothing may be left to do. Returns what was done."""
        plan = self.plan(step)
        assert not plan.blockers, plan.blockers
        assert not plan.consents, plan.consents
        for change in plan.changes:
            self.apply(step, change)
        assert self.plan(step) == Plan()
        failed = {k: v for k, v in self.verify(step).items() if v.status is CheckStatus.FAILED}
        assert not failed, failed
        return plan

    def undo(self, step: Step) -> list[str]:
        """As the engine does it: the newest change first."""
        told = []
        for entry in reversed(self.journal.standing(step.id)):
            told.append(step.undo(self.context(step), entry))
            entry.undone()
        return told


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(
    kubeconfig: Path, aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeRig]:
    """`make_rig(htpasswd={...})` is a setup with these answers; with the same journal name, the same one."""
    assert kubeconfig.exists()
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.admin.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.admin.secret_access_key)
    made: list[Services] = []

    def make(
        *, journal: str = "journal.jsonl", passwords: dict[str, str] | None = None, **tables: Any
    ) -> Rig:
        tables.setdefault("connect", {"aws_region": "eu-west-1"})
        answers = from_mapping(tables)
        services = Services(answers, Endpoints())
        made.append(services)
        rig = Rig(answers, services, Journal(tmp_path / journal))
        for user, password in (passwords or {}).items():
            rig.vault.set_password(user, password)
        return rig

    yield make
    for services in made:
        with suppress(Exception):
            services.close()


@pytest.fixture
def mutations(ledger: Ledger) -> Callable[[], Any]:
    """How many mutating requests the servers have seen so far."""
    return lambda: ledger.snapshot()["mutating_total"]
