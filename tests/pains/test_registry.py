"""Pains with the running registry: provoked in a whole practice world, told by sentence and fix."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.pains.support import failed, told
from tests.practice.registry_steps.conftest import _environment, authority, make_rig, world
from tests.practice.registry_steps.test_deploy_step import failure
from tests.practice.test_services_registry import Answering, Misbehaving, endpoints, misbehaving
from wizard import names
from wizard.endpoints import Endpoints
from wizard.events import CheckStatus
from wizard.polling import wait_until
from wizard.practice.listener import Listener
from wizard.practice.node.ports import free_port
from wizard.practice.pki import Authority
from wizard.practice.world import World
from wizard.services import tls
from wizard.services.registry import Registry, digest_of
from wizard.steps.deploy import DeployStep

__all__ = ["_environment", "authority", "endpoints", "make_rig", "misbehaving", "world"]
STEP = DeployStep()
MakeRig = Callable[..., Any]
NAME = "127.0.0.1"
PRIVATE = ", private ones with role/internal-elb = 1"
DIGEST = digest_of(b"x")


# What clients meet


def test_10_pods_that_do_not_share_a_secret(misbehaving: Misbehaving) -> None:
    client = misbehaving(404, {}, b'{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}')
    problem = told(lambda: client.push_blob("a", b"x"))
    assert problem.what.startswith("The registry refused to ")
    assert problem.why == "The Pods do not share one HTTP secret, so a Pod refuses what another one began."
    assert problem.fix == "Check the step deploy."


def test_12_uploads_that_go_on_by_plain_http(misbehaving: Misbehaving) -> None:
    client = misbehaving(202, {"Location": "http://127.0.0.1/v2/a/blobs/uploads/1"})
    problem = told(lambda: client.push_blob("a", b"x"))
    assert problem.what == f"The registry at {client.host} sends uploads to an http:// address."
    assert problem.fix == "Pass port 443 through to the registry as TCP."


def test_13_http_where_tls_should_be() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    plain = Listener("plain", answer)
    plain.start()
    port = plain.port
    problem = told(lambda: tls.served(NAME, port, NAME, Endpoints()))
    plain.stop()
    assert problem.what == f"{NAME}, port {port}, answers HTTP, not TLS."
    assert problem.fix == (
        "Lead port 443 to the registry's port 5000 as TCP, without another listener in between."
    )
    assert "insecure" not in str(problem)


def test_14_a_served_chain_without_its_intermediate(
    authority: Authority, endpoints: Endpoints, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = authority.issue(key.public_key(), [NAME], lifetime=timedelta(days=1))
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem", tmp_path / "key.pem")

    def short(connection: socket.socket) -> None:
        Answering(connection, 200)

    served = Listener("short", short, context=context)
    served.start()
    with Registry(f"{NAME}:{served.port}", endpoints) as client:
        problem = told(client.ping)
    served.stop()
    assert problem.what == f"The certificate that {NAME} serves was refused."
    assert "intermediate" in problem.why
    assert problem.fix.startswith("Serve the full chain of a trusted CA for this name")


def test_20_a_redirect_to_a_storage_that_cannot_be_reached(misbehaving: Misbehaving) -> None:
    client = misbehaving(307, {"Location": f"http://127.0.0.1:{free_port()}/layer?X-Amz-Signature=hidden"})
    problem = told(lambda: client.pull_blob("a", DIGEST))
    assert problem.what == (
        "The registry sends pulling clients to 127.0.0.1, which cannot be reached from here."
    )
    assert problem.fix == ("Allow clients to reach 127.0.0.1, or set REGISTRY_STORAGE_REDIRECT_DISABLE=true.")


# The balancer


@pytest.fixture
def faults(world: World) -> Iterator[Any]:
    yield world.aws.settings
    world.aws.settings.fault = None


def on(operation: str, code: str, message: str) -> Any:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return lambda _service, asked: (400, {}, body.encode()) if asked == operation else None


@pytest.mark.parametrize(
    ("code", "message", "why", "fix"),
    [
        (
            "SubnetNotFound",
            "could not find any suitable subnets for creating the ELB",
            "The cluster's controller finds no suitable subnets.",
            f"Tag the public subnets with kubernetes.io/role/elb = 1{PRIVATE}.",
        ),
        (
            "TooManyLoadBalancers",
            "Exceeded quota of account 123456789012",
            "The account's quota of load balancers is used up.",
            "Raise it in Service Quotas, or delete a load balancer that nobody uses.",
        ),
        (
            "InvalidSubnet",
            "VPC vpc-1 has no internet gateway",
            "The cluster's network has no internet gateway.",
            'Attach one, or set deploy.scheme to "internal".',
        ),
        (
            "InvalidConfigurationRequest",
            "Multiple tagged security groups found for instance i-1",
            "The nodes' security groups keep the controller from its work.",
            "Leave the tag kubernetes.io/cluster/<name> on exactly one security group of the nodes.",
        ),
    ],
    ids=["16-subnets", "8.12-quota", "8.12-no-route", "8.12-security-groups"],
)
def test_16_the_balancer_stays_pending(
    make_rig: MakeRig, faults: Any, code: str, message: str, why: str, fix: str
) -> None:
    faults.fault = on("CreateLoadBalancer", code, message)
    problem = failure(make_rig()).problem
    assert problem.what == "AWS makes no load balancer for the registry."
    assert (problem.why, problem.fix) == (why, fix)


def test_8_12_what_is_not_known_is_quoted(
    make_rig: MakeRig, faults: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.fault = on("CreateLoadBalancer", "InvalidConfigurationRequest", "this VPC has IPv6 only")
    monkeypatch.setattr("wizard.steps._deploy_balancer.ADDRESS_DEADLINE_S", 1.5)
    rig = make_rig()
    failure(rig)
    wait_until(
        lambda: "IPv6 only" in str(rig.cluster.events_for("Service", names.REGISTRY)),
        what="the Event",
        deadline_s=60,
        step=STEP.id,
        emit=lambda _: None,
        cancel=threading.Event(),
    )
    problem = failure(rig).problem
    assert problem.what == "AWS makes no load balancer for the registry."
    assert "this VPC has IPv6 only" in problem.why
    assert problem.fix == "Look at the Service: kubectl describe service kube-registry"


@pytest.fixture
def deployed(make_rig: MakeRig) -> Any:
    rig = make_rig()
    rig.run(STEP)
    return rig


def test_11_and_17_the_balancer_is_not_as_it_should_be(deployed: Any) -> None:
    balancer = deployed.facts.deploy.balancer
    deployed.services.aws.client("elb").modify_load_balancer_attributes(
        LoadBalancerName=balancer.name,
        LoadBalancerAttributes={"ConnectionSettings": {"IdleTimeout": 60}},
    )
    deployed.facts.deploy = STEP.inspect(deployed.context(STEP))
    problem = failed(deployed.verify(STEP))
    assert problem.what == "The load balancer cuts connections that are silent for 60 s, not 3600 s."
    assert problem.fix == "Set the idle time-out of the load balancer in the AWS console."
    deployed.answer(scheme="internal")
    problem = failed(deployed.verify(STEP))
    assert problem.what == "The load balancer is internet-facing, not internal."
    assert problem.fix.endswith("or set deploy.scheme to what it gives.")


def test_15_pods_that_still_serve_the_old_certificate(deployed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard.steps._deploy_balancer.SETTLE_DEADLINE_S", 0.2)
    deployed.renew()
    problem = deployed.verify(STEP)["serial"].problem
    assert problem.what.endswith(" answers with another certificate than the Secret's.")
    assert problem.fix == "Run the step deploy again."


# Images


@pytest.fixture
def hub(world: World) -> Iterator[Callable[..., str]]:
    """A registry of images at hub.elsewhere.test that answers as told."""
    running: list[Listener] = []
    context = world.acme._authority.server_context(["hub.elsewhere.test"])

    def start(status: int, body: bytes = b"") -> str:
        def serve(connection: socket.socket) -> None:
            Answering(connection, status, None, body)

        listener = Listener("hub", serve, context=context)
        listener.start()
        running.append(listener)
        world.network.name("hub.elsewhere.test", ["127.80.9.9"])
        world.network.publish("127.80.9.9", 443, ("127.0.0.1", listener.port))
        return "hub.elsewhere.test/library/ours:3.1.1"

    yield start
    world.network.withdraw("127.80.9.9")
    for listener in running:
        listener.stop()


ARM_ONLY = b'{"manifests":[{"digest":"sha256:0","platform":{"os":"linux","architecture":"riscv64"}}]}'


@pytest.mark.parametrize(
    ("status", "body", "why", "fix"),
    [
        (
            429,
            b"",
            "The public hub's pull limit for the nodes' address is used up.",
            "Wait some hours, or set deploy.image to a mirror of yours.",
        ),
        (
            200,
            ARM_ONLY,
            "The image is not made for the nodes' processors.",
            "Set deploy.image to a multi-platform image, such as registry:3.1.1.",
        ),
    ],
    ids=["limit", "platform"],
)
def test_8_11_an_image_that_the_nodes_do_not_get(
    make_rig: MakeRig, hub: Callable[..., str], status: int, body: bytes, why: str, fix: str
) -> None:
    image = hub(status, body)
    problem = failure(make_rig(image=image)).problem
    assert problem.what == f"The image {image} cannot be pulled."
    assert (problem.why, problem.fix) == (why, fix)


def test_8_11_nodes_without_a_way_out(make_rig: MakeRig) -> None:
    problem = failure(make_rig(image="mirror.nowhere.test/ours:3.1.1")).problem
    assert problem.why == "The nodes do not reach the image's registry."
    assert problem.fix == "Give the nodes a way out, or set deploy.image to a mirror that they reach."


def test_8_10_a_quota_that_pods_meet_later(make_rig: MakeRig) -> None:
    rig = make_rig()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    rig.cluster.create({**quota, "spec": {"hard": {"pods": "0"}}})
    problem = failure(rig).problem
    assert problem.what == "The cluster refuses to make the registry's Pods."
    assert problem.fix == "Raise the quota; an update needs room for one more Pod than deploy.replicas."


def test_8_14_storage_that_does_not_answer_restarts_no_pod(deployed: Any) -> None:
    live = deployed.cluster.get("apps/v1", "Deployment", names.REGISTRY)
    (container,) = live["spec"]["template"]["spec"]["containers"]
    assert "tcpSocket" in container["livenessProbe"]
    assert "httpGet" in container["readinessProbe"] or "exec" in container["readinessProbe"]
    service = deployed.cluster.get("v1", "Service", names.REGISTRY)
    assert [port["port"] for port in service["spec"]["ports"]] == [443]
    assert deployed.verify(STEP)["serial"].status is CheckStatus.PASSED
