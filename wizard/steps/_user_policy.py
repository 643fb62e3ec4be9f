"""Compares policy documents by what they say, not by how they are written."""

import json
from collections.abc import Mapping
from typing import Any


def says_the_same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """A single string equals a list of one; order and statement IDs do not count."""
    if one is None or other is None:
        return one is other
    return _essence(one) == _essence(other)


def as_text(document: Mapping[str, Any]) -> str:
    """As AWS's console shows it."""
    return json.dumps(document, indent=4)


def _essence(document: Mapping[str, Any]) -> object:
    statements = document.get("Statement") or []
    listed = statements if isinstance(statements, list) else [statements]
    told = [_statement(each) for each in listed if isinstance(each, Mapping)]
    return document.get("Version", "2008-10-17"), sorted(json.dumps(each, sort_keys=True) for each in told)


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    essence = {key: value for key, value in statement.items() if key != "Sid"}
    for key in ("Action", "NotAction", "Resource", "NotResource"):
        if key in essence:
            value = essence[key]
            essence[key] = sorted(set(value) if isinstance(value, list) else {str(value)})
    return essence
