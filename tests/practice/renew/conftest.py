"""One finished setup a module, in a whole practice world, and runs of `renew` on it."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from wizard import names
from wizard.answers import Answers, from_mapping
from wizard.endpoints import Endpoints
from wizard.engine import Engine
from wizard.events import Event, Noted
from wizard.practice.world import DOMAIN, World
from wizard.renew import Renewal
from wizard.services import Services, tls
from wizard.services.cluster import Cluster
from wizard.state import SetupDirectory


@dataclass
class Finished:
    """A setup that was applied; `run` is as one call of the program, `events` are those of the last."""

    world: World
    state: Path
    answers: Answers
    services: Services
    events: list[Event] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        return self.services.cluster

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Noted)]

    def run(self, **certificate: object) -> Renewal:
        """Reads the journal anew; `certificate` changes the answers for this run."""
        changed = self.answers.model_dump()
        changed["certificate"] |= certificate
        self.events.clear()
        directory = SetupDirectory(self.state, self.answers.setup)
        return Renewal(directory, from_mapping(changed), self.services, emit=self.events.append)

    def apply(self) -> None:
        directory = SetupDirectory(self.state, self.answers.setup)
        directory.save_answers(self.answers)
        Engine(directory, self.answers, self.services, emit=self.events.append).apply()

    def contents(self, secret: str = names.CERTIFICATE_SECRET) -> dict[str, bytes]:
        found = self.cluster.read_secret(secret)
        assert found
        return dict(found.data)

    def stored(self) -> str:
        """The serial in the Secret."""
        return f"{self.leaf().serial_number:x}"

    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates(self.contents()[names.CERTIFICATE_KEY])[0]

    def served(self) -> str:
        """The serial that clients of the domain get."""
        found = tls.served(DOMAIN, 443, DOMAIN, self.services.endpoints)
        assert not found.chain_error
        return found.serial

    def count(self, kind: str) -> int:
        """What the CA's own log has of it: order, issued, ..."""
        return sum(entry.kind == kind for entry in self.world.acme.log)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), threading.Event())
    world.start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def deploy() -> dict[str, Any]:
    """The answers of that table."""
    return {"replicas": 2}


@pytest.fixture
def finished(
    _own_surroundings: None,
    world: World,
    state: Path,
    deploy: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Finished]:
    """With two Pods; every test leaves it able to be renewed."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    answers = from_mapping(
        {
            "setup": "renewed",
            "bucket": {"name": "renewed-images"},
            "certificate": {
                "method": "dns-route53",
                "agree_tos": True,
                "domain": DOMAIN,
                "directory": world.acme.directory_url,
            },
            "deploy": deploy,
            "consent": {"replace_record": "A 127.80.0.1", "adopt": ["secrets"]},
        }
    )
    services = Services(answers, Endpoints.gather(answers.endpoints, dict(os.environ)))
    made = Finished(world, state, answers, services)
    if not (state / "renewed" / "journal.jsonl").exists():
        made.apply()
    yield made
    world.acme.settings.renewal_window = None
    services.close()
