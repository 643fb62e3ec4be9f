"""Which image is which program here, and what a pull of it says.

Nothing is downloaded: an image that is known by name stands for a program of this machine.
"""

import hashlib
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import wizard

Program = Literal["registry", "sleeper"]

STAND_IN = [sys.executable, "-m", "wizard.practice.registry"]

ELSEWHERE = {"docker.io", "registry.k8s.io", "quay.io", "ghcr.io", "gcr.io", "public.ecr.aws"}
REGISTRY_NAMES = {"registry", "distribution"}
SLEEPERS = {"docker.io/library/busybox", "docker.io/library/alpine", "registry.k8s.io/pause"}
# Releases of distribution by major and minor version (github.com/distribution/distribution/releases).
NEWEST_MINOR = {"2": 8, "3": 1}
PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?P<name>(?:[a-z0-9.-]+(?::\d+)?/)?{PART}(?:/{PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
CONFIG = """version: 0.1
log:
  {level}fields:
    service: registry
storage:
  {delete}cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {root}
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""


class PullError(Exception):
    """What a container runtime says of an image that it cannot get."""


class InvalidImageName(PullError):
    """Not a reference at all: the runtime is never asked."""


@dataclass(frozen=True, slots=True)
class Image:
    """`name` is complete, such as `docker.io/library/registry`; `major` is the registry's major version."""

    name: str
    tag: str
    digest: str
    program: Program
    major: int

    @property
    def image_id(self) -> str:
        digest = self.digest or "sha256:" + hashlib.sha256(f"{self.name}:{self.tag}".encode()).hexdigest()
        return f"{self.name}@{digest}"

    @property
    def config_path(self) -> str:
        """Where the registry's image has its own configuration."""
        return "/etc/docker/registry/config.yml" if self.major == 2 else "/etc/distribution/config.yml"

    @property
    def own_debug_port(self) -> int | None:
        """The debug listener that the image's own configuration opens (version 3 does)."""
        return 5001 if self.program == "registry" and self.major >= 3 else None

    def config(self, root: Path) -> str:
        """The image's own configuration, its file system storage moved to `root`."""
        is_new = self.major >= 3
        return CONFIG.format(
            level="level: debug\n  " if is_new else "",
            delete="delete:\n    enabled: true\n  " if is_new else "",
            root=root,
        )


def split(text: str) -> tuple[str, str, str]:
    """Complete name, tag and digest; raises InvalidImageName."""
    found = REFERENCE.fullmatch(text)
    if not found:
        reason = "repository name must be lowercase" if text != text.lower() else "invalid reference format"
        raise InvalidImageName(
            f'Failed to apply default image tag "{text}": couldn\'t parse image name "{text}": {reason}'
        )
    name, digest = _complete(found["name"]), found["digest"] or ""
    tag = found["tag"] or ("" if digest else "latest")
    return name, tag, digest


def full_name(name: str, tag: str, digest: str) -> str:
    return f"{name}:{tag}" if tag else f"{name}@{digest}"


def is_of_this_world(name: str) -> bool:
    """Whether its registry may be one of this world, and it is not known by name as a program."""
    host = name.partition("/")[0]
    return host not in ELSEWHERE and name.rpartition("/")[2] not in REGISTRY_NAMES


def resolve(text: str) -> Image:
    """Raises PullError in a runtime's words for an image that the practice world does not have."""
    name, tag, digest = split(text)
    full = full_name(name, tag, digest)
    prefix = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": '
    if name in SLEEPERS:
        return Image(name, tag, digest, "sleeper", 0)
    if name.rpartition("/")[2] not in REGISTRY_NAMES:
        raise PullError(
            f"{prefix}pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed"
        )
    major = _major_of(tag)
    if major is None:
        raise PullError(f"rpc error: code = NotFound desc = {prefix}{full}: not found")
    return Image(name, tag, digest, "registry", major)


def registry_program() -> list[str]:
    """The real registry where one is on PATH, else our stand-in."""
    for name in ("docker-registry", "registry"):
        if path := shutil.which(name):
            return [path]
    return STAND_IN


def code_directory() -> str:
    """What PYTHONPATH has to hold for the stand-in to be found."""
    return str(Path(wizard.__file__).parent.parent)


def _complete(name: str) -> str:
    host, slash, rest = name.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return f"docker.io/{_library(rest)}" if host == "index.docker.io" else name
    return f"docker.io/{_library(name)}"


def _library(name: str) -> str:
    return name if "/" in name else f"library/{name}"


def _major_of(tag: str) -> int | None:
    if tag in {"", "latest"}:
        return 3
    found = re.fullmatch(r"v?([23])(?:\.(\d+)(?:\.\d+)?)?(?:-(?:alpha|beta|rc)\.?\d+)?", tag)
    if not found or (found[2] and int(found[2]) > NEWEST_MINOR[found[1]]):
        return None
    return int(found[1])
