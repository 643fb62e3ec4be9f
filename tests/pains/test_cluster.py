"""Pains with clusters and htpasswd files: provoked in the practice world, told by sentence and fix."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pains.support import only, told
from tests.practice.cluster_steps.conftest import (
    authority,
    aws,
    cluster,
    denied,
    forbidden,
    kubeconfig,
    kubernetes,
    ledger,
    make_rig,
)
from tests.practice.cluster_steps.test_connect_step import node
from wizard import names
from wizard.endpoints import Endpoints
from wizard.errors import Held
from wizard.practice.kubernetes import Fault, KubernetesServer
from wizard.services.cluster import Cluster, transport
from wizard.state import SetupDirectory
from wizard.steps.connect import ConnectStep
from wizard.steps.htpasswd import HtpasswdStep
from wizard.vault import Vault

__all__ = [
    "authority",
    "aws",
    "cluster",
    "denied",
    "forbidden",
    "kubeconfig",
    "kubernetes",
    "ledger",
    "make_rig",
    "node",
]
CONNECT, PEOPLE = ConnectStep(), HtpasswdStep()
MakeRig = Callable[..., Any]
Script = Callable[[str, str], Fault | None]


def look(rig: Any) -> Any:
    return CONNECT.inspect(rig.context(CONNECT))


@pytest.fixture
def change_kubeconfig(kubeconfig: Path) -> Callable[..., None]:
    """Another user, or another server, in the kubeconfig."""

    def change(*, user: dict[str, Any] | None = None, server: str = "") -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        if user is not None:
            config["users"][0]["user"] = user
        if server:
            config["clusters"][0]["cluster"]["server"] = server
        kubeconfig.write_text(yaml.safe_dump(config))

    return change


@pytest.fixture
def script(kubernetes: KubernetesServer, cluster: Cluster) -> Iterator[Callable[[Script], None]]:
    """Faults of the API server, by method and path; over before `cluster` is emptied."""
    assert cluster.server == kubernetes.url

    def follow(faults: Script) -> None:
        kubernetes.fault = faults

    yield follow
    kubernetes.fault = None


def test_7_hashes_other_than_bcrypt(make_rig: MakeRig, cluster: Cluster) -> None:
    data = {"htpasswd": "zoe:$apr1$x$yyyyyyyyyyyyyyyyyyyyyy\n"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names.HTPASSWD_SECRET}}
    cluster.create({**secret, "stringData": data})
    rig = make_rig(htpasswd={"users": ["alice"]}, passwords={"alice": "first"})
    problem = only(rig.plan(PEOPLE).blockers)
    assert problem.what == "Line 1 (zoe) of the Secret htpasswd-file cannot be used."
    assert "bcrypt" in problem.why
    assert problem.fix == "Delete the line, or add zoe to htpasswd.users and give a password."


def test_9_passwords_and_names_that_htpasswd_cannot_hold(make_rig: MakeRig) -> None:
    odd = "$2b$10$a:b c#'\"\\"
    make_rig(
        htpasswd={"users": ["alice"]},
        passwords={"alice": odd},
        certificate={"domain": "registry.practice.test"},
    ).run(PEOPLE)
    problem = told(lambda: Vault().set_password("alice", "ü" * 37))
    assert "bcrypt reads only 72 bytes (UTF-8); this password is longer." in str(problem)
    assert problem.fix
    problem = told(lambda: make_rig(htpasswd={"users": ["a:b"]}))
    assert "A user name has no colon: the htpasswd file uses it as its separator." in str(problem)
    assert problem.fix


def test_8_3_eks_without_an_access_entry_and_without_the_aws_program(
    make_rig: MakeRig, change_kubeconfig: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    change_kubeconfig(
        user={"exec": {"command": "aws", "args": ["eks", "get-token", "--cluster-name", "prod"]}}
    )
    problem = told(lambda: look(make_rig()))
    assert problem.what == "The API server of the context practice does not accept your credentials."
    assert problem.fix.startswith("Give the AWS user or role an access entry: aws eks create-access-entry")


def test_8_3_a_login_program_that_is_not_there(
    make_rig: MakeRig, change_kubeconfig: Callable[..., None]
) -> None:
    change_kubeconfig(user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such"}})
    problem = told(lambda: look(make_rig()))
    assert problem.what == "The context practice logs in by the program no-such, which cannot be started."
    assert problem.fix == "Install no-such, or choose another context."


def test_8_3_a_private_endpoint(
    make_rig: MakeRig, change_kubeconfig: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "FIRST_TIMEOUTS_S", (0.5, 0.5))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"https://127.0.0.1:{silent.getsockname()[1]}"
        change_kubeconfig(server=server)
        problem = told(lambda: look(make_rig()))
    assert problem.what == f"The API server {server} of the context practice cannot be reached."
    assert problem.why == "It does not answer in time."
    assert problem.fix.endswith("that this machine may reach it (VPN, private endpoint).")


def test_8_3_no_kubeconfig(make_rig: MakeRig, kubeconfig: Path) -> None:
    rig = make_rig()
    kubeconfig.unlink()
    problem = told(lambda: look(rig))
    assert "kubeconfig" in problem.what
    assert "aws eks update-kubeconfig" in problem.fix


def test_8_3_a_context_without_credentials(
    make_rig: MakeRig, change_kubeconfig: Callable[..., None], script: Callable[[Script], None]
) -> None:
    """As kops leaves it behind: its API server lets the anonymous in, and then forbids everything."""
    message = 'namespaces "default" is forbidden: User "system:anonymous" cannot get resource "namespaces"'
    script(lambda _, path: Fault(403, message) if path.startswith("/api") else None)
    change_kubeconfig(user={})
    problem = told(lambda: look(make_rig()))
    assert problem.what.startswith("The context practice carries no credentials")
    assert problem.fix == "Run `kops export kubeconfig --admin`, or choose a context that logs in."


def test_8_4_the_profile_is_of_another_account_than_the_cluster(
    make_rig: MakeRig, node: Callable[..., None]
) -> None:
    node(provider_id="aws:///eu-west-1a/i-0123456789abcdef0")
    (problem,) = (each for each in look(make_rig()).warnings if each.code == "other-account")
    assert problem.what == "The account 123456789012 does not have the node's instance i-0123456789abcdef0."
    assert problem.fix == "Check that profile and context belong together."


def test_8_4_nodes_that_may_not_be_listed(make_rig: MakeRig, denied: set[tuple[str, str]]) -> None:
    denied.add(("list", "nodes"))
    (problem,) = (each for each in look(make_rig()).warnings if each.code == "nodes-unlistable")
    assert problem.what == "Your user may not list the cluster's nodes."
    assert problem.fix == "Go on if you know that, or ask for the right to list nodes."


# What a namespace may hold against it


def test_8_10_a_namespace_that_is_not_there(make_rig: MakeRig) -> None:
    rig = make_rig(connect={"aws_region": "eu-west-1", "namespace": "absent"})
    problem = only(rig.plan(CONNECT).blockers)
    assert "absent" in problem.what
    assert "create_namespace" in problem.fix


LIMIT = {"type": "Container", "max": {"memory": "64Mi"}}
CLOSED = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "what", "fix"),
    [
        (
            "v1",
            "ResourceQuota",
            {"hard": {"services.loadbalancers": "0"}},
            "The ResourceQuota of-a-test leaves no room for the registry: services.loadbalancers.",
            "Have the quota raised, or choose another namespace.",
        ),
        (
            "v1",
            "LimitRange",
            {"limits": [LIMIT]},
            "The LimitRange of-a-test does not admit the registry's Pods: memory.",
            "Have the LimitRange changed, or choose another namespace.",
        ),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            CLOSED,
            "The NetworkPolicy of-a-test denies all ingress and egress traffic of the namespace's Pods.",
            "Allow that in a NetworkPolicy for the Pods with app.kubernetes.io/name=kube-registry.",
        ),
    ],
    ids=["quota", "limit-range", "default-deny"],
)
def test_8_10_limits_of_a_namespace(
    make_rig: MakeRig, cluster: Cluster, api_version: str, kind: str, spec: Any, what: str, fix: str
) -> None:
    named = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "of-a-test"}}
    cluster.create({**named, "spec": spec})
    try:
        facts = look(make_rig())
    finally:
        cluster.delete(api_version, kind, "of-a-test")
    (problem,) = (each for each in (*facts.problems, *facts.warnings) if each.what == what)
    assert problem.fix == fix


def test_8_10_an_admission_policy_that_refuses(make_rig: MakeRig, script: Callable[[Script], None]) -> None:
    message = 'admission webhook "secrets.policy.test" denied the request: no Secrets here'
    script(
        lambda method, path: Fault(403, message) if method != "GET" and path.endswith("/secrets") else None
    )
    rig = make_rig(htpasswd={"users": ["alice"]}, passwords={"alice": "first"})
    problem = told(lambda: rig.run(PEOPLE))
    assert problem.what.startswith("A policy of the cluster refused")
    assert problem.fix == "Show the policy's owner the message, or choose another namespace."


def test_8_13_two_operators_on_one_setup(tmp_path: Path) -> None:
    directory = SetupDirectory(tmp_path, "team")
    with directory.lock("apply -a team.toml"), pytest.raises(Held) as caught, directory.lock("undo"):
        pass
    problem = caught.value.problem
    assert problem.what == "Another run works on the setup team."
    assert "(apply -a team.toml)" in problem.why
    assert problem.fix == "Wait until it has ended, or end it, then run the same command again."


def test_8_13_another_setup_in_the_namespace(make_rig: MakeRig, cluster: Cluster) -> None:
    cluster.write_secret("registry-s3-credentials", {}, setup="team-b")
    problem = only(look(make_rig()).problems)
    assert "team-b" in problem.what
    assert problem.fix


def test_8_7_tls_of_the_cluster_that_is_read_on_the_way(
    kubernetes: KubernetesServer, kubeconfig: Path
) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    kubeconfig.write_text(yaml.safe_dump(config))
    other = Cluster("", "default", Endpoints(), aws=lambda: pytest.fail("AWS is not asked here"))
    problem = told(other.version)
    other.close()
    assert problem.what == f"The API server {kubernetes.url} of the context practice cannot be reached."
    assert problem.fix == "Get the kubeconfig anew, or name the proxy's CA as ca_file in [endpoints]."
