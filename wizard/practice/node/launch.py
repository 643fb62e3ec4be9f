"""From a container's spec to what is started: arguments, environment, ports."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from wizard.practice.kubeclient import Obj
from wizard.practice.node.environment import ConfigError, Lookup, check_user, expand, resolve_env
from wizard.practice.node.images import STAND_IN, Image, code_directory, registry_program
from wizard.practice.node.ports import PodPorts, free_port
from wizard.practice.node.volumes import MountError, Mounts, Volumes

REGISTRY_PORT = 5000
ADDRESS, DEBUG_ADDRESS = "REGISTRY_HTTP_ADDR", "REGISTRY_HTTP_DEBUG_ADDR"


class Around(Protocol):
    """What of a Pod's surroundings a launch needs."""

    @property
    def pod(self) -> Obj: ...
    @property
    def directory(self) -> Path: ...
    @property
    def volumes(self) -> Volumes: ...
    @property
    def lookup(self) -> Lookup: ...
    @property
    def ports(self) -> PodPorts: ...


@dataclass(frozen=True, slots=True)
class Launch:
    argv: Sequence[str]
    env: dict[str, str]
    directory: Path


@dataclass(frozen=True, slots=True)
class PortMap:
    """Resolves the port of a probe, a number or the name of a container port."""

    spec: Obj
    pod_uid: str
    ports: PodPorts

    def __call__(self, port: int | str) -> tuple[int, int | None]:
        """The container port and where it really is, if anywhere; KeyError for an unknown name."""
        if isinstance(port, str) and not port.isdigit():
            named = {entry.get("name"): entry["containerPort"] for entry in self.spec.get("ports") or ()}
            port = named[port]
        return int(port), self.ports.lookup(self.pod_uid, int(port))


def prepare(spec: Obj, image: Image, around: Around) -> Launch:
    """Gives every start fresh ports and records them; raises ConfigError in the kubelet's words."""
    check_user(spec, around.pod)
    env = resolve_env(spec, around.pod, around.lookup)
    directory = around.directory / "containers" / spec["name"]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = {"PATH": os.defpath, "HOME": str(directory), "HOSTNAME": around.pod["metadata"]["name"]}
    if image.program == "sleeper":
        return Launch(["sleep", "2147483647"], base, directory)
    try:
        mounts = around.volumes.mounts(spec, directory)
    except MountError as error:
        raise ConfigError(f"failed to prepare subPath for volumeMount: {error}") from error
    env = {name: mounts.place(value) for name, value in env.items()}
    _move_ports(env, image, around)
    program = registry_program()
    if program == STAND_IN:
        base["PYTHONPATH"] = code_directory()
    head, *rest = [expand(part, env) for part in spec.get("command") or ["registry"]]
    if PurePosixPath(head).name not in {"registry", "entrypoint.sh"}:
        raise ConfigError(f'the practice node runs the image\'s own program only, not "{head}"')
    args = rest + [expand(arg, env) for arg in spec.get("args") or ()]
    argv = [*program, *_arguments(args, image, mounts, directory)]
    return Launch(argv, base | env, directory)


def _arguments(args: list[str], image: Image, mounts: Mounts, directory: Path) -> list[str]:
    """The container's or the image's arguments; the image's configuration is written unless mounted."""
    args = args or ["serve", image.config_path]
    # The entry point of version 2's image takes a bare configuration file.
    if image.major == 2 and args[0].endswith((".yml", ".yaml")):
        args = ["serve", *args]
    placed = [mounts.place(arg) for arg in args]
    if image.config_path in placed:
        own = directory / "config.yml"
        own.write_text(image.config(directory / "data"))
        placed[placed.index(image.config_path)] = str(own)
    return placed


def _move_ports(env: dict[str, str], image: Image, around: Around) -> None:
    uid = around.pod["metadata"]["uid"]
    for name, default in ((ADDRESS, REGISTRY_PORT), (DEBUG_ADDRESS, image.own_debug_port)):
        asked = env.get(name)
        found = re.search(r":(\d+)$", asked or "")
        port = int(found[1]) if found else default
        if port and asked != "":
            real = free_port()
            env[name] = f"127.0.0.1:{real}"
            around.ports.record(uid, port, real)
