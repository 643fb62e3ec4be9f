"""The three registries of the contract as processes: the stand-in, distribution 2.8 and distribution 3."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import requests

import wizard
from wizard.practice.node import images
from wizard.practice.node.ports import free_port

Kind = Literal["stand-in", "2.8", "3"]
ALICE = ("alice", "right")
REALM = "Practice"
UP_S, TIMEOUT_S, END_S = 60.0, 60.0, 30.0
VENDOR = "application/vnd.oci.image"
OCI, INDEX = f"{VENDOR}.manifest.v1+json", f"{VENDOR}.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def code_of(answer: requests.Response) -> str:
    """Of the first error; an answer without one is a failed test."""
    return str(answer.json()["errors"][0]["code"])


def said(answer: requests.Response) -> tuple[int, str]:
    """Status, and the error's code where there is one."""
    return answer.status_code, code_of(answer) if answer.status_code >= 400 else ""


@dataclass
class Running:
    """`url` is its root, without a slash at the end; `log` what it has written so far."""

    kind: Kind
    process: subprocess.Popen[bytes]
    url: str
    debug_url: str
    log_file: Path
    session: requests.Session = field(repr=False)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        """Asks as alice, unless `auth` is another; `path` may be a Location."""
        url = path if path.startswith("http") else self.url + path
        more.setdefault("auth", ALICE)
        return self.session.request(method, url, timeout=TIMEOUT_S, allow_redirects=False, **more)

    def begin(self, name: str) -> str:
        """The Location of a new upload."""
        answer = self("POST", f"/v2/{name}/blobs/uploads/")
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def push(self, name: str, content: bytes) -> str:
        digest = digest_of(content)
        answer = self("PUT", f"{self.begin(name)}&digest={digest}", data=content)
        assert answer.status_code == 201, answer.text
        return digest

    def put(self, name: str, reference: str, content: bytes, kind: str) -> requests.Response:
        return self("PUT", f"/v2/{name}/manifests/{reference}", data=content, headers={"Content-Type": kind})

    def get(self, name: str, reference: str, *accept: str, method: str = "GET") -> requests.Response:
        headers = {"Accept": ", ".join(accept)}
        return self(method, f"/v2/{name}/manifests/{reference}", headers=headers)

    def image(self, name: str, tag: str, kind: str = OCI) -> bytes:
        """Pushes a small image, different for each tag; its manifest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "author": tag}).encode()
        layer = f"the layer of {tag}".encode()
        vendor = VENDOR if kind == OCI else "application/vnd.docker"
        kinds = (
            (f"{vendor}.config.v1+json", f"{vendor}.layer.v1.tar+gzip")
            if kind == OCI
            else (f"{vendor}.container.image.v1+json", f"{vendor}.image.rootfs.diff.tar.gzip")
        )
        parts = [
            {"mediaType": kind, "digest": self.push(name, content), "size": len(content)}
            for kind, content in zip(kinds, (config, layer), strict=True)
        ]
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": parts[0], "layers": parts[1:]}
        content = json.dumps(manifest).encode()
        answer = self.put(name, tag, content, kind)
        assert answer.status_code == 201, answer.text
        return content

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            port = int(self.url.rpartition(":")[2])
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        return False

    def stop(self) -> None:
        self.session.close()
        self.process.kill()
        self.process.wait(END_S)


def index_of(kind: str, part_kind: str, *manifests: bytes) -> bytes:
    """An index, or a list, of `manifests` for linux/amd64."""
    parts = [
        {
            "mediaType": part_kind,
            "digest": digest_of(manifest),
            "size": len(manifest),
            "platform": {"architecture": "amd64", "os": "linux"},
        }
        for manifest in manifests
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": parts}).encode()


def start(kind: Kind, program: Sequence[str], settings: Mapping[str, str], directory: Path) -> Running:
    """With the configuration of the release's image, as a Pod has it; returns when it listens."""
    directory.mkdir(parents=True)
    image = images.resolve("registry:3" if kind == "3" else "registry:2")
    config = directory / "config.yml"
    config.write_text(image.config(directory))
    port, debug_port = free_port(), free_port()
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(wizard.__file__).parent.parent),
        "OTEL_TRACES_EXPORTER": "none",
        "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
        "REGISTRY_HTTP_DEBUG_ADDR": f"127.0.0.1:{debug_port}",
        **settings,
    }
    log_file = directory / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*program, "serve", str(config)], env=env, stdout=log, stderr=log, cwd=directory
        )
    session = requests.Session()
    session.trust_env = False
    made = Running(
        kind, process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{debug_port}", log_file, session
    )
    end = time.monotonic() + UP_S
    while time.monotonic() < end and process.poll() is None:
        if made.is_up():
            return made
        time.sleep(0.02)
    made.stop()
    raise RuntimeError(f"the registry {kind} does not listen: {made.log[-2000:]}")


STAND_IN = (sys.executable, "-m", "wizard.practice.registry")
