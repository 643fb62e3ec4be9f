"""The setup's record and its lock in the cluster: another machine goes on, and two do not work at once."""

import json
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wizard import elsewhere, lease, names, ownership
from wizard.errors import ExitCode, Held, Problem, WizardError
from wizard.events import Noted, StepId
from wizard.practice.world import World
from wizard.step import Context

NewRun = Callable[..., Any]
Dumped = Callable[[], str]
MADE = (StepId.CONNECT, StepId.BUCKET, StepId.HTPASSWD)
DEADLINE_S = 20


def apply(run: Any) -> Any:
    for step in MADE:
        run.engine.apply_step(step)
    return run


def cluster(run: Any) -> Any:
    return run.engine.services.cluster


def record(run: Any) -> Any:
    return cluster(run).get("v1", "ConfigMap", names.RECORD)


def entries(run: Any) -> list[tuple[str, str]]:
    return [(entry.key, entry.state) for entry in run.engine.journal.entries()]


def take(run: Any, lasts_s: float = 60.0) -> lease.Lease:
    """The lock as another machine's run holds it, which is in the middle of something."""
    run.engine.directory.command = "apply -a team.toml"
    made = lease.Lease(cluster(run), run.engine.directory, lasts_s, now)
    made.take()
    return made


def now() -> datetime:
    return datetime.now(UTC)


def mutations(world: World) -> Any:
    return world.ledger.snapshot()["mutating"]


def test_the_record_is_in_the_cluster_and_the_lock_is_free(new_run: NewRun) -> None:
    run = apply(new_run())
    found = record(run)
    assert ownership.owner_of_labels(found["metadata"]["labels"]) == "engine"
    assert "engine-images" in found["data"]["answers.toml"]
    states = [json.loads(line)["state"] for line in found["data"]["journal.jsonl"].splitlines()]
    assert states.count("intended") == states.count("done") == len(run.engine.journal.entries())
    assert states.count("verified") == len(MADE)
    assert cluster(run).get(lease.API, lease.KIND, names.LOCK) is None
    assert run.engine.undo() == []
    assert record(run) is None


def test_a_lost_laptop_loses_nothing(new_run: NewRun, dumped: Dumped) -> None:
    before = dumped()
    first = apply(new_run())
    other = new_run(state="other")
    other.engine.inspect()
    assert entries(other) == entries(first)
    statuses = other.engine.statuses()
    assert {statuses[step] for step in MADE} == {"done"}
    assert other.engine.undo() == []
    assert dumped() == before
    assert new_run().engine.undo() == []
    assert dumped() == before


def test_what_is_announced_is_in_the_cluster_before_the_act(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wizard.steps.bucket import BucketStep

    run = new_run()
    seen: list[str] = []
    real = BucketStep.apply

    def look_first(step: BucketStep, ctx: Context, change: Any, entry: Any) -> Any:
        seen.append(record(run)["data"]["journal.jsonl"])
        return real(step, ctx, change, entry)

    monkeypatch.setattr(BucketStep, "apply", look_first)
    apply(run)
    assert seen
    for number, text in enumerate(seen, 1):
        told = [json.loads(line) for line in text.splitlines()]
        entries = [each for each in told if each["state"] in {"intended", "done"}]
        assert entries[-1]["state"] == "intended"
        assert len([each for each in entries if each["state"] == "intended"]) == number
    assert new_run().engine.undo() == []


def test_an_act_that_cannot_be_announced_does_not_take_place(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, dumped: Dumped
) -> None:
    run = new_run()
    run.engine.apply_step(StepId.CONNECT)
    before = dumped()

    def away(_manifest: Any) -> Any:
        if _manifest["kind"] == "ConfigMap":
            raise WizardError(Problem("unreachable", "The API server does not answer."))
        return real(_manifest)

    real = cluster(run).create
    monkeypatch.setattr(cluster(run), "create", away)
    with pytest.raises(WizardError):
        run.engine.apply_step(StepId.BUCKET)
    assert dumped() == before
    [entry] = run.engine.journal.standing()
    assert entry.state == "intended"
    monkeypatch.undo()


def test_looking_again_asks_for_no_lock(new_run: NewRun, world: World) -> None:
    apply(new_run())
    seen = len(mutations(world))
    apply(new_run())
    other = new_run(state="other")
    other.engine.inspect()
    for step in MADE:
        other.engine.plan(step)
    assert len(mutations(world)) == seen
    assert new_run().engine.undo() == []


def test_the_second_operator_is_told_who_holds_it(new_run: NewRun, dumped: Dumped) -> None:
    first, second = apply(new_run()), new_run(state="other")
    held = take(first)
    before = dumped()
    for act in (
        second.engine.undo,
        lambda: new_run(state="third", bucket={"abort_incomplete_days": 3}).engine.apply_step(StepId.BUCKET),
    ):
        with pytest.raises(Held) as caught:
            act()
        assert caught.value.exit_code is ExitCode.HELD
        assert "apply -a team.toml" in caught.value.problem.why
        assert "Process" in caught.value.problem.why
    assert dumped() == before
    held.release()
    assert second.engine.undo() == []


def test_the_lock_of_a_run_that_was_cut_off_expires(new_run: NewRun) -> None:
    first = apply(new_run())
    _cut_off(take(first))
    second = new_run(state="other")
    with pytest.raises(Held):
        second.engine.undo()
    found = cluster(first).get(lease.API, lease.KIND, names.LOCK)
    cluster(first).replace({**found, "spec": {**found["spec"], "leaseDurationSeconds": 1}})
    _until_free(second)
    assert record(first) is None


def test_the_same_machine_does_not_wait_for_its_own_lock(new_run: NewRun) -> None:
    first = apply(new_run())
    _cut_off(take(first))
    assert new_run().engine.undo() == []
    assert cluster(first).get(lease.API, lease.KIND, names.LOCK) is None


def test_a_run_that_was_taken_over_stops(new_run: NewRun) -> None:
    first = apply(new_run())
    held = take(first)
    assert cluster(first).delete(lease.API, lease.KIND, names.LOCK)
    other = take(new_run(state="other"))
    late = _late(held)
    with pytest.raises(Held):
        late.confirm()
    late.release()
    assert cluster(first).get(lease.API, lease.KIND, names.LOCK) is not None
    other.release()
    assert new_run().engine.undo() == []


def test_of_two_that_take_over_only_one_gets_it(new_run: NewRun) -> None:
    first = apply(new_run())
    _cut_off(take(first, lasts_s=1))
    second, third = new_run(state="other"), new_run(state="third")
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with suppress(Held):
            held = take(second)
            break
        assert time.monotonic() < deadline
    with pytest.raises(Held):
        take(third)
    held.release()
    assert new_run().engine.undo() == []


def test_records_that_differ_become_one(new_run: NewRun, dumped: Dumped) -> None:
    """Each machine has done something that the other does not know of; nothing announced is lost."""
    before = dumped()
    first = new_run()
    for step in (StepId.CONNECT, StepId.BUCKET):
        first.engine.apply_step(step)
    assert cluster(first).delete("v1", "ConfigMap", names.RECORD)
    second = new_run(state="other")
    for step in (StepId.CONNECT, StepId.HTPASSWD):
        second.engine.apply_step(step)
    both = {key for run in (first, second) for key, _ in entries(run)}
    again = new_run()
    again.engine.inspect()
    assert {key for key, _ in entries(again)} == both
    numbers = [entry.number for entry in again.engine.journal.entries()]
    assert len(set(numbers)) == len(numbers)
    assert again.engine.undo() == []
    assert dumped() == before


def test_newer_answers_of_another_machine_count(new_run: NewRun) -> None:
    first = new_run()
    first.engine.directory.save_answers(first.engine.answers)
    os.utime(first.engine.directory.path / "answers.toml", (1, 1))
    apply(new_run(state="other", bucket={"abort_incomplete_days": 3}))
    first.engine.follows_record = True
    first.engine.inspect()
    assert first.engine.answers.bucket.abort_incomplete_days == 3
    assert first.engine.directory.load_answers().bucket.abort_incomplete_days == 3
    assert new_run(bucket={"abort_incomplete_days": 3}).engine.undo() == []


def test_a_large_record_is_compressed_and_old_entries_go_first(new_run: NewRun) -> None:
    from wizard.record import Copy, manifest

    run = apply(new_run())
    journal = run.engine.journal
    for number in range(60):
        entry = journal.standing(StepId.BUCKET)[0]
        change = replace(entry.change, name=f"other-{number}", params={"text": secrets.token_hex(20_000)})
        with journal.intend(StepId.BUCKET, change) as made:
            made.undone()
    made = manifest("engine", "version = 1\n", now(), journal)
    assert "journal.jsonl" not in made["data"]
    stored = cluster(run).replace({**record(run), **{key: made[key] for key in ("data", "binaryData")}})
    copy = Copy.of(stored)
    kept = {entry.key for entry in copy.journal.entries()}
    assert {entry.key for entry in journal.standing()} <= kept
    undone = [entry for entry in journal.entries() if entry.state == "undone"]
    assert 0 < len([entry for entry in undone if entry.key in kept]) < len(undone)
    assert undone[-1].key in kept
    assert new_run().engine.undo() == []


def test_what_is_no_record_is_left_alone(new_run: NewRun) -> None:
    run = new_run()
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names.RECORD},
        "data": {"a": "b"},
    }
    cluster(run).create(foreign)
    apply(run)
    assert record(run)["data"] == {"a": "b"}
    notes = [event.text for event in run.events if isinstance(event, Noted)]
    assert len([note for note in notes if names.RECORD in note]) == 1
    assert new_run().engine.undo() == []
    assert cluster(run).delete("v1", "ConfigMap", names.RECORD)


def test_it_is_found_in_the_cluster_by_name(new_run: NewRun, environment: dict[str, str]) -> None:
    run = apply(new_run())
    [found] = elsewhere.search(environment, "engine")
    assert found.done == MADE
    assert found.namespace == "default"
    assert elsewhere.search(environment, "another") == []
    directory = elsewhere.bring(run.engine.directory.path.parent.parent / "third", found)
    assert directory.load_answers().bucket.name == "engine-images"
    keys = [entry.key for entry in directory.journal().entries()]
    assert keys == [entry.key for entry in run.engine.journal.entries()]
    assert new_run().engine.undo() == []


@pytest.mark.parametrize(
    ("denied", "has_record"),
    [
        ({("create", "configmaps"), ("create", "leases")}, False),
        ({("create", "leases")}, True),
        ({("get", "configmaps"), ("create", "configmaps")}, False),
    ],
)
def test_without_the_rights_for_it_all_stays_on_this_machine(
    new_run: NewRun,
    other_cluster: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    denied: set[tuple[str, str]],
    *,
    has_record: bool,
) -> None:
    monkeypatch.setenv("KUBECONFIG", other_cluster(denied))
    run = apply(new_run())
    told = [event.text for event in run.events if isinstance(event, Noted)]
    assert [text for text in told if "Other machines cannot be told" in text]
    [warning] = run.engine.facts.connect.warnings
    assert warning.code == "record-denied"
    found = cluster(run).list("v1", "ConfigMap", label_selector=ownership.RECORD_SELECTOR)
    assert bool(found) == has_record
    assert new_run().engine.undo() == []


def _late(held: lease.Lease) -> lease.Lease:
    """As after a sleep: more time has gone by than the lock lasts."""
    held._clock = lambda: now() + timedelta(hours=1)
    return held


def _cut_off(held: lease.Lease) -> None:
    """Nobody renews it any more, nobody gives it back."""
    held._ended.set()


def _until_free(run: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with suppress(Held):
            assert run.engine.undo() == []
            return
        assert time.monotonic() < deadline
