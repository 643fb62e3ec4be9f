"""Reads a request's JSON as the API's types would: wrong types are refused, unknown fields dropped.

Like a trip through the Go structs it also leaves out empty lists, maps and strings, and puts in the structs
that are always there, so that what is stored looks as the real server would store it.
"""

import base64
import binascii
import re
from datetime import datetime
from typing import Any

from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.rules import quantities
from wizard.practice.kubernetes.schema import Type, kind_type

_GO_NAMES = {
    "bool": "bool",
    "int32": "int32",
    "int64": "int64",
    "string": "string",
    "bytes": "[]uint8",
    "number": "float64",
}
# Pointers in Go: an empty text there says something.
_MEANINGFUL_EMPTY = frozenset({"storageClassName", "loadBalancerClass", "ingressClassName", "volumeName"})


class Undecodable(Exception):
    """The message is what the Go decoder would say."""


def zero(of: Type) -> Any:
    """The value a Go struct has before anything is set."""
    if of.shape == "list":
        return []
    if of.shape == "scalar":
        return {"bool": False, "int32": 0, "int64": 0, "number": 0}.get(of.name, "")
    return {
        name: zero(field.type)
        for name, field in of.fields.items()
        if field.type.is_embedded or field.is_required
    }


def decode(body: Obj, type_name: str) -> tuple[Obj, list[str]]:
    """The object and the paths of unknown fields; raises Undecodable."""
    reader = _Reader()
    head: Obj = {key: body[key] for key in ("apiVersion", "kind") if key in body}
    for key, value in head.items():
        if not isinstance(value, str):
            raise Undecodable(
                f"json: cannot unmarshal {_json_kind(value)} into Go struct field .{key} of type string"
            )
    rest = {key: value for key, value in body.items() if key not in head}
    out: Obj = dict(head)
    out.update(reader.struct(rest, kind_type(type_name), "", ""))
    return out, reader.unknown


def _json_kind(value: Any) -> str:
    for kind, name in ((bool, "bool"), (str, "string"), (int, "number"), (float, "number"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"


class _Reader:
    """`path` names a value with list indices, `plain` without, as Go's type errors do."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def struct(self, value: Any, of: Type, path: str, plain: str) -> Obj:
        if not isinstance(value, dict):
            raise _mismatch(value, plain, of.name, f"v1.{of.name}")
        out = {}
        for name, item in value.items():
            field = of.fields.get(name)
            here = f"{path}.{name}" if path else name
            if field is None:
                self.unknown.append(here)
            elif item is not None:
                read = self.any(item, field.type, here, f"{plain}.{name}" if plain else name, of.name)
                if read not in ("", [], {}) or _counts_when_empty(name, field.type):
                    out[name] = read
        for name, field in of.fields.items():
            is_always_there = field.is_required or (field.type.is_embedded and field.type.shape == "struct")
            if is_always_there and name not in out:
                out[name] = zero(field.type)
        return out

    def any(self, value: Any, of: Type, path: str, plain: str, owner: str) -> Any:
        if of.shape == "struct":
            return self.struct(value, of, path, plain)
        if of.shape == "list":
            if not isinstance(value, list):
                raise _mismatch(value, plain, owner, f"[]{_go_type(of.item)}")
            return [
                self.any(item, of.item, f"{path}[{index}]", plain, owner)
                for index, item in enumerate(value)
                if item is not None or of.item.shape == "scalar"
            ]
        if of.shape == "map":
            if not isinstance(value, dict):
                raise _mismatch(value, plain, owner, f"map[string]{_go_type(of.item)}")
            return {
                str(key): self.any("" if item is None else item, of.item, f"{path}.{key}", plain, owner)
                for key, item in value.items()
            }
        return scalar(value, of.name, plain, owner)


def _counts_when_empty(name: str, of: Type) -> bool:
    return of.shape == "struct" or name in _MEANINGFUL_EMPTY or (of.shape == "scalar" and of.name == "any")


def _go_type(of: Type) -> str:
    if of.shape == "scalar":
        return _GO_NAMES.get(of.name, of.name)
    return f"v1.{of.name}" if of.shape == "struct" else "map[string]string"


def _mismatch(value: Any, plain: str, owner: str, go_type: str) -> Undecodable:
    where = f"Go struct field {owner}.{plain} of type" if plain else "Go value of type"
    return Undecodable(f"json: cannot unmarshal {_json_kind(value)} into {where} {go_type}")


def scalar(value: Any, kind: str, plain: str, owner: str) -> Any:
    """One scalar, checked; quantities sent as numbers become text."""
    if kind == "any":
        return value
    if kind == "intorstring":
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise _mismatch(value, plain, owner, "string")
        return value
    if kind == "quantity":
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not quantities.is_valid(value):
            raise Undecodable(f"quantities must match the regular expression '{quantities.PATTERN.pattern}'")
        return quantities.canonical(value)
    wanted: dict[str, type | tuple[type, ...]] = {
        "bool": bool,
        "int32": int,
        "int64": int,
        "number": (int, float),
    }
    if not isinstance(value, wanted.get(kind, str)) or (isinstance(value, bool) and kind != "bool"):
        raise _mismatch(value, plain, owner, _GO_NAMES.get(kind, kind))
    bits = {"int32": 31, "int64": 63}.get(kind)
    if bits and not -(2**bits) <= value < 2**bits:
        raise Undecodable(
            f"json: cannot unmarshal number {value} into Go struct field {owner}.{plain} of type {kind}"
        )
    if kind == "bytes":
        _check_base64(str(value))
    if kind in ("time", "microtime") and value:
        _check_time(str(value))
    return value


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        position = next(
            (at for at, sign in enumerate(text) if not re.match(r"[A-Za-z0-9+/=]", sign)), len(text) // 4 * 4
        )
        raise Undecodable(f"illegal base64 data at input byte {position}") from None


def _check_time(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Undecodable(
            f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
        ) from None
