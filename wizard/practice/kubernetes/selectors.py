"""Label and field selectors."""

import re
from collections.abc import Callable

from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, dig, labels_of
from wizard.practice.kubernetes.status import bad_request

Test = Callable[[Obj], bool]
Labels = dict[str, str]

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUALITY = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*({_VALUE})$")
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s+\(([^()]*)\)$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")

# Beside metadata.name and metadata.namespace, which every kind has (each kind's registry names its own).
_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "pods": {
        key: tuple(key.split("."))
        for key in (
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        )
    },
    "secrets": {"type": ("type",)},
    "services": {"spec.clusterIP": ("spec", "clusterIP"), "spec.type": ("spec", "type")},
    "namespaces": {"status.phase": ("status", "phase")},
    "nodes": {"spec.unschedulable": ("spec", "unschedulable")},
    "replicationcontrollers": {"status.replicas": ("status", "replicas")},
    "replicasets": {"status.replicas": ("status", "replicas")},
    "events": {
        **{
            f"involvedObject.{key}": ("involvedObject", key)
            for key in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
        **{
            f"regarding.{key}": ("involvedObject", key)
            for key in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
        "reason": ("reason",),
        "reportingComponent": ("reportingComponent",),
        "source": ("source", "component"),
        "type": ("type",),
    },
}
_BOOLEANS = frozenset({"spec.hostNetwork", "spec.unschedulable"})


def labels(text: str) -> Test:
    """Parses `a=b,c!=d,e in (f,g),h,!i`; raises a 400."""
    tests = [_requirement(part) for part in _split(text)]
    return lambda obj: all(test(labels_of(obj)) for test in tests)


def _split(text: str) -> list[str]:
    return [part.strip() for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def _requirement(text: str) -> Callable[[Labels], bool]:
    if match := _EQUALITY.match(text):
        key, operator, value = match.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _SET.match(text):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EXISTS.match(text):
        absent, key = match.groups()
        return lambda labels: (key in labels) != bool(absent)
    found = text.split()[1] if len(text.split()) > 1 else text
    raise bad_request(f"unable to parse requirement: found '{found}', expected: in, notin, =, ==, !=, gt, lt")


def fields(text: str, resource: Resource) -> Test:
    """Parses `metadata.name=x,status.phase!=Running`; raises a 400 for a field that cannot be selected by."""
    known = _FIELDS.get(resource.plural, {})
    tests: list[tuple[str, tuple[str, ...], str, bool]] = []
    for part in filter(None, text.split(",")):
        match = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part)
        if match is None:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        key, operator, value = match.groups()
        if key not in known and key not in ("metadata.name", "metadata.namespace"):
            raise bad_request(f"field label not supported: {key}")
        tests.append((key, known.get(key) or tuple(key.split(".")), value, operator != "!="))
    return lambda obj: all(
        (_text(dig(obj, *path), is_boolean=key in _BOOLEANS) == value) == is_equal
        for key, path, value, is_equal in tests
    )


def _text(value: object, *, is_boolean: bool) -> str:
    if is_boolean:
        return "true" if value else "false"
    return "" if value is None else str(value)


def matches(selector: Obj | None, found: Labels) -> bool:
    """A LabelSelector object (matchLabels, matchExpressions) against labels; nothing selects nothing."""
    if not selector:
        return False
    if any(found.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(item, found) for item in selector.get("matchExpressions") or [])


def _expression(item: Obj, found: Labels) -> bool:
    key, values = item.get("key", ""), item.get("values") or []
    match item.get("operator"):
        case "In":
            return found.get(key) in values
        case "NotIn":
            return found.get(key) not in values
        case "Exists":
            return key in found
        case "DoesNotExist":
            return key not in found
    return False


def is_subset(selector: Labels | None, found: Labels) -> bool:
    """The plain selector of Services and ReplicationControllers; an empty one selects nothing."""
    return bool(selector) and all(found.get(key) == value for key, value in (selector or {}).items())
