"""From nothing to a proven registry without a screen, again without a change, and back to nothing."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import ANSWERS, Program, Ran
from wizard.events import STEPS

pytestmark = pytest.mark.e2e
APPLY = ("apply", "--practice", "-a", str(ANSWERS), "--json")


@pytest.fixture(scope="module")
def before(program: Program) -> str:
    return json.dumps(program.dump(), sort_keys=True, indent=1)


@pytest.fixture(scope="module")
def applied(program: Program, before: str) -> Ran:
    assert before
    return program.run(*APPLY)


def test_apply_ends_proven(applied: Ran) -> None:
    assert applied.code == 0, applied.out[-2000:] + applied.err
    assert applied.finish["exit_code"] == 0
    assert set(applied.checks.values()) <= {"passed", "warning"}, applied.checks
    assert {name.partition("/")[0] for name in applied.checks} == {step.value for step in STEPS}


@pytest.mark.parametrize("command", [APPLY, ("plan", *APPLY[1:]), ("check", "--practice", "--json")])
def test_looking_again_changes_nothing(program: Program, applied: Ran, command: tuple[str, ...]) -> None:
    assert applied.code == 0
    seen = program.mutations()
    assert seen, "the first run must have been counted"
    again = program.run(*command)
    assert again.code == 0, again.out[-2000:]
    assert program.mutations() == seen
    assert [event for event in again.events if event["event"] == "change_started"] == []
    assert "failed" not in again.checks.values()


def test_a_finished_setup_does_not_move(program: Program, applied: Ran, tmp_path: Path) -> None:
    """Else undo would look for its things in the new place, and forget those in the former one."""
    assert applied.code == 0
    seen = program.mutations()
    moved = tmp_path / "moved.toml"
    place = '\n[connect]\nnamespace = "second"\ncreate_namespace = true\n'
    moved.write_text(ANSWERS.read_text(encoding="utf-8") + place, encoding="utf-8")
    refused = program.run("apply", "--practice", "-a", str(moved), "--json")
    assert refused.code == 2
    assert refused.finish["problem"]["code"] == "setup-elsewhere"
    assert program.mutations() == seen


def test_the_count_would_see_a_change_in_aws(program: Program, applied: Ran) -> None:
    """The assertion above can fail: the bucket's own tags, written once more, are counted."""
    assert applied.code == 0
    seen = program.mutations()
    code = """
import boto3
s3, bucket = boto3.client("s3"), "practice-registry-images"
s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": s3.get_bucket_tagging(Bucket=bucket)["TagSet"]})
"""
    subprocess.run(
        [program.command()[0], "-c", code],
        env={**program.environment, **program.world_environment()},
        check=True,
        capture_output=True,
        timeout=120,
    )
    *former, added = program.mutations()
    assert former == seen
    assert added == "aws PUT s3:PutBucketTagging"


def test_the_count_would_see_a_change_in_the_cluster(program: Program, applied: Ran) -> None:
    """One harmless write is counted."""
    assert applied.code == 0
    seen = program.mutations()
    environment = {**program.environment, **program.world_environment()}
    subprocess.run(
        ["kubectl", "annotate", "namespace", "default", "practice.test/touched=yes"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert len(program.mutations()) == len(seen) + 1
    subprocess.run(
        ["kubectl", "annotate", "namespace", "default", "practice.test/touched-"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )


def test_the_push_can_be_proven_again(program: Program, applied: Ran) -> None:
    assert applied.code == 0
    again = program.run("check", "--practice", "--push", "--json")
    assert again.code == 0, again.out[-2000:]
    proof = [status for name, status in again.checks.items() if name.startswith("proof/")]
    assert set(proof) == {"passed"}


def test_setups_tells_how_far_it_is(program: Program, applied: Ran) -> None:
    assert applied.code == 0
    told = program.run("setups", "--practice", "--json")
    assert json.loads(told.out)["steps_done"] == 8


def test_undo_leaves_the_world_as_it_was(program: Program, applied: Ran, before: str) -> None:
    assert applied.code == 0
    undone = program.run(
        "undo", "--practice", "--yes", "--delete-bucket", "practice-registry-images", "--json"
    )
    assert undone.code == 0, undone.out[-2000:]
    assert json.dumps(program.dump(), sort_keys=True, indent=1) == before
    assert _workers(program) == []


def test_after_undo_it_can_be_made_again(program: Program, applied: Ran, before: str) -> None:
    assert applied.code == 0
    again = program.run(*APPLY)
    assert again.code == 0, again.out[-2000:]
    undone = program.run("undo", "--practice", "--yes", "--json")
    assert undone.code == 0, undone.out[-2000:]
    assert json.dumps(program.dump(), sort_keys=True, indent=1) == before


def _workers(program: Program) -> list[str]:
    """What the inventory leaves out: ours must be gone by the end of `undo`, not some time later."""
    told = subprocess.run(
        ["kubectl", "get", "pods,replicasets", "--all-namespaces", "--output", "name"],
        env={**program.environment, **program.world_environment()},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return told.stdout.split()


def test_no_process_outlives_the_world(tmp_path: Path) -> None:
    program = Program(tmp_path / "home")
    assert program.run("world", "start").code == 0
    assert program.run(*APPLY).code == 0
    pid = program.world()["pid"]
    children = {
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    }
    assert children, "the registry's Pod runs as a child of the world"
    assert program.run("world", "stop").code == 0
    assert [each for each in {pid, *children} if _runs(each)] == []
    assert list(program.runtime.rglob("*")) == []


def _runs(pid: int) -> bool:
    """A zombie has ended; it only waits for somebody to read its exit code."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
