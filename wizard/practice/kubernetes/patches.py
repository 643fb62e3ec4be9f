"""The three patches of old: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch."""

from typing import Any

from wizard.practice.kubernetes.objects import Obj, clone
from wizard.practice.kubernetes.schema import Type
from wizard.practice.kubernetes.status import bad_request, unprocessable

_ORDER, _DELETIONS = "$setElementOrder/", "$deleteFromPrimitiveList/"


def merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return clone(patch)
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def json_patch(target: Obj, operations: Any) -> Any:
    """Raises 400 for something that is no patch, 422 for one that does not fit."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    out: Any = clone(target)
    for operation in operations:
        try:
            out = _operate(out, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise unprocessable() from None
    return out


def _steps(pointer: Any) -> list[str]:
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise ValueError(pointer)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value[_index(step, value)] if isinstance(value, list) else value[step]
    return value


def _index(step: str, items: list[Any]) -> int:
    if not step.isdecimal() or int(step) > len(items):
        raise IndexError(step)
    return int(step)


def _operate(target: Any, operation: Obj) -> Any:
    kind, steps = operation["op"], _steps(operation["path"])
    if kind == "test":
        if _at(target, steps) != operation["value"]:
            raise ValueError(kind)
        return target
    if kind in ("move", "copy"):
        value = clone(_at(target, _steps(operation["from"])))
        if kind == "move":
            _remove(target, _steps(operation["from"]))
        return _add(target, steps, value)
    if kind == "remove":
        _remove(target, steps)
        return target
    if kind == "replace":
        _at(target, steps)
        if steps and isinstance(_at(target, steps[:-1]), list):
            _remove(target, steps)
        return _add(target, steps, operation["value"])
    if kind == "add":
        return _add(target, steps, operation["value"])
    raise ValueError(kind)


def _remove(target: Any, steps: list[str]) -> None:
    parent = _at(target, steps[:-1])
    del parent[_index(steps[-1], parent) if isinstance(parent, list) else steps[-1]]


def _add(target: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent = _at(target, steps[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if steps[-1] == "-" else _index(steps[-1], parent), value)
    else:
        parent[steps[-1]] = value
    return target


def strategic(target: Any, patch: Any, of: Type | None) -> Any:
    """Lists with a key merge by it; `$patch`, `$setElementOrder`, `$retainKeys` and the rest are obeyed.

    Source: apimachinery `strategicpatch`. Raises 400 where an item lacks its merge key.
    """
    if isinstance(patch, dict):
        return _strategic_map(target if isinstance(target, dict) else {}, patch, of)
    if isinstance(patch, list) and of is not None and of.shape == "list" and isinstance(target, list):
        if of.keys:
            return _strategic_list(target, patch, of)
        if of.is_set:
            return target + [item for item in patch if item not in target]
    return _plain(patch, of)


def _plain(patch: Any, of: Type | None) -> Any:
    """A value that replaces: its directives are not stored."""
    if isinstance(patch, list):
        item_type = of.element if of is not None and of.shape == "list" else None
        return [
            _plain(item, item_type)
            for item in patch
            if not (isinstance(item, dict) and item.get("$patch") in ("delete", "replace"))
        ]
    return _strategic_map({}, patch, of) if isinstance(patch, dict) else patch


def _child_type(of: Type | None, key: str) -> Type | None:
    if of is None or of.shape == "list":
        return None
    if of.shape == "map":
        return of.element
    known = of.fields.get(key)
    return known.type if known else None


def _strategic_map(target: Obj, patch: Obj, of: Type | None) -> Obj:
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    out = {} if directive == "replace" else dict(target)
    if isinstance(retained := patch.get("$retainKeys"), list):
        out = {key: value for key, value in out.items() if key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETIONS) and isinstance(value, list):
            name = key.removeprefix(_DELETIONS)
            out[name] = [item for item in out.get(name) or [] if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
            out.pop(key, None)
        else:
            out[key] = strategic(out.get(key), value, _child_type(of, key))
    for key, value in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and isinstance(value, list) and isinstance(out.get(name), list):
            out[name] = _ordered(out[name], value, _child_type(of, name))
    return out


def _strategic_list(target: list[Any], patch: list[Any], of: Type) -> list[Any]:
    key = of.keys[0]
    out = list(target)
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return _plain_list(patch, of)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        places = [at for at, old in enumerate(out) if isinstance(old, dict) and old.get(key) == item[key]]
        if item.get("$patch") == "delete":
            out = [old for at, old in enumerate(out) if at not in places]
        elif places:
            out[places[0]] = strategic(out[places[0]], item, of.item)
        else:
            out.append(_plain(item, of.item))
    return out


def _plain_list(patch: list[Any], of: Type) -> list[Any]:
    plain: list[Any] = _plain(patch, of)
    return plain


def _ordered(items: list[Any], order: list[Any], of: Type | None) -> list[Any]:
    """Named items in the order asked for; the others keep their place behind whom they followed."""
    key = of.keys[0] if of is not None and of.keys else ""

    def name(item: Any) -> Any:
        return item.get(key) if isinstance(item, dict) else item

    wanted = [name(item) for item in order]
    listed = sorted(
        (item for item in items if name(item) in wanted), key=lambda item: wanted.index(name(item))
    )
    rest = [(at, item) for at, item in enumerate(items) if name(item) not in wanted]
    for at, item in rest:
        listed.insert(min(at, len(listed)), item)
    return listed
