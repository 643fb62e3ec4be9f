"""An AWS practice server for each module, and a rig that carries steps out as the engine does."""

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
from wizard.practice.aws import AwsKeys, AwsServer
from wizard.practice.ledger import Ledger
from wizard.services import Services
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
def aws_environment(aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of the machine's own AWS configuration is seen; profiles live in a file of the test."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "aws-config"
    config.write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.url)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws_server.admin.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws_server.admin.secret_access_key)
    return config


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
def make_rig(tmp_path: Path) -> Iterator[MakeRig]:
    """`make_rig({"bucket": {...}})` is a setup with these answers; same `journal`, same setup's memory."""
    made: list[Services] = []

    def make(answers: dict[str, Any], *, journal: str = "journal.jsonl") -> Rig:
        parsed = from_mapping(answers)
        services = Services(parsed, Endpoints())
        made.append(services)
        return Rig(parsed, services, Journal(tmp_path / journal))

    yield make
    for services in made:
        services.close()


@pytest.fixture
def act_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[AwsKeys], None]:
    """Clients made from now on sign with these keys."""

    def act(keys: AwsKeys) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
        if keys.session_token:
            monkeypatch.setenv("AWS_SESSION_TOKEN", keys.session_token)

    return act


@pytest.fixture
def operator(make_rig: MakeRig) -> Services:
    """The administrator's own clients, to arrange things and to look at what came of them."""
    return make_rig({}, journal="unused.jsonl").services


@pytest.fixture
def mutations(ledger: Ledger) -> Callable[[], Any]:
    """How many mutating requests the server has seen so far."""
    return lambda: ledger.snapshot()["mutating_total"]
