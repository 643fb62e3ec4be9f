"""Pull Secrets for other namespaces: made on request, proven by Pods that really pull, taken back."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from wizard import names
from wizard.errors import Refused, WizardError
from wizard.events import CheckFinished, CheckStatus, StepId
from wizard.practice.world import DOMAIN
from wizard.services.cluster import Cluster
from wizard.services.registry import Registry
from wizard.steps import _proof_pod, proof
from wizard.steps._proof_image import ProofImage

NewRun = Callable[..., Any]
DEADLINE_S = 30.0
SHOP = "shop"
TABLE = {"pull_secret_namespaces": [SHOP]}


@pytest.fixture
def shop(new_run: NewRun) -> Iterator[Cluster]:
    """A namespace of somebody's own; at the end all is taken back."""
    cluster: Cluster = new_run().engine.services.cluster.in_namespace(SHOP)
    if cluster.get("v1", "Namespace", SHOP, namespaced=False) is None:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}})
    yield cluster
    assert new_run().engine.undo(delete_bucket="engine-images") == []
    assert cluster.get("v1", "Secret", names.PULL_SECRET) is None


def test_a_namespace_that_is_not_there_is_told_before_anything_is_done(
    new_run: NewRun, shop: Cluster
) -> None:
    with pytest.raises(Refused) as refused:
        new_run(proof={"pull_secret_namespaces": [SHOP, "nowhere"]}).engine.apply()
    assert refused.value.problem.code == "pull-namespace-missing"
    assert shop.list("v1", "Secret") == []


def test_a_secret_of_somebody_else_is_left_alone(new_run: NewRun, shop: Cluster) -> None:
    shop.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names.PULL_SECRET}})
    with pytest.raises(Refused) as refused:
        new_run(proof=TABLE).engine.apply()
    assert refused.value.problem.code == "pull-secret-there"
    shop.delete("v1", "Secret", names.PULL_SECRET)


def test_a_pull_secret_is_made_and_proven_and_follows_the_answers(new_run: NewRun, shop: Cluster) -> None:
    run = new_run(proof=TABLE)
    run.engine.apply()
    checks = {event.check: event for event in run.events if isinstance(event, CheckFinished)}
    assert checks["pull-in-shop"].status is CheckStatus.PASSED
    assert shop.list("v1", "Pod") == []

    again = new_run(proof=TABLE)
    again.engine.apply()
    assert not again.engine.has_changed_anything

    engine = new_run(proof=TABLE).engine
    engine.inspect()
    image = ProofImage()
    with Registry(DOMAIN, engine.services.endpoints, login=proof._login(engine._context(StepId.PROOF))) as at:
        image.push(at)
    reference = f"{DOMAIN}/{names.PROOF_REPOSITORY}:{image.tag}"
    assert "no basic auth credentials" in waits(shop, reference, [])
    assert "no basic auth credentials" in waits(shop, reference, ["not-there"])
    shop.write_secret(
        "wrong",
        {
            names.DOCKER_CONFIG_KEY: b'{"auths": {"%s": {"username": "eve", "password": "guess"}}}'
            % DOMAIN.encode()
        },
        setup="",
        type="kubernetes.io/dockerconfigjson",
    )
    assert "401 Unauthorized" in waits(shop, reference, ["wrong"])
    assert "not found" in waits(shop, f"{DOMAIN}/nothing:1", [names.PULL_SECRET])
    assert waits(shop, reference, [names.PULL_SECRET]) == "running"

    bad = shop.read_secret("wrong")
    assert bad is not None
    setup = engine.answers.setup
    shop.write_secret(names.PULL_SECRET, bad.data, setup=setup, type="kubernetes.io/dockerconfigjson")
    with pytest.raises(WizardError) as refused:
        _proof_pod.pull_in(engine._context(StepId.PROOF), SHOP, image.tag, architecture_of(shop))
    assert "401 Unauthorized" in refused.value.problem.why
    assert shop.list("v1", "Pod") == []

    left = new_run()
    left.engine.apply()
    assert shop.get("v1", "Secret", names.PULL_SECRET) is None


def waits(cluster: Cluster, image: str, secrets: list[str]) -> str:
    """What a Pod with this image ends up waiting for, or "running"; it is removed again."""
    manifest = _proof_pod.manifest(SHOP, image, "", architecture_of(cluster))
    manifest["spec"]["imagePullSecrets"] = [{"name": name} for name in secrets]
    name = cluster.create(manifest)["metadata"]["name"]
    deadline = time.monotonic() + DEADLINE_S
    seen: Mapping[str, Any] = {}
    try:
        while time.monotonic() < deadline:
            pod = cluster.get("v1", "Pod", name) or {}
            seen = _proof_pod._state(pod)
            waiting = seen.get("waiting") or {}
            if "running" in seen:
                return "running"
            if waiting.get("reason") in {"ErrImagePull", "ImagePullBackOff"}:
                return str(waiting["message"])
            time.sleep(0.02)
    finally:
        cluster.delete("v1", "Pod", name)
    raise AssertionError(seen)


def architecture_of(cluster: Cluster) -> str:
    return str(cluster.list("v1", "Node", namespaced=False)[0]["status"]["nodeInfo"]["architecture"])
