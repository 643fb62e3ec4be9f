"""The inventory tells what somebody made and left, and is blind only to what comes and goes by itself."""

from typing import Any

import pytest
from kubernetes import client as kube

from tests.practice.kubernetes.conftest import Cluster


@pytest.mark.parametrize(("namespace", "is_told"), [("default", True), ("kube-node-lease", False)])
def test_a_lock_that_was_left_is_told_and_a_heartbeat_is_not(
    cluster: Cluster, api_client: kube.ApiClient, namespace: str, is_told: bool
) -> None:
    before = cluster.server.dump()
    leases: Any = kube.CoordinationV1Api(api_client)
    leases.create_namespaced_lease(
        namespace, {"metadata": {"name": "left"}, "spec": {"holderIdentity": "somebody"}}
    )
    try:
        assert (cluster.server.dump() != before) is is_told
    finally:
        leases.delete_namespaced_lease("left", namespace)
    assert cluster.server.dump() == before
