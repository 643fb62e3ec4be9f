"""Renewals where Pods are not replaced by themselves, in a Secret that was there before the setup."""

from typing import Any

import pytest

from tests.practice.renew.conftest import Finished
from wizard import names
from wizard.engine import Engine
from wizard.errors import WizardError
from wizard.services.cluster import Cluster
from wizard.state import SetupDirectory
from wizard.steps import _deploy_renew

THEIRS = {names.CERTIFICATE_KEY: b"their certificate", names.PRIVATE_KEY: b"their key"}


@pytest.fixture(scope="module")
def deploy() -> dict[str, Any]:
    return {"workload": "ReplicationController", "replicas": 2}


@pytest.fixture
def adopted(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """The Secret is somebody else's: its labels were taken away, and what it held first is kept for undo."""
    monkeypatch.setattr(_deploy_renew, "SERVED_DEADLINE_S", 60)
    data = finished.contents()
    finished.cluster.delete("v1", "Secret", names.CERTIFICATE_SECRET)
    kept = {names.PREVIOUS_CERTIFICATE: b"their certificate", names.PREVIOUS_PRIVATE_KEY: b"their key"}
    finished.cluster.write_secret(names.CERTIFICATE_SECRET, {**data, **kept}, setup="")
    _without_labels(finished.cluster)
    return finished


def _without_labels(cluster: Cluster) -> None:
    body = {"metadata": {"labels": None}}
    cluster.patch("v1", "Secret", names.CERTIFICATE_SECRET, body)


def test_pods_are_replaced_one_by_one_and_the_pair_comes_back_where_that_fails(
    adopted: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, pair = adopted.stored(), adopted.contents()
    adopted.run().renew()
    first = adopted.stored()
    assert adopted.served() == first != former

    def fail(*given: Any) -> None:
        if given[2] != first:
            raise WizardError(_broken())

    with monkeypatch.context() as patched:
        patched.setattr("wizard.steps._deploy_balancer.await_serial", fail)
        with pytest.raises(WizardError) as caught:
            adopted.run().renew()
    assert caught.value.problem.code == "renewal-taken-back"
    assert adopted.served() == adopted.stored() == first
    for key in (names.PREVIOUS_CERTIFICATE, names.PREVIOUS_PRIVATE_KEY):
        assert adopted.contents()[key] == pair[key]


def test_undo_gives_the_secret_its_first_contents_back(adopted: Finished) -> None:
    """Last: it takes the whole setup back."""
    directory = SetupDirectory(adopted.state, adopted.answers.setup)
    engine = Engine(directory, adopted.answers, adopted.services, emit=adopted.events.append)
    engine.undo(delete_bucket=adopted.answers.bucket.name)
    assert adopted.contents() == THEIRS


def _broken() -> Any:
    from wizard.errors import Problem

    return Problem("not-served", "It is not served.", "For this test.", "Wait.")
