"""Which identifiers the practice authority issues for, refused in the words of Let's Encrypt."""

import ipaddress
import re
from collections.abc import Collection
from typing import Any

from wizard.practice.acme.problems import Problem

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
NAME_MAX = 253
LABEL_MAX = 63
NAMES_MAX = 100


def from_order(identifiers: object, rejected: Collection[str]) -> tuple[str, ...]:
    """The names of a newOrder request: lower case, unique, sorted. Raises Problem."""
    if not isinstance(identifiers, list) or not identifiers:
        raise Problem("malformed", "NewOrder request did not specify any identifiers")
    if len(identifiers) > NAMES_MAX:
        raise Problem("malformed", f"Order cannot contain more than {NAMES_MAX} identifiers")
    names = sorted({_dns_value(identifier) for identifier in identifiers})
    problems = []
    for name in names:
        try:
            _check(name, rejected)
        except Problem as problem:
            problems.append((name, problem.about(f'Cannot issue for "{name}": ')))
    if problems:
        raise _compound(problems)
    return tuple(names)


def _dns_value(identifier: object) -> str:
    found = identifier if isinstance(identifier, dict) else {}
    kind, value = found.get("type"), found.get("value")
    if not isinstance(kind, str) or not isinstance(value, str) or not value:
        raise Problem("malformed", "NewOrder request included empty identifier")
    if kind != "dns":
        raise Problem(
            "unsupportedIdentifier",
            f'NewOrder request included unsupported identifier: type "{kind}", value "{value}"',
        )
    return value.lower()


def _check(name: str, rejected: Collection[str]) -> None:
    base = name.removeprefix("*.")
    if "*" in base:
        raise Problem(
            "malformed",
            "Domain name contains an invalid wildcard. A wildcard is only permitted before the first dot in"
            " a domain name",
        )
    if not re.fullmatch(r"[a-z0-9.-]*", base):
        raise Problem("malformed", "Domain name contains an invalid character")
    if _is_address(base):
        raise Problem("malformed", "Identifier type is DNS but value is an IP address")
    if len(base) > NAME_MAX:
        raise Problem("malformed", f"Domain name is longer than {NAME_MAX} bytes")
    _check_labels(base)
    if any(base == name or base.endswith("." + name) for name in rejected):
        raise Problem(
            "rejectedIdentifier",
            "The ACME server refuses to issue a certificate for this domain name, because it is forbidden by"
            " policy",
        )


def _check_labels(base: str) -> None:
    labels = base.split(".")
    if not labels[-1]:
        raise Problem("malformed", "Domain name ends in a dot")
    if len(labels) == 1:
        raise Problem("malformed", "Domain name needs at least one dot")
    for label in labels:
        if not label:
            raise Problem("malformed", "Domain name can not have two dots in a row")
        if len(label) > LABEL_MAX:
            raise Problem(
                "malformed", f"Domain has a label (component between dots) longer than {LABEL_MAX} bytes"
            )
        if not LABEL.fullmatch(label):
            raise Problem("malformed", "Domain name contains an invalid character")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _compound(problems: list[tuple[str, Problem]]) -> Problem:
    """One bad name is the problem; several become subproblems (RFC 8555, section 6.7.1)."""
    _, first = problems[0]
    extra: dict[str, Any] = {}
    more = ""
    if len(problems) > 1:
        more = f" (and {len(problems) - 1} more problems. Refer to sub-problems for more information.)"
        extra["subproblems"] = [
            problem.document() | {"identifier": {"type": "dns", "value": name}} for name, problem in problems
        ]
    return Problem(
        first.kind, f"Invalid identifiers requested :: {first.detail}{more}", status=first.status, **extra
    )
