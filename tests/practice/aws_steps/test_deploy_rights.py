"""Who may work with one kind of workload only needs no right to look at the other."""

from collections.abc import Callable
from typing import Any

import pytest

from wizard.errors import AccessDenied
from wizard.practice.kubernetes import KubernetesServer
from wizard.steps.deploy import DeployStep

STEP = DeployStep()
PLURALS = {"Deployment": "deployments", "ReplicationController": "replicationcontrollers"}


@pytest.mark.parametrize("wanted", PLURALS)
def test_the_other_kind_may_be_out_of_sight(
    wanted: str, make_rig: Callable[..., Any], kube_server: KubernetesServer
) -> None:
    rig = make_rig({"bucket": {"name": "any"}, "deploy": {"workload": wanted}})
    (other,) = (plural for kind, plural in PLURALS.items() if kind != wanted)
    denied: Any = kube_server.denied
    denied.add(("get", other))
    facts = STEP.inspect(rig.context(STEP.id))
    assert (facts.deployment, facts.replication_controller) == (None, None)
    denied.add(("get", PLURALS[wanted]))
    with pytest.raises(AccessDenied) as caught:
        STEP.inspect(rig.context(STEP.id))
    assert caught.value.action == f"get {PLURALS[wanted]}"
