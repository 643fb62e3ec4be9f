"""A container's environment, resolved as the kubelet does it and refused in its words."""

import base64
import re
from collections.abc import Callable

from wizard.practice.kubeclient import Obj
from wizard.practice.node.status import ADDRESS, address_of

# (kind, name) -> the object in the Pod's namespace, or None; kind is "secret" or "configmap".
Lookup = Callable[[str, str], Obj | None]

REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
KINDS = {"secret": "Secret", "configmap": "ConfigMap"}


class ConfigError(Exception):
    """Why a container cannot be created: the message of CreateContainerConfigError."""


def resolve_env(container: Obj, pod: Obj, lookup: Lookup) -> dict[str, str]:
    """`envFrom`, then `env` in its order, `$(NAME)` expanded; raises ConfigError."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        kind = "secret" if "secretRef" in source else "configmap"
        data = _values(kind, source.get("secretRef") or source.get("configMapRef") or {}, lookup)
        env |= {source.get("prefix", "") + key: value.decode(errors="replace") for key, value in data.items()}
    for entry in container.get("env") or ():
        if entry.get("valueFrom"):
            value = _value_from(entry["valueFrom"], pod, lookup)
            if value is not None:
                env[entry["name"]] = value
        else:
            env[entry["name"]] = expand(entry.get("value") or "", env)
    return env


def expand(text: str, env: dict[str, str]) -> str:
    """`$(NAME)` by its value, if any, and `$$` by `$` (kubernetes.io, "Dependent Environment Variables")."""
    return REFERENCE.sub(lambda found: "$" if found[0] == "$$" else env.get(found[1], found[0]), text)


def data_of(obj: Obj) -> dict[str, bytes]:
    """The contents of a Secret or a ConfigMap."""
    if obj.get("kind") == "Secret":
        return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    texts = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return texts | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def check_user(container: Obj, pod: Obj) -> None:
    """The kubelet's verifyRunAsNonRoot; the registry's image runs as root unless it is told a user."""
    context = {**(pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}
    if not context.get("runAsNonRoot"):
        return
    where = f'(pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}({pod["metadata"]["uid"]})"'
    if context.get("runAsUser") is None:
        raise ConfigError(
            f"container has runAsNonRoot and image will run as root {where}, container: {container['name']})"
        )
    if context["runAsUser"] == 0:
        raise ConfigError(
            f"container's runAsUser breaks non-root policy {where}, container: {container['name']})"
        )


def _value_from(source: Obj, pod: Obj, lookup: Lookup) -> str | None:
    if ref := source.get("fieldRef"):
        return _field(ref.get("fieldPath", ""), pod)
    kind = "secret" if "secretKeyRef" in source else "configmap"
    ref = source.get("secretKeyRef") or source.get("configMapKeyRef")
    if not ref:
        raise ConfigError("the practice node supports secretKeyRef, configMapKeyRef and fieldRef only")
    data = _values(kind, ref, lookup)
    if ref["key"] in data:
        return data[ref["key"]].decode(errors="replace")
    if ref.get("optional"):
        return None
    namespace = pod["metadata"]["namespace"]
    raise ConfigError(f"couldn't find key {ref['key']} in {KINDS[kind]} {namespace}/{ref['name']}")


def _values(kind: str, ref: Obj, lookup: Lookup) -> dict[str, bytes]:
    obj = lookup(kind, ref.get("name", ""))
    if obj is not None:
        return data_of({**obj, "kind": KINDS[kind]})
    if ref.get("optional"):
        return {}
    raise ConfigError(f'{kind} "{ref.get("name", "")}" not found')


def _field(path: str, pod: Obj) -> str:
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if keyed:
        return str((pod["metadata"].get(keyed[1]) or {}).get(keyed[2], ""))
    if path in {"status.podIP", "status.podIPs"}:
        return address_of(pod)
    if path in {"status.hostIP", "status.hostIPs"}:
        return ADDRESS
    known = {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
    }
    if path not in known:
        raise ConfigError(f"unsupported fieldPath: {path}")
    area, _, field = path.partition(".")
    return str(pod[area].get(field, ""))
