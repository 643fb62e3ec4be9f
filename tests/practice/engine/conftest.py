"""A whole practice world for each module, and engines of one setup in it."""

import json
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from wizard.answers import Answers, from_mapping
from wizard.endpoints import Endpoints
from wizard.engine import Engine
from wizard.events import ChangeFailed, Event
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.pki import Authority
from wizard.practice.world import DOMAIN, World
from wizard.services import Services
from wizard.state import SetupDirectory


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), threading.Event())
    world.start()
    yield world
    world.stop()


@pytest.fixture(autouse=True)
def environment(_own_surroundings: None, world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = world.environment()
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def dumped(world: World) -> Callable[[], str]:
    """What both clouds hold, to compare."""
    return lambda: json.dumps(world.dump(), sort_keys=True, indent=1)


@dataclass
class Run:
    """One run of the program on a setup; `events` has all that was emitted."""

    engine: Engine
    events: list[Event] = field(default_factory=list)

    @property
    def left(self) -> list[str]:
        """The codes of what undo had to leave."""
        return [event.problem.code for event in self.events if isinstance(event, ChangeFailed)]


NewRun = Callable[..., Run]


@pytest.fixture
def new_run(tmp_path: Path, environment: dict[str, str]) -> Iterator[NewRun]:
    """`new_run(htpasswd={...})` reads the journal and the environment anew; `state` is another machine's."""
    made: list[Services] = []

    def make(*, state: str = "state", **tables: Any) -> Run:
        answers = _answers(environment, tables)
        services = Services(answers, Endpoints.gather(answers.endpoints, _environ()))
        made.append(services)
        directory = SetupDirectory(tmp_path / state, answers.setup)
        directory.save_answers(answers)
        events: list[Event] = []
        return Run(Engine(directory, answers, services, emit=events.append), events)

    yield make
    for services in made:
        services.close()


def _environ() -> dict[str, str]:
    import os

    return dict(os.environ)


def _answers(environment: dict[str, str], tables: dict[str, Any]) -> Answers:
    whole: dict[str, dict[str, Any]] = {
        "bucket": {"name": "engine-images"},
        "certificate": {
            "agree_tos": True,
            "domain": DOMAIN,
            "webroot": environment["KUBE_REGISTRY_WEBROOT"],
            "directory": environment["KUBE_REGISTRY_ACME_DIRECTORY"],
        },
        "consent": {"replace_record": "A 127.80.0.1"},
    }
    for name, table in tables.items():
        whole[name] = {**whole.get(name, {}), **table}
    return from_mapping({"setup": "engine", **whole})


@pytest.fixture
def other_cluster(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A kubeconfig with the same context, that leads to another cluster with the same credentials."""
    config = yaml.safe_load(Path(environment["KUBECONFIG"]).read_text())
    token = config["users"][0]["user"]["token"]
    authority = Authority()
    root = tmp_path / "other-root.pem"
    root.write_bytes(authority.root_pem)
    path = tmp_path / "other-kubeconfig"
    started: list[KubernetesServer] = []

    def make(denied: AbstractSet[tuple[str, str]] = frozenset()) -> str:
        server = KubernetesServer(
            Ledger(),
            ssl_context=authority.server_context(["127.0.0.1"]),
            tokens={token: "practice-admin"},
            denied=denied,
        )
        server.start()
        started.append(server)
        config["clusters"][0]["cluster"] = {"server": server.url, "certificate-authority": str(root)}
        path.write_text(yaml.safe_dump(config))
        return str(path)

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def no_cluster(environment: dict[str, str], tmp_path: Path) -> str:
    """A kubeconfig whose API server is not there."""
    config = yaml.safe_load(Path(environment["KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "no-kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)
