"""Pods and the Pod templates of workloads: defaults and validation."""

import json
from typing import Any

from wizard.practice.kubernetes.objects import Obj, clone, dig
from wizard.practice.kubernetes.rules import containers, metadata, names
from wizard.practice.kubernetes.rules.quantities import amount
from wizard.practice.kubernetes.status import Problems

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_LISTS = ("initContainers", "containers")


def default_spec(spec: Obj) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for kind in _LISTS:
        for container in spec.get(kind) or []:
            containers.default(container)
    for volume in spec.get("volumes") or []:
        _default_volume(volume)


def _default_volume(volume: Obj) -> None:
    if not any(key != "name" for key in volume):
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", 0o644)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")


def default_pod(pod: Obj) -> None:
    """What a Pod has and a template has not: requests that follow limits, service links."""
    spec = pod["spec"]
    default_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for kind in _LISTS:
        for container in spec.get(kind) or []:
            resources = container["resources"]
            for name, limit in (resources.get("limits") or {}).items():
                resources.setdefault("requests", {}).setdefault(name, limit)


def prepare_pod(pod: Obj, old: Obj | None) -> None:
    """What the admission plugins ServiceAccount, Priority and DefaultTolerationSeconds add.

    The token volume of its ServiceAccount is left out: there is nobody in here to talk to.
    """
    if old is not None:
        return
    spec = pod["spec"]
    account = spec.get("serviceAccountName") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    if not spec.get("tolerations"):
        spec["tolerations"] = [
            {
                "key": f"node.kubernetes.io/{why}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for why in ("not-ready", "unreachable")
        ]


def quality_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort."""
    found = [container["resources"] for kind in _LISTS for container in spec.get(kind) or []]
    if not any(resources.get("requests") or resources.get("limits") for resources in found):
        return "BestEffort"

    def is_full(resources: Obj) -> bool:
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        return all(
            name in limits and amount(limits[name]) == amount(requests.get(name, limits[name]))
            for name in ("cpu", "memory")
        )

    return "Guaranteed" if all(is_full(resources) for resources in found) else "Burstable"


def check_pod(pod: Obj, old: Obj | None, problems: Problems) -> None:
    if old is None:
        check_spec(pod["spec"], "spec", problems)
        return
    _check_pod_update(pod["spec"], old["spec"], problems)


def _check_pod_update(new: Obj, old: Obj, problems: Problems) -> None:
    """Of a Pod only images, tolerations, deadline and grace can be changed; a controller may bind it."""

    def fixed(spec: Obj) -> Any:
        rest = clone(spec)
        for field in ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations"):
            rest.pop(field, None)
        for kind in _LISTS:
            for container in rest.get(kind) or []:
                container.pop("image", None)
        return rest

    if json.dumps(fixed(new), sort_keys=True) != json.dumps(fixed(old), sort_keys=True):
        problems.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
            "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was"
            " previously negative)",
        )


def check_template(template: Obj, field: str, problems: Problems) -> None:
    meta = template.get("metadata") or {}
    metadata.check_labels(meta.get("labels") or {}, f"{field}.metadata.labels", problems)
    check_spec(template["spec"], f"{field}.spec", problems)
    policy = template["spec"]["restartPolicy"]
    if policy != "Always":
        problems.not_supported(f"{field}.spec.restartPolicy", policy, ("Always",))


def check_spec(spec: Obj, field: str, problems: Problems) -> None:
    volumes = _check_volumes(spec.get("volumes") or [], f"{field}.volumes", problems)
    if not spec.get("containers"):
        problems.required(f"{field}.containers")
    seen: set[str] = set()
    for kind in reversed(_LISTS):
        for at, container in enumerate(spec.get(kind) or []):
            here = f"{field}.{kind}[{at}]"
            containers.check(container, here, volumes, problems)
            name = container.get("name", "")
            if name and name in seen:
                problems.duplicate(f"{here}.name", name)
            seen.add(name)
    if spec["dnsPolicy"] not in _DNS_POLICIES:
        problems.not_supported(f"{field}.dnsPolicy", spec["dnsPolicy"], _DNS_POLICIES)
    if spec["restartPolicy"] not in _RESTART_POLICIES:
        problems.not_supported(f"{field}.restartPolicy", spec["restartPolicy"], _RESTART_POLICIES)
    metadata.check_labels(spec.get("nodeSelector") or {}, f"{field}.nodeSelector", problems)
    _check_context(spec["securityContext"], f"{field}.securityContext", problems)
    _check_spread(spec.get("topologySpreadConstraints") or [], field, problems)
    account = spec.get("serviceAccountName")
    for why in names.subdomain(account) if account else ():
        problems.invalid(f"{field}.serviceAccountName", account, why)
    _check_tolerations(spec.get("tolerations") or [], f"{field}.tolerations", problems)


def _check_context(context: Obj, field: str, problems: Problems) -> None:
    for name in ("runAsUser", "runAsGroup", "fsGroup"):
        containers.check_id(context.get(name), f"{field}.{name}", problems)
    containers.check_seccomp(context.get("seccompProfile"), f"{field}.seccompProfile", problems)


def _check_spread(constraints: list[Obj], field: str, problems: Problems) -> None:
    actions = ("DoNotSchedule", "ScheduleAnyway")
    for at, constraint in enumerate(constraints):
        here = f"{field}.topologySpreadConstraints[{at}]"
        if constraint.get("maxSkew", 0) <= 0:
            problems.invalid(f"{here}.maxSkew", constraint.get("maxSkew", 0), "must be greater than zero")
        if not constraint.get("topologyKey"):
            problems.required(f"{here}.topologyKey", "can not be empty")
        if constraint.get("whenUnsatisfiable") not in actions:
            action = constraint.get("whenUnsatisfiable", "")
            problems.not_supported(f"{here}.whenUnsatisfiable", action, actions)


def _check_tolerations(tolerations: list[Obj], field: str, problems: Problems) -> None:
    for at, toleration in enumerate(tolerations):
        operator, here = toleration.get("operator", "Equal"), f"{field}[{at}]"
        if not toleration.get("key") and operator != "Exists":
            problems.invalid(
                f"{here}.operator",
                operator,
                'operator must be Exists when `key` is empty, which means "match all values and all keys"',
            )
        if operator not in ("Equal", "Exists"):
            problems.not_supported(f"{here}.operator", operator, ("Equal", "Exists"))


def _check_volumes(volumes: list[Obj], field: str, problems: Problems) -> set[str]:
    seen: set[str] = set()
    for at, volume in enumerate(volumes):
        here, name, before = f"{field}[{at}]", volume.get("name", ""), len(problems.causes)
        kinds = sorted(key for key in volume if key != "name")
        for extra in kinds[1:]:
            problems.forbidden(f"{here}.{extra}", "may not specify more than 1 volume type")
        for kind in kinds[:1]:
            _check_volume(kind, volume[kind], f"{here}.{kind}", problems)
        if not name:
            problems.required(f"{here}.name")
        for why in names.label(name) if name else ():
            problems.invalid(f"{here}.name", name, why)
        if name in seen:
            problems.duplicate(f"{here}.name", name)
        if len(problems.causes) == before:
            seen.add(name)
    return seen


def _check_volume(kind: str, source: Obj, field: str, problems: Problems) -> None:
    needed = {
        "secret": "secretName",
        "configMap": "name",
        "persistentVolumeClaim": "claimName",
        "hostPath": "path",
    }
    if kind in needed and not source.get(needed[kind]):
        problems.required(f"{field}.{needed[kind]}")
    mode = source.get("defaultMode")
    if mode is not None and not 0 <= mode <= 0o777:
        problems.invalid(
            f"{field}.defaultMode", mode, "must be a number between 0 and 0777 (octal), both inclusive"
        )
    for at, item in enumerate(source.get("items") or []):
        here, path = f"{field}.items[{at}]", item.get("path", "")
        if kind in ("secret", "configMap") and not item.get("key"):
            problems.required(f"{here}.key")
        if not path:
            problems.required(f"{here}.path")
        elif path.startswith("/"):
            problems.invalid(f"{here}.path", path, "must be a relative path")
        elif ".." in path.split("/"):
            problems.invalid(f"{here}.path", path, "must not contain '..'")


def requests(spec: Obj, resource: str, kind: str = "requests") -> Any:
    """The sum over all containers, as a number."""
    found = [dig(container, "resources", kind, resource) for container in spec.get("containers") or []]
    return sum(amount(value) for value in found if value is not None)
