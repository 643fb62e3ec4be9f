"""Lifecycle rules of two ages: S3 refuses a document that has a rule with `Filter` beside one with `Prefix`.

Source: S3 API, LifecycleRule: a top-level `Prefix` is the deprecated form of `Filter`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Rule = dict[str, Any]


def with_filter(rule: Mapping[str, Any]) -> Rule:
    """The rule in the present form; it is for the same objects."""
    if "Prefix" not in rule:
        return dict(rule)
    rest = {key: value for key, value in rule.items() if key != "Prefix"}
    return {**rest, "Filter": {"Prefix": rule["Prefix"] or ""}}


def old_ones(rules: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """Those with a top-level `Prefix`, as they are."""
    return [dict(rule) for rule in rules if "Prefix" in rule]


def beside(rules: Iterable[Mapping[str, Any]], own: Mapping[str, Any] | None) -> list[Rule]:
    """The document's rules with our own among them, if there is one: all in its form then."""
    return [*(with_filter(rule) for rule in rules), dict(own)] if own else [dict(rule) for rule in rules]


def given_back(rules: Sequence[Mapping[str, Any]], former: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """The rules, those of `former` that nobody has changed since in their former form again.

    All as they are where that would mix the two forms.
    """
    known = [(_essence(with_filter(rule)), dict(rule)) for rule in former]
    found = [next((old for new, old in known if new == _essence(rule)), dict(rule)) for rule in rules]
    is_mixed = len({"Prefix" in rule for rule in found}) > 1
    return [dict(rule) for rule in rules] if is_mixed else found


def _essence(rule: Mapping[str, Any]) -> dict[str, object]:
    """S3 gives an empty filter back in more than one way, and dates as such that are text in the journal."""
    limits = {key: value for key, value in (rule.get("Filter") or {}).items() if value not in ("", None)}
    return {**{key: _plain(value) for key, value in rule.items()}, "Filter": _plain(limits)}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
