"""The step deploy in the practice world: real API requests, real registry processes, real balancers."""

import base64
import threading
from collections.abc import Callable
from typing import Any

import pytest

from wizard import names
from wizard.errors import WizardError
from wizard.events import CheckStatus, Verb, WaitStarted
from wizard.polling import wait_until
from wizard.practice.world import World
from wizard.steps import _deploy_balancer, _deploy_rollout
from wizard.steps.deploy import DeployStep

STEP = DeployStep()
MakeRig = Callable[..., Any]


def pods(rig: Any) -> list[str]:
    """Names of the Pods that are to stay, in whatever state."""
    found = [pod["metadata"] for pod in rig.cluster.list("v1", "Pod")]
    return [metadata["name"] for metadata in found if "deletionTimestamp" not in metadata]


def left(rig: Any) -> list[str]:
    """What of the deploy step's objects is still there."""
    kinds = {"Service": "v1", "Deployment": "apps/v1", "ReplicationController": "v1"}
    found = [kind for kind, version in kinds.items() if rig.cluster.get(version, kind, names.REGISTRY)]
    secrets = (names.HTTP_SECRET, names.FORMER_SECRET)
    return found + [name for name in secrets if rig.cluster.secret_facts(name).exists] + pods(rig)


def test_a_new_http_secret_reaches_all_pods(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.run(STEP)
    former = set(pods(rig))
    rig.cluster.delete("v1", "Secret", names.HTTP_SECRET)
    rig.run(STEP)
    assert not former & set(pods(rig))
    assert rig.run(STEP).changes == ()


def test_from_nothing_to_a_balancer_that_serves_the_certificate_and_back(
    make_rig: MakeRig, world: World
) -> None:
    rig = make_rig(replicas=2)
    plan = rig.run(STEP)
    assert [change.verb for change in plan.changes[:3]] == [Verb.CREATE] * 3
    facts = rig.facts.deploy
    assert facts is not None
    assert facts.balancer is not None
    assert (facts.balancer.kind, facts.balancer.scheme, facts.balancer.idle_timeout_s) == (
        "classic",
        "internet-facing",
        3600,
    )
    assert facts.ready_pods == 2

    before, seen = world.ledger.snapshot()["mutating_total"], len(rig.events)
    assert rig.run(STEP).changes == ()
    assert world.ledger.snapshot()["mutating_total"] == before
    waits = [event.deadline_s for event in rig.events[seen:] if isinstance(event, WaitStarted)]
    assert max(waits) < 60

    told = rig.undo(STEP)
    assert left(rig) == []
    assert rig.services.aws.describe_balancer(facts.balancer_hostname) is None
    assert any("load balancer is gone" in line for line in told)
    assert all("gone" in line or "Nothing" in line for line in rig_undo_again(rig))


def rig_undo_again(rig: Any) -> list[str]:
    """What undo says of everything when it is run once more, as after a crash."""
    return [STEP.undo(rig.context(STEP), entry) for entry in rig.journal.entries(STEP.id)]


def test_a_new_certificate_rolls_a_deployment(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.run(STEP)
    old = pods(rig)
    rig.renew()
    plan = rig.run(STEP)
    assert "certificate" in plan.changes[0].summary
    assert not set(pods(rig)) & set(old)


def test_a_replication_controller_has_its_pods_replaced_one_by_one(make_rig: MakeRig) -> None:
    rig = make_rig(workload="ReplicationController", replicas=2)
    rig.run(STEP)
    old = pods(rig)
    rig.renew()
    plan = rig.run(STEP)
    assert [change.action for change in plan.changes] == ["apply-workload", "replace-pods", "await-registry"]
    assert not set(pods(rig)) & set(old)
    waits = [event.what for event in rig.events if isinstance(event, WaitStarted)]
    assert len([what for what in waits if what.startswith("a new Pod in place of")]) == 2


def test_the_http_secret_is_random_and_stays(make_rig: MakeRig) -> None:
    rig = make_rig()
    change = rig.plan(STEP).changes[0]
    rig.apply(STEP, change)
    first = rig.cluster.read_secret(names.HTTP_SECRET)
    rig.apply(STEP, change)
    second = rig.cluster.read_secret(names.HTTP_SECRET)
    assert first is not None
    assert second is not None
    assert first.data == second.data
    assert len(first.data[names.HTTP_SECRET_KEY]) > 32


def test_a_crash_at_any_point_makes_nothing_twice(make_rig: MakeRig) -> None:
    rig = make_rig()
    for change in rig.plan(STEP).changes[:-1]:
        rig.apply(STEP, change, crashes=True)
    uids = objects_by_uid(rig)
    plan = rig.plan(STEP)
    assert [change.action for change in plan.changes] in ([], ["await-registry"])
    for change in STEP.plan(rig.answers, rig.facts).changes:
        rig.apply(STEP, change)
    rig.run(STEP)
    assert objects_by_uid(rig) == uids
    rig.undo(STEP)
    assert left(rig) == []


def objects_by_uid(rig: Any) -> dict[str, str]:
    service = rig.cluster.get("v1", "Service", names.REGISTRY)
    deployment = rig.cluster.get("apps/v1", "Deployment", names.REGISTRY)
    assert service is not None
    assert deployment is not None
    return {each["kind"]: each["metadata"]["uid"] for each in (service, deployment)}


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("registry:nope", "image-not-found"),
        ("ghcr.io/private/thing:1", "image-denied"),
    ],
)
def test_an_image_that_cannot_be_pulled_ends_the_wait_early(make_rig: MakeRig, image: str, code: str) -> None:
    rig = make_rig(image=image)
    assert failure(rig).problem.code == code


def test_a_registry_that_crashes_is_told_by_its_last_words(make_rig: MakeRig) -> None:
    rig = make_rig()
    broken = {names.CERTIFICATE_KEY: b"not a certificate", names.PRIVATE_KEY: b"not a key"}
    rig.cluster.write_secret(names.CERTIFICATE_SECRET, broken, setup=rig.answers.setup)
    error = failure(rig)
    assert error.problem.code == "registry-tls-files"
    assert error.problem.raw


def test_a_missing_secret_is_named_when_the_deadline_passes(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_deploy_rollout, "ROLLOUT_DEADLINE_S", 1.5)
    rig = make_rig()
    rig.cluster.delete("v1", "Secret", names.HTPASSWD_SECRET)
    failure(rig)
    # Now the Pod is there; on a busy machine the node may take its time to say what it misses.
    wait_until(
        lambda: [
            pod for pod in pods(rig) if names.HTPASSWD_SECRET in str(rig.cluster.events_for("Pod", pod))
        ],
        what="the Event",
        deadline_s=60,
        step=STEP.id,
        emit=lambda _: None,
        cancel=threading.Event(),
    )
    error = failure(rig)
    assert error.problem.code == "failed-mount"
    assert names.HTPASSWD_SECRET in error.problem.why


def test_pod_security_restricted_lets_the_pods_in(make_rig: MakeRig) -> None:
    rig = make_rig()
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    rig.cluster.patch("v1", "Namespace", rig.answers.setup, label)
    rig.run(STEP)
    assert rig.cluster.warnings == []


def test_a_quota_without_room_is_told(make_rig: MakeRig) -> None:
    rig = make_rig()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    rig.cluster.create({**quota, "spec": {"hard": {"pods": "0"}}})
    assert failure(rig).problem.code == "quota"


def test_an_internal_balancer_is_not_expected_to_answer_here(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.run(STEP)
    rig.answer(scheme="internal")
    former = rig.facts.deploy.balancer_hostname if rig.facts.deploy else ""
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(_deploy_balancer, "SETTLE_DEADLINE_S", 0.2)
        plan = rig.run(STEP)
        assert plan.changes[0].params["is_new_balancer"]
        results = rig.verify(STEP)
    assert rig.facts.deploy is not None
    assert rig.facts.deploy.balancer is not None
    assert rig.facts.deploy.balancer.scheme == "internal"
    assert rig.facts.deploy.balancer_hostname != former
    assert results["serial"].status is CheckStatus.WARNING


def test_a_network_load_balancer_on_wish(make_rig: MakeRig) -> None:
    rig = make_rig(load_balancer="nlb", idle_timeout_s=600)
    rig.run(STEP)
    assert rig.facts.deploy is not None
    assert rig.facts.deploy.balancer is not None
    assert (rig.facts.deploy.balancer.kind, rig.facts.deploy.balancer.idle_timeout_s) == ("nlb", 600)


def test_the_other_kind_of_workload_is_replaced(make_rig: MakeRig) -> None:
    rig = make_rig(workload="ReplicationController")
    rig.run(STEP)
    rig.answer(workload="Deployment")
    rig.run(STEP)
    assert rig.cluster.get("v1", "ReplicationController", names.REGISTRY) is None
    rig.undo(STEP)
    assert left(rig) == []


def guide_service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": names.REGISTRY, "labels": {"app": "kube-registry"}},
        "spec": {"selector": {"app": "kube-registry"}, "ports": [{"port": 80, "targetPort": 5000}]},
    }


def guide_controller() -> dict[str, Any]:
    """With its key as a plain value, as the guide has it; its image just sleeps."""
    env = [{"name": "REGISTRY_STORAGE_S3_SECRETKEY", "value": "a plain secret"}]
    labels = {"app": "kube-registry"}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": names.REGISTRY, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": labels,
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "registry", "image": "busybox", "env": env}]},
            },
        },
    }


@pytest.mark.parametrize("kind", ["ReplicationController", "Deployment"])
def test_what_was_there_is_adopted_with_consent_and_given_back(make_rig: MakeRig, kind: str) -> None:
    rig = make_rig(workload=kind)
    before = [rig.cluster.create(guide_service()), rig.cluster.create(guide_controller())]
    assert [consent.value for consent in rig.plan(STEP).consents] == ["service", "workload"]
    assert "a plain secret" not in repr(rig.facts)

    rig.consent(adopt=["service", "workload"])
    rig.run(STEP)
    assert b"a plain secret" not in rig.journal._path.read_bytes()

    rig.undo(STEP)
    assert left(rig)[:2] == ["Service", "ReplicationController"]
    after = [
        rig.cluster.get("v1", "Service", names.REGISTRY),
        rig.cluster.get("v1", "ReplicationController", names.REGISTRY),
    ]
    for was, now in zip(before, after, strict=True):
        assert now is not None
        assert now["metadata"].get("labels") == was["metadata"].get("labels")
        assert now["metadata"].get("annotations") == was["metadata"].get("annotations")
        assert now["spec"] == was["spec"]
    assert not rig.cluster.secret_facts(names.FORMER_SECRET).exists


def test_an_adopted_service_that_was_made_anew_is_given_back(make_rig: MakeRig) -> None:
    rig = make_rig()
    before = rig.cluster.create(guide_service())
    rig.consent(adopt=["service"])
    rig.run(STEP)
    rig.answer(load_balancer="nlb")
    rig.run(STEP)
    live = rig.cluster.get("v1", "Service", names.REGISTRY)
    assert live is not None
    assert live["spec"]["clusterIP"] != before["spec"]["clusterIP"]
    assert any("has its former settings back" in line for line in rig.undo(STEP))
    now = rig.cluster.get("v1", "Service", names.REGISTRY)
    assert now is not None
    assert now["metadata"].get("labels") == before["metadata"].get("labels")
    assert (now["spec"]["selector"], now["spec"]["type"]) == (before["spec"]["selector"], "ClusterIP")
    assert not rig.cluster.secret_facts(names.FORMER_SECRET).exists


def apply_one(rig: Any, action: str) -> Any:
    """The entry of one change, carried out."""
    (change,) = (each for each in rig.plan(STEP).changes if each.action == action)
    rig.apply(STEP, change)
    return rig.journal.entries(STEP.id)[-1]


@pytest.mark.parametrize("is_changed", [False, True])
def test_an_adopted_http_secret_loses_our_key_only(make_rig: MakeRig, is_changed: bool) -> None:
    rig = make_rig()
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names.HTTP_SECRET}}
    rig.cluster.create({**theirs, "data": {"theirs": base64.b64encode(b"x").decode()}})
    entry = apply_one(rig, "write-http-secret")
    data = {"theirs": b"x", names.HTTP_SECRET_KEY: b"another"}
    if is_changed:
        rig.cluster.write_secret(names.HTTP_SECRET, data, setup=rig.answers.setup)
    STEP.undo(rig.context(STEP), entry)
    found = rig.cluster.read_secret(names.HTTP_SECRET)
    assert found is not None
    assert dict(found.data) == (data if is_changed else {"theirs": b"x"})
    assert found.facts.owner == ""


def test_no_copy_stays_where_another_workload_has_the_name(make_rig: MakeRig) -> None:
    """Or where undo was killed right after it had brought the former one back."""
    rig = make_rig(workload="ReplicationController")
    rig.cluster.create(guide_controller())
    rig.consent(adopt=["workload"])
    entry = apply_one(rig, "remove-workload")
    assert rig.cluster.secret_facts(names.FORMER_SECRET).exists
    rig.cluster.create(guide_controller())
    assert "it stays" in STEP.undo(rig.context(STEP), entry)
    assert not rig.cluster.secret_facts(names.FORMER_SECRET).exists


def test_the_copy_is_kept_while_our_workload_has_the_name(make_rig: MakeRig) -> None:
    rig = make_rig(workload="ReplicationController")
    rig.cluster.create(guide_controller())
    rig.consent(adopt=["workload"])
    removed, made = apply_one(rig, "remove-workload"), apply_one(rig, "apply-workload")
    with pytest.raises(WizardError, match="not brought back yet"):
        STEP.undo(rig.context(STEP), removed)
    STEP.undo(rig.context(STEP), made)
    assert "is back" in STEP.undo(rig.context(STEP), removed)
    assert not rig.cluster.secret_facts(names.FORMER_SECRET).exists


def test_an_adopted_service_that_others_changed_since_is_left(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.cluster.create(guide_service())
    rig.consent(adopt=["service"])
    rig.run(STEP)
    rig.cluster.patch("v1", "Service", names.REGISTRY, {"spec": {"selector": {"app": "mine"}}})
    assert any("changed by others since" in line for line in rig.undo(STEP))


def test_fields_of_others_are_taken_over_with_consent_only(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.run(STEP)
    scale = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": names.REGISTRY}}
    wanted = {**scale, "spec": {"replicas": 2}}
    rig.cluster._object(
        "PATCH",
        "apps/v1",
        "Deployment",
        names.REGISTRY,
        "patch",
        namespaced=True,
        query={"fieldManager": "autoscaler", "force": "true"},
        body=wanted,
        content_type="application/apply-patch+yaml",
    )
    plan = rig.plan(STEP)
    assert "autoscaler holds spec.replicas" in plan.consents[0].question
    with pytest.raises(WizardError) as caught:
        rig.apply(STEP, plan.changes[0])
    assert "autoscaler" in str(caught.value.problem) + caught.value.problem.raw
    rig.consent(take_over_fields=True)
    rig.run(STEP)
    live = rig.cluster.get("apps/v1", "Deployment", names.REGISTRY)
    assert live is not None
    assert live["spec"]["replicas"] == 1


def test_no_secret_is_in_journal_events_and_facts(make_rig: MakeRig, world: World) -> None:
    rig = make_rig()
    rig.run(STEP)
    http_secret = rig.cluster.read_secret(names.HTTP_SECRET)
    assert http_secret is not None
    hidden = [http_secret.data[names.HTTP_SECRET_KEY].decode(), world.aws.admin.secret_access_key]
    hidden += [base64.b64encode(text.encode()).decode() for text in hidden]
    told = rig.journal._path.read_text() + repr(rig.events) + repr(rig.facts)
    assert not [text for text in hidden if text in told]


def failure(rig: Any) -> WizardError:
    """Applies all, and gives what it failed with."""
    with pytest.raises(WizardError) as caught:
        rig.run(STEP)
    return caught.value
