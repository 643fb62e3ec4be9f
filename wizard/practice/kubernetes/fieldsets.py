"""Sets of fields: what server-side apply owns, compares and removes.

A path is a tuple of elements as `FieldsV1` spells them: `f:name` a field or map key, `k:{"name":"x"}` an
item of a keyed list, `v:"x"` an item of a set. The rules are those of sigs.k8s.io/structured-merge-diff.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.schema import Type

Path = tuple[str, ...]
Paths = frozenset[Path]
# The API's schema gives these list keys a default, so an item may leave them out.
_KEY_DEFAULTS = {"protocol": "TCP"}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def element(item: Any, of: Type) -> str:
    """How a list's item is named."""
    if of.is_set or not isinstance(item, dict):
        return f"v:{_compact(item)}"
    return "k:" + _compact({key: item.get(key, _KEY_DEFAULTS.get(key)) for key in of.keys})


def _is_leaf(of: Type | None) -> bool:
    return of is None or of.shape == "scalar" or of.is_atomic


def _children(value: Any, of: Type) -> dict[str, tuple[Any, Type | None]]:
    """The parts of a granular struct, map or list by their path elements; None for a field nobody knows."""
    if of.shape == "list":
        return {element(item, of): (item, of.item) for item in value or []}
    if of.shape == "map":
        return {f"f:{key}": (item, of.item) for key, item in (value or {}).items()}
    fields = of.fields
    return {
        f"f:{key}": (item, fields[key].type if key in fields else None) for key, item in (value or {}).items()
    }


def of_value(value: Any, of: Type) -> Paths:
    """Every field a value names: what applying it makes one's own."""
    return frozenset(_of_value(value, of, ()))


def _of_value(value: Any, of: Type | None, path: Path) -> Iterator[Path]:
    if _is_leaf(of) or of is None:
        yield path
        return
    for name, (item, item_type) in _children(value, of).items():
        here = (*path, name)
        yield from _of_value(item, item_type, here)
        if of.shape != "struct" or item in (None, {}):
            yield here


@dataclass(slots=True)
class Difference:
    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compare(old: Any, new: Any, of: Type) -> Difference:
    found = Difference()
    _compare(old, new, of, (), found)
    return found


def _compare(old: Any, new: Any, of: Type | None, path: Path, found: Difference) -> None:
    if _is_leaf(of) or of is None or (not old and not new):
        if old is None:
            found.added.add(path)
        elif new is None:
            found.removed.add(path)
        elif old != new:
            found.modified.add(path)
        return
    before, after = _children(old, of), _children(new, of)
    for name in before | after:
        value, item_type = before.get(name) or (None, None)
        other, other_type = after.get(name) or (None, None)
        if value is not None or other is not None:
            _compare(value, other, item_type or other_type, (*path, name), found)
    if old is None:
        found.added.add(path)
    elif new is None:
        found.removed.add(path)


def with_structs(paths: Iterable[Path], root: Type) -> Paths:
    """The paths and the structs they go through, not the maps and items (EnsureNamedFieldsAreMembers)."""
    out = set()
    for path in paths:
        out.add(path)
        of: Type | None = root
        for depth, step in enumerate(path[:-1], start=1):
            is_field = of is not None and of.shape == "struct"
            of = _step_type(of, step)
            if is_field and of is not None:
                out.add(path[:depth])
    return frozenset(out)


def _step_type(of: Type | None, step: str) -> Type | None:
    if of is None:
        return None
    if of.shape == "struct":
        known = of.fields.get(step[2:])
        return known.type if known else None
    return of.element


def without(value: Any, paths: Paths, of: Type) -> Any:
    """The value less what the paths name, whatever lies beneath them included."""
    heads: dict[str, set[Path]] = {}
    for path in paths:
        if path:
            heads.setdefault(path[0], set()).add(path[1:])
    return _without(value, heads, of)


def _without(value: Any, heads: dict[str, set[Path]], of: Type | None) -> Any:
    if not heads or of is None or _is_leaf(of):
        return value

    def keep(item: Any, name: str, item_type: Type | None) -> Any:
        beneath = heads.get(name)
        return without(item, frozenset(beneath), item_type) if beneath and item_type else item

    kept = {
        name: keep(item, name, item_type)
        for name, (item, item_type) in _children(value, of).items()
        if () not in heads.get(name, ())
    }
    if of.shape == "list":
        return list(kept.values())
    return {name[2:]: item for name, item in kept.items()}


def merged(old: Any, new: Any, of: Type | None) -> Any:
    """What applying `new` on `old` gives: maps and keyed lists are united, the rest is replaced."""
    if _is_leaf(of) or of is None or old is None:
        return new
    if new is None:
        return old
    if of.shape == "list":
        return _merged_list(old, new, of)
    out = dict(old)
    for name, (item, item_type) in _children(new, of).items():
        key = name[2:]
        out[key] = merged(old.get(key), item, item_type)
    return out


def _merged_list(old: list[Any], new: list[Any], of: Type) -> list[Any]:
    """The new items in their order, each old one that is not among them where it stood."""
    before = {element(item, of): item for item in old}
    wanted = {element(item, of): item for item in new}
    out: list[Any] = []
    waiting = list(wanted)
    for name, item in before.items():
        if name not in wanted:
            out.append(item)
            continue
        while name in waiting:
            following = waiting.pop(0)
            out.append(merged(before.get(following), wanted[following], of.item))
    out.extend(wanted[name] for name in waiting)
    return out


def encode(paths: Iterable[Path]) -> Obj:
    """As `FieldsV1`: nested maps, `.` where a node itself is owned beside things beneath it."""
    root: Obj = {}
    ends: list[Obj] = []
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        ends.append(node)
    for node in ends:
        if any(key != "." for key in node):
            node["."] = {}
    return {key: root[key] for key in sorted(root)}


def decode(fields: Obj) -> Paths:
    return frozenset(_decode(fields, ()))


def _decode(fields: Obj, path: Path) -> Iterator[Path]:
    if path and (not fields or "." in fields):
        yield path
    for key, beneath in fields.items():
        if key != "." and isinstance(beneath, dict):
            yield from _decode(beneath, (*path, key))


def dotted(path: Path) -> str:
    """As errors name it: `.spec.containers[name="c"].image`."""
    out = ""
    for step in path:
        if step.startswith("f:"):
            out += f".{step[2:]}"
        elif step.startswith("k:"):
            keys = json.loads(step[2:])
            out += "[" + ",".join(f"{key}={_compact(value)}" for key, value in keys.items()) + "]"
        elif step.startswith("i:"):
            out += f"[{step[2:]}]"
        else:
            out += f"[={step[2:]}]"
    return out
