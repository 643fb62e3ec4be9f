"""Bounded fuzzing: the same examples each time, unless KUBE_REGISTRY_FUZZ says how many new ones to try."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.fuzz.asking import Logged
from wizard.practice.world import World

_MORE = int(os.environ.get("KUBE_REGISTRY_FUZZ", "0"))
settings.register_profile(
    "fuzz",
    max_examples=_MORE or 60,
    derandomize=not _MORE,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    former = settings.get_current_profile_name()
    settings.load_profile("fuzz")
    yield
    settings.load_profile(former)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All practice servers, in this process, so that what they log can be read; moto lets no two be."""
    made = World(tmp_path_factory.mktemp("world"), threading.Event())
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ca_file(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "root.pem"
    path.write_bytes(Path(world.environment()["KUBE_REGISTRY_CA_FILE"]).read_bytes())
    return str(path)


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    """What any server logs as an error while a test runs; a test that saw one has failed."""
    seen = Logged()
    root = logging.getLogger()
    root.addHandler(seen)
    yield seen
    root.removeHandler(seen)
    assert seen.records == []
