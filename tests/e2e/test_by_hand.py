"""`plan --commands`: a script of the same things by aws and kubectl, one command for every change."""

import subprocess

import pytest

from tests.e2e.program import ANSWERS, Program

pytestmark = pytest.mark.e2e
PLAN = ("plan", "--practice", "-a", str(ANSWERS))


def test_every_change_has_its_equivalent_by_hand(program: Program) -> None:
    plans = [event for event in program.run(*PLAN, "--json").events if event["event"] == "plan_made"]
    changes = [change for plan in plans for change in plan["changes"]]
    assert len(changes) > 10
    assert [change["summary"] for change in changes if not change["command"]] == []


def test_the_commands_are_a_script_that_a_shell_can_read(program: Program) -> None:
    ran = program.run(*PLAN, "--commands")
    assert ran.code == 0
    checked = subprocess.run(["sh", "-n"], input=ran.out, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "aws s3api create-bucket" in ran.out
    assert "kind: Deployment" in ran.out
    assert 'secret-access-key="$SECRET_ACCESS_KEY"' in ran.out


def test_the_manifest_of_the_script_is_taken_by_kubectl(program: Program) -> None:
    """As far as a dry run shows, and without the wizard."""
    script = program.run(*PLAN, "--commands").out
    manifest = script.partition("<<'EOF'\n")[2].partition("\nEOF")[0]
    command = ["kubectl", "apply", "--dry-run=server", "-f", "-"]
    environment = {**program.environment, **program.world_environment()}
    told = subprocess.run(
        command, input=manifest, text=True, capture_output=True, env=environment, check=False
    )
    assert told.returncode == 0, told.stderr
    assert "service/kube-registry" in told.stdout
