"""Killed before or after any request to the CA, and run again: one certificate, one order lost at most."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.practice.cluster_steps.certificate.support import STEP, MakeRig, World, chain_of, issue
from wizard import attempts, names
from wizard.attempts import Attempts
from wizard.services._acme_network import Network
from wizard.services.cluster import Cluster

MOST_REQUESTS = 40
pytestmark = pytest.mark.e2e  # as slow as those: some thirty issuances


class Killed(BaseException):
    """The plug was pulled."""


@pytest.mark.parametrize("is_answered", [False, True])
def test_an_issuance_that_is_killed_at_any_request_ends_with_one_certificate(
    rig_for: MakeRig,
    world: World,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    is_answered: bool,
) -> None:
    """The ledger and the CA's log agree, but for an order of which no answer came."""
    post = Network.post
    for number in range(MOST_REQUESTS):
        (tmp_path / str(number)).mkdir()
        before = {kind: count(world, kind) for kind in ("order", "issued", "account")}
        left = [number]

        def cut(network: Network, *given: Any, left: list[int] = left, **more: Any) -> Any:
            left[0] -= 1
            if left[0] == -1 and not is_answered:
                raise Killed
            answer = post(network, *given, **more)
            if left[0] == -1:
                raise Killed
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(Network, "post", cut)
            try:
                issue(rig_for(journal=f"{number}/journal.jsonl"))
            except Killed:
                was_killed = True
            else:
                was_killed = False
        rig = rig_for(journal=f"{number}/journal.jsonl")
        rig.run(STEP)
        made = {kind: count(world, kind) - of_before for kind, of_before in before.items()}
        ledger = Attempts(rig.journal.path)
        directory, week = rig.services.endpoints.directory("production"), timedelta(days=7)
        told = {
            kind: ledger.count(kind, directory, within=week) for kind in (attempts.ORDER, attempts.ISSUED)
        }
        assert (made["issued"], made["account"]) == (1, 1), (number, made)
        assert made["order"] <= 2, (number, made)
        assert made["order"] <= told[attempts.ORDER] <= 2, (number, made, told)
        assert told[attempts.ISSUED] == 1, (number, told)
        assert chain_of(cluster).key_matches
        for name in (names.CERTIFICATE_SECRET, names.ACME_ACCOUNT_SECRET):
            cluster.delete("v1", "Secret", name)
        if not was_killed:
            return
    pytest.fail("there was no end of requests")


def count(world: World, kind: str) -> int:
    return sum(entry.kind == kind for entry in world.acme.log)
