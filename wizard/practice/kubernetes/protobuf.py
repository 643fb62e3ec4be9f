r"""Reads the protobuf that kubectl's `create` commands send; answers are JSON, which its Accept allows.

The wire format is https://protobuf.dev/programming-guides/encoding/; field numbers come from `types.txt`. The
envelope is `k8s\0` and a runtime.Unknown (apimachinery `pkg/runtime/generated.proto`).
"""

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, stamp
from wizard.practice.kubernetes.schema import Field, Type, kind_type

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 64


class NotDecodable(Exception):
    """Garbage, or something else than a Kubernetes object."""


def decode(data: bytes, resource: Resource) -> Obj:
    """An object with apiVersion and kind, as JSON would have it; raises NotDecodable."""
    if not data.startswith(_MAGIC):
        raise NotDecodable(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        envelope = {number: value for number, _, value in _fields(data[len(_MAGIC) :])}
        meta = {number: value for number, _, value in _fields(envelope.get(1, b""))}
        version, kind = meta.get(1, b"").decode(), meta.get(2, b"").decode()
        body = _message(envelope.get(2, b""), kind_type(resource.schema_name), 0)
    except (IndexError, UnicodeDecodeError, struct.error, AttributeError, TypeError, OverflowError) as error:
        raise NotDecodable(f"protobuf: illegal wireType or truncated message: {error}") from error
    return {"apiVersion": version or resource.api_version, "kind": kind or resource.kind, **body}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise NotDecodable("protobuf: integer overflow")


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and raw value of each field."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _BYTES:
            size, at = _varint(data, at)
            value = data[at : at + size]
            at += size
            if len(value) != size:
                raise NotDecodable("protobuf: unexpected EOF")
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
            (value,) = struct.unpack_from("<f" if wire == _FIXED32 else "<d", data, at)
            at += size
        else:
            raise NotDecodable(f"protobuf: illegal wireType {wire}")
        yield number, wire, value


def _message(data: bytes, of: Type, depth: int) -> Obj:
    if depth > _MAX_DEPTH:
        raise NotDecodable("protobuf: nested too deeply")
    by_number = {field.numbers: (name, field) for name, field in of.fields.items()}
    embedded = {numbers[0] for numbers in by_number if len(numbers) > 1}
    out: Obj = {}
    for number, _, value in _fields(data):
        if (number,) in by_number:
            name, field = by_number[number,]
            _set(out, name, value, field, depth)
        elif number in embedded:
            for inner, _, deep in _fields(value):
                if (number, inner) in by_number:
                    name, field = by_number[number, inner]
                    _set(out, name, deep, field, depth)
    return out


def _set(out: Obj, name: str, value: Any, field: Field, depth: int) -> None:
    of = field.type
    if of.shape == "list":
        out.setdefault(name, []).append(_value(value, of.item, depth))
    elif of.shape == "map":
        entry = {number: raw for number, _, raw in _fields(value)}
        out.setdefault(name, {})[entry.get(1, b"").decode()] = _value(entry.get(2, b""), of.item, depth)
    else:
        out[name] = _value(value, of, depth)


def _value(value: Any, of: Type, depth: int) -> Any:
    if of.shape == "struct":
        return _message(value, of, depth + 1)
    if of.shape == "list":  # a map of lists: the message between them holds the items as field 1
        return [_value(raw, of.item, depth + 1) for _, _, raw in _fields(value)]
    return _scalar(value, of.name)


def _scalar(value: Any, kind: str) -> Any:
    if kind == "bool":
        return bool(value)
    if kind in ("int32", "int64"):
        return value - 2**64 if value >= 2**63 else value
    if kind == "number":
        return value
    if kind == "bytes":
        return base64.b64encode(value).decode()
    if kind == "string":
        return value.decode()
    parts = {number: raw for number, _, raw in _fields(value)}
    if kind == "quantity":
        return parts.get(1, b"0").decode()
    if kind in ("time", "microtime"):
        moment = datetime.fromtimestamp(_scalar(parts.get(1, 0), "int64"), UTC)
        return None if not parts else stamp(moment)
    if kind == "intorstring":
        return parts.get(3, b"").decode() if parts.get(1) else _scalar(parts.get(2, 0), "int64")
    raise NotDecodable(f"protobuf: no JSON form for {kind}")
