"""Registries as processes, an AWS for their blobs, and an image to push."""

import base64
import contextlib
import gzip
import hashlib
import importlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bcrypt
import boto3
import pytest

import wizard
from wizard.practice.aws import AwsServer
from wizard.practice.kubeclient import KubeClient, KubeEndpoint, Obj, path_of
from wizard.practice.ledger import Ledger
from wizard.practice.node import NodeAgent, PodPorts
from wizard.practice.node.ports import free_port
from wizard.practice.pki import Authority

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEADLINE_S = 60.0
REGION: Final = "eu-west-1"
LAYER_BYTES = 12 * 2**20


@pytest.fixture(scope="session")
def wait_for() -> Callable[[Callable[[], Any], str], Any]:
    """`wait_for(look, what)` gives the first true answer of `look`."""

    def wait(look: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.01)
        pytest.fail(f"waited {DEADLINE_S} s in vain for {what}")

    return wait


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    server = AwsServer(Ledger(), region=REGION)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def s3(aws: AwsServer) -> "Iterator[S3Client]":
    client = boto3.Session(aws.admin.access_key_id, aws.admin.secret_access_key, region_name=REGION).client(
        "s3", endpoint_url=aws.url
    )
    yield client
    client.close()


@dataclass
class Bucket:
    name: str
    s3: "S3Client"

    def create(self) -> None:
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def names(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def remove(self) -> None:
        for key in self.names():
            self.s3.delete_object(Bucket=self.name, Key=key)
        self.s3.delete_bucket(Bucket=self.name)


@pytest.fixture
def bucket(s3: "S3Client") -> Iterator[Bucket]:
    bucket = Bucket(f"practice-{os.urandom(6).hex()}", s3)
    bucket.create()
    yield bucket
    with contextlib.suppress(s3.exceptions.NoSuchBucket):
        bucket.remove()


@dataclass
class Running:
    """A registry process; `log` has what it wrote so far."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        return self.log_file.read_text()

    def is_up(self) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"the registry ended: {self.log()}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), DEADLINE_S).close()
            return True
        return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE_S)


StartRegistry = Callable[..., Running]


@pytest.fixture(params=["stand-in", "docker-registry"])
def kind(request: pytest.FixtureRequest) -> str:
    """What holds for the stand-in has to hold for the real one too."""
    if request.param == "docker-registry" and not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not on PATH")
    return str(request.param)


@pytest.fixture
def spawn(kind: str, tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], Running]]:
    """Starts the registry of this kind and does not wait for it."""
    started: list[Running] = []
    config = tmp_path / "config.yml"
    config.write_text("version: 0.1\nstorage: {s3: {}}\nhttp: {addr: ':5000'}\n")
    programs = {
        "stand-in": [sys.executable, "-m", "wizard.practice.registry"],
        "docker-registry": ["docker-registry"],
    }

    def start(settings: Mapping[str, str]) -> Running:
        port = free_port()
        log_file = tmp_path / f"{len(started)}.log"
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(wizard.__file__).parent.parent),
            "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
            **settings,
        }
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [*programs[kind], "serve", str(config)], env=env, stdout=log, stderr=log, cwd=tmp_path
            )
        started.append(Running(process, port, log_file))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def settings(aws: AwsServer, bucket: Bucket, tmp_path: Path) -> dict[str, str]:
    """With S3 behind it and the user alice, password `right`."""
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_bytes(b"alice:" + bcrypt.hashpw(b"right", bcrypt.gensalt(4)) + b"\n")
    return {
        "REGISTRY_STORAGE": "s3",
        "REGISTRY_STORAGE_S3_ACCESSKEY": aws.admin.access_key_id,
        "REGISTRY_STORAGE_S3_SECRETKEY": aws.admin.secret_access_key,
        "REGISTRY_STORAGE_S3_REGION": REGION,
        "REGISTRY_STORAGE_S3_REGIONENDPOINT": aws.url,
        "REGISTRY_STORAGE_S3_FORCEPATHSTYLE": "true",
        "REGISTRY_STORAGE_S3_BUCKET": bucket.name,
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
        "REGISTRY_HTTP_SECRET": "shared by all replicas",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "Practice",
        "REGISTRY_AUTH_HTPASSWD_PATH": str(htpasswd),
    }


@pytest.fixture
def start_registry(
    settings: dict[str, str], spawn: Callable[[Mapping[str, str]], Running], wait_for: Callable[..., Any]
) -> StartRegistry:
    """Starts it with further settings, `NAME=value`, and waits until it listens."""

    def start(**more: str) -> Running:
        running = spawn(settings | more)
        wait_for(running.is_up, "the registry to listen")
        return running

    return start


@dataclass
class Cluster:
    """An API server, a client of its administrator, and what an agent of it needs."""

    endpoint: KubeEndpoint
    client: KubeClient
    server: Any

    def pod(self, name: str) -> Obj | None:
        return self.client.find(path_of("v1", "pods", "default", name))

    def container(self, name: str) -> Obj:
        """The status of a Pod's only container, empty while there is none."""
        statuses = ((self.pod(name) or {}).get("status") or {}).get("containerStatuses") or [{}]
        found: Obj = statuses[0]
        return found

    def is_ready(self, name: str) -> bool:
        return bool(self.container(name).get("ready"))

    def events(self, name: str) -> dict[str, str]:
        """The messages of an object's Events by their reason, the last of each."""
        found = sorted(self._events(name), key=lambda event: int(event["metadata"]["resourceVersion"]))
        return {event["reason"]: event["message"] for event in found}

    def messages(self, name: str, reason: str) -> set[str]:
        """Of all Events that gave this reason."""
        return {event["message"] for event in self._events(name) if event["reason"] == reason}

    def _events(self, name: str) -> list[Obj]:
        found, _ = self.client.list(path_of("v1", "events", "default"))
        return [event for event in found if event["involvedObject"]["name"] == name]

    def create(self, plural: str, body: Obj, api_version: str = "v1") -> Obj:
        return self.client.create(path_of(api_version, plural, "default"), body)

    def create_secret(self, name: str, **data: str) -> None:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.create("secrets", {"metadata": {"name": name}, "data": encoded})


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = importlib.util.find_spec("wizard.practice.kubernetes")
    if found is None or found.origin is None:
        pytest.skip("the practice world's API server is not in this checkout")
    token = secrets.token_hex(8)
    authority = Authority()
    server = importlib.import_module("wizard.practice.kubernetes").KubernetesServer(
        Ledger(), ssl_context=authority.server_context(["127.0.0.1"]), tokens={token: "practice-admin"}
    )
    server.start()
    endpoint = KubeEndpoint(server.url, authority.root_pem, token)
    client = KubeClient(endpoint, user_agent="tests")
    yield Cluster(endpoint, client, server)
    client.close()
    server.stop()


@pytest.fixture
def ports() -> PodPorts:
    return PodPorts()


@pytest.fixture
def agent(cluster: Cluster, ports: PodPorts, tmp_path: Path) -> Iterator[NodeAgent]:
    zone = f"{REGION}a"
    agent = NodeAgent(
        cluster.endpoint,
        tmp_path / "run",
        ports,
        provider_id=f"aws:///{zone}/i-0practice",
        region=REGION,
        zone=zone,
    )
    agent.start()
    yield agent
    agent.stop()
    assert not list((tmp_path / "run").iterdir())


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with the image `it`; its layer is larger than one multipart chunk."""
    layout = tmp_path_factory.mktemp("image")
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content), "mediaType": media_type}

    vendor = "application/vnd.oci.image"
    root = {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}
    about = {"architecture": "amd64", "os": "linux", "rootfs": root}
    config = add(json.dumps(about).encode(), f"{vendor}.config.v1+json")
    layer = add(gzip.compress(os.urandom(LAYER_BYTES), 1), f"{vendor}.layer.v1.tar+gzip")
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{vendor}.manifest.v1+json",
        "config": config,
        "layers": [layer],
    }
    entry = add(json.dumps(manifest).encode(), f"{vendor}.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return layout
