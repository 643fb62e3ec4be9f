"""A lost laptop: another state directory goes on with what the cluster knows, and no secret is in there."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.leaks import Evidence
from tests.e2e.program import ANSWERS, Program, Ran
from tests.e2e.test_secrets import canary, secrets_of
from wizard import names

pytestmark = pytest.mark.e2e
SETUP = "practice-registry"
VARIABLE = "KUBE_REGISTRY_PASSWORD_ALICE"


class Machines:
    """Two with the same kubeconfig and AWS rights, and nothing else in common."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.world = program.world_environment()
        self.answers = program.home / "answers.toml"
        self.answers.write_text(ANSWERS.read_text().replace("users = []", 'users = ["alice"]'))

    def run(self, machine: str, *arguments: str, **environment: str) -> Ran:
        state = {"XDG_STATE_HOME": str(self.state(machine))}
        return self.program.run(*arguments, environment={**self.world, **state, **environment})

    def state(self, machine: str) -> Path:
        return self.program.home / machine

    def kubectl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["kubectl", *arguments],
            env={**self.program.environment, **self.world},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "configmap", names.RECORD, "-o", "json"))
        return found


@pytest.fixture(scope="module")
def machines(program: Program) -> Machines:
    return Machines(program)


@pytest.fixture(scope="module")
def before(machines: Machines) -> str:
    return json.dumps(machines.program.dump(), sort_keys=True, indent=1)


@pytest.fixture(scope="module")
def password() -> str:
    return canary("alice")


@pytest.fixture(scope="module")
def applied(machines: Machines, before: str, password: str) -> Ran:
    assert before
    given: Mapping[str, str] = {VARIABLE: password}
    return machines.run("laptop", "apply", "-a", str(machines.answers), "--json", **given)


def test_the_record_tells_all_and_no_secret(machines: Machines, applied: Ran, password: str) -> None:
    assert applied.code == 0, applied.out[-2000:]
    found = machines.record()
    mine = (machines.state("laptop") / "kube-registry" / SETUP / "journal.jsonl").read_text()
    for text in (mine, found["data"]["journal.jsonl"]):
        assert '"create-access-key"' in text
    evidence = Evidence()
    evidence.add("record", json.dumps(found))
    for text in found["data"].values():
        evidence.add("record", text)
    secrets = {**secrets_of(machines.world), "alice": password.encode()}
    assert len(secrets) > 8
    assert evidence.leaks(secrets) == []
    evidence.add("planted", found["data"]["answers.toml"] + password)
    assert {leak.secret for leak in evidence.leaks(secrets)} == {"alice"}


def test_another_machine_lists_checks_and_applies(machines: Machines, applied: Ran) -> None:
    assert applied.code == 0
    told = json.loads(machines.run("other", "setups", "--json").out)
    assert (told["setup"], told["state"], told["steps_done"]) == (SETUP, "elsewhere", 8)
    seen = machines.program.mutations()
    checked = machines.run("other", "check", SETUP, "--json")
    assert checked.code == 0, checked.out[-2000:]
    assert "failed" not in checked.checks.values()
    here = [json.loads(line) for line in machines.run("other", "setups", "--json").out.splitlines()]
    assert [(each["setup"], each["steps_done"]) for each in here] == [(SETUP, 8)]
    again = machines.run("third", "apply", "-a", str(machines.answers), "--json")
    assert again.code == 0, again.out[-2000:]
    assert [event for event in again.events if event["event"] == "change_started"] == []
    assert machines.program.mutations() == seen


def test_a_second_operator_is_told_who_holds_it(machines: Machines, applied: Ran) -> None:
    assert applied.code == 0
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": names.LOCK, "annotations": {"kube-registry/command": "apply -a team.toml"}},
        "spec": {
            "holderIdentity": "laptop-of-ann/4711/0123456789abcdef",
            "leaseDurationSeconds": 3600,
            "acquireTime": "2026-01-02T03:04:05.000000Z",
            "renewTime": "2099-01-02T03:04:05.000000Z",
        },
    }
    path = machines.program.home / "lease.json"
    path.write_text(json.dumps(lease))
    machines.kubectl("create", "-f", str(path))
    seen = machines.program.mutations()
    for command in (("undo", SETUP, "--yes"), ("check", SETUP), ("apply", "-a", str(machines.answers))):
        held = machines.run("other", *command, "--json")
        assert held.code == 3, held.out[-2000:]
        assert held.finish["problem"]["why"] == (
            "Process 4711 on laptop-of-ann (apply -a team.toml) has held it since 2026-01-02T03:04:05Z."
        )
    assert machines.program.mutations() == seen
    machines.kubectl("delete", "lease", names.LOCK)


def test_another_machine_takes_all_of_it_back(machines: Machines, applied: Ran, before: str) -> None:
    assert applied.code == 0
    undone = machines.run("fourth", "undo", SETUP, "--yes", "--delete-bucket", _bucket(machines), "--json")
    assert undone.code == 0, undone.out[-2000:]
    assert json.dumps(machines.program.dump(), sort_keys=True, indent=1) == before
    assert machines.kubectl("get", "leases", "-o", "name") == ""
    seen = machines.program.mutations()
    assert machines.run("laptop", "undo", SETUP, "--yes", "--json").code == 0
    assert json.dumps(machines.program.dump(), sort_keys=True, indent=1) == before
    assert [each for each in machines.program.mutations()[len(seen) :] if "configmap" in each] == []


def test_what_is_nowhere_is_not_found(machines: Machines) -> None:
    told = machines.run("fifth", "check", "no-such-setup", "--json")
    assert told.code == 2
    assert told.finish["problem"]["code"] == "no-such-setup"


def _bucket(machines: Machines) -> str:
    import tomllib

    name: str = tomllib.loads(machines.answers.read_text())["bucket"]["name"]
    return name
