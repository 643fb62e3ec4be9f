"""`world env` alone is enough for the clients that it is made for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.program import Program
from tests.peers.eyes.conftest import LIMIT_S

pytestmark = pytest.mark.peers
CERTBOT = """certbot certonly --non-interactive --agree-tos --register-unsafely-without-email \\
    --config-dir certbot --work-dir certbot/work --logs-dir certbot/logs \\
    --server "$KUBE_REGISTRY_ACME_DIRECTORY" --webroot --webroot-path "$KUBE_REGISTRY_WEBROOT" \\
    --domain "$KUBE_REGISTRY_DOMAIN"
test -s "certbot/live/$KUBE_REGISTRY_DOMAIN/fullchain.pem"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("home"))
    started = program.run("world", "start")
    assert started.code == 0, started.err
    yield program
    program.run("world", "stop")


@pytest.fixture
def shell(world: Program, clients: dict[str, str]) -> str:
    """What a person types first; then `aws` and `kubectl` are those of the other tests."""
    programs = world.home / "bin"
    programs.mkdir(exist_ok=True)
    for name, path in clients.items():
        if not (programs / name).exists():
            (programs / name).symlink_to(str(shutil.which(path)))
    return f'set -e\nPATH={programs}:$PATH\neval "$({sys.executable} -m wizard world env)"\n'


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(CERTBOT, id="certbot"),
        pytest.param('aws sts get-caller-identity && aws s3 mb "s3://practice-registry-env"', id="aws"),
        pytest.param("kubectl get nodes && kubectl create secret generic env", id="kubectl"),
    ],
)
def test_a_client_needs_nothing_else(world: Program, shell: str, script: str) -> None:
    if script is CERTBOT and not shutil.which("certbot"):
        why = "not there: certbot; run tests/peers/install"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    done = subprocess.run(
        ["bash", "-c", shell + script],
        env=world.environment,
        cwd=world.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
