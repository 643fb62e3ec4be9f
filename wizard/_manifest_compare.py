"""How a live object differs from the wanted one, and who else holds the fields in question. Pure.

The live object has more in it (defaults, status, what others added), so wanted is compared as a subset.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from wizard import ownership

Step = str | Mapping[str, Any]
Path = tuple[Step, ...]

# What tells the elements of a list apart (kubernetes.io, "Merge strategy": x-kubernetes-list-map-keys).
LIST_KEYS = (("mountPath",), ("containerPort", "protocol"), ("port", "protocol"), ("key",), ("name",))
UNORDERED = ("loadBalancerSourceRanges", "drop")
# One more label here, and other Pods are meant, or none.
ATOMIC = ("selector", "matchLabels")
QUANTITIES = ("requests", "limits")
SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


@dataclass(frozen=True, slots=True)
class FieldHolder:
    """Another manager of a field that would be changed; `path` such as spec.replicas."""

    manager: str
    path: str


def differences(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths such as `spec.template.spec.containers[registry].image`; empty where nothing is to be done."""
    return tuple(dict.fromkeys(shown(path) for path in _walk(wanted, live, ())))


def conflicts(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[FieldHolder, ...]:
    """Who else holds what differs, by `managedFields` (kubernetes.io, "Server-Side Apply")."""
    entries = (live.get("metadata") or {}).get("managedFields") or []
    others = [
        (str(entry.get("manager", "")), entry.get("fieldsV1") or {})
        for entry in entries
        if entry.get("manager") != ownership.FIELD_MANAGER and entry.get("subresource") != "status"
    ]
    paths = list(_walk(wanted, live, ()))
    held = (
        FieldHolder(manager, shown(path))
        for path in paths
        for manager, fields in others
        if _holds(fields, path)
    )
    return tuple(dict.fromkeys(held))


def shown(path: Path) -> str:
    text = ""
    for step in path:
        if isinstance(step, str):
            text += f".{step}" if text else step
        else:
            text += f"[{next(iter(step.values()))}]"
    return text


def _walk(wanted: object, live: object, path: Path) -> Iterator[Path]:
    if _is_empty(wanted) and _is_empty(live):
        return
    if path and path[-1] in ATOMIC and wanted != live:
        yield path
    elif isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            yield from _walk(value, live.get(key), (*path, key))
    elif isinstance(wanted, list) and isinstance(live, list):
        yield from _walk_list(wanted, live, path)
    elif not _is_equal(wanted, live, path):
        yield path


def _walk_list(wanted: Sequence[Any], live: Sequence[Any], path: Path) -> Iterator[Path]:
    keys = _keys_of(wanted)
    if not keys:
        name = path[-1] if path else ""
        same = sorted(wanted) == sorted(live) if name in UNORDERED else list(wanted) == list(live)
        if not same:
            yield path
        return
    for element in wanted:
        found = next((each for each in live if _matches(element, each, keys)), None)
        identity = {key: element[key] for key in keys if key in element}
        if found is None:
            yield (*path, identity)
        else:
            yield from _walk(element, found, (*path, identity))


def _keys_of(elements: Sequence[Any]) -> tuple[str, ...]:
    if not elements or not all(isinstance(each, Mapping) for each in elements):
        return ()
    return next((keys for keys in LIST_KEYS if all(keys[0] in each for each in elements)), ())


def _matches(wanted: Mapping[str, Any], live: object, keys: tuple[str, ...]) -> bool:
    return isinstance(live, Mapping) and all(live.get(key) == wanted[key] for key in keys if key in wanted)


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _is_equal(wanted: object, live: object, path: Path) -> bool:
    if wanted == live:
        return True
    if len(path) >= 2 and path[-2] in QUANTITIES:
        amount = quantity(wanted)
        return amount is not None and amount == quantity(live)
    return False


def quantity(value: object) -> Decimal | None:
    """A number of cores or bytes (kubernetes.io, "Quantity")."""
    text = str(value)
    number = text.rstrip("numkMGTKi")
    try:
        return Decimal(number) * SUFFIXES.get(text[len(number) :], Decimal(1))
    except InvalidOperation:
        return None


def _holds(fields: Mapping[str, Any], path: Path) -> bool:
    """Whether the field set has the path itself, what is below it, or an atomic field above it."""
    node: Mapping[str, Any] = fields
    for step in path:
        below = node.get(f"f:{step}") if isinstance(step, str) else _element(node, step)
        if below is None:
            return node is not fields and not node
        node = below
    return True


def _element(node: Mapping[str, Any], identity: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for name, below in node.items():
        if name.startswith("k:") and _matches(identity, _decoded(name[2:]), tuple(identity)):
            found: Mapping[str, Any] = below
            return found
    return None


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
