"""Kubernetes Secrets with their contents kept out of sight: facts for planning, bytes only where needed."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wizard import ownership
from wizard.facts import SecretFacts

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SecretContents:
    """A Secret as read; `data` is decoded and never shown by repr."""

    facts: SecretFacts
    data: Mapping[str, bytes] = field(repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)


def facts_of(found: Object) -> SecretFacts:
    metadata = found.get("metadata") or {}
    return SecretFacts(
        name=str(metadata.get("name", "")),
        exists=True,
        owner=ownership.owner_of_labels(metadata.get("labels")),
        type=str(found.get("type", "")),
        keys=tuple(sorted(found.get("data") or {})),
        resource_version=str(metadata.get("resourceVersion", "")),
    )


def contents_of(found: Object) -> SecretContents:
    return SecretContents(
        facts_of(found),
        {key: _decoded(value) for key, value in (found.get("data") or {}).items()},
        dict((found.get("metadata") or {}).get("annotations") or {}),
    )


def manifest(
    name: str,
    data: Mapping[str, bytes],
    *,
    setup: str,
    kind: str,
    annotations: Mapping[str, str | None] | None,
) -> Object:
    """A new Secret; `kind` is its type field."""
    metadata: Object = {"name": name, "labels": ownership.labels(setup)}
    if annotations:
        metadata["annotations"] = _merged({}, annotations)
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded(data)}


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def with_contents(
    found: Object, data: Mapping[str, bytes], annotations: Mapping[str, str | None] | None
) -> Object | None:
    """The Secret with other data and added annotations, None where it says so already."""
    metadata = found.get("metadata") or {}
    now = metadata.get("annotations") or {}
    wanted = _merged(now, annotations or {})
    if (found.get("data") or {}) == encoded(data) and wanted == now:
        return None
    changed = {**metadata, "annotations": wanted} if wanted or now else metadata
    return {**found, "metadata": changed, "data": encoded(data)}


def _merged(now: Mapping[str, str], wanted: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in {**now, **wanted}.items() if value is not None}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return b""
