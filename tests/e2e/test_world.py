"""The practice world as a process: found again, ended without a trace, never a way out of loopback."""

import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


def test_a_second_start_joins_the_first(program: Program) -> None:
    pid = program.world()["pid"]
    assert program.run("world", "start").code == 0
    assert program.world()["pid"] == pid


def test_env_names_all_that_the_contract_promises(program: Program) -> None:
    environment = program.world_environment()
    promised = {
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "KUBECONFIG",
        "KUBE_REGISTRY_ACME_DIRECTORY",
        "KUBE_REGISTRY_ACME_STAGING",
        "KUBE_REGISTRY_CA_FILE",
        "REQUESTS_CA_BUNDLE",
        "KUBE_REGISTRY_NAMESERVER",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "KUBE_REGISTRY_HTTP_LISTEN",
        "KUBE_REGISTRY_WEBROOT",
        "KUBE_REGISTRY_DOMAIN",
    }
    assert promised <= set(environment)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_world_that_died_or_hangs_can_be_stopped(tmp_path: Path, number: signal.Signals) -> None:
    program = Program(tmp_path / "home")
    assert program.run("world", "start").code == 0
    pid = program.world()["pid"]
    os.kill(pid, number)
    assert program.run("world", "stop").code == 0
    assert list(program.runtime.rglob("*")) == []
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
    assert program.run("world", "start").code == 0
    assert program.run("world", "stop").code == 0


def test_everything_listens_on_loopback_only(program: Program) -> None:
    pid = program.world()["pid"]
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}
    listening = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[9] in inodes
    ]
    addresses = {fields[1].partition(":")[0] for fields in listening}
    assert len(listening) >= 6
    assert addresses == {"0100007F"}


def test_a_practising_run_cannot_leave_loopback(program: Program) -> None:
    code = """
import os, socket, sys
from pathlib import Path
from wizard import secret_variables
from wizard.practice.entry import enter
for name in secret_variables.OWN:
    os.environ[name] = name
enter(Path(sys.argv[1]))
assert [name for name in secret_variables.OWN if os.environ.get(name) != name] == []
tries = {
    "address": lambda: socket.create_connection(("192.0.2.1", 443), 1),
    "name": lambda: socket.getaddrinfo("example.com", 443),
    "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
}
for name, attempt in tries.items():
    try:
        attempt()
    except OSError as error:
        print(name, type(error).__name__)
socket.create_server(("127.0.0.1", 0)).close()
"""
    done = subprocess.run(
        [program.command()[0], "-c", code, str(program.state)],
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = dict(line.split() for line in done.stdout.splitlines())
    assert told == dict.fromkeys(("address", "name", "datagram"), "LeftLoopback")


def test_the_ports_of_another_world_are_no_obstacle(program: Program, tmp_path: Path) -> None:
    """Two at once, and then a third while somebody else has taken all ports that the second one had."""
    mine, another = program.world_environment(), Program(tmp_path / "another")
    former = another.world_environment()
    assert _ports(mine) & _ports(former) == set()
    assert another.run("world", "stop").code == 0
    with contextlib.ExitStack() as taken:
        for port in _ports(former):
            with contextlib.suppress(OSError):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
        assert another.run("world", "start").code == 0
        assert _ports(another.world_environment()) & _ports(former) == set()
        assert another.run("world", "stop").code == 0


def _ports(environment: Mapping[str, str]) -> set[int]:
    """Where the servers of a world listen, by what it tells of them; one port is kept free for others."""
    told = [value for name, value in environment.items() if name != "KUBE_REGISTRY_HTTP_LISTEN"]
    found = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", " ".join(told))}
    assert len(found) >= 4
    return found
