"""What the node agent is made of: images, environment, volumes, probes, processes."""

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

import wizard
from wizard.practice.kubeclient import Obj
from wizard.practice.node.environment import ConfigError, check_user, resolve_env
from wizard.practice.node.images import InvalidImageName, PullError, resolve
from wizard.practice.node.logs import LogRing
from wizard.practice.node.ports import free_port
from wizard.practice.node.probes import ask
from wizard.practice.node.process import Process, Warden
from wizard.practice.node.status import pod_status
from wizard.practice.node.volumes import MountError, Volumes

WaitFor = Callable[[Callable[[], Any], str], Any]

POD: Obj = {
    "metadata": {"name": "web", "namespace": "default", "uid": "u1", "labels": {"app": "registry"}},
    "spec": {"nodeName": "practice-1", "containers": []},
}


def secret(**data: str) -> Obj:
    encoded = {
        key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()
    }
    return {"metadata": {"name": "s"}, "data": encoded}


class Objects(dict[tuple[str, str], Obj]):
    def __call__(self, kind: str, name: str) -> Obj | None:
        return self.get((kind, name))


@pytest.mark.parametrize(
    ("text", "name", "major"),
    [
        ("registry:2", "docker.io/library/registry", 2),
        ("registry:2.8.3", "docker.io/library/registry", 2),
        ("registry", "docker.io/library/registry", 3),
        ("docker.io/library/registry:3.1.1", "docker.io/library/registry", 3),
        ("distribution/distribution:3.0.0-rc.1", "docker.io/distribution/distribution", 3),
        ("mirror.corp.test:5000/hub/registry:3", "mirror.corp.test:5000/hub/registry", 3),
        (f"registry@sha256:{'a' * 64}", "docker.io/library/registry", 3),
        (f"registry:2.8.3@sha256:{'a' * 64}", "docker.io/library/registry", 2),
    ],
)
def test_registry_images_are_known_by_any_of_their_names(text: str, name: str, major: int) -> None:
    image = resolve(text)
    assert (image.name, image.major, image.program) == (name, major, "registry")
    assert image.image_id.startswith(f"{name}@sha256:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("registry:nope", "docker.io/library/registry:nope: not found"),
        ("registry:9", "docker.io/library/registry:9: not found"),
        ("registry:2.9.0", "docker.io/library/registry:2.9.0: not found"),
        ("nobody/nothing:1", "pull access denied, repository does not exist or may require authorization"),
    ],
)
def test_unknown_images_are_not_to_be_had(text: str, words: str) -> None:
    with pytest.raises(PullError, match=words):
        resolve(text)


def test_a_name_in_capitals_is_no_image_name() -> None:
    with pytest.raises(InvalidImageName, match="repository name must be lowercase"):
        resolve("Registry:3")


def test_env_is_resolved_in_order_and_expanded() -> None:
    objects = Objects({("secret", "s"): secret(key="k1"), ("configmap", "c"): {"data": {"region": "eu"}}})
    env = resolve_env(
        {
            "envFrom": [{"prefix": "C_", "configMapRef": {"name": "c"}}],
            "env": [
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
                {"name": "BOTH", "value": "$(KEY)-$(C_region)-$(UNKNOWN)-$$(KEY)"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k", "optional": True}}},
            ],
        },
        POD,
        objects,
    )
    assert env == {
        "C_region": "eu",
        "KEY": "k1",
        "BOTH": "k1-eu-$(UNKNOWN)-$(KEY)",
        "POD": "web",
        "APP": "registry",
    }


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"secretKeyRef": {"name": "gone", "key": "k"}}, 'secret "gone" not found'),
        ({"secretKeyRef": {"name": "s", "key": "k"}}, "couldn't find key k in Secret default/s"),
        ({"configMapKeyRef": {"name": "gone", "key": "k"}}, 'configmap "gone" not found'),
    ],
)
def test_missing_env_sources_are_told_as_the_kubelet_does(source: Obj, words: str) -> None:
    objects = Objects({("secret", "s"): secret(other="x")})
    with pytest.raises(ConfigError) as told:
        resolve_env({"env": [{"name": "A", "valueFrom": source}]}, POD, objects)
    assert str(told.value) == words


def test_run_as_non_root_needs_a_user() -> None:
    container: Obj = {"name": "registry", "securityContext": {"runAsNonRoot": True}}
    with pytest.raises(ConfigError, match="container has runAsNonRoot and image will run as root"):
        check_user(container, POD)
    check_user({**container, "securityContext": {"runAsNonRoot": True, "runAsUser": 1000}}, POD)
    with pytest.raises(ConfigError, match="runAsUser breaks non-root policy"):
        check_user({**container, "securityContext": {"runAsNonRoot": True, "runAsUser": 0}}, POD)


def volumes_of(volume: Obj, objects: Objects, directory: Path) -> Volumes:
    return Volumes({**POD, "spec": {"volumes": [{"name": "certs", **volume}]}}, directory, objects)


def test_a_secret_becomes_files_that_follow_it(tmp_path: Path) -> None:
    objects = Objects({("secret", "s"): secret(domain_crt="one", domain_key="key", next_key="later")})
    items = [
        {"key": "domain.crt", "path": "domain.crt"},
        {"key": "domain.key", "path": "k/e/y", "mode": 0o400},
    ]
    volumes = volumes_of({"secret": {"secretName": "s", "items": items}}, objects, tmp_path)
    volumes.refresh()
    certs = tmp_path / "certs"
    assert sorted(str(p.relative_to(certs)) for p in certs.rglob("*") if p.is_file()) == [
        "domain.crt",
        "k/e/y",
    ]
    assert (certs / "domain.crt").read_text() == "one"
    assert [(certs / p).stat().st_mode & 0o777 for p in ("domain.crt", "k/e/y")] == [0o644, 0o400]
    assert certs.stat().st_mode & 0o777 == 0o700
    objects["secret", "s"] = secret(domain_crt="two", domain_key="key")
    volumes.refresh()
    assert (certs / "domain.crt").read_text() == "two"


def test_a_key_that_goes_takes_its_file_along(tmp_path: Path) -> None:
    objects = Objects({("secret", "s"): secret(a="1", b="2")})
    volumes = volumes_of({"secret": {"secretName": "s"}}, objects, tmp_path)
    volumes.refresh()
    objects["secret", "s"] = secret(a="1")
    volumes.refresh()
    assert [path.name for path in (tmp_path / "certs").iterdir()] == ["a"]


def test_mount_paths_lead_to_the_files_and_sub_paths_stay_as_they_were(tmp_path: Path) -> None:
    objects = Objects({("secret", "s"): secret(htpasswd="old")})
    volumes = volumes_of({"secret": {"secretName": "s"}}, objects, tmp_path / "volumes")
    volumes.refresh()
    spec = {
        "volumeMounts": [
            {"name": "certs", "mountPath": "/auth/"},
            {"name": "certs", "mountPath": "/etc/htpasswd", "subPath": "htpasswd"},
        ]
    }
    mounts = volumes.mounts(spec, tmp_path / "own")
    objects["secret", "s"] = secret(htpasswd="new")
    volumes.refresh()
    assert Path(mounts.place("/auth/htpasswd")).read_text() == "new"
    assert Path(mounts.place("/etc/htpasswd")).read_text() == "old"
    assert mounts.place("/authority") == "/authority"
    assert mounts.place("see /auth/htpasswd") == "see /auth/htpasswd"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"secret": {"secretName": "x"}}, 'secret "x" not found'),
        (
            {"secret": {"secretName": "s", "items": [{"key": "domain.crt", "path": "c"}]}},
            "references non-existent secret key: domain.crt",
        ),
        ({"configMap": {"name": "x"}}, 'configmap "x" not found'),
        (
            {"secret": {"secretName": "s", "items": [{"key": "a", "path": "../../a"}]}},
            "must be a relative path without '..'",
        ),
    ],
)
def test_volumes_that_cannot_be_set_up(source: Obj, words: str, tmp_path: Path) -> None:
    with pytest.raises(MountError) as told:
        volumes_of(source, Objects({("secret", "s"): secret(a="1")}), tmp_path).refresh()
    assert str(told.value) == f'MountVolume.SetUp failed for volume "certs" : {words}'


class Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(60)


def test_http_probes_go_by_the_status(web_port: int) -> None:
    answers = [
        ask({"httpGet": {"port": 5000, "path": f"/{status}"}}, lambda _: (5000, web_port))
        for status in (200, 302, 404, 503)
    ]
    assert [answer.is_healthy for answer in answers] == [True, True, False, False]
    assert answers[3].message == "HTTP probe failed with statuscode: 503"


def test_probes_of_what_is_not_there() -> None:
    closed = free_port()
    tcp = ask({"tcpSocket": {"port": 5000}}, lambda _: (5000, closed))
    assert tcp.message == "dial tcp 127.0.0.1:5000: connect: connection refused"
    web = ask({"httpGet": {"port": 5000, "scheme": "HTTPS"}}, lambda _: (5000, None))
    assert web.message.startswith('Get "https://127.0.0.1:5000/": dial tcp 127.0.0.1:5000')


def test_a_probe_of_a_server_that_says_nothing_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        answer = ask({"httpGet": {"port": 5000}, "timeoutSeconds": 0.1}, lambda _: (5000, port))
    assert "context deadline exceeded" in answer.message


def test_the_log_ring_keeps_the_last_lines() -> None:
    ring = LogRing(limit_bytes=10)
    for line in (b"aaaa\n", b"bbbb\n", b"cccc\n"):
        ring.add(line)
    assert ring.lines() == [b"bbbb\n", b"cccc\n"]
    ring.add(b"x" * 99)
    assert ring.lines() == [b"x" * 10]


@pytest.fixture
def warden(tmp_path: Path) -> Iterator[Warden]:
    warden = Warden(tmp_path / "run")
    yield warden
    warden.dismiss()


def shell(script: str, directory: Path, warden: Warden) -> tuple[Process, threading.Event]:
    ended = threading.Event()
    argv, env = ["/bin/sh", "-c", script], {"PATH": os.environ["PATH"]}
    return Process(argv, env, directory, warden, on_exit=ended.set), ended


def test_a_process_has_a_log_and_an_exit_code(tmp_path: Path, warden: Warden) -> None:
    process, ended = shell("echo out; echo err >&2; exit 3", tmp_path, warden)
    assert ended.wait(60)
    assert (process.log.lines(), process.exit_code) == ([b"out\n", b"err\n"], 3)


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path, warden: Warden) -> None:
    process, ended = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", tmp_path, warden)
    while not process.log.lines():
        assert not ended.wait(0.01)
    process.end(0.1)
    assert ended.wait(60)
    assert process.exit_code == 128 + signal.SIGKILL


WORLD = """
import sys, threading
from pathlib import Path
from wizard.practice.node.process import Process, Warden
directory = Path(sys.argv[1])
directory.mkdir()
(directory / "secret").write_text("s3cr3t")
process = Process(["sleep", "600"], {"PATH": "/usr/bin:/bin"}, directory, Warden(directory), on_exit=print)
print(process.pid, flush=True)
threading.Event().wait()
"""


def has_ended(pid: int) -> bool:
    """Also where nobody reaps orphans, as in many a build container."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_nothing_outlives_a_world_that_was_killed(tmp_path: Path, wait_for: WaitFor) -> None:
    run = tmp_path / "run"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(wizard.__file__).parent.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", WORLD, str(run)], stdout=subprocess.PIPE, env=env, text=True
    ) as world:
        assert world.stdout is not None
        pid = int(world.stdout.readline())
        assert psutil.Process(pid).name() == "sleep"
        world.kill()
    wait_for(lambda: has_ended(pid), "the container's process to end")
    wait_for(lambda: not run.exists(), "the files of its Secrets to go")


def container_status(state: Obj, *, last: Obj | None = None, ready: bool = False) -> Obj:
    return {"name": "c", "state": state, "lastState": last or {}, "ready": ready}


@pytest.mark.parametrize(
    ("status", "policy", "phase"),
    [
        (container_status({"waiting": {"reason": "ContainerCreating"}}), "Always", "Pending"),
        (container_status({"running": {}}, ready=True), "Always", "Running"),
        (
            container_status({"waiting": {"reason": "CrashLoopBackOff"}}, last={"terminated": {}}),
            "Always",
            "Running",
        ),
        (container_status({"terminated": {"exitCode": 0}}), "Never", "Succeeded"),
        (container_status({"terminated": {"exitCode": 1}}), "Never", "Failed"),
        (container_status({"terminated": {"exitCode": 1}}), "OnFailure", "Running"),
    ],
)
def test_the_phase_follows_the_containers(status: Obj, policy: str, phase: str) -> None:
    pod = {"metadata": {"uid": "u1"}, "spec": {"restartPolicy": policy}}
    assert pod_status(pod, [status], previous={}, start_time="t0", now="t1")["phase"] == phase


def test_a_condition_keeps_its_time_until_it_turns() -> None:
    pod: Obj = {"metadata": {"uid": "u1"}, "spec": {}}
    waiting = container_status({"running": {}})
    first = pod_status(pod, [waiting], previous={}, start_time="t0", now="t1")
    same = pod_status(pod, [waiting], previous=first, start_time="t0", now="t2")
    assert same == first
    turned = pod_status(pod, [{**waiting, "ready": True}], previous=first, start_time="t0", now="t3")
    times = {c["type"]: (c["status"], c["lastTransitionTime"]) for c in turned["conditions"]}
    assert times["Ready"] == ("True", "t3")
    assert times["PodScheduled"] == ("True", "t1")
