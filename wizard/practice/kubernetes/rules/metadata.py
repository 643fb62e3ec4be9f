"""What holds for the metadata of every object."""

from wizard.practice.kubernetes.kinds import NAMESPACES, SERVICES, Resource
from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.rules import names
from wizard.practice.kubernetes.status import Problems

_MAX_ANNOTATIONS = 256 * 1024
_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion")


def check(resource: Resource, metadata: Obj, problems: Problems) -> None:
    name = metadata.get("name", "")
    if not name:
        problems.required("metadata.name", "name or generateName is required")
    else:
        rule = names.label if resource in (NAMESPACES, SERVICES) else names.subdomain
        for why in rule(name):
            problems.invalid("metadata.name", name, why)
    check_labels(metadata.get("labels") or {}, "metadata.labels", problems)
    annotations: dict[str, str] = metadata.get("annotations") or {}
    for key in annotations:
        for why in names.label_key(key.lower()):
            problems.invalid("metadata.annotations", key, why)
    if sum(len(key) + len(value) for key, value in annotations.items()) > _MAX_ANNOTATIONS:
        problems.too_long("metadata.annotations", _MAX_ANNOTATIONS)
    for at, finalizer in enumerate(metadata.get("finalizers") or []):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            problems.invalid(
                f"metadata.finalizers[{at}]",
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            )
    for at, owner in enumerate(metadata.get("ownerReferences") or []):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                problems.required(f"metadata.ownerReferences[{at}].{field}", "must not be empty")


def check_labels(labels: dict[str, str], field: str, problems: Problems) -> None:
    for key, value in labels.items():
        for why in names.label_key(key):
            problems.invalid(field, key, why)
        for why in names.label_value(value):
            problems.invalid(field, value, why)
