"""What clients notice of a renewal: nothing, whether it succeeds or fails; measured through the balancer."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from tests.practice.renew.conftest import Finished
from wizard import names, rules
from wizard.errors import WizardError
from wizard.events import StepId
from wizard.polling import NotReady, wait_until
from wizard.practice.world import DOMAIN
from wizard.services.registry import MANIFEST_TYPE, Login, Registry, digest_of
from wizard.steps import _deploy_rollout

LAYER = b"a layer of this test" * 1000
REPOSITORY = "pulled"


@dataclass
class Puller:
    """Pulls an image over and over, as many clients would: each time by a connection of its own."""

    finished: Finished
    login: Login
    pulled: int = 0
    lost: list[str] = field(default_factory=list)

    def push(self) -> None:
        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": len(LAYER)}
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {**config, "digest": digest_of(b"{}")},
            "layers": [{**layer, "digest": digest_of(LAYER)}],
        }
        with self._registry() as registry:
            registry.push_blob(REPOSITORY, b"{}")
            registry.push_blob(REPOSITORY, LAYER)
            registry.put_manifest(REPOSITORY, "latest", json.dumps(manifest).encode())

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Begins before the body, and ends with a pull that began after it."""
        over, begun = threading.Event(), threading.Event()

        def loop() -> None:
            is_last = False
            while not is_last:
                is_last = over.is_set()
                self._pull()
                begun.set()

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        assert begun.wait(60)
        try:
            yield
        finally:
            over.set()
            thread.join(60)
            assert not thread.is_alive()

    def _pull(self) -> None:
        try:
            with self._registry() as registry:
                registry.get_manifest(REPOSITORY, "latest")
                assert registry.pull_blob(REPOSITORY, digest_of(LAYER)).digest == digest_of(LAYER)
            self.pulled += 1
        except WizardError as error:
            self.lost.append(str(error.problem))

    def _registry(self) -> Registry:
        return Registry(DOMAIN, self.finished.services.endpoints, login=self.login)


@pytest.fixture
def puller(finished: Finished) -> Puller:
    config = json.loads(finished.contents(names.CHECK_SECRET)[names.DOCKER_CONFIG_KEY])
    password = config["auths"][DOMAIN]["password"]
    made = Puller(finished, Login(rules.CHECK_USER, SecretStr(password)))
    made.push()
    return made


@contextmanager
def no_room_for_another_pod(finished: Finished) -> Iterator[None]:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}}
    finished.cluster.create({**quota, "spec": {"hard": {"pods": "2"}}})
    yield
    finished.cluster.delete("v1", "ResourceQuota", "tight")


@contextmanager
def new_pods_that_cannot_start(finished: Finished) -> Iterator[Callable[[], None]]:
    """Without the Secret that they mount; those that run keep what they have read. Gives what ends it."""
    data = finished.contents(names.HTPASSWD_SECRET)

    def put_back() -> None:
        finished.cluster.write_secret(names.HTPASSWD_SECRET, data, setup=finished.answers.setup)

    finished.cluster.delete("v1", "Secret", names.HTPASSWD_SECRET)
    try:
        yield put_back
    finally:
        put_back()


@contextmanager
def starting_slowly(finished: Finished, is_enough: Callable[[], bool]) -> Iterator[None]:
    """New Pods cannot start before `is_enough`: fast ones would leave a gap that no pull may fall into."""
    over = threading.Event()

    def let_start() -> None:
        until(lambda: is_enough() or over.is_set())
        put_back()

    with new_pods_that_cannot_start(finished) as put_back:
        thread = threading.Thread(target=let_start, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(60)


FAULTS = {"quota": no_room_for_another_pod, "mount": new_pods_that_cannot_start}


def pods(finished: Finished) -> list[str]:
    return [pod["metadata"]["name"] for pod in finished.cluster.list("v1", "Pod")]


def until(is_so: Callable[[], bool]) -> None:
    def looked() -> bool:
        if not is_so():
            raise NotReady("not yet")
        return True

    never = threading.Event()
    wait_until(looked, what="it", deadline_s=60, step=StepId.DEPLOY, emit=lambda _: None, cancel=never)


def test_no_pull_is_lost_while_two_pods_are_renewed(finished: Finished, puller: Puller) -> None:
    former = finished.served()

    def is_enough() -> bool:
        return puller.pulled >= len(pods(finished)) * 3 and len(pods(finished)) > 2

    with puller.pulling(), starting_slowly(finished, is_enough):
        finished.run().renew()
    assert finished.served() != former
    assert puller.lost == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rollout_that_fails_leaves_the_former_certificate_served(
    finished: Finished, puller: Puller, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """And the certificate that was got is not lost: the next try needs no other one."""
    before, former = finished.contents(), finished.served()
    with monkeypatch.context() as patched, FAULTS[fault](finished), puller.pulling():
        patched.setattr(_deploy_rollout, "ROLLOUT_DEADLINE_S", 5)
        with pytest.raises(WizardError) as failed:
            finished.run().renew()
        assert failed.value.problem.code == "renewal-taken-back"
        assert finished.served() == former == finished.stored()
    assert puller.lost == []
    after = finished.contents()
    for key in (names.CERTIFICATE_KEY, names.PRIVATE_KEY):
        assert after[key] == before[key]
    orders = finished.count("order")
    finished.run().renew()
    assert finished.count("order") == orders
    assert finished.contents()[names.CERTIFICATE_KEY] == after["next.crt"]
    assert finished.served() == finished.stored() != former


def test_with_one_pod_that_may_go_first_pulls_are_lost(finished: Finished, puller: Puller) -> None:
    """So the measurement can tell; the last test here, for it leaves the Deployment changed."""
    rolling = {"maxUnavailable": 1, "maxSurge": 0}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    body = {"spec": {"replicas": 1, "strategy": strategy}}
    finished.cluster.patch("apps/v1", "Deployment", names.REGISTRY, body)
    until(lambda: len(pods(finished)) == 1)
    with puller.pulling(), starting_slowly(finished, lambda: bool(puller.lost)):
        finished.run().renew()
    assert len(puller.lost) > 0
    live = finished.cluster.get("apps/v1", "Deployment", names.REGISTRY)
    assert live
    assert live["spec"]["strategy"]["rollingUpdate"] == rolling
