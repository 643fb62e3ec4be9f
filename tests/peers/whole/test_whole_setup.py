"""The whole setup on parts that no one here wrote: Kubernetes, Pebble, the registries, and their clients."""

import base64
import contextlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.e2e.program import Ran
from tests.peers.whole.conftest import RESTRICTED, Whole, needed
from tests.peers.whole.written import KINDS, what_is_written
from wizard import names, ownership
from wizard.answers import Answers, load

pytestmark = [pytest.mark.peers, pytest.mark.e2e]
WaitFor = Callable[[Callable[[], Any], str], Any]
DOMAIN, PASSWORD = "registry.practice.test", "whole-canary-7"
LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Case:
    """One way to set it up; `is_ours` where the wizard makes the namespace, else it is there, restricted.

    `has_role` where the program may do only what the README's Role allows, else it may do everything.
    """

    release: str
    workload: str
    balancer: str
    replicas: int
    is_ours: bool = False
    has_role: bool = False
    is_renewed: bool = False
    method: str = "webroot"

    def __str__(self) -> str:
        return f"{self.release.replace('.', '-')}-{self.workload.lower()}-{self.balancer}-{self.replicas}"

    @property
    def namespace(self) -> str:
        return f"whole-{self}"

    def answers(self) -> str:
        return f"""
version = 1
setup = "{self}"
[connect]
namespace = "{self.namespace}"
create_namespace = {str(self.is_ours).lower()}
[bucket]
name = "whole-{self}"
[user]
name = "whole-{self}"
policy = "whole-{self}"
[certificate]
agree_tos = true
method = "{self.method}"
renew_by = "dns-route53"
[htpasswd]
users = ["alice"]
[deploy]
workload = "{self.workload}"
image = "registry:{self.release}"
replicas = {self.replicas}
load_balancer = "{self.balancer}"
[consent]
replace_record = "A 127.80.0.1"
"""


# Each pair of what is told apart meets in one of these five.
CASES = (
    Case("2.8", "Deployment", "classic", 1, has_role=True, is_renewed=True),
    Case("2.8", "ReplicationController", "nlb", 3),
    Case("3", "Deployment", "nlb", 3, is_ours=True),
    Case("3", "ReplicationController", "classic", 3),
    Case("3", "ReplicationController", "nlb", 1, is_renewed=True, method="dns-route53"),
)


def run(command: Sequence[str | Path], environment: dict[str, str], stdin: str = "") -> str:
    """What it wrote to stdout; one that fails fails the test with its last words."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} {command[1]}: {done.stderr}"
    return done.stdout


def told(ran: Ran) -> str:
    return ran.out[-3000:] + ran.err


@pytest.mark.parametrize("case", CASES, ids=str)
def test_apply_check_renew_and_undo(
    case: Case,
    whole: Whole,
    registry_release: Callable[[str], Path],
    go_tools: Path,
    tmp_path: Path,
    wait_for: WaitFor,
) -> None:
    needed("docker", "kubectl", "skopeo", go_tools / "crane")
    program = registry_release(case.release)
    answers = tmp_path / "answers.toml"
    answers.write_text(case.answers())
    passwords = {"KUBE_REGISTRY_PASSWORD_ALICE": PASSWORD}
    with contextlib.ExitStack() as stack:
        if not case.is_ours:
            make_namespace(whole, case.namespace, wait_for)
            the_api_server_takes_the_manifests(whole, case, load(answers), tmp_path)
        if case.has_role:
            stack.enter_context(whole.as_operator(case.namespace))
        before = whole.names()

        apply = ("apply", "--practice", "-a", str(answers), "--json")
        applied = whole.program.run(*apply, environment=passwords)
        assert applied.code == 0, told(applied)
        assert set(applied.checks.values()) <= {"passed", "warning"}, applied.checks
        the_pods_run(whole, case, program)
        first = the_certificate_is_pebbles(whole, case)
        assert whole.served() == first
        clients_log_in_push_and_pull(whole, go_tools / "crane", tmp_path)
        nothing_else_was_written(whole, case, load(answers), tmp_path)

        made = whole.inventory()
        for command in (apply, ("check", str(case), "--practice", "--json")):
            again = whole.program.run(*command, environment=passwords)
            assert again.code == 0, told(again)
            assert [event for event in again.events if event["event"] == "change_started"] == []
        assert settled(whole.inventory()) == settled(made), "looking again has changed something"

        if case.is_renewed:
            renewed = whole.program.run("renew", str(case), "--practice", "--json")
            assert renewed.code == 0, told(renewed)
            second = the_certificate_is_pebbles(whole, case)
            assert second != first
            assert whole.served() == second
            the_pods_run(whole, case, program)

        undone = whole.program.run(
            "undo", str(case), "--practice", "--yes", "--delete-bucket", f"whole-{case}", "--json"
        )
        assert undone.code == 0, told(undone)
        wait_for(lambda: whole.names() == before, "everything to be as it was")


def make_namespace(whole: Whole, name: str, wait_for: WaitFor) -> None:
    whole.cluster("POST", "api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
    account = f"api/v1/namespaces/{name}/serviceaccounts/default"
    wait_for(lambda: account_is_there(whole, account), "the ServiceAccount")


def account_is_there(whole: Whole, path: str) -> bool:
    return whole.session.get(f"{whole.url}/{path}", timeout=30).status_code == 200


def settled(inventory: dict[str, str]) -> dict[str, str]:
    """Without Pods, whose versions go up with what their node tells."""
    return {name: what for name, what in inventory.items() if not name.startswith("api/v1/pods/")}


def the_api_server_takes_the_manifests(whole: Whole, case: Case, answers: Answers, directory: Path) -> None:
    """`kubectl apply --dry-run=server` in a namespace that is held to Pod Security `restricted`."""
    environment = whole.environment()
    kubectl = ("kubectl", "--namespace", case.namespace)
    written = what_is_written(answers, whole.environment()["AWS_ENDPOINT_URL"], directory)
    everything = {"apiVersion": "v1", "kind": "List", "items": written}
    done = subprocess.run(
        (*kubectl, "apply", "--dry-run=server", "--filename", "-"),
        env=environment,
        input=json.dumps(everything),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), "refused, or warned of"
    lines = done.stdout.splitlines()
    assert len(lines) == len(written)
    assert all(line.endswith("created (server dry run)") for line in lines), lines
    template = next(each for each in written if each["kind"] == case.workload)["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": "as-the-workload-makes-it"}
    run((*kubectl, "create", "--dry-run=server", "--filename", "-"), environment, json.dumps(pod))
    loose = (*kubectl, "run", "loose", "--image=busybox", "--dry-run=server")
    refused = subprocess.run(loose, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "violates PodSecurity" in refused.stderr


def nothing_else_was_written(whole: Whole, case: Case, answers: Answers, directory: Path) -> None:
    """Than what was shown to the API server before; what controllers make of it bears no field of ours."""
    known = {
        (each["kind"], each["metadata"]["name"])
        for each in what_is_written(answers, whole.environment()["AWS_ENDPOINT_URL"], directory)
    }
    selector = f"?labelSelector={ownership.SELECTOR}"
    for path, kind in KINDS.items():
        group, _, plural = path.rpartition("/")
        found = whole.cluster("GET", f"{group}/namespaces/{case.namespace}/{plural}{selector}")["items"]
        assert {(kind, each["metadata"]["name"]) for each in found} <= known


def the_pods_run(whole: Whole, case: Case, program: Path) -> None:
    pods = whole.cluster("GET", f"api/v1/namespaces/{case.namespace}/pods")["items"]
    ready = [
        status["containerID"]
        for pod in pods
        for status in pod["status"]["containerStatuses"]
        if status["ready"] and not pod["metadata"].get("deletionTimestamp")
    ]
    assert len(ready) == case.replicas, pods
    numbers = [each.removeprefix("practice://") for each in ready]
    assert {Path(f"/proc/{number}/exe").resolve() for number in numbers} == {program}


def the_certificate_is_pebbles(whole: Whole, case: Case) -> str:
    """Its serial, as a number."""
    path = f"api/v1/namespaces/{case.namespace}/secrets/{names.CERTIFICATE_SECRET}"
    pem = base64.b64decode(whole.cluster("GET", path)["data"][names.CERTIFICATE_KEY])
    found = x509.load_pem_x509_certificate(pem)
    assert "Pebble" in found.issuer.rfc4514_string()
    return str(found.serial_number)


def docker_logs_in(environment: dict[str, str], login: Sequence[str], config: Path) -> None:
    """Without a daemon it asks the registry itself; a wrong password is refused, the right one kept."""
    alone = {**environment, "DOCKER_CONFIG": str(config), "DOCKER_HOST": f"unix://{config}/no-daemon"}
    command = ("docker", "login", *login)
    refused = subprocess.run(
        command, env=alone, input="wrong", capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert refused.returncode != 0
    assert "401" in refused.stderr, refused.stderr
    assert "Login Succeeded" in run(command, alone, PASSWORD)
    assert list(json.loads((config / "config.json").read_text())["auths"]) == [DOMAIN]


def clients_log_in_push_and_pull(whole: Whole, crane: Path, tmp_path: Path) -> None:
    """Pushed by crane, pulled and pushed again by skopeo, pulled by crane: the digest is one throughout."""
    environment = whole.environment() | {
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
    }
    login = ("--username", "alice", "--password-stdin", DOMAIN)
    run((crane, "auth", "login", *login), environment, PASSWORD)
    run(("skopeo", "login", *login), environment, PASSWORD)
    docker_logs_in(environment, login, tmp_path / "of-docker")
    image, layer = f"{DOMAIN}/team/app", tmp_path / "layer.tar"
    (tmp_path / "random").write_bytes(os.urandom(2**20))
    with tarfile.open(layer, "w") as tar:
        tar.add(tmp_path / "random", "random")
    append = ("append", "--oci-empty-base", "--new_layer", layer, "--new_tag", f"{image}:v1")
    digest = run((crane, *append), environment).strip().rpartition("@")[2]
    assert digest.startswith("sha256:")
    skopeo = ("skopeo", "--insecure-policy", "copy", "--preserve-digests")
    run((*skopeo, f"docker://{image}:v1", f"oci:{tmp_path / 'pulled'}:v1"), environment)
    run((*skopeo, f"oci:{tmp_path / 'pulled'}:v1", f"docker://{image}:v2"), environment)
    pulled = json.loads((tmp_path / "pulled" / "index.json").read_text())["manifests"][0]["digest"]
    assert pulled == digest
    assert run((crane, "digest", f"{image}:v2"), environment).strip() == digest
    assert run((crane, "ls", image), environment).split() == ["v1", "v2"]
    run((crane, "pull", "--format=oci", f"{image}:v2", tmp_path / "again"), environment)
    sent = {path.name for path in (tmp_path / "pulled" / "blobs" / "sha256").iterdir()}
    assert {path.name for path in (tmp_path / "again" / "blobs" / "sha256").iterdir()} >= sent
