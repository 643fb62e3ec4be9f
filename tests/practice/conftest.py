"""Servers in this process answer late on a busy machine, and the wizard's patience is measured for people."""

import pytest

from wizard.services.cluster import transport


@pytest.fixture(autouse=True)
def _patience_with_clusters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "test_services_cluster_transport" not in request.node.nodeid:
        monkeypatch.setattr(transport, "FIRST_TIMEOUTS_S", (60.0, 60.0))
        monkeypatch.setattr(transport, "FIRST_ANSWER_S", 120.0)
