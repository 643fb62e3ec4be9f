"""Second eyes: after an `apply` in a practice world, the clients that people have look at what came of it."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import ANSWERS, Program

HERE = Path(__file__).parent
# Read now: no test sees the real home.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube-registry" / "peers"
LIMIT_S = 180
APPLY = ("apply", "--practice", "-a", str(ANSWERS), "--json")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def clients() -> dict[str, str]:
    """Where `aws` and `kubectl` are; the former as tests/peers/install put it, whatever else is on PATH."""
    key = hashlib.sha256((HERE / "requirements.txt").read_bytes()).hexdigest()[:16]
    wanted = {"aws": str(CACHE / f"eyes-{key}" / "bin" / "aws"), "kubectl": "kubectl"}
    if missing := [program for program in wanted.values() if not shutil.which(program)]:
        why = f"not there: {', '.join(missing)}; run tests/peers/install"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return wanted


@pytest.fixture(scope="module")
def program(clients: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A home with a practice world, in which everything is applied."""
    assert clients
    made = Program(tmp_path_factory.mktemp("home"))
    started = made.run("world", "start")
    assert started.code == 0, started.err
    try:
        applied = made.run(*APPLY)
        assert applied.code == 0, applied.out[-2000:] + applied.err
        yield made
    finally:
        made.run("world", "stop")


@pytest.fixture(scope="module")
def run(clients: dict[str, str], program: Program) -> Run:
    """`run("aws", ...)` as the operator would; the exit status is the caller's to judge."""
    environment = {**program.environment, **program.world_environment()}

    def run(client: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [clients[client], *arguments],
            env=environment,
            cwd=program.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def aws(run: Run) -> Callable[..., Any]:
    """`aws("iam", "list-users")` gives what it printed, parsed."""

    def ask(*arguments: str) -> Any:
        done = run("aws", *arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="module")
def kubectl(run: Run) -> Callable[..., str]:
    def ask(*arguments: str) -> str:
        done = run("kubectl", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask


@pytest.fixture(scope="module")
def get(kubectl: Callable[..., str]) -> Callable[..., Any]:
    """`get("service", "kube-registry")` gives the object."""

    def ask(*arguments: str) -> Any:
        return json.loads(kubectl("get", *arguments, "-o", "json"))

    return ask
