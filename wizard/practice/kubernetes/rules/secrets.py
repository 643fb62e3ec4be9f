"""Secrets and ConfigMaps."""

import base64
import json
from typing import Any

from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.rules import names
from wizard.practice.kubernetes.status import Problems

MAX_BYTES = 1024 * 1024
_REQUIRED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_JSON_KEYS = (".dockerconfigjson", ".dockercfg")


def default_secret(secret: Obj) -> None:
    """`stringData` is for writing only: it goes into `data`."""
    secret.setdefault("type", "Opaque")
    texts: dict[str, str] = secret.pop("stringData", None) or {}
    if texts:
        data = dict(secret.get("data") or {})
        data.update({key: base64.b64encode(text.encode()).decode() for key, text in texts.items()})
        secret["data"] = data


def check_secret(secret: Obj, old: Obj | None, problems: Problems) -> None:
    data: dict[str, str] = secret.get("data") or {}
    kind = secret["type"]
    if old is not None:
        _check_unchanged(secret, old, ("data",), problems)
        if old.get("type") != kind:
            problems.invalid("type", kind, "field is immutable")
    for key in data:
        for why in names.config_key(key):
            problems.invalid(f"data[{key}]", key, why)
    if sum(len(base64.b64decode(value)) for value in data.values()) > MAX_BYTES:
        problems.too_long("data", MAX_BYTES)
    for key in _REQUIRED.get(kind, ()):
        if key not in data:
            problems.required(f"data[{key}]")
        elif key in _JSON_KEYS:
            _check_json(key, data[key], problems)
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        problems.required("data[username]")
        problems.required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        annotation = "kubernetes.io/service-account.name"
        if not (secret["metadata"].get("annotations") or {}).get(annotation):
            problems.required(f"metadata.annotations[{annotation}]")


def _check_json(key: str, value: str, problems: Problems) -> None:
    field, hidden = f"data[{key}]", "<secret contents redacted>"
    content = base64.b64decode(value)
    if not content:
        problems.required(field)
        return
    try:
        parsed: Any = json.loads(content)
    except ValueError:
        first = content[:1].decode("latin-1")
        problems.invalid(field, hidden, f"invalid character '{first}' looking for beginning of value")
        return
    if not isinstance(parsed, dict):
        problems.invalid(
            field, hidden, "json: cannot unmarshal value into Go value of type map[string]interface {}"
        )


def check_config_map(config_map: Obj, old: Obj | None, problems: Problems) -> None:
    if old is not None:
        _check_unchanged(config_map, old, ("data", "binaryData"), problems)
    texts, blobs = config_map.get("data") or {}, config_map.get("binaryData") or {}
    for key in sorted(texts.keys() & blobs.keys()):
        problems.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for field, found in (("data", texts), ("binaryData", blobs)):
        for key in found:
            for why in names.config_key(key):
                problems.invalid(f"{field}[{key}]", key, why)
    size = sum(len(text.encode()) for text in texts.values())
    if size + sum(len(base64.b64decode(blob)) for blob in blobs.values()) > MAX_BYTES:
        problems.too_long("", MAX_BYTES)


def _check_unchanged(new: Obj, old: Obj, fields: tuple[str, ...], problems: Problems) -> None:
    if not old.get("immutable"):
        return
    why = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        problems.forbidden("immutable", why)
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            problems.forbidden(field, why)
