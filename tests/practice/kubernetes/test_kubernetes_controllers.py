"""What the controllers make of Deployments, ReplicationControllers, owners, quotas and Services."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client as kube
from kubernetes import watch as kube_watch

from wizard.practice.kubernetes.store import Store

WaitFor = Callable[[Callable[[], Any], str], Any]
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
HARDENED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture
def core(api_client: kube.ApiClient) -> Any:
    return kube.CoreV1Api(api_client)


@pytest.fixture
def apps(api_client: kube.ApiClient) -> Any:
    return kube.AppsV1Api(api_client)


def template(labels: dict[str, str], **container: Any) -> dict[str, Any]:
    ports = [{"containerPort": 5000, "name": "web"}]
    whole = {"name": "app", "image": "registry:3", "ports": ports, **container}
    return {"metadata": {"labels": labels}, "spec": {"containers": [whole]}}


def deployment(name: str, replicas: int, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    whole = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels), **spec}
    return {"metadata": {"name": name}, "spec": whole}


def condition(obj: Any, kind: str) -> Any:
    return next((one for one in obj.status.conditions or [] if one.type == kind), None)


def is_rolled_out(found: Any) -> bool:
    status, wanted = found.status, found.spec.replicas
    counts = (status.replicas, status.updated_replicas, status.available_replicas)
    return status.observed_generation == found.metadata.generation and counts == (wanted,) * 3


@contextlib.contextmanager
def refused(code: int, part: str) -> Any:
    with pytest.raises(kube.ApiException) as caught:
        yield
    assert caught.value.status == code
    assert part in json.loads(caught.value.body or "")["message"]


@pytest.mark.usefixtures("runner")
def test_rolling_update_keeps_pods_available(apps: Any, namespace: str, wait_for: WaitFor) -> None:
    rolling = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    apps.create_namespaced_deployment(namespace, deployment("web", 2, strategy=rolling))

    def look() -> Any:
        return apps.read_namespaced_deployment("web", namespace)

    before = wait_for(lambda: is_rolled_out(found := look()) and found, "the first rollout")
    apps.patch_namespaced_deployment(
        "web", namespace, {"spec": {"template": template({"app": "web"}, image="b:1")}}
    )
    untyped: Any = kube_watch
    watcher, available = untyped.Watch(), []
    for event in watcher.stream(
        apps.list_namespaced_deployment,
        namespace,
        resource_version=before.metadata.resource_version,
        timeout_seconds=60,
    ):
        available.append(event["object"].status.available_replicas)
        if is_rolled_out(event["object"]):
            watcher.stop()
    assert is_rolled_out(look())
    assert min(available) >= 2
    sets = apps.list_namespaced_replica_set(namespace).items
    revision = "deployment.kubernetes.io/revision"
    assert {(one.metadata.annotations[revision], one.spec.replicas) for one in sets} == {("1", 0), ("2", 2)}
    assert look().metadata.annotations[revision] == "2"
    assert condition(look(), "Progressing").reason == "NewReplicaSetAvailable"


def test_rollout_that_stands_still_exceeds_its_deadline(
    apps: Any, core: Any, namespace: str, wait_for: WaitFor
) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", 1, progressDeadlineSeconds=1))

    def late() -> Any:
        found = condition(apps.read_namespaced_deployment("web", namespace), "Progressing")
        return found if found and found.status == "False" else None

    found = wait_for(late, "the deadline")
    assert found.reason == "ProgressDeadlineExceeded"
    assert found.message.endswith("has timed out progressing.")
    wait_for(
        lambda: [
            pod
            for pod in core.list_namespaced_pod(namespace).items
            if getattr(condition(pod, "PodScheduled"), "reason", "") == "Unschedulable"
        ],
        "the scheduler's word",
    )
    wanted = {"ScalingReplicaSet", "SuccessfulCreate", "FailedScheduling"}
    wait_for(
        lambda: wanted <= {event.reason for event in core.list_namespaced_event(namespace).items},
        "the Events",
    )


@pytest.mark.usefixtures("runner")
def test_recreate_never_has_both(apps: Any, core: Any, namespace: str, wait_for: WaitFor) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", 1, strategy={"type": "Recreate"}))

    def look() -> Any:
        return apps.read_namespaced_deployment("web", namespace)

    wait_for(lambda: is_rolled_out(look()), "the first rollout")
    before = core.list_namespaced_pod(namespace)
    apps.patch_namespaced_deployment(
        "web", namespace, {"spec": {"template": template({"app": "web"}, image="b:1")}}
    )
    wait_for(lambda: is_rolled_out(look()), "the second rollout")
    there = {pod.metadata.name for pod in before.items}
    untyped: Any = kube_watch
    watcher, seen = untyped.Watch(), []
    for event in watcher.stream(
        core.list_namespaced_pod,
        namespace,
        resource_version=before.metadata.resource_version,
        timeout_seconds=60,
    ):
        name = event["object"].metadata.name
        (there.discard if event["type"] == "DELETED" else there.add)(name)
        seen.append(len(there))
        if event["type"] == "ADDED":
            break
    assert seen[-2:] == [0, 1]
    assert max(seen) == 1


def test_forbidden_pods_are_told_by_the_deployment(
    apps: Any, core: Any, namespace: str, wait_for: WaitFor
) -> None:
    core.patch_namespace(namespace, {"metadata": {"labels": RESTRICTED}})
    body = template({"app": "bare"})
    with refused(
        403, 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "app"'
    ):
        core.create_namespaced_pod(namespace, {**body, "metadata": {"name": "bare"}})
    _, _, headers = apps.create_namespaced_deployment_with_http_info(namespace, deployment("web", 1))
    assert "would violate PodSecurity" in headers["Warning"]
    failure = wait_for(
        lambda: condition(apps.read_namespaced_deployment("web", namespace), "ReplicaFailure"), "the failure"
    )
    assert failure.reason == "FailedCreate"
    assert "violates PodSecurity" in failure.message
    good = template({"app": "good"}, securityContext=HARDENED)
    assert core.create_namespaced_pod(namespace, {**good, "metadata": {"name": "good"}}).metadata.uid


def test_quota_and_limits(core: Any, namespace: str, wait_for: WaitFor) -> None:
    hard = {"pods": "1", "services.loadbalancers": "0"}
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    core.create_namespaced_pod(namespace, {**template({}), "metadata": {"name": "one"}})
    with refused(403, "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"):
        core.create_namespaced_pod(namespace, {**template({}), "metadata": {"name": "two"}})
    balancer = {"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 443}]}}
    with refused(403, "requested: services.loadbalancers=1, used: services.loadbalancers=0"):
        core.create_namespaced_service(namespace, balancer)
    wait_for(
        lambda: core.read_namespaced_resource_quota("q", namespace).status.used == {**hard, "pods": "1"},
        "the count",
    )
    limits = [{"type": "Container", "max": {"memory": "1Gi"}, "default": {"cpu": "1"}}]
    core.create_namespaced_limit_range(namespace, {"metadata": {"name": "l"}, "spec": {"limits": limits}})
    core.delete_namespaced_pod("one", namespace)
    greedy = template({}, resources={"limits": {"memory": "2Gi"}})
    with refused(403, "maximum memory usage per Container is 1Gi, but limit is 2Gi"):
        core.create_namespaced_pod(namespace, {**greedy, "metadata": {"name": "two"}})
    made = core.create_namespaced_pod(namespace, {**template({}), "metadata": {"name": "two"}})
    assert made.spec.containers[0].resources.limits == {"cpu": "1", "memory": "1Gi"}


def test_endpoints_hold_ready_pods_only(
    core: Any, api_client: kube.ApiClient, namespace: str, wait_for: WaitFor
) -> None:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 443, "targetPort": "web", "name": "https"}]}
    core.create_namespaced_service(namespace, {"metadata": {"name": "web"}, "spec": spec})
    core.create_namespaced_pod(
        namespace, {**template({"app": "web"}), "metadata": {"name": "p", "labels": {"app": "web"}}}
    )
    slices: Any = kube.DiscoveryV1Api(api_client)

    def endpoints() -> list[Any]:
        selector = "kubernetes.io/service-name=web"
        found = slices.list_namespaced_endpoint_slice(namespace, label_selector=selector).items
        return [
            (one.conditions.ready, port.port)
            for part in found
            for one in part.endpoints
            for port in part.ports
        ]

    def say(ready: str) -> None:
        conditions = [{"type": "Ready", "status": ready}]
        status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": conditions}
        core.patch_namespaced_pod_status("p", namespace, {"status": status})

    def addresses() -> tuple[bool, bool]:
        subset = core.read_namespaced_endpoints("web", namespace).subsets[0]
        return bool(subset.addresses), bool(subset.not_ready_addresses)

    say("False")
    wait_for(lambda: endpoints() == [(False, 5000)], "an endpoint that is not ready")
    assert addresses() == (False, True)
    say("True")
    wait_for(lambda: endpoints() == [(True, 5000)], "an endpoint that is ready")
    assert addresses() == (True, False)
    core.delete_namespaced_service("web", namespace)
    wait_for(lambda: endpoints() == [], "the slice to go with its Service")


@pytest.mark.usefixtures("runner")
def test_three_ways_to_delete(apps: Any, core: Any, namespace: str, wait_for: WaitFor) -> None:
    def pods(name: str) -> list[Any]:
        found: list[Any] = core.list_namespaced_pod(namespace, label_selector=f"app={name}").items
        return found

    def come_and_go(name: str) -> None:
        apps.create_namespaced_deployment(namespace, deployment(name, 1))
        wait_for(lambda: pods(name), "a Pod")
        apps.delete_namespaced_deployment(name, namespace, propagation_policy=name.title())
        wait_for(lambda: not pods(name), "the Pod to go")

    come_and_go("background")
    come_and_go("foreground")
    wait_for(lambda: not apps.list_namespaced_deployment(namespace).items, "the Deployments to go")
    spec = {"replicas": 1, "template": template({"app": "rc"})}
    core.create_namespaced_replication_controller(namespace, {"metadata": {"name": "rc"}, "spec": spec})
    wait_for(lambda: pods("rc"), "a Pod")
    core.delete_namespaced_replication_controller("rc", namespace)

    def controllers() -> list[Any]:
        found: list[Any] = core.list_namespaced_replication_controller(namespace).items
        return found

    wait_for(lambda: not controllers(), "the ReplicationController to go")
    assert [pod.metadata.owner_references for pod in pods("rc")] == [None], "v1 orphans when it is not asked"


def test_finalizer_holds_object_and_namespace(core: Any, namespace: str, wait_for: WaitFor) -> None:
    meta = {"name": "held", "finalizers": ["example.com/hold"]}
    core.create_namespaced_config_map(namespace, {"metadata": meta})
    core.delete_namespace(namespace)
    wait_for(
        lambda: condition(core.read_namespace(namespace), "NamespaceFinalizersRemaining"), "what holds it"
    )
    with refused(
        403, f"unable to create new content in namespace {namespace} because it is being terminated"
    ):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "late"}})
    core.patch_namespaced_config_map("held", namespace, [{"op": "remove", "path": "/metadata/finalizers"}])

    def is_gone() -> bool:
        return namespace not in [one.metadata.name for one in core.list_namespace().items]

    wait_for(is_gone, "the namespace to go")


def test_watch_sees_what_enters_and_leaves_its_selection(core: Any, namespace: str) -> None:
    start = core.list_namespaced_config_map(namespace).metadata.resource_version

    def label(value: str) -> None:
        core.patch_namespaced_config_map("c", namespace, {"metadata": {"labels": {"on": value}}})

    core.create_namespaced_config_map(namespace, {"metadata": {"name": "c"}})
    label("yes")
    core.patch_namespaced_config_map("c", namespace, {"data": {"x": "1"}})
    label("no")
    label("yes")
    core.delete_namespaced_config_map("c", namespace)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "last", "labels": {"on": "yes"}}})
    untyped: Any = kube_watch
    watcher, seen = untyped.Watch(), []
    for event in watcher.stream(
        core.list_namespaced_config_map,
        namespace,
        label_selector="on=yes",
        resource_version=start,
        timeout_seconds=60,
    ):
        seen.append(event["type"])
        if event["object"].metadata.name == "last":
            watcher.stop()
    assert seen == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED", "ADDED"]


def test_scheduler_says_why_a_node_will_not_do(core: Any, namespace: str, wait_for: WaitFor) -> None:
    node = f"node-{namespace}"
    wanted = {"nodeSelector": {"disk": "fast"}}
    requests = {"requests": {"memory": "1Gi"}}
    body = template({}, resources=requests)
    core.create_node({"metadata": {"name": node}})

    def change(body: dict[str, Any], *, is_status: bool = False) -> None:
        (core.patch_node_status if is_status else core.patch_node)(node, body)

    def why() -> str:
        found = condition(core.read_namespaced_pod("p", namespace), "PodScheduled")
        return str(found.message) if found else ""

    spec = {**body["spec"], **wanted}
    core.create_namespaced_pod(namespace, {"metadata": {"name": "p"}, "spec": spec})
    wait_for(
        lambda: "untolerated taint {node.kubernetes.io/not-ready: }" in why(), "a node that is not ready"
    )
    ready = [{"type": "Ready", "status": "True"}]
    change({"status": {"conditions": ready, "allocatable": {"memory": "1Mi"}}}, is_status=True)
    wait_for(lambda: "didn't match Pod's node affinity/selector" in why(), "a node of the wrong kind")
    change({"metadata": {"labels": {"disk": "fast"}}})
    wait_for(lambda: "1 Insufficient memory" in why(), "a node that is too small")
    change({"status": {"allocatable": {"memory": "2Gi"}}}, is_status=True)
    wait_for(lambda: core.read_namespaced_pod("p", namespace).spec.node_name == node, "the Pod to be bound")
    core.delete_namespaced_pod("p", namespace, grace_period_seconds=0)
    core.delete_node(node)


def test_watch_from_a_forgotten_version_is_expired(
    core: Any, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "KEPT_CHANGES", 5)
    start = core.create_namespaced_config_map(
        namespace, {"metadata": {"name": "c"}}
    ).metadata.resource_version
    for number in range(8):
        core.patch_namespaced_config_map("c", namespace, {"data": {"x": str(number)}})
    untyped: Any = kube_watch
    with pytest.raises(kube.ApiException) as caught:
        for _ in untyped.Watch().stream(
            core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=60
        ):
            pass
    assert caught.value.status == 410
