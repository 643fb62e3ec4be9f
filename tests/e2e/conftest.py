"""A home and a practice world for each module, gone without a trace afterwards."""

from collections.abc import Iterator

import pytest

from tests.e2e.program import Program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    made = Program(tmp_path_factory.mktemp("home"))
    started = made.run("world", "start")
    assert started.code == 0, started.err
    yield made
    stopped = made.run("world", "stop")
    assert stopped.code == 0, stopped.err
    assert [str(path) for path in made.runtime.rglob("*")] == []
