"""An AWS practice server for each module, and a rig that carries steps out as the engine does."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wizard.answers import Answers, from_mapping
from wizard.checks import run_checks
from wizard.endpoints import Endpoints
from wizard.events import CheckStatus, Event, StepId
from wizard.facts import FactBook
from wizard.journal import Journal
from wizard.practice.aws import AwsServer
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.pki import Authority
from wizard.services import Services
from wizard.services.aws import Aws
from wizard.step import CheckResult, Context, Plan, Step
from wizard.vault import Vault


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def aws_server(ledger: Ledger) -> Iterator[AwsServer]:
    server = AwsServer(ledger)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def aws_environment(
    _own_surroundings: None, aws_server: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator's keys, and a region in a configuration file."""
    config = tmp_path / "aws-config"
    config.write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws_server.admin.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws_server.admin.secret_access_key)


@pytest.fixture(scope="module")
def administrator() -> Iterator[Callable[[str], Aws]]:
    """The administrator's clients for a region, shared: making them takes longer than most tests."""
    made: dict[str, Aws] = {}

    def clients(region: str) -> Aws:
        if region not in made:
            made[region] = Aws("", region, Endpoints())
        return made[region]

    yield clients
    for aws in made.values():
        aws.close()


@pytest.fixture
def kube_server(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[KubernetesServer]:
    """An empty cluster, and a kubeconfig that leads to it; `denied` is a set that a test may fill."""
    authority, token = Authority(), "token-of-the-test"
    server = KubernetesServer(
        ledger, ssl_context=authority.server_context(["127.0.0.1"]), tokens={token: "tester"}, denied=set()
    )
    server.start()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)
    write_kubeconfig(tmp_path / "kubeconfig", server.url, str(root), token)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield server
    server.stop()


def write_kubeconfig(path: Path, url: str, root: str, token: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": root}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(json.dumps(config))


@dataclass
class Rig:
    """One setup whose steps are carried out one by one; `events` has all that was emitted."""

    answers: Answers
    services: Services
    journal: Journal
    facts: FactBook = field(default_factory=FactBook)
    events: list[Event] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    def context(self, step: StepId) -> Context:
        return Context(
            step,
            self.answers,
            self.services,
            self.facts,
            self.journal,
            Vault(),
            self.events.append,
            self.cancel,
        )

    def plan(self, step: Step) -> Plan:
        """Inspects and plans; facts that block are among the blockers, given consents are left out."""
        facts = step.inspect(self.context(step.id))
        self.facts.put(step.id, facts)
        plan = step.plan(self.answers, self.facts)
        needed = tuple(consent for consent in plan.consents if not consent.is_given(self.answers))
        return Plan(plan.changes, needed, (*facts.problems, *plan.blockers), plan.notes)

    def carry_out(self, step: Step) -> Plan:
        """Plans and applies; returns the plan that was carried out."""
        plan = self.plan(step)
        assert not plan.blockers, plan.blockers
        assert not plan.consents, plan.consents
        for change in plan.changes:
            with self.journal.intend(step.id, change) as entry:
                entry.done(step.apply(self.context(step.id), change, entry))
        self.facts.put(step.id, step.inspect(self.context(step.id)))
        return plan

    def verify(self, step: Step) -> dict[str, CheckResult]:
        checks = step.verify(self.context(step.id))
        return run_checks(step.id, checks, self.events.append, self.cancel, may_write=True, why_not="")

    def run(self, step: Step) -> None:
        """Applies and verifies; every check must pass, and nothing may be left to do."""
        self.carry_out(step)
        bad = {k: v for k, v in self.verify(step).items() if v.status is not CheckStatus.PASSED}
        assert not bad, bad
        assert self.plan(step) == Plan(notes=self.plan(step).notes)

    def undo(self, step: Step, *, delete_bucket: str = "") -> list[str]:
        told = []
        self.facts.put(step.id, step.inspect(self.context(step.id)))
        for entry in reversed(self.journal.standing(step.id)):
            told.append(step.undo(self.context(step.id), entry, delete_bucket=delete_bucket))
            entry.undone()
        return told


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(tmp_path: Path, administrator: Callable[[str], Aws]) -> Iterator[MakeRig]:
    """`make_rig({"bucket": {...}})` is a setup with these answers; same `journal`, same setup's memory."""
    made: list[Services] = []

    def make(answers: dict[str, Any], *, journal: str = "journal.jsonl") -> Rig:
        parsed = from_mapping(answers)
        services = Services(parsed, Endpoints())
        services._aws = administrator(parsed.connect.aws_region)
        made.append(services)
        return Rig(parsed, services, Journal(tmp_path / journal))

    yield make
    for services in made:
        services._aws = None
        services.close()


@pytest.fixture
def operator(administrator: Callable[[str], Aws]) -> Aws:
    """The administrator's own clients, to arrange things and to look at what came of them."""
    return administrator("")


@pytest.fixture
def mutations(ledger: Ledger) -> Callable[[], Any]:
    """How many mutating requests the server has seen so far."""
    return lambda: ledger.snapshot()["mutating_total"]
