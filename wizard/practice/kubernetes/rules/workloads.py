"""Deployments, ReplicaSets and ReplicationControllers."""

from typing import Any

from wizard.practice.kubernetes.objects import Obj, dig
from wizard.practice.kubernetes.rules import metadata, pods
from wizard.practice.kubernetes.selectors import matches
from wizard.practice.kubernetes.status import Problems

_STRATEGIES = ("Recreate", "RollingUpdate")


def default_template(spec: Obj) -> None:
    """The Pod template, which a ReplicationController may lack."""
    if "template" in spec:
        template = spec["template"]
        template.setdefault("metadata", {})
        template.setdefault("spec", {})
        pods.default_spec(template["spec"])


def default_deployment(deployment: Obj) -> None:
    spec = deployment["spec"]
    spec.setdefault("replicas", 1)
    default_template(spec)
    strategy = spec["strategy"]
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def default_replica_set(replica_set: Obj) -> None:
    spec = replica_set["spec"]
    spec.setdefault("replicas", 1)
    default_template(spec)


def default_replication_controller(controller: Obj) -> None:
    """Selector and labels come from the template where they are not given."""
    default_replica_set(controller)
    labels = dig(controller, "spec", "template", "metadata", "labels") or {}
    if labels:
        if not controller["spec"].get("selector"):
            controller["spec"]["selector"] = dict(labels)
        if not controller["metadata"].get("labels"):
            controller["metadata"]["labels"] = dict(labels)


def check_deployment(deployment: Obj, old: Obj | None, problems: Problems) -> None:
    spec = deployment["spec"]
    _check_count(spec, "replicas", problems)
    _check_selector(spec, problems, "deployment")
    _check_strategy(spec["strategy"], problems)
    for name in ("minReadySeconds", "revisionHistoryLimit"):
        _check_count(spec, name, problems)
    deadline, ready = spec["progressDeadlineSeconds"], spec.get("minReadySeconds", 0)
    if deadline < 0:
        _check_count(spec, "progressDeadlineSeconds", problems)
    elif deadline <= ready:
        problems.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    _check_immutable(spec, old, problems)


def check_replica_set(replica_set: Obj, old: Obj | None, problems: Problems) -> None:
    spec = replica_set["spec"]
    for name in ("replicas", "minReadySeconds"):
        _check_count(spec, name, problems)
    _check_selector(spec, problems, "deployment")
    _check_immutable(spec, old, problems)


def check_replication_controller(controller: Obj, old: Obj | None, problems: Problems) -> None:
    del old
    spec = controller["spec"]
    _check_count(spec, "minReadySeconds", problems)
    selector: dict[str, str] = spec.get("selector") or {}
    metadata.check_labels(selector, "spec.selector", problems)
    template = spec.get("template")
    if not selector:
        problems.required("spec.selector")
    if template is None:
        problems.required("spec.template")
        return
    labels = template["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        problems.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    pods.check_template(template, "spec.template", problems)
    _check_count(spec, "replicas", problems)


def _check_count(spec: Obj, name: str, problems: Problems) -> None:
    if spec.get(name, 0) < 0:
        problems.invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")


def _check_selector(spec: Obj, problems: Problems, kind: str) -> None:
    selector = spec.get("selector")
    labels = dig(spec, "template", "metadata", "labels")
    if selector is None:
        problems.required("spec.selector")
    else:
        metadata.check_labels(selector.get("matchLabels") or {}, "spec.selector.matchLabels", problems)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            problems.invalid("spec.selector", {}, f"empty selector is invalid for {kind}")
    if not matches(selector, labels or {}) and selector != {}:
        problems.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    pods.check_template(spec["template"], "spec.template", problems)


def _check_immutable(spec: Obj, old: Obj | None, problems: Problems) -> None:
    if old is not None and old["spec"].get("selector") != spec.get("selector"):
        problems.invalid("spec.selector", spec.get("selector"), "field is immutable")


def _check_strategy(strategy: Obj, problems: Problems) -> None:
    field, rolling = "spec.strategy.rollingUpdate", strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling is not None:
        problems.forbidden(field, "may not be specified when strategy `type` is 'Recreate'")
    elif strategy["type"] not in _STRATEGIES:
        shown = {"Type": strategy["type"], "RollingUpdate": None}
        problems.not_supported("spec.strategy", shown, _STRATEGIES)
    elif rolling is not None:
        before = len(problems.causes)
        for name in ("maxSurge", "maxUnavailable"):
            _check_share(rolling[name], f"{field}.{name}", problems)
        if (
            len(problems.causes) == before
            and share(rolling["maxUnavailable"], 100) == 0
            and share(rolling["maxSurge"], 100) == 0
        ):
            problems.invalid(
                f"{field}.maxUnavailable", rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0"
            )


def _check_share(value: Any, field: str, problems: Problems) -> None:
    if isinstance(value, int):
        if value < 0:
            problems.invalid(field, value, "must be greater than or equal to 0")
    elif not value.removesuffix("%").isdecimal() or not value.endswith("%"):
        problems.invalid(
            field,
            value,
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',"
            "  or '93%', regex used for validation is '[0-9]+%')",
        )
    elif field.endswith("maxUnavailable") and int(value[:-1]) > 100:
        problems.invalid(field, value, "must not be greater than 100%")


def share(value: Any, total: int, *, round_up: bool = False) -> int:
    """A number, or a percentage of the total."""
    if isinstance(value, int):
        return value
    hundredths = int(value.removesuffix("%")) * total
    return -(-hundredths // 100) if round_up else hundredths // 100
