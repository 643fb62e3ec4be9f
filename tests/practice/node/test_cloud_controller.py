"""The cloud controller between an API server and AWS, with Pods that are plain sockets."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from wizard.practice.aws import AwsServer
from wizard.practice.cloud import CloudController
from wizard.practice.cloud_wish import BadService, Controller, wish_of
from wizard.practice.kubeclient import Obj, path_of
from wizard.practice.network import Network
from wizard.practice.node import PodPorts

WaitFor = Callable[[Callable[[], Any], str], Any]
StartCloud = Callable[..., CloudController]

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
TIMEOUT_S = 60
SERVICE = path_of("v1", "services", "default", "kube-registry")


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def start_cloud(cluster: Any, aws: AwsServer, network: Network, ports: PodPorts) -> Iterator[StartCloud]:
    started: list[CloudController] = []

    def start(controller: Controller = "in-tree") -> CloudController:
        cloud = CloudController(
            cluster.endpoint, aws.url, aws.internal, network, ports, region=aws.region, controller=controller
        )
        cloud.start()
        started.append(cloud)
        return cloud

    yield start
    for cloud in started:
        cloud.stop()


@pytest.fixture
def client_of(aws: AwsServer) -> Iterator[Callable[[str], Any]]:
    """boto3 clients as the operator."""
    made: list[Any] = []

    def make(service: Any) -> Any:
        session = boto3.Session(aws.admin.access_key_id, aws.admin.secret_access_key, region_name=aws.region)
        made.append(session.client(service, endpoint_url=aws.url))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def pod_port() -> Iterator[int]:
    """Where a Pod really listens; it says hello."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(b"hello")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    with contextlib.suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(TIMEOUT_S)


def service_of(annotations: dict[str, str] | None = None, **spec: Any) -> Obj:
    port = {"name": "https", "port": 443, "targetPort": 5000, "protocol": "TCP", "nodePort": 30443}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-registry", "annotations": annotations or {}},
        "spec": {"type": "LoadBalancer", "selector": {"app": "registry"}, "ports": [port], **spec},
    }


def slice_of(*, is_ready: bool) -> Obj:
    target = {"kind": "Pod", "namespace": "default", "name": "web", "uid": "pod-1"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {"name": "hand-made", "labels": {"kubernetes.io/service-name": "kube-registry"}},
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": is_ready}, "targetRef": target}],
        "ports": [{"name": "https", "port": 5000, "protocol": "TCP"}],
    }


def host_of(cluster: Any) -> str:
    service = cluster.client.find(SERVICE) or {}
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(ingress[0].get("hostname", ""))


def heard_at(network: Network, host: str) -> bytes:
    """What a client hears that goes to a host's port 443; nothing where no way leads."""
    target = network.target(next(iter(network.addresses(host)), ""), 443)
    if target is None:
        return b""
    with contextlib.suppress(ConnectionResetError), socket.create_connection(target, TIMEOUT_S) as client:
        return client.recv(100)
    return b""


def test_a_service_gets_a_classic_balancer_and_loses_it(
    cluster: Any, start_cloud: StartCloud, client_of: Any, network: Network, wait_for: WaitFor
) -> None:
    cloud, elb = start_cloud(), client_of("elb")
    service = cluster.create(
        "services",
        service_of(
            {PREFIX + "connection-idle-timeout": "3600", PREFIX + "additional-resource-tags": "team=infra"},
            loadBalancerSourceRanges=["192.0.2.0/24"],
        ),
    )
    host = wait_for(lambda: host_of(cluster), "the balancer's name")
    name = f"a{service['metadata']['uid'].replace('-', '')}"[:32]
    (found,) = elb.describe_load_balancers(LoadBalancerNames=[name])["LoadBalancerDescriptions"]
    assert (found["DNSName"], found["Scheme"]) == (host, "internet-facing")
    assert found["ListenerDescriptions"][0]["Listener"]["LoadBalancerPort"] == 443
    settings = elb.describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"]
    assert settings["ConnectionSettings"]["IdleTimeout"] == 3600
    tags = elb.describe_tags(LoadBalancerNames=[name])["TagDescriptions"][0]["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "kubernetes.io/cluster/practice": "owned",
        "kubernetes.io/service-name": "default/kube-registry",
        "team": "infra",
    }
    assert cloud.source_ranges(host) == ("192.0.2.0/24",)
    assert list(cloud.balancers()) == [host]
    assert cluster.client.get(SERVICE)["metadata"]["finalizers"] == [
        "service.kubernetes.io/load-balancer-cleanup"
    ]
    wait_for(lambda: "EnsuredLoadBalancer" in cluster.events("kube-registry"), "the Event")
    cluster.client.delete(SERVICE)
    wait_for(lambda: cluster.client.find(SERVICE) is None, "the Service to go")
    names = [b["LoadBalancerName"] for b in elb.describe_load_balancers()["LoadBalancerDescriptions"]]
    assert name not in names
    assert network.addresses(host) == ()
    assert cloud.balancers() == {}


def test_connections_reach_ready_pods_only(
    cluster: Any,
    start_cloud: StartCloud,
    network: Network,
    ports: PodPorts,
    pod_port: int,
    wait_for: WaitFor,
) -> None:
    start_cloud()
    cluster.create("services", service_of())
    host = wait_for(lambda: host_of(cluster), "the balancer's name")
    assert heard_at(network, host) == b""
    slices = "discovery.k8s.io/v1"
    cluster.create("endpointslices", slice_of(is_ready=False), slices)
    ports.record("pod-1", 5000, pod_port)
    path = path_of(slices, "endpointslices", "default", "hand-made")
    cluster.client.patch(path, {"endpoints": slice_of(is_ready=True)["endpoints"]})
    wait_for(lambda: heard_at(network, host) == b"hello", "the way to the Pod")
    cluster.client.patch(path, {"endpoints": slice_of(is_ready=False)["endpoints"]})
    wait_for(lambda: heard_at(network, host) == b"", "the way to close")


def test_a_changed_idle_timeout_reaches_aws_and_keeps_the_name(
    cluster: Any, start_cloud: StartCloud, client_of: Any, wait_for: WaitFor
) -> None:
    cloud, elb = start_cloud(), client_of("elb")
    cluster.create("services", service_of())
    host = wait_for(lambda: host_of(cluster), "the balancer's name")
    socket_before = cloud.balancers()[host]
    key = PREFIX + "connection-idle-timeout"
    cluster.client.patch(SERVICE, {"metadata": {"annotations": {key: "120"}}})
    name = next(
        b["LoadBalancerName"]
        for b in elb.describe_load_balancers()["LoadBalancerDescriptions"]
        if b["DNSName"] == host
    )

    def idle() -> int:
        settings = elb.describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"]
        return int(settings["ConnectionSettings"]["IdleTimeout"])

    wait_for(lambda: idle() == 120, "AWS to know")
    assert host_of(cluster) == host
    assert cloud.balancers() == {host: socket_before}


def test_an_internal_balancer_has_a_name_that_leads_nowhere(
    cluster: Any, start_cloud: StartCloud, network: Network, wait_for: WaitFor
) -> None:
    start_cloud()
    cluster.create("services", service_of({PREFIX + "internal": "true"}))
    host = wait_for(lambda: host_of(cluster), "the balancer's name")
    assert host.startswith("internal-")
    (address,) = network.addresses(host)
    assert address.startswith("10.")
    assert network.target(address, 443) is None


def test_the_aws_controller_makes_internal_network_balancers_unless_told(
    cluster: Any, start_cloud: StartCloud, client_of: Any, wait_for: WaitFor
) -> None:
    start_cloud("aws-load-balancer-controller")
    elbv2 = client_of("elbv2")
    idle = {PREFIX + "listener-attributes.TCP-443": "tcp.idle_timeout.seconds=3600"}
    cluster.create("services", service_of(idle, loadBalancerClass="service.k8s.aws/nlb"))
    host = wait_for(lambda: host_of(cluster), "the balancer's name")

    def balancer() -> Any:
        found = elbv2.describe_load_balancers()["LoadBalancers"]
        return next(b for b in found if b["DNSName"] == host)

    assert (balancer()["Type"], balancer()["Scheme"]) == ("network", "internal")
    (listener,) = elbv2.describe_listeners(LoadBalancerArn=balancer()["LoadBalancerArn"])["Listeners"]
    told = elbv2.describe_listener_attributes(ListenerArn=listener["ListenerArn"])["Attributes"]
    assert {"Key": "tcp.idle_timeout.seconds", "Value": "3600"} in told
    wanted = {"metadata": {"annotations": {PREFIX + "scheme": "internet-facing"}}}
    cluster.client.patch(SERVICE, wanted)
    old = host
    host = wait_for(lambda: host_of(cluster) != old and host_of(cluster), "another balancer")
    assert balancer()["Scheme"] == "internet-facing"
    assert old not in [b["DNSName"] for b in elbv2.describe_load_balancers()["LoadBalancers"]]
    cluster.client.delete(SERVICE)
    wait_for(lambda: cluster.client.find(SERVICE) is None, "the Service to go")
    assert elbv2.describe_load_balancers()["LoadBalancers"] == []
    assert elbv2.describe_target_groups()["TargetGroups"] == []


def test_a_service_of_another_class_is_left_alone(
    cluster: Any, start_cloud: StartCloud, wait_for: WaitFor
) -> None:
    cloud = start_cloud()
    cluster.create("services", service_of(loadBalancerClass="service.k8s.aws/nlb"))
    other = service_of()
    other["metadata"]["name"] = "other"
    del other["spec"]["ports"][0]["nodePort"]
    cluster.create("services", other)
    wait_for(lambda: len(cloud.balancers()) == 1, "the other's balancer")
    assert host_of(cluster) == ""


def test_what_cannot_be_done_stands_in_an_event(
    cluster: Any, start_cloud: StartCloud, wait_for: WaitFor
) -> None:
    start_cloud()
    cluster.create("services", service_of({PREFIX + "connection-idle-timeout": "9999"}))
    wait_for(lambda: "SyncLoadBalancerFailed" in cluster.events("kube-registry"), "the Event")
    words = cluster.events("kube-registry")["SyncLoadBalancerFailed"]
    assert words.startswith("Error syncing load balancer: failed to ensure load balancer: ")
    assert "IdleTimeout" in words


@pytest.mark.parametrize(
    ("controller", "annotations", "kind", "scheme"),
    [
        ("in-tree", {}, "classic", "internet-facing"),
        ("in-tree", {"type": "nlb"}, "nlb", "internet-facing"),
        ("in-tree", {"internal": "true"}, "classic", "internal"),
        ("in-tree", {"internal": "false", "scheme": "internal"}, "classic", "internet-facing"),
        ("aws-load-balancer-controller", {}, "nlb", "internal"),
        ("aws-load-balancer-controller", {"scheme": "internet-facing"}, "nlb", "internet-facing"),
        ("aws-load-balancer-controller", {"internal": "false"}, "nlb", "internet-facing"),
        ("auto-mode", {"internal": "false", "type": "external"}, "nlb", "internal"),
        ("auto-mode", {"scheme": "internet-facing"}, "nlb", "internet-facing"),
    ],
)
def test_each_controller_has_its_own_rules(
    controller: Controller, annotations: dict[str, str], kind: str, scheme: str
) -> None:
    service = service_of({PREFIX + key: value for key, value in annotations.items()})
    service["metadata"] |= {"uid": "u-1", "namespace": "default"}
    wish = wish_of(service, controller, "practice")
    assert (wish.kind, wish.scheme) == (kind, scheme)
    assert len(wish.name) <= 32


def test_a_time_out_that_is_no_number_is_refused() -> None:
    service = service_of({PREFIX + "connection-idle-timeout": "soon"})
    service["metadata"] |= {"uid": "u-1", "namespace": "default"}
    with pytest.raises(BadService, match="connection-idle-timeout=soon"):
        wish_of(service, "in-tree", "practice")
