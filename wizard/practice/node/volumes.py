"""A Pod's volumes as directories of this machine, written and refreshed as the kubelet does it."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from wizard.practice.kubeclient import Obj
from wizard.practice.node.environment import KINDS, Lookup, data_of

DEFAULT_MODE = 0o644
KEY_WORDS = {"secret": "secret", "configmap": "config"}


class MountError(Exception):
    """A volume that cannot be set up: the message of a FailedMount event."""


class Volumes:
    """The volumes of one Pod below a private directory; one directory each."""

    def __init__(self, pod: Obj, directory: Path, lookup: Lookup) -> None:
        self._volumes: list[Obj] = pod["spec"].get("volumes") or []
        self._directory = directory
        self._lookup = lookup

    def refresh(self) -> None:
        """Writes what is missing or has changed, so it also sets up; raises MountError for the first failure.

        A file is replaced as a whole, so a reader never sees half of it.
        """
        for volume in self._volumes:
            try:
                self._write(volume)
            except MountError as error:
                raise MountError(
                    f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                ) from error

    def uses(self, kind: str, name: str) -> bool:
        """Whether a Secret ("secret") or ConfigMap ("configmap") is in one of them."""
        wanted = {"secret": ("secret", "secretName"), "configmap": ("configMap", "name")}[kind]
        return any((v.get(wanted[0]) or {}).get(wanted[1]) == name for v in self._volumes)

    def mounts(self, container: Obj, directory: Path) -> "Mounts":
        """Where the mount paths of a container lead; a `subPath` is copied into `directory`, once."""
        places: dict[str, Path] = {}
        for mount in container.get("volumeMounts") or ():
            source = self._directory / mount["name"]
            if sub_path := mount.get("subPath"):
                source = _frozen(source / _inside(sub_path), directory / mount["name"] / _inside(sub_path))
            places[mount["mountPath"]] = source
        return Mounts(places)

    def _write(self, volume: Obj) -> None:
        target = self._directory / volume["name"]
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (source := volume.get("secret")) is not None:
            files = self._files("secret", source.get("secretName", ""), source)
        elif (source := volume.get("configMap")) is not None:
            files = self._files("configmap", source.get("name", ""), source)
        elif "emptyDir" in volume or "projected" in volume:
            return
        else:
            raise MountError("the practice node has secret, configMap and emptyDir volumes only")
        _sync(target, files)

    def _files(self, kind: str, name: str, source: Obj) -> dict[PurePosixPath, tuple[bytes, int]]:
        obj = self._lookup(kind, name)
        if obj is None:
            if source.get("optional"):
                return {}
            raise MountError(f'{kind} "{name}" not found')
        data, mode = data_of({**obj, "kind": KINDS[kind]}), source.get("defaultMode", DEFAULT_MODE)
        if not source.get("items"):
            return {PurePosixPath(key): (value, mode) for key, value in data.items()}
        files: dict[PurePosixPath, tuple[bytes, int]] = {}
        for item in source["items"]:
            if item["key"] in data:
                files[_inside(item["path"])] = data[item["key"]], item.get("mode", mode)
            elif not source.get("optional"):
                raise MountError(f"references non-existent {KEY_WORDS[kind]} key: {item['key']}")
        return files


class Mounts:
    """Turns paths of a container into paths of this machine."""

    def __init__(self, places: dict[str, Path]) -> None:
        # The longest mount path first: /certs/old wins over /certs.
        self._places = sorted(places.items(), key=lambda place: -len(place[0]))

    def place(self, text: str) -> str:
        """`text` itself unless it is a path at or below a mount path."""
        for mount_path, place in self._places:
            root = mount_path.rstrip("/")
            if text.rstrip("/") == root or text.startswith(root + "/"):
                return str(place) + text[len(root) :]
        return text


def _sync(directory: Path, files: dict[PurePosixPath, tuple[bytes, int]]) -> None:
    wanted = {directory / path: content for path, content in files.items()}
    for path, (content, mode) in wanted.items():
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(path, content)
        path.chmod(mode)
    for path in _files_below(directory):
        if path not in wanted:
            path.unlink()


def _files_below(directory: Path) -> Iterable[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).replace(path)


def _frozen(source: Path, copy: Path) -> Path:
    if source.is_file() and not copy.exists():
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(copy, source.read_bytes())
        copy.chmod(source.stat().st_mode & 0o777)
    return copy if copy.exists() else source


def _inside(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise MountError("must be a relative path without '..'")
    return path
