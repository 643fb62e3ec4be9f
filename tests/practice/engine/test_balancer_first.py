"""A new Service is made right after connect, so that AWS makes the balancer while the CA is asked."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from tests.practice.engine.conftest import NewRun, Run
from wizard.errors import WizardError, wizard_error
from wizard.events import ChangeFinished, Event, RunStarted, StepId
from wizard.output import Narrator
from wizard.practice.entry import PATIENCE
from wizard.steps.certificate import CertificateStep

SERVICE = (StepId.DEPLOY, "apply-service")


@pytest.fixture(autouse=True)
def _as_patient_as_practice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_REGISTRY_PATIENCE", PATIENCE)


class Killed(BaseException):
    """The end of a run, wherever it is."""


def made(run: Run) -> list[tuple[StepId, str]]:
    return [(entry.step, entry.change.action) for entry in run.engine.journal.entries()]


def kill_after(run: Run, is_last: Callable[[Event], bool]) -> None:
    """Nothing is written once the event was told: neither the record nor the lock is put in order."""
    keeper: Any = run.engine._keeper
    keeper._close = lambda: None

    def tell(event: Event) -> None:
        run.events.append(event)
        if is_last(event):
            raise Killed

    run.engine._emit_to = tell
    with pytest.raises(Killed):
        run.engine.apply()


def test_killed_right_after_it_goes_on_and_all_is_taken_back(
    new_run: NewRun, dumped: Callable[[], str]
) -> None:
    before, first = dumped(), new_run()
    kill_after(first, lambda event: isinstance(event, ChangeFinished) and event.step is StepId.DEPLOY)
    assert made(first) == [SERVICE]
    second = new_run()
    second.engine.apply()
    entries = made(second)
    assert entries.count(SERVICE) == 1
    assert entries[0] == SERVICE
    assert {step for step, _ in entries} == set(StepId) - {StepId.CONNECT, StepId.PROOF}
    third = new_run()
    assert third.engine.undo() == []
    assert dumped() == before


def test_without_a_certificate_it_stands_and_undo_takes_it_back(
    new_run: NewRun, dumped: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise wizard_error("broken", "It broke.")

    before, first = dumped(), new_run()
    monkeypatch.setattr(CertificateStep, "apply", fail)
    with pytest.raises(WizardError, match="It broke"):
        first.engine.apply()
    assert made(first)[0] == SERVICE
    assert "kube-registry" in dumped()
    assert new_run().engine.undo() == []
    assert dumped() == before


def test_a_service_that_is_there_is_left_until_deploy_has_its_turn(new_run: NewRun) -> None:
    """It leads to somebody's registry, which should be away as shortly as can be."""
    first = new_run(consent={"adopt": ["service"], "replace_record": "A 127.80.0.1"})
    cluster = first.engine.services.cluster
    ports = [{"port": 443, "targetPort": 5000}]
    foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-registry"}}
    made_by_hand = cluster.create({**foreign, "spec": {"ports": ports, "selector": {"app": "old"}}})
    try:
        kill_after(first, lambda event: isinstance(event, ChangeFinished))
        assert [step for step, _ in made(first)] == [StepId.BUCKET]
    finally:
        cluster.delete("v1", "Service", "kube-registry", uid=made_by_hand["metadata"]["uid"])
        assert new_run().engine.undo(delete_bucket="engine-images") == []


def test_a_person_reads_of_it_below_its_steps_title() -> None:
    from wizard.events import StepFinished, StepStarted, StepStatus

    out = io.StringIO()
    tell = Narrator(out)
    tell(RunStarted("apply", "engine", (StepId.CONNECT, StepId.BUCKET, StepId.DEPLOY)))
    tell(StepStarted(StepId.CONNECT))
    tell(StepFinished(StepId.CONNECT, StepStatus.DONE))
    tell(ChangeFinished(StepId.DEPLOY, "Make the Service", 0.1))
    for step in (StepId.BUCKET, StepId.DEPLOY):
        tell(StepStarted(step))
        tell(ChangeFinished(step, f"work of {step}", 0.1))
        tell(StepFinished(step, StepStatus.DONE))
    assert out.getvalue().split("\n\n") == [
        "\nConnect",
        "Bucket\n  + work of bucket (0.1 s)",
        "Deploy\n  + Make the Service (0.1 s)\n  + work of deploy (0.1 s)\n",
    ]
