"""What counts as a difference, and who else holds it."""

import copy
from typing import Any

import pytest

from wizard import manifests
from wizard.answers import from_mapping
from wizard.manifests import Inputs, conflicts, differences

ANSWERS = from_mapping({"setup": "team", "bucket": {"name": "reg-prod"}, "deploy": {"replicas": 2}})


@pytest.fixture
def wanted() -> dict[str, Any]:
    return manifests.workload(ANSWERS, Inputs("eu-west-1", "abc", "AKIA"))


@pytest.fixture
def live(wanted: dict[str, Any]) -> dict[str, Any]:
    """As the API server gives it back: defaults filled in, lists in another order, quantities rewritten."""
    made = copy.deepcopy(wanted)
    made["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 1}
    made["spec"]["progressDeadlineSeconds"] = 600
    spec = made["spec"]["template"]["spec"]
    spec |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
    container = spec["containers"][0]
    container["env"].reverse()
    container["env"].append({"name": "ADDED_BY_OTHERS", "value": "1"})
    container["resources"] = {
        "requests": {"cpu": "0.05", "memory": "134217728"},
        "limits": {"memory": "0.5Gi"},
    }
    container["readinessProbe"]["successThreshold"] = 1
    spec["containers"].insert(0, {"name": "sidecar", "image": "mesh:1"})
    return made


def test_defaults_and_additions_of_others_are_no_difference(
    wanted: dict[str, Any], live: dict[str, Any]
) -> None:
    assert differences(wanted, live) == ()


def test_nothing_there_at_all_is_a_difference(wanted: dict[str, Any]) -> None:
    assert differences(wanted, {}) != ()


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("spec", "replicas"), 3, "spec.replicas"),
        (("metadata", "name"), "x", "metadata.name"),
        (
            ("spec", "template", "spec", "containers", 1, "image"),
            "registry:2",
            "spec.template.spec.containers[registry].image",
        ),
        (
            ("spec", "template", "spec", "containers", 1, "resources", "limits", "memory"),
            "1Gi",
            "spec.template.spec.containers[registry].resources.limits.memory",
        ),
        (
            ("spec", "template", "spec", "containers", 1, "volumeMounts", 0, "readOnly"),
            False,
            "spec.template.spec.containers[registry].volumeMounts[/certs].readOnly",
        ),
        (
            ("spec", "template", "spec", "volumes", 0, "secret", "items"),
            [{"key": "domain.crt", "path": "domain.crt"}],
            "spec.template.spec.volumes[certificate].secret.items[domain.key]",
        ),
        (
            ("spec", "template", "spec", "automountServiceAccountToken"),
            None,
            "spec.template.spec.automountServiceAccountToken",
        ),
    ],
)
def test_each_difference_is_told_by_its_path(
    wanted: dict[str, Any], live: dict[str, Any], path: tuple[Any, ...], value: object, told: str
) -> None:
    node: Any = live
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert differences(wanted, live) == (told,)


def test_source_ranges_are_a_set_and_empty_means_none() -> None:
    open_service = manifests.service(ANSWERS)
    live = copy.deepcopy(open_service)
    del live["spec"]["loadBalancerSourceRanges"]
    assert differences(open_service, live) == ()
    live["spec"]["loadBalancerSourceRanges"] = ["203.0.113.0/24"]
    assert differences(open_service, live) == ("spec.loadBalancerSourceRanges",)


def test_one_more_label_in_a_selector_is_a_difference() -> None:
    wanted = manifests.service(ANSWERS)
    live = copy.deepcopy(wanted)
    live["spec"]["selector"]["app"] = "other"
    assert differences(wanted, live) == ("spec.selector",)


def test_a_dropped_wish_shows_in_the_digest() -> None:
    internal = from_mapping({"setup": "team", "deploy": {"scheme": "internal"}})
    live = manifests.service(internal)
    wanted = manifests.service(from_mapping({"setup": "team"}))
    assert "metadata.annotations.kube-registry/digest" in differences(wanted, live)


def managed(manager: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def test_others_that_hold_what_differs_are_named(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    live["spec"]["replicas"] = 5
    live["spec"]["template"]["spec"]["containers"][1]["image"] = "registry:2"
    image: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"registry"}': {"f:image": {}}}}}
    live["metadata"]["managedFields"] = [
        managed("autoscaler", {"f:spec": {"f:replicas": {}}}),
        managed("kubectl-set", {"f:spec": {"f:template": image}}),
        managed("kube-registry-wizard", {"f:spec": {"f:replicas": {}}}),
        managed("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="status"),
        managed("somebody", {"f:spec": {"f:paused": {}}}),
    ]
    assert [(holder.manager, holder.path) for holder in conflicts(wanted, live)] == [
        ("autoscaler", "spec.replicas"),
        ("kubectl-set", "spec.template.spec.containers[registry].image"),
    ]


def test_what_does_not_differ_is_no_conflict(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    live["metadata"]["managedFields"] = [managed("autoscaler", {"f:spec": {"f:replicas": {}}})]
    assert conflicts(wanted, live) == ()


def test_an_atomic_field_is_held_as_a_whole(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    live["spec"]["selector"]["matchLabels"] = {"app": "other"}
    live["metadata"]["managedFields"] = [managed("kubectl", {"f:spec": {"f:selector": {}}})]
    assert {holder.manager for holder in conflicts(wanted, live)} == {"kubectl"}
