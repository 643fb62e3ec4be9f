"""The certificate step goes on after a crash, at any point, without a second order."""

import threading
from datetime import timedelta
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
from wizard.services import certificates
from wizard.services.acme import Acme
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


@pytest.mark.parametrize(
    ("slow", "asked"), [("validation_delay_s", "authorization"), ("issuance_delay_s", "order")]
)
def test_waiting_for_the_ca_can_be_stopped(
    rig_for: MakeRig,
    world: World,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    slow: str,
    asked: str,
) -> None:
    """At once, though the CA wants to be left alone for long; till then it is left alone."""
    setattr(world.acme.settings, slow, 600.0)
    world.acme.settings.retry_after_s = 600
    rig, requests, ask = rig_for(), [], getattr(Acme, asked)

    def counting(acme: Acme, url: str) -> Any:
        requests.append(url)
        return ask(acme, url)

    monkeypatch.setattr(Acme, asked, counting)
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
    assert len(requests) == {"authorization": 2, "order": 1}[asked]
    assert threading.active_count() < 100


@pytest.mark.parametrize(
    ("changed", "orders"),
    [
        ({"profile": "shortlived"}, {"answer": 2, "certificate": 2}),
        ({"key_type": "ecdsa-p384"}, {"answer": 1, "certificate": 2}),
    ],
)
@pytest.mark.parametrize("at", ["answer", "certificate"])
def test_an_order_for_something_else_is_left(
    rig_for: MakeRig,
    world: World,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    orders: dict[str, int],
    at: str,
) -> None:
    """The answers have changed since; only a signing request ties an order to a kind of key."""
    crash_at(monkeypatch, rig_for(), f"wizard.services.acme.Acme.{at}")
    rig_for(**changed).run(STEP)
    assert world.ordered() == orders[at]
    chain, data = chain_of(cluster), data_of(cluster)
    assert chain.key_matches
    assert certificates.key_type(data[names.PRIVATE_KEY]) == changed.get("key_type", "ecdsa-p256")
    is_short = chain.not_after - chain.not_before < timedelta(days=8)
    assert is_short == ("profile" in changed)


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
