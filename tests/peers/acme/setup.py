"""One setup whose certificate step is carried out by itself, as the engine does it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from wizard import names
from wizard.answers import Answers
from wizard.checks import run_checks
from wizard.events import CheckStatus, Event, StepId
from wizard.facts import ChainFacts, FactBook
from wizard.journal import Journal
from wizard.services import Services, certificates
from wizard.step import CheckResult, Context, Plan
from wizard.steps.certificate import CertificateStep
from wizard.vault import Vault

STEP = CertificateStep()


@dataclass
class Setup:
    answers: Answers
    services: Services
    journal: Journal
    facts: FactBook = field(default_factory=FactBook)
    events: list[Event] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ends with nothing left to do; raises WizardError."""
        plan = self.plan()
        assert plan.blockers == (), plan.blockers
        for change in plan.changes:
            with self.journal.intend(StepId.CERTIFICATE, change) as entry:
                entry.done(STEP.apply(self._context(), change, entry))
        assert self.plan().changes == ()

    def plan(self) -> Plan:
        facts = self.facts.certificate = STEP.inspect(self._context())
        plan = STEP.plan(self.answers, self.facts)
        return Plan(plan.changes, plan.consents, (*facts.problems, *plan.blockers), plan.notes)

    def failed_checks(self) -> dict[str, CheckResult]:
        checks = STEP.verify(self._context())
        results = run_checks(
            StepId.CERTIFICATE, checks, self.events.append, self.cancel, may_write=True, why_not=""
        )
        return {name: found for name, found in results.items() if found.status is CheckStatus.FAILED}

    def chain(self) -> ChainFacts:
        """What is in the Secret."""
        found = self.services.cluster.read_secret(names.CERTIFICATE_SECRET)
        assert found is not None
        return certificates.read_chain(found.data[names.CERTIFICATE_KEY], found.data[names.PRIVATE_KEY])

    def forget(self) -> None:
        """Another run gets another certificate."""
        self.services.cluster.delete("v1", "Secret", names.CERTIFICATE_SECRET)

    def close(self) -> None:
        self.services.close()

    def _context(self) -> Context:
        return Context(
            StepId.CERTIFICATE,
            self.answers,
            self.services,
            self.facts,
            self.journal,
            Vault(),
            self.events.append,
            self.cancel,
        )


def write_kubeconfig(path: Path, url: str, ca_file: Path, token: str) -> None:
    config = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "test", "user": {"token": token}}],
    }
    path.write_text(yaml.safe_dump(config))
