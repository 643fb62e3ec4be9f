"""What the deploy step would do, from answers and facts alone."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from wizard import manifests
from wizard.answers import Answers, from_mapping
from wizard.events import Verb
from wizard.facts import (
    BalancerFacts,
    BucketFacts,
    CertificateFacts,
    ChainFacts,
    ConnectFacts,
    DeployFacts,
    FactBook,
    SecretFacts,
    UserFacts,
)
from wizard.step import Plan
from wizard.steps._deploy_objects import redacted
from wizard.steps._deploy_plan import inputs_of, plan_deploy

HOST = "a1.eu-west-1.elb.amazonaws.com"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECRET = SecretFacts(name="registry-http-secret", exists=True, owner="team", keys=("http-secret",))
CLASSIC = BalancerFacts(
    name="a1", kind="classic", scheme="internet-facing", dns_name=HOST, dns_zone_id="Z1", idle_timeout_s=3600
)


def answers(**deploy: object) -> Answers:
    return from_mapping({"setup": "team", "bucket": {"name": "reg-prod"}, "deploy": deploy})


def book(
    deploy: DeployFacts | None = None, *, serial: str = "abc", key: str = "AKIA", controller: str = ""
) -> FactBook:
    chain = ChainFacts(serial=serial, names=(), issuer="CA", not_before=NOW, not_after=NOW, key_matches=True)
    return FactBook(
        connect=ConnectFacts(aws_region="eu-west-1", balancer_controller=controller),
        bucket=BucketFacts(aws_region="eu-west-1"),
        user=UserFacts(secret_access_key_id=key),
        certificate=CertificateFacts(chain=chain),
        deploy=deploy or DeployFacts(),
    )


def live_service(made: Answers) -> dict[str, Any]:
    found = manifests.service(made)
    found["status"] = {"loadBalancer": {"ingress": [{"hostname": HOST}]}}
    return found


def live_workload(made: Answers) -> dict[str, Any]:
    found = copy.deepcopy(manifests.workload(made, inputs_of(made, book(DeployFacts(http_secret=SECRET)))))
    replicas = made.deploy.replicas
    found["metadata"]["generation"] = 1
    counts = {"replicas": replicas, "availableReplicas": replicas, "updatedReplicas": replicas}
    found["status"] = {"observedGeneration": 1, **counts}
    return found


def all_up(made: Answers, **changed: Any) -> DeployFacts:
    workload = live_workload(made)
    field = "deployment" if made.deploy.workload == "Deployment" else "replication_controller"
    values: dict[str, Any] = {
        "http_secret": SECRET,
        "service": live_service(made),
        field: workload,
        "ready_pods": made.deploy.replicas,
        "balancer_hostname": HOST,
        "balancer": CLASSIC,
        "pod_digests": {"pod-1": manifests.template_digest(workload)},
    }
    return DeployFacts(**{**values, **changed})


def test_a_new_http_secret_starts_the_pods_anew_and_only_then() -> None:
    """Pods that sign uploads with different secrets refuse each other's: "blob upload invalid"."""
    made = answers(replicas=2)
    first = {change.action: change for change in plan_deploy(made, book()).changes}
    mark = first["write-http-secret"].params["mark"]
    workload = first["apply-workload"].params["manifest"]
    assert workload["spec"]["template"]["metadata"]["annotations"][manifests.HTTP_SECRET] == mark == "1"
    counts = {"replicas": 2, "availableReplicas": 2, "updatedReplicas": 2}
    live = {**copy.deepcopy(workload), "status": counts}
    up = all_up(made, deployment=live, http_secret_mark="1")
    assert plan_deploy(made, book(up)) == Plan()
    lost = plan_deploy(made, book(all_up(made, deployment=live, http_secret=None)))
    assert actions(lost)[:2] == ["write-http-secret", "apply-workload"]
    assert lost.changes[0].params["mark"] == "2"
    assert lost.changes[1].summary.endswith("the new HTTP secret")
    cut_off = plan_deploy(made, book(all_up(made, deployment=live, http_secret_mark="2")))
    assert actions(cut_off)[0] == "apply-workload"


@pytest.mark.parametrize(("controller", "is_tagged"), [("in-tree", True), ("auto-mode", False)])
def test_the_service_is_made_for_the_controller_of_the_cluster(controller: str, is_tagged: bool) -> None:
    plan = plan_deploy(answers(), book(controller=controller))
    (change,) = (change for change in plan.changes if change.action == "apply-service")
    annotations = change.params["manifest"]["metadata"]["annotations"]
    assert any("additional-resource-tags" in name for name in annotations) is is_tagged


def actions(plan: Plan) -> list[str]:
    return [change.action for change in plan.changes]


def foreign(live: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in live["metadata"].items() if key != "labels"}
    return {**live, "metadata": metadata}


@pytest.mark.parametrize("kind", ["Deployment", "ReplicationController"])
def test_the_plan_is_empty_after_success(kind: str) -> None:
    made = answers(workload=kind, replicas=2)
    plan = plan_deploy(made, book(all_up(made)))
    assert (plan.changes, plan.consents, plan.blockers) == ((), (), ())


def test_from_nothing_everything_is_made_in_order() -> None:
    plan = plan_deploy(answers(), book())
    assert actions(plan) == ["write-http-secret", "apply-service", "apply-workload", "await-registry"]
    assert [change.verb for change in plan.changes[:3]] == [Verb.CREATE] * 3
    assert "$" in plan.changes[1].cost


def test_a_plan_ahead_needs_no_earlier_facts() -> None:
    assert actions(plan_deploy(answers(), FactBook()))[0] == "write-http-secret"


@pytest.mark.parametrize(("changed", "told"), [({"serial": "def"}, "certificate"), ({"key": "AKIB"}, "key")])
def test_a_new_certificate_or_key_rolls_the_pods(changed: dict[str, str], told: str) -> None:
    made = answers()
    plan = plan_deploy(made, book(all_up(made), **changed))
    assert actions(plan) == ["apply-workload", "await-registry"]
    assert told in plan.changes[0].summary


def test_a_replication_controller_has_its_pods_replaced() -> None:
    made = answers(workload="ReplicationController")
    plan = plan_deploy(made, book(all_up(made), serial="def"))
    assert actions(plan) == ["apply-workload", "replace-pods", "await-registry"]
    assert "one by one" in plan.changes[1].summary


def test_an_interrupted_replacement_goes_on() -> None:
    made = answers(workload="ReplicationController")
    plan = plan_deploy(made, book(all_up(made, pod_digests={"old": "x"})))
    assert actions(plan) == ["replace-pods", "await-registry"]


def test_pods_that_are_not_ready_are_waited_for() -> None:
    made = answers(replicas=2)
    found = live_workload(made)
    found["status"]["availableReplicas"] = 1
    assert actions(plan_deploy(made, book(all_up(made, deployment=found)))) == ["await-registry"]


def test_a_missing_address_is_waited_for() -> None:
    made = answers()
    assert actions(plan_deploy(made, book(all_up(made, balancer_hostname="")))) == ["await-registry"]


def test_the_other_kind_goes_after_the_new_one_is_ready() -> None:
    old = live_workload(answers(workload="ReplicationController"))
    made = answers()
    facts = all_up(made, deployment=None, replication_controller=old)
    plan = plan_deploy(made, book(facts))
    assert actions(plan) == ["apply-workload", "await-registry", "remove-workload"]
    assert not plan.consents
    assert not plan.changes[-1].params["keeps_copy"]


def test_foreign_things_are_asked_about() -> None:
    made = answers()
    facts = DeployFacts(
        http_secret=SecretFacts(name="registry-http-secret", exists=True),
        service=foreign(live_service(made)),
        deployment=foreign(live_workload(made)),
    )
    plan = plan_deploy(made, book(facts))
    assert actions(plan) == [
        "write-http-secret",
        "apply-service",
        "remove-workload",
        "apply-workload",
        "await-registry",
    ]
    assert plan.changes[1].verb is Verb.ADOPT
    assert plan.changes[2].params["keeps_copy"]
    assert [(c.key, c.value) for c in plan.consents] == [
        ("adopt", "secrets"),
        ("adopt", "service"),
        ("adopt", "workload"),
    ]


def test_things_of_another_setup_are_left_alone() -> None:
    other = from_mapping({"setup": "other", "bucket": {"name": "reg-prod"}})
    plan = plan_deploy(answers(), book(DeployFacts(service=live_service(other))))
    assert [problem.code for problem in plan.blockers] == ["other-setup"]
    assert "other" in plan.blockers[0].what


def test_fields_that_others_hold_are_asked_about() -> None:
    made = answers(replicas=2)
    found = live_workload(made)
    found["spec"]["replicas"] = 5
    fields = {"manager": "autoscaler", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    found["metadata"]["managedFields"] = [fields]
    plan = plan_deploy(made, book(all_up(made, deployment=found)))
    assert [(c.key, c.value) for c in plan.consents] == [("take_over_fields", "true")]
    assert "autoscaler holds spec.replicas" in plan.consents[0].question


def test_another_scheme_needs_another_balancer() -> None:
    made = answers()
    plan = plan_deploy(answers(scheme="internal"), book(all_up(made)))
    change = plan.changes[0]
    assert (change.action, change.params.get("is_new_balancer")) == ("apply-service", True)
    assert "another name" in change.summary


def test_another_time_out_keeps_the_balancer() -> None:
    plan = plan_deploy(answers(idle_timeout_s=600), book(all_up(answers())))
    assert "is_new_balancer" not in plan.changes[0].params


@pytest.mark.parametrize("controller", ["aws-load-balancer-controller", "auto-mode"])
def test_a_classic_balancer_is_not_promised_where_there_is_none(controller: str) -> None:
    plan = plan_deploy(answers(load_balancer="classic"), book(controller=controller))
    assert [problem.code for problem in plan.blockers] == ["no-classic-balancer"]
    assert any(controller in note for note in plan_deploy(answers(), book(controller=controller)).notes)


def test_a_region_unknown_to_the_image_is_told() -> None:
    made = answers(image="registry:2.8.3")
    facts = book()
    facts.bucket = BucketFacts(aws_region="eu-north-1")
    assert any("eu-north-1" in note for note in plan_deploy(made, facts).notes)


def test_secret_values_of_foreign_pods_do_not_get_into_facts() -> None:
    env = [
        {"name": "REGISTRY_STORAGE_S3_SECRETKEY", "value": "hidden"},
        {"name": "REGISTRY_AUTH", "value": "x"},
    ]
    live = {
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hidden"}},
        "spec": {"template": {"spec": {"containers": [{"name": "registry", "env": env}]}}},
    }
    found = redacted(live)
    assert "hidden" not in repr(found)
    assert "'x'" in repr(found)
