"""A lock that a run has left which was cut off before it could give it back: the next run takes it away."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from wizard import lease, names
from wizard.errors import Held, Problem, Unreachable, WizardError
from wizard.events import Noted, StepId

NewRun = Callable[..., Any]
MADE = (StepId.CONNECT, StepId.HTPASSWD)


def cluster(run: Any) -> Any:
    return run.engine.services.cluster


def lock(run: Any) -> Any:
    return cluster(run).get(lease.API, lease.KIND, names.LOCK)


def leave(run: Any, *, lasts_s: int = 60) -> lease.Lease:
    """As after a kill: nobody renews it, nobody gives it back."""
    made = lease.Lease(cluster(run), run.engine.directory, lasts_s, lambda: datetime.now(UTC))
    made.take()
    made._ended.set()
    return made


def expire(run: Any) -> None:
    found = lock(run)
    cluster(run).replace({**found, "spec": {**found["spec"], "renewTime": "2001-01-01T00:00:00.000000Z"}})


def apply(run: Any) -> Any:
    for step in MADE:
        run.engine.apply_step(step)
    return run


def test_undo_that_has_nothing_left_to_do_removes_its_own(new_run: NewRun) -> None:
    assert apply(new_run()).engine.undo() == []
    leave(new_run())
    again = new_run()
    assert again.engine.undo() == []
    assert lock(again) is None
    apply(new_run(state="fresh"))
    assert new_run(state="fresh").engine.undo() == []


def test_a_step_that_changes_nothing_removes_its_own(new_run: NewRun) -> None:
    leave(apply(new_run()))
    again = apply(new_run())
    assert lock(again) is None
    assert new_run().engine.undo() == []


def test_that_of_another_machine_goes_once_it_has_expired(new_run: NewRun) -> None:
    assert apply(new_run()).engine.undo() == []
    leave(new_run(state="other"))
    again = new_run()
    with pytest.raises(Held):
        again.engine.undo()
    assert lock(again) is not None
    expire(again)
    assert again.engine.undo() == []
    assert lock(again) is None


def test_one_that_was_renewed_since_it_was_seen_stays(new_run: NewRun) -> None:
    run = new_run()
    held = leave(new_run(state="other"))
    expire(run)
    run.engine.inspect([StepId.CONNECT])
    live = lock(run)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held._mine = cluster(run).replace({**live, "spec": {**live["spec"], "renewTime": now}})
    run.engine._keeper.sweep()
    assert lock(run) is not None
    assert held.release() is None
    assert lock(run) is None


def test_that_of_another_setup_stays(new_run: NewRun) -> None:
    run = new_run()
    leave(run)
    found = lock(run)
    labels = {**found["metadata"]["labels"], "app.kubernetes.io/instance": "another"}
    cluster(run).replace({**found, "metadata": {**found["metadata"], "labels": labels}})
    assert run.engine.undo() == []
    assert lock(run) is not None
    assert cluster(run).delete(lease.API, lease.KIND, names.LOCK)


def test_undo_says_that_the_lock_stays_where_it_cannot_be_removed(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = apply(new_run())
    with monkeypatch.context() as patch:
        _unreachable(patch, run)
        left = run.engine.undo()
    assert [problem.code for problem in left] == ["unreachable"]
    assert lock(run) is not None
    again = new_run()
    assert again.engine.undo() == []
    assert lock(again) is None


def test_a_run_says_that_its_lock_could_not_be_given_back(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    with monkeypatch.context() as patch:
        _unreachable(patch, run)
        apply(run)
    notes = [event.text for event in run.events if isinstance(event, Noted)]
    assert any("could not be given back" in note for note in notes)
    assert new_run().engine.undo() == []
    assert lock(run) is None


def test_the_record_of_a_setup_that_came_between_is_left_alone(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to Leases two may work at once: what the other one has written is its own."""
    run = apply(new_run())
    real, ours = cluster(run).replace, cluster(run).get("v1", "ConfigMap", names.RECORD)
    theirs: list[Any] = []

    def come_between(manifest: Any) -> Any:
        if manifest["kind"] == "ConfigMap" and not theirs:
            labels = {**ours["metadata"]["labels"], "app.kubernetes.io/instance": "another"}
            now = cluster(run).get("v1", "ConfigMap", names.RECORD)
            theirs.append(real({**now, "metadata": {**now["metadata"], "labels": labels}}))
        return real(manifest)

    with monkeypatch.context() as patch:
        patch.setattr(cluster(run), "replace", come_between)
        with pytest.raises(WizardError) as caught:
            run.engine.apply_step(StepId.BUCKET)
    assert caught.value.problem.code == "other-setup"
    found = cluster(run).get("v1", "ConfigMap", names.RECORD)
    assert found["metadata"] == theirs[0]["metadata"]
    assert found["data"] == theirs[0]["data"]
    assert cluster(run).delete("v1", "ConfigMap", names.RECORD)
    assert new_run().engine.undo() == []


def _unreachable(patch: pytest.MonkeyPatch, run: Any) -> None:
    real = cluster(run).delete

    def delete(api_version: str, kind: str, name: str, **more: Any) -> bool:
        if kind == lease.KIND:
            raise Unreachable(Problem("unreachable", "The API server does not answer."))
        return bool(real(api_version, kind, name, **more))

    patch.setattr(cluster(run), "delete", delete)
