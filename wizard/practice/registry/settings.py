"""The registry's settings: a YAML file, overridden by REGISTRY_* variables, each of them parsed as YAML.

Source: distribution.github.io/distribution/about/configuration.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MIN_CHUNK, MAX_CHUNK, CHUNK = 5 * 2**20, 5 * 2**30, 10 * 2**20
REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
# Regions that the SDK of distribution 3.1.1 does not know.
UNKNOWN_REGIONS = {"ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "mx-central-1"}
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


class Refused(Exception):
    """Why the registry does not start; `is_panic` as opposed to a fatal log line."""

    def __init__(self, message: str, *, is_panic: bool = True) -> None:
        super().__init__(message)
        self.is_panic = is_panic


@dataclass(frozen=True, slots=True)
class Storage:
    """The s3 driver's parameters; sizes in bytes."""

    bucket: str
    region: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    root: str
    chunk_size: int
    is_encrypted: bool
    key_id: str
    acl: str
    is_path_style: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """`realm` and `htpasswd` are empty without authentication; `debug_address` without a debug listener."""

    storage: Storage
    address: tuple[str, int]
    debug_address: tuple[str, int] | None
    host: str
    has_relative_urls: bool
    secret: str = field(repr=False)
    certificate: str
    key: str
    realm: str
    htpasswd: str
    can_delete: bool
    does_redirect: bool
    is_checked: bool
    check_interval_s: float
    check_threshold: int


def load(file: Path | None, env: Mapping[str, str]) -> Settings:
    """Raises Refused in the words of the real one."""
    tree: dict[str, Any] = {}
    if file:
        try:
            tree = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except FileNotFoundError as error:
            message = f"configuration error: open {file}: no such file or directory"
            raise Refused(message, is_panic=False) from error
    for name in sorted(env):
        if name.startswith("REGISTRY_"):
            _override(tree, name.lower().split("_")[1:], env[name])
    realm, htpasswd = _auth(tree)
    http, health = _part(tree, "http"), _part(tree, "health", "storagedriver")
    debug = _text(_part(http, "debug"), "addr")
    return Settings(
        storage=_storage(tree),
        address=_address(_text(http, "addr") or ":5000"),
        debug_address=_address(debug) if debug else None,
        host=_text(http, "host"),
        has_relative_urls=_truth(http, "relativeurls"),
        secret=_text(http, "secret"),
        certificate=_text(_part(http, "tls"), "certificate"),
        key=_text(_part(http, "tls"), "key"),
        realm=realm,
        htpasswd=htpasswd,
        can_delete=_truth(_part(tree, "storage", "delete"), "enabled"),
        does_redirect=not _truth(_part(tree, "storage", "redirect"), "disable"),
        is_checked=_truth(health, "enabled"),
        check_interval_s=_seconds(_text(health, "interval") or "10s"),
        check_threshold=int(_text(health, "threshold") or 3),
    )


def _override(tree: dict[str, Any], path: list[str], text: str) -> None:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        name = "_".join(["registry", *path]).upper()
        raise Refused(f"configuration error: {name} is not YAML", is_panic=False) from error
    # A bare REGISTRY_STORAGE=s3 or REGISTRY_AUTH=htpasswd replaces the whole block.
    if path in (["storage"], ["auth"]) and isinstance(value, str):
        value = {value: {}}
    for name in path[:-1]:
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    if path[-1]:
        tree[path[-1]] = value


def _storage(tree: dict[str, Any]) -> Storage:
    drivers = [
        name
        for name in _part(tree, "storage")
        if name not in {"cache", "delete", "maintenance", "redirect", "tag"}
    ]
    if len(drivers) > 1:
        names = ", ".join(sorted(drivers))
        raise Refused(f"multiple storage drivers specified in configuration or environment: {names}")
    if drivers != ["s3"]:
        raise Refused(f"StorageDriver not registered: {''.join(drivers)}")
    s3 = _part(tree, "storage", "s3")
    region, endpoint = _text(s3, "region"), _text(s3, "regionendpoint")
    if not region:
        raise Refused("no region parameter provided")
    if not endpoint and (region in UNKNOWN_REGIONS or not REGION.fullmatch(region)):
        raise Refused(f"invalid region provided: {region}")
    if not _text(s3, "bucket"):
        raise Refused("no bucket parameter provided")
    chunk = _text(s3, "chunksize") or str(CHUNK)
    if not chunk.isdigit() or not MIN_CHUNK <= int(chunk) <= MAX_CHUNK:
        raise Refused(
            f"the chunksize {chunk} parameter should be a number between "
            f"{MIN_CHUNK} and {MAX_CHUNK} (inclusive)"
        )
    if endpoint and "://" not in endpoint:
        endpoint = ("https://" if _truth(s3, "secure", default=True) else "http://") + endpoint
    return Storage(
        bucket=_text(s3, "bucket"),
        region=region,
        endpoint=endpoint,
        access_key=_text(s3, "accesskey"),
        secret_key=_text(s3, "secretkey"),
        root=_text(s3, "rootdirectory").strip("/"),
        chunk_size=int(chunk),
        is_encrypted=_truth(s3, "encrypt"),
        key_id=_text(s3, "keyid"),
        acl=_text(s3, "objectacl") or "private",
        is_path_style=bool(endpoint) or _truth(s3, "forcepathstyle"),
    )


def _auth(tree: dict[str, Any]) -> tuple[str, str]:
    for name in _part(tree, "auth"):
        if name != "htpasswd":
            reason = f"no access controller registered with name: {name}"
            raise Refused(f"unable to configure authorization ({name}): {reason}")
        part = _part(tree, "auth", name)
        for key in ("realm", "path"):
            # YAML makes a number of 123 and a boolean of yes: the real one does not take them either.
            if not isinstance(part.get(key), str) or not part[key]:
                reason = f'"{key}" must be set for htpasswd access controller'
                raise Refused(f"unable to configure authorization (htpasswd): {reason}")
        return part["realm"], part["path"]
    return "", ""


def _part(tree: dict[str, Any], *path: str) -> dict[str, Any]:
    for name in path:
        found = tree.get(name)
        tree = found if isinstance(found, dict) else {}
    return tree


def _text(part: dict[str, Any], name: str) -> str:
    value = part.get(name)
    return "" if value is None else str(value)


def _truth(part: dict[str, Any], name: str, *, default: bool = False) -> bool:
    value = part.get(name)
    return default if value is None else value in (True, "true", "True", 1)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise Refused(f"listen tcp: address {text}: missing port in address", is_panic=False)
    return host.strip("[]"), int(port)


def _seconds(text: str) -> float:
    found = DURATION.fullmatch(text)
    if not found or not text:
        raise Refused(f'configuration error: time: invalid duration "{text}"', is_panic=False)
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
