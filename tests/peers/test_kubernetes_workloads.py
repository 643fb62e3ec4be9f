"""What controllers make of workloads and Services, tests standing in for a node agent: both servers alike."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.contract import Api, Obj, Side, balancer, config_map, pod, secret
from wizard import manifests
from wizard.answers import Answers, from_mapping
from wizard.practice.kubeclient import KubeClient, KubeEndpoint
from wizard.practice.kubevents import EventRecorder
from wizard.practice.node import NodeAgent, PodPorts
from wizard.services.cluster import Cluster
from wizard.steps import _deploy_objects as objects

pytestmark = pytest.mark.peers
WaitFor = Callable[[Callable[[], Any], str], Any]
APPS = "apis/apps/v1"
REFUSAL = (
    'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "app" must set '
    'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "app" must set '
    'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "app" must set '
    'securityContext.runAsNonRoot=true), seccompProfile (pod or container "app" must set '
    'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)
INPUTS = manifests.Inputs("eu-west-1", certificate_serial="abc123", access_key_id="AKIAIOSFODNN7EXAMPLE")


class Agent:
    """A node with an agent that does at once what it is told; `run` binds a Pod and says that it is ready."""

    def __init__(self, client: KubeClient, api: Api) -> None:
        self._client, self._api = client, api
        self.node = f"node-of-{api.namespace}"

    def join(self) -> None:
        self._client.create("/api/v1/nodes", {"metadata": {"name": self.node}})
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        found = self._client.patch(f"/api/v1/nodes/{self.node}/status", {"status": ready})
        assert found["status"]["conditions"][0]["type"] == "Ready"

    def leave(self) -> None:
        self._client.delete(f"/api/v1/nodes/{self.node}")

    def bind(self, name: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": self.node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self._client.create(self._api.at("pods", f"{name}/binding"), binding)

    def run(self, found: Obj, address: str = "10.1.2.3") -> Obj:
        if not found["spec"].get("nodeName"):
            self.bind(found["metadata"]["name"])
        return self.say(found, is_ready=True, address=address)

    def say(self, found: Obj, *, is_ready: bool, address: str = "10.1.2.3") -> Obj:
        word = "True" if is_ready else "False"
        conditions = [{"type": kind, "status": word} for kind in ("Ready", "ContainersReady")]
        container = found["spec"]["containers"][0]
        running = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": is_ready,
            "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }
        status = {
            "phase": "Running",
            "conditions": conditions,
            "containerStatuses": [running],
            "podIP": address,
            "podIPs": [{"ip": address}],
        }
        path = self._api.at("pods", f"{found['metadata']['name']}/status")
        return self._client.patch(path, {"metadata": {"uid": found["metadata"]["uid"]}, "status": status})

    def bury(self, found: Obj) -> None:
        path = self._api.at("pods", found["metadata"]["name"])
        self._client.delete(path, grace_period_s=0, uid=found["metadata"]["uid"])


@pytest.fixture
def agent(api: Api, node: KubeClient) -> Any:
    made = Agent(node, api)
    made.join()
    yield made
    made.leave()


def workload(kind: str, replicas: int = 1) -> Obj:
    labels = {"app": "a"}
    is_deployment = kind == "Deployment"
    spec: Obj = {"replicas": replicas, "template": {"metadata": {"labels": labels}, "spec": pod("x")["spec"]}}
    spec["selector"] = {"matchLabels": labels} if is_deployment else labels
    if is_deployment:
        spec["strategy"] = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    version = "apps/v1" if is_deployment else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def pods(api: Api) -> list[Obj]:
    found: list[Obj] = api.get(api.at("pods"), labelSelector="app=a").ok()["items"]
    return found


def condition(obj: Obj, kind: str) -> tuple[str, str]:
    """Status and reason."""
    found: Obj = next((each for each in obj["status"].get("conditions") or [] if each["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


def answers(**deploy: object) -> Answers:
    return from_mapping({"setup": "team", "bucket": {"name": "reg-prod"}, "deploy": deploy})


def restrict(api: Api, wait_for: WaitFor) -> None:
    """Returns when Pods are held to it: what admits them sees the namespace change a little later."""
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    api.merge(f"/api/v1/namespaces/{api.namespace}", {"metadata": {"labels": labels}}).ok()
    wait_for(lambda: api.post(api.at("pods"), pod("trial"), dryRun="All").code == 403, "the restriction")


# Workloads


def test_a_deployment_becomes_a_pod_and_available(
    api: Api, cluster: Cluster, agent: Agent, wait_for: WaitFor
) -> None:
    made = cluster.apply(workload("Deployment"))
    assert made["spec"]["revisionHistoryLimit"] == 10
    (found,) = wait_for(lambda: pods(api), "a Pod")
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["controller"], owner["apiVersion"]) == ("ReplicaSet", True, "apps/v1")
    replica_set = api.get(api.at("replicasets", owner["name"], APPS)).ok()
    assert replica_set["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    mark = found["metadata"]["labels"]["pod-template-hash"]
    assert owner["name"] == f"a-{mark}"
    assert found["metadata"]["name"].startswith(f"a-{mark}-")
    live = api.get(api.at("deployments", "a", APPS)).ok()
    assert live["status"].get("readyReplicas", 0) == 0
    agent.run(found)

    def available() -> bool:
        live = api.get(api.at("deployments", "a", APPS)).ok()
        return bool(live["status"].get("availableReplicas") == 1)

    wait_for(available, "the Deployment")
    live = api.get(api.at("deployments", "a", APPS)).ok()
    assert condition(live, "Available") == ("True", "MinimumReplicasAvailable")
    wait_for(
        lambda: (
            condition(api.get(api.at("deployments", "a", APPS)).ok(), "Progressing")
            == ("True", "NewReplicaSetAvailable")
        ),
        "its condition",
    )
    status = api.get(api.at("deployments", "a", APPS)).ok()["status"]
    counts = [status[key] for key in ("replicas", "readyReplicas", "updatedReplicas", "observedGeneration")]
    assert counts == [1, 1, 1, 1]


def test_a_changed_template_replaces_the_pod(
    api: Api, cluster: Cluster, agent: Agent, wait_for: WaitFor
) -> None:
    cluster.apply(workload("Deployment"))
    (old,) = wait_for(lambda: pods(api), "a Pod")
    agent.run(old)
    changed = workload("Deployment")
    changed["spec"]["template"]["metadata"]["annotations"] = {"serial": "2"}
    assert cluster.apply(changed)["metadata"]["generation"] == 2

    def others() -> list[Obj]:
        return [each for each in pods(api) if each["metadata"]["uid"] != old["metadata"]["uid"]]

    (new,) = wait_for(others, "the new Pod")
    assert new["metadata"]["annotations"] == {"serial": "2"}
    # None may be unavailable, so the old one stays until the new one is ready.
    before = api.get(api.at("pods", old["metadata"]["name"])).ok()
    assert "deletionTimestamp" not in before["metadata"]
    agent.run(new, "10.1.2.4")
    going = wait_for(
        lambda: [each for each in pods(api) if each["metadata"].get("deletionTimestamp")],
        "the old Pod to be told",
    )
    assert [each["metadata"]["uid"] for each in going] == [old["metadata"]["uid"]]
    agent.bury(going[0])
    wait_for(lambda: len(pods(api)) == 1, "the old Pod to be gone")


def test_a_controller_of_replicas_counts_ready_pods(
    api: Api, cluster: Cluster, agent: Agent, wait_for: WaitFor
) -> None:
    cluster.apply(workload("ReplicationController", 2))
    found = wait_for(lambda: len(pods(api)) == 2 and pods(api), "two Pods")
    assert {each["metadata"]["ownerReferences"][0]["kind"] for each in found} == {"ReplicationController"}
    for number, each in enumerate(found):
        agent.run(each, f"10.1.2.{number}")

    def live() -> Obj:
        return api.get(api.at("replicationcontrollers", "a")).ok()

    def ready() -> bool:
        status = live()["status"]
        return bool(status.get("readyReplicas") == status.get("availableReplicas") == 2)

    wait_for(ready, "both to count")
    # A changed template touches no Pod: the wizard deletes them one by one.
    changed = workload("ReplicationController", 2)
    changed["spec"]["template"]["metadata"]["annotations"] = {"serial": "2"}
    cluster.apply(changed)
    # Until then, a Pod that goes is replaced by one of the former template.
    wait_for(lambda: objects.is_observed(live()), "the controller to see the change")
    first = found[0]["metadata"]
    assert cluster.delete("v1", "Pod", first["name"], uid=first["uid"])
    agent.bury(found[0])
    wait_for(
        lambda: any(each["metadata"].get("annotations") for each in pods(api)), "a Pod of the new template"
    )


def test_a_selector_that_misses_is_refused(api: Api) -> None:
    wrong = workload("Deployment")
    wrong["spec"]["selector"] = {"matchLabels": {"app": "b"}}
    answer = api.apply(api.at("deployments", "a", APPS), wrong)
    assert answer.refusal[:2] == (422, "Invalid")
    assert "`selector` does not match template `labels`" in answer.refusal[2]


def test_a_deployments_selector_stays(api: Api, cluster: Cluster) -> None:
    cluster.apply(workload("Deployment"))
    other = workload("Deployment", 0)
    other["spec"]["selector"]["matchLabels"] = {"app": "b"}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "b"}
    answer = api.apply(api.at("deployments", "a", APPS), other, "kube-registry-wizard")
    assert answer.refusal[:2] == (422, "Invalid")
    assert "field is immutable" in answer.refusal[2]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicationController"])
def test_none_wanted_is_none_there(
    api: Api, cluster: Cluster, agent: Agent, wait_for: WaitFor, kind: str
) -> None:
    made = cluster.apply(workload(kind))
    (found,) = wait_for(lambda: pods(api), "a Pod")
    agent.run(found)
    cluster.apply(workload(kind, 0))
    wait_for(lambda: "deletionTimestamp" in pods(api)[0]["metadata"], "the Pod to be told")
    agent.bury(found)

    def is_counted() -> bool:
        status = (cluster.get(made["apiVersion"], kind, "a") or {})["status"]
        return bool(status.get("observedGeneration") == 2 and not status.get("replicas"))

    wait_for(is_counted, "the status")


# Pods


def test_a_bound_pod_waits_for_its_agent(api: Api, cluster: Cluster, agent: Agent) -> None:
    uid = api.post(api.at("pods"), pod("a")).ok()["metadata"]["uid"]
    agent.bind("a")
    found = cluster.list("v1", "Pod", field_selector=f"spec.nodeName={agent.node}")
    assert [condition(each, "PodScheduled")[0] for each in found] == ["True"]
    assert cluster.delete("v1", "Pod", "a", uid=uid)
    going = api.get(api.at("pods", "a")).ok()["metadata"]
    assert going["deletionTimestamp"]
    assert going["deletionGracePeriodSeconds"] == 30
    agent.bury(found[0])
    assert cluster.get("v1", "Pod", "a") is None


def test_an_unbound_pod_goes_at_once(api: Api, cluster: Cluster) -> None:
    made = api.post(api.at("pods"), pod("a")).ok()
    assert (made["status"]["phase"], made["status"]["qosClass"]) == ("Pending", "BestEffort")
    assert made["spec"]["terminationGracePeriodSeconds"] == 30
    assert cluster.delete("v1", "Pod", "a")
    assert cluster.get("v1", "Pod", "a") is None


def test_a_pod_is_bound_once(api: Api, agent: Agent) -> None:
    api.post(api.at("pods"), pod("a")).ok()
    agent.bind("a")
    target = {"apiVersion": "v1", "kind": "Node", "name": "other"}
    answer = api.post(api.at("pods", "a/binding"), {"metadata": {"name": "a"}, "target": target})
    assert answer.refusal[:2] == (409, "Conflict")
    assert f'pod a is already assigned to node "{agent.node}"' in answer.refusal[2]


def test_a_running_pods_spec_stays(api: Api) -> None:
    made = api.post(api.at("pods"), pod("a")).ok()
    made["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    answer = api.put(api.at("pods", "a"), made)
    assert answer.refusal[:2] == (422, "Invalid")
    assert "pod updates may not change fields other than" in answer.refusal[2]


@pytest.fixture
def node_agent(side: Side, api: Api, tmp_path: Path, node: KubeClient) -> Iterator[NodeAgent]:
    """The practice world's own, which also binds Pods that nobody has scheduled."""
    name = f"agent-of-{api.namespace}"
    made = NodeAgent(
        KubeEndpoint(side.url, side.ca_file.read_bytes(), side.node_token),
        tmp_path,
        PodPorts(),
        node_name=name,
        provider_id="aws:///eu-west-1a/i-0",
        region="eu-west-1",
        zone="eu-west-1a",
        is_scheduler=True,
    )
    made.start()
    yield made
    made.stop()
    node.delete(f"/api/v1/nodes/{name}")


def test_our_node_agent_runs_a_pod(
    api: Api, cluster: Cluster, node_agent: NodeAgent, wait_for: WaitFor
) -> None:
    wanted = pod("a")
    (container,) = wanted["spec"]["containers"]
    container["env"] = [
        {"name": "REGISTRY_STORAGE", "value": "inmemory"},
        {"name": "REGISTRY_HTTP_SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    container["readinessProbe"] = {"tcpSocket": {"port": 5000}, "periodSeconds": 1}
    container["ports"] = [{"containerPort": 5000}]
    uid = api.post(api.at("pods"), wanted).ok()["metadata"]["uid"]

    def reason() -> str:
        (*_, state) = api.get(api.at("pods", "a")).ok()["status"].get("containerStatuses") or [{}]
        return str(((state.get("state") or {}).get("waiting") or {}).get("reason", ""))

    wait_for(lambda: reason() == "CreateContainerConfigError", "the Secret to be missed")
    cluster.create(secret("s", k="dg=="))
    wait_for(
        lambda: condition(api.get(api.at("pods", "a")).ok(), "Ready")[0] == "True", "the Pod to be ready"
    )
    told = wait_for(
        lambda: (
            {"Scheduled", "Pulled", "Created", "Started", "Failed"}
            <= {each.partition(":")[0] for each in cluster.events_for("Pod", "a")}
        ),
        "its Events",
    )
    assert told
    assert node_agent.logs(api.namespace, "a", "app", False)
    assert cluster.delete("v1", "Pod", "a", uid=uid)
    wait_for(lambda: cluster.get("v1", "Pod", "a") is None, "the Pod to be gone")


# Services


def test_ready_pods_become_endpoints(api: Api, cluster: Cluster, agent: Agent, wait_for: WaitFor) -> None:
    cluster.create(balancer("a"))
    made = agent.run(api.post(api.at("pods"), pod("a", {"app": "a"})).ok())
    selector = "kubernetes.io/service-name=a"

    def endpoint() -> Obj | None:
        found = cluster.list("discovery.k8s.io/v1", "EndpointSlice", label_selector=selector)
        return next((each for slice_ in found for each in slice_["endpoints"] or []), None)

    def says(word: bool) -> Obj | None:
        found = endpoint()
        return found if found and found["conditions"]["ready"] is word else None

    found = wait_for(lambda: says(True), "an endpoint")
    assert (found["addresses"], found["nodeName"]) == (["10.1.2.3"], agent.node)
    assert found["targetRef"]["uid"] == made["metadata"]["uid"]
    (slice_,) = cluster.list("discovery.k8s.io/v1", "EndpointSlice", label_selector=selector)
    assert slice_["ports"] == [{"name": "https", "port": 443, "protocol": "TCP"}]
    assert slice_["addressType"] == "IPv4"
    agent.say(made, is_ready=False)
    wait_for(lambda: says(False), "the endpoint that is not ready")
    agent.bury(made)
    wait_for(lambda: endpoint() is None, "the endpoint to be gone")
    cluster.delete("v1", "Service", "a")
    gone = "the slice to be gone"
    wait_for(lambda: not cluster.list("discovery.k8s.io/v1", "EndpointSlice", label_selector=selector), gone)


# Garbage


def owned(name: str, owner: Obj) -> Obj:
    made = config_map(name)
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
    ]
    return made


def test_dependents_go_with_their_owner(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    owner = cluster.create(config_map("owner"))
    cluster.create(owned("dependent", owner))
    cluster.delete("v1", "ConfigMap", "owner")
    wait_for(lambda: api.get(api.at("configmaps", "dependent")).code == 404, "the dependent to be gone")


def test_orphans_stay(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    owner = cluster.create(config_map("owner"))
    cluster.create(owned("dependent", owner))
    cluster.delete("v1", "ConfigMap", "owner", propagation="Orphan")
    wait_for(lambda: api.get(api.at("configmaps", "owner")).code == 404, "the owner to be gone")
    assert "ownerReferences" not in api.get(api.at("configmaps", "dependent")).ok()["metadata"]


def test_an_owner_in_the_foreground_goes_last(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    owner = cluster.create(config_map("owner"))
    held = owned("dependent", owner)
    held["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = True
    held["metadata"]["finalizers"] = ["test.example/held"]
    cluster.create(held)
    cluster.delete("v1", "ConfigMap", "owner", propagation="Foreground")
    going = api.get(api.at("configmaps", "owner")).ok()["metadata"]
    assert (going["finalizers"], "deletionTimestamp" in going) == (["foregroundDeletion"], True)
    told = api.at("configmaps", "dependent")
    wait_for(lambda: "deletionTimestamp" in api.get(told).ok()["metadata"], "the dependent to be told")
    assert api.get(api.at("configmaps", "owner")).code == 200
    api.merge(told, {"metadata": {"finalizers": None}}).ok()
    wait_for(lambda: api.get(api.at("configmaps", "owner")).code == 404, "the owner to be gone")


def test_an_owner_that_never_was_takes_its_dependents_along(
    cluster: Cluster, api: Api, wait_for: WaitFor
) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}}
    cluster.create(owned("dependent", ghost))
    wait_for(lambda: api.get(api.at("configmaps", "dependent")).code == 404, "the dependent to be gone")


def test_a_deployment_goes_with_all_it_made(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    cluster.apply(workload("Deployment"))
    wait_for(lambda: pods(api), "a Pod")
    cluster.delete("apps/v1", "Deployment", "a")
    wait_for(lambda: not pods(api), "the Pod to be gone")
    wait_for(
        lambda: not api.get(api.at("replicasets", group=APPS)).ok()["items"], "the ReplicaSet to be gone"
    )


# Pod Security, the wizard's own manifests, Events


def test_restricted_refuses_in_its_own_words(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    restrict(api, wait_for)
    answer = api.post(api.at("pods"), pod("a"))
    assert answer.refusal == (403, "Forbidden", f'pods "a" is forbidden: {REFUSAL}')
    cluster.apply(workload("Deployment"), dry_run=True)
    assert [f"violates {each.removeprefix('would violate ')}" for each in _plain(cluster.warnings)] == [
        REFUSAL
    ]


def _plain(warnings: list[str]) -> list[str]:
    """Without the escapes of the header."""
    return [each.replace('\\"', '"') for each in warnings]


def test_a_refused_pod_shows_at_its_workload(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    restrict(api, wait_for)
    cluster.apply(workload("Deployment"))

    def failure() -> bool:
        live = api.get(api.at("deployments", "a", APPS)).ok()
        return condition(live, "ReplicaFailure") == ("True", "FailedCreate")

    wait_for(failure, "the condition")
    (replica_set,) = api.get(api.at("replicasets", group=APPS)).ok()["items"]
    name = replica_set["metadata"]["name"]
    (*_, event) = wait_for(lambda: cluster.events_for("ReplicaSet", name), "the Event")
    assert event.startswith(f'FailedCreate: Error creating: pods "{name}-')
    assert event.endswith(f'" is forbidden: {REFUSAL}')


@pytest.mark.parametrize("kind", ["Deployment", "ReplicationController"])
@pytest.mark.parametrize("image", ["registry:3", "registry:2.8.3"])
def test_our_workload_is_admitted_and_stays(
    api: Api, cluster: Cluster, kind: str, image: str, wait_for: WaitFor
) -> None:
    restrict(api, wait_for)
    wanted = manifests.workload(answers(workload=kind, image=image, replicas=3), INPUTS)
    cluster.apply(wanted, dry_run=True)
    template = wanted["spec"]["template"]
    template = {**template, "metadata": {**template["metadata"], "name": "a"}}
    assert api.post(api.at("pods"), template, dryRun="All").code == 201
    live = cluster.apply(wanted)
    assert cluster.warnings == []
    assert list(manifests.differences(wanted, live)) == []
    again = cluster.apply(wanted)
    assert again["metadata"]["generation"] == 1
    owner = next(each for each in again["metadata"]["managedFields"] if each["operation"] == "Apply")
    assert owner["manager"] == "kube-registry-wizard"


@pytest.mark.parametrize("kind", ["auto", "classic", "nlb"])
@pytest.mark.parametrize("scheme", ["internet-facing", "internal"])
def test_our_service_is_admitted_and_stays(cluster: Cluster, kind: str, scheme: str) -> None:
    wanted = manifests.service(answers(load_balancer=kind, scheme=scheme, source_ranges=["203.0.113.0/24"]))
    cluster.apply(wanted, dry_run=True)
    first = cluster.apply(wanted)
    assert cluster.warnings == []
    assert list(manifests.differences(wanted, first)) == []
    assert cluster.apply(wanted)["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_events_are_told_and_counted(api: Api, cluster: Cluster, node: KubeClient, wait_for: WaitFor) -> None:
    about = api.post(api.at("pods"), pod("a")).ok()
    recorder = EventRecorder(node, component="kubelet", host="n1")
    recorder.start()
    for _ in range(2):
        recorder.emit(about, "Warning", "FailedMount", "it is not there", container="app")
    recorder.stop()
    wait_for(lambda: [each["count"] for each in cluster.list("v1", "Event")] == [2], "the second of them")
    assert cluster.events_for("Pod", "a") == ["FailedMount: it is not there"]
    selector = f"involvedObject.uid={about['metadata']['uid']},type=Warning,reason=FailedMount"
    assert len(cluster.list("v1", "Event", field_selector=selector)) == 1
    assert cluster.list("v1", "Event", field_selector="involvedObject.name=b") == []
