"""The certificate step goes on after a crash, at any point, without a second order."""

import threading
from typing import Any

import pytest

from tests.practice.cluster_steps.certificate.support import (
    STEP,
    MakeRig,
    World,
    chain_of,
    crash_at,
    data_of,
    issue,
    refusal,
)
from wizard import names
from wizard.errors import Cancelled
from wizard.events import WaitProgress
from wizard.practice.web import Fault
from wizard.services.cluster import Cluster


@pytest.mark.parametrize(
    ("target", "orders"),
    [
        ("wizard.services.acme.Acme.register", 1),
        ("wizard.services.acme.Acme.new_order", 1),
        ("wizard.services.acme.Acme.answer", 1),
        ("wizard.services.acme.Acme.finalize", 1),
        ("wizard.services.acme.Acme.certificate", 1),
        ("wizard.steps._acme_issue.install", 1),
        ("wizard.journal.Entry.done", 1),
    ],
)
def test_a_run_that_was_killed_is_gone_on_with(
    rig_for: MakeRig,
    world: World,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    orders: int,
) -> None:
    crash_at(monkeypatch, rig_for(), target)
    rig_for().run(STEP)
    assert (world.ordered(), world.issued()) == (orders, 1)
    assert chain_of(cluster).key_matches
    assert names.NEXT_PRIVATE_KEY not in data_of(cluster)
    assert sum(entry.kind == "account" for entry in world.acme.log) == 1


def test_files_of_a_killed_run_are_removed(
    rig_for: MakeRig, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(world.webroot.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("wizard.steps._acme_http.InWebroot.cleanup", lambda _: None)
        patch.setattr("wizard.steps._acme_issue.clean_up", lambda _: None)
        crash_at(monkeypatch, rig_for(), "wizard.services.acme.Acme.answer")
    assert sorted(world.webroot.rglob("*")) != before
    rig_for().run(STEP)
    assert sorted(world.webroot.rglob("*")) == before


def test_an_order_that_failed_is_not_gone_on_with(rig_for: MakeRig, world: World) -> None:
    world.web.fail(Fault(404))
    assert refusal(lambda: issue(rig_for(preflight=False))) == "acme-unauthorized"
    world.web.heal()
    rig_for().run(STEP)
    assert world.ordered() == 2


def test_waiting_for_the_ca_can_be_stopped(rig_for: MakeRig, world: World, cluster: Cluster) -> None:
    world.acme.settings.issuance_delay_s = 600.0
    rig = rig_for()
    made = rig.context

    def context(step: Any) -> Any:
        found = made(step)

        def emit(event: Any) -> None:
            if isinstance(event, WaitProgress):
                rig.cancel.set()

        found.emit = emit
        return found

    rig.context = context
    with pytest.raises(Cancelled):
        issue(rig)
    assert names.NEXT_PRIVATE_KEY in data_of(cluster)
    assert threading.active_count() < 100


def test_a_change_that_was_carried_out_already_is_not_repeated(rig_for: MakeRig, world: World) -> None:
    rig = rig_for()
    changes = rig.plan(STEP).changes
    for change in (*changes, *changes):
        rig.apply(STEP, change)
    assert (world.ordered(), world.issued()) == (1, 1)
    assert sum(entry.kind == "account" for entry in world.acme.log) == 1


def test_a_run_that_is_killed_again_and_again_keeps_order_and_key(
    rig_for: MakeRig, cluster: Cluster, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = set()
    for method in ("answer", "finalize", "certificate"):
        crash_at(monkeypatch, rig_for(), f"wizard.services.acme.Acme.{method}")
        keys.add(data_of(cluster)[names.NEXT_PRIVATE_KEY])
    rig_for().run(STEP)
    assert keys == {data_of(cluster)[names.PRIVATE_KEY]}
    assert (world.ordered(), world.issued()) == (1, 1)
