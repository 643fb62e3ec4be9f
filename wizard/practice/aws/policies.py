"""Decides what IAM policy documents allow.

Source: "Policy evaluation logic" and "IAM JSON policy elements" in the IAM user guide.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """May this principal do this action on this resource? `context` has lower-case condition keys."""

    action: str
    resource: str
    principal: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` ends AWS's sentence "... is not authorized to perform: X on resource: Y "."""

    is_allowed: bool
    is_denied: bool = False
    is_bounded: bool = False
    reason: str = ""


def decide(
    question: Question,
    identity: Iterable[Document],
    boundary: Document | None = None,
    resource_policy: Document | None = None,
) -> Decision:
    """Explicit denials first; then identity policies within the boundary, or the resource's own policy."""
    granted = False
    for document in identity:
        effect = document_effect(document, question)
        if effect == "Deny":
            return _denied("an identity-based policy")
        granted = granted or effect == "Allow"
    bounded = document_effect(boundary, question) if boundary is not None else "Allow"
    if bounded == "Deny":
        return _denied("a permissions boundary")
    resourced = (
        document_effect(resource_policy, question, is_resource_policy=True) if resource_policy else None
    )
    if resourced == "Deny":
        return _denied("a resource-based policy")
    if resourced == "Allow":
        return Decision(is_allowed=True)
    if granted and bounded != "Allow":
        return Decision(
            is_allowed=False,
            is_bounded=True,
            reason=f"because no permissions boundary allows the {question.action} action",
        )
    if not granted:
        return Decision(
            is_allowed=False, reason=f"because no identity-based policy allows the {question.action} action"
        )
    return Decision(is_allowed=True)


def _denied(where: str) -> Decision:
    return Decision(is_allowed=False, is_denied=True, reason=f"with an explicit deny in {where}")


def document_effect(
    document: Document, question: Question, *, is_resource_policy: bool = False
) -> str | None:
    """Answers "Deny", "Allow" or, where no statement of the document is about the question, None."""
    found = None
    for statement in _listed(document.get("Statement")):
        if is_resource_policy and not _names_principal(statement, question.principal):
            continue
        if _concerns(statement, question):
            if statement.get("Effect") == "Deny":
                return "Deny"
            found = "Allow"
    return found


def _concerns(statement: Mapping[str, Any], question: Question) -> bool:
    action = question.action.lower()
    if "Action" in statement:
        about = any(matches(str(p).lower(), action) for p in _listed(statement["Action"]))
    else:
        about = not any(matches(str(p).lower(), action) for p in _listed(statement.get("NotAction")))
    if not about:
        return False
    if "Resource" in statement:
        wanted = [_filled(str(p), question.context) for p in _listed(statement["Resource"])]
        about = any(matches(p, question.resource) for p in wanted)
    elif "NotResource" in statement:
        wanted = [_filled(str(p), question.context) for p in _listed(statement["NotResource"])]
        about = not any(matches(p, question.resource) for p in wanted)
    return about and conditions_hold(statement.get("Condition") or {}, question.context)


def _names_principal(statement: Mapping[str, Any], principal: str) -> bool:
    named = statement.get("Principal")
    if named == "*":
        return True
    account = principal.split(":")[4] if principal.count(":") >= 5 else ""
    known = {"*", principal, account, f"arn:aws:iam::{account}:root"}
    return isinstance(named, Mapping) and any(str(p) in known for p in _listed(named.get("AWS")))


def _filled(pattern: str, context: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda found: context.get(found[1].lower(), found[0]), pattern)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


@lru_cache(maxsize=2048)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in glob)
    return re.compile("".join(parts), re.DOTALL)


def matches(glob: str, text: str) -> bool:
    """IAM's wildcards: `*` for any run of characters, `/` included, and `?` for one."""
    return _pattern(glob).fullmatch(text) is not None


def _arn_matches(glob: str, arn: str) -> bool:
    globs, parts = glob.split(":", 5), arn.split(":", 5)
    return len(globs) == len(parts) and all(matches(g, p) for g, p in zip(globs, parts, strict=True))


def _is_in_network(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _same_but_for_case(wanted: str, actual: str) -> bool:
    return wanted.lower() == actual.lower()


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, actual: wanted == actual,
    "StringEqualsIgnoreCase": _same_but_for_case,
    "StringLike": matches,
    "ArnEquals": _arn_matches,
    "ArnLike": _arn_matches,
    "Bool": _same_but_for_case,
    "IpAddress": _is_in_network,
    "NumericEquals": lambda wanted, actual: float(actual) == float(wanted),
    "NumericLessThan": lambda wanted, actual: float(actual) < float(wanted),
    "NumericLessThanEquals": lambda wanted, actual: float(actual) <= float(wanted),
    "NumericGreaterThan": lambda wanted, actual: float(actual) > float(wanted),
    "NumericGreaterThanEquals": lambda wanted, actual: float(actual) >= float(wanted),
    "DateLessThan": lambda wanted, actual: _time(actual) < _time(wanted),
    "DateGreaterThan": lambda wanted, actual: _time(actual) > _time(wanted),
}
NEGATIVES = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
}


def conditions_hold(block: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """All operators and keys must hold; an operator that is not known here never does."""
    return all(
        _condition_holds(
            operator, [_filled(str(v), context) for v in _listed(wanted)], context.get(key.lower())
        )
        for operator, keys in block.items()
        for key, wanted in keys.items()
    )


def _condition_holds(operator: str, wanted: list[str], actual: str | None) -> bool:
    name = operator.rpartition(":")[2]
    if name == "Null":
        return (actual is None) == (wanted[:1] == ["true"])
    if name.endswith("IfExists"):
        if actual is None:
            return True
        name = name.removesuffix("IfExists")
    is_negative = name in NEGATIVES
    test = OPERATORS.get(NEGATIVES.get(name, name))
    if test is None:
        return False
    if actual is None:
        return is_negative or operator.startswith("ForAllValues:")
    try:
        return any(test(value, actual) for value in wanted) != is_negative
    except ValueError:
        return False


def parse_document(text: str) -> Document:
    """A stored policy document; what is not a JSON object grants nothing."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
