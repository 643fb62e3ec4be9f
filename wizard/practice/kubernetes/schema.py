"""The API's types: which fields there are, and how lists and maps merge.

`types.txt` holds one type a line: names, types, protobuf numbers and list keys of the Kubernetes 1.37 API.
Decoding, strict validation, both kinds of merging patch, field ownership, protobuf, OpenAPI: all use it.

A line reads `Name field=number:type ...`. Types: a scalar or a type's name; `+T` a struct that is there even
when nobody sent it (`+[T]` such a list); `{T}` a map; `[T]` a list that is replaced as a whole, `[T]*` a set,
`[T]@a,b` a list whose items are known by the fields a and b. A leading `!` means atomic, a final `~` that
a patch may name the keys to retain. A number `2.4` is field 4 of the embedded message 2,
whose fields JSON shows inline; `field!` is a required scalar.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

SCALARS = frozenset(
    "string bool int32 int64 number bytes time microtime quantity intorstring any".split()  # noqa: SIM905  # readable
)


@dataclass(frozen=True, slots=True)
class Type:
    """`shape` is scalar, struct, map or list; `name` is that of a scalar or struct."""

    shape: str
    name: str = ""
    element: "Type | None" = None
    keys: tuple[str, ...] = ()
    is_set: bool = False
    is_atomic: bool = False
    is_embedded: bool = False
    retains_keys: bool = False

    @property
    def item(self) -> "Type":
        assert self.element is not None
        return self.element

    @property
    def fields(self) -> "Mapping[str, Field]":
        """The fields of a struct; maps, lists and scalars have none."""
        return struct(self.name).fields if self.shape == "struct" else {}


@dataclass(frozen=True, slots=True)
class Field:
    """A required scalar is always shown, be it empty."""

    numbers: tuple[int, ...]
    type: Type
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    name: str
    is_atomic: bool
    fields: Mapping[str, Field]


@cache
def _lines() -> dict[str, tuple[bool, str]]:
    text = resources.files(__package__).joinpath("types.txt").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        found[name.lstrip("!")] = (name.startswith("!"), rest)
    return found


def type_names() -> tuple[str, ...]:
    return tuple(_lines())


@cache
def struct(name: str) -> Struct:
    """Raises KeyError for a type that is not in the table."""
    is_atomic, rest = _lines()[name]
    fields = {}
    for item in rest.split():
        head, _, notation = item.partition(":")
        field, _, numbers = head.partition("=")
        path = tuple(int(number) for number in numbers.split("."))
        fields[field.rstrip("!")] = Field(path, parse(notation), field.endswith("!"))
    return Struct(name, is_atomic, fields)


@cache
def parse(notation: str) -> Type:
    retains_keys = notation.endswith("~")
    text = notation.rstrip("~")
    if text.lstrip("+").startswith("["):
        inner, _, suffix = text.lstrip("+")[1:].rpartition("]")
        keys = tuple(suffix[1:].split(",")) if suffix.startswith("@") else ()
        is_set = suffix == "*"
        return Type(
            "list",
            element=parse(inner),
            keys=keys,
            is_set=is_set,
            is_atomic=not keys and not is_set,
            is_embedded=text.startswith("+"),
            retains_keys=retains_keys,
        )
    if text.endswith("}"):
        return Type("map", element=parse(text.lstrip("!")[1:-1]), is_atomic=text.startswith("!"))
    if text in SCALARS:
        return Type("scalar", text)
    name = text.lstrip("+")
    return Type(
        "struct",
        name,
        is_atomic=_lines()[name][0],
        is_embedded=text.startswith("+"),
        retains_keys=retains_keys,
    )


@cache
def kind_type(name: str) -> Type:
    """The type of a whole object."""
    return Type("struct", name, is_embedded=True)
