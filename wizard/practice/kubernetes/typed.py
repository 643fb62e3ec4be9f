"""What an apply configuration must be: every field known, of the right shape, every list key once.

The sentences are those of structured-merge-diff's `typed` package.
"""

from collections.abc import Iterator
from typing import Any

from wizard.practice.kubernetes.fieldsets import Path, dotted, element
from wizard.practice.kubernetes.schema import Type

_WANTED: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "boolean"),
    "int32": ((int,), "numeric (int or float)"),
    "int64": ((int,), "numeric (int or float)"),
    "number": ((int, float), "numeric (int or float)"),
    "string": ((str,), "string"),
    "bytes": ((str,), "string"),
    "time": ((str,), "string"),
    "microtime": ((str,), "string"),
    "quantity": ((str, int, float), "string"),
    "intorstring": ((str, int), "string"),
}


def problems(value: Any, of: Type) -> list[str]:
    """Empty when there are none; each begins with the path."""
    return list(_problems(value, of, ()))


def _problems(value: Any, of: Type, path: Path) -> Iterator[str]:
    if value is None:
        return
    if of.shape == "scalar":
        yield from _scalar(value, of, path)
    elif of.shape == "list":
        yield from _list(value, of, path)
    elif not isinstance(value, dict):
        yield f"{dotted(path)}: expected map, got {value!r}"
    else:
        for key, item in value.items():
            here = (*path, f"f:{key}")
            field = of.fields.get(key)
            if of.shape == "map":
                yield from _problems(item, of.item, here)
            elif field is None:
                yield f"{dotted(here)}: field not declared in schema"
            else:
                yield from _problems(item, field.type, here)


def _scalar(value: Any, of: Type, path: Path) -> Iterator[str]:
    kinds, name = _WANTED.get(of.name, ((object,), ""))
    is_boolean = isinstance(value, bool) and of.name not in ("bool", "any")
    if is_boolean or not isinstance(value, kinds):
        yield f"{dotted(path)}: expected {name}, got {value!r}"


def _list(value: Any, of: Type, path: Path) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{dotted(path)}: expected list, got {value!r}"
        return
    seen = set()
    for at, item in enumerate(value):
        is_known = bool(of.keys) and isinstance(item, dict)
        here = (*path, element(item, of) if is_known else f"i:{at}")
        if is_known and here in seen:
            key = dotted(here[-1:])
            yield f"{dotted(path)}: duplicate entries for key {key}"
        seen.add(here)
        yield from _problems(item, of.item, here)
