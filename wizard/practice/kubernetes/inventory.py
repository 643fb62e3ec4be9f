"""What is in the cluster, in a form in which two moments can be compared.

Left out: what comes and goes by itself (Events, Pods, Endpoints, ReplicaSets, the nodes' Leases) and what
differs each time (versions, uids, times, status, who owns a field). Secrets are told by the digests of their
values.
"""

import base64
import hashlib
from typing import Any

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.objects import Obj, clone
from wizard.practice.kubernetes.store import Store

_TRANSIENT = (
    kinds.EVENTS,
    kinds.PODS,
    kinds.ENDPOINTS,
    kinds.ENDPOINT_SLICES,
    kinds.REPLICA_SETS,
)
_HEARTBEATS = "kube-node-lease"
_REVISION = "deployment.kubernetes.io/revision"
_METADATA = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")


def of(store: Store) -> dict[str, Any]:
    """Shape: `{"secrets": {"default/name": {...}}, "deployments.apps": {...}, ...}`; no empty kinds."""
    out: dict[str, Any] = {}
    for resource in kinds.STORED:
        if resource in _TRANSIENT:
            continue
        lasting = (obj for obj in store.all_of(resource) if not _is_heartbeat(obj))
        found = {_key(obj): _canonical(obj) for obj in lasting}
        if found:
            out[resource.full_name] = found
    return out


def _is_heartbeat(obj: Obj) -> bool:
    return bool(obj["kind"] == "Lease" and obj["metadata"]["namespace"] == _HEARTBEATS)


def _key(obj: Obj) -> str:
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else str(meta["name"])


def _canonical(obj: Obj) -> Obj:
    out: Obj = clone({key: value for key, value in obj.items() if key not in ("status", "metadata")})
    meta = {key: clone(obj["metadata"][key]) for key in _METADATA if key in obj["metadata"]}
    if (meta.get("annotations") or {}).pop(_REVISION, None) and not meta["annotations"]:
        del meta["annotations"]
    for owner in meta.get("ownerReferences", []):
        owner.pop("uid", None)
    if obj["kind"] == "Secret":
        out["data"] = {key: _digest(value) for key, value in (obj.get("data") or {}).items()}
    return {**out, "metadata": meta}


def _digest(value: str) -> str:
    return "sha256:" + hashlib.sha256(base64.b64decode(value)).hexdigest()
