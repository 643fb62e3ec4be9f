"""ResourceQuotas and LimitRanges: what a namespace may hold, and what a container gets without asking."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, dig, name_of
from wizard.practice.kubernetes.rules import pods, quantities
from wizard.practice.kubernetes.status import forbidden
from wizard.practice.kubernetes.store import Store

_COMPUTE = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}
_ENDED = ("Succeeded", "Failed")


def usage(resource: Resource, obj: Obj) -> dict[str, Decimal]:
    """What one object takes of which quota."""
    found = {f"count/{resource.full_name}": Decimal(1)}
    if resource.group == "":
        found[resource.plural] = Decimal(1)
    if resource == kinds.SERVICES:
        kind, ports = obj["spec"].get("type"), obj["spec"].get("ports") or []
        if kind == "LoadBalancer":
            found["services.loadbalancers"] = Decimal(1)
        if kind in ("LoadBalancer", "NodePort"):
            found["services.nodeports"] = Decimal(len(ports))
    elif resource == kinds.PODS:
        if dig(obj, "status", "phase") in _ENDED:
            return {}
        for name, (kind, what) in _COMPUTE.items():
            found[name] = pods.requests(obj["spec"], what, kind)
    return found


def total(store: Store, namespace: str, names: Iterable[str]) -> dict[str, Decimal]:
    """What a namespace uses now of each of these."""
    sums = dict.fromkeys(names, Decimal(0))
    for resource in kinds.STORED:
        if not resource.is_namespaced:
            continue
        for obj in store.all_of(resource, namespace):
            for name, used in usage(resource, obj).items():
                if name in sums:
                    sums[name] += used
    return sums


def check(store: Store, resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Raises 403 where a quota would be exceeded."""
    namespace = obj["metadata"]["namespace"]
    before = usage(resource, old) if old is not None else {}
    wanted = {
        name: more
        for name, used in usage(resource, obj).items()
        if (more := used - before.get(name, Decimal(0))) > 0 or (old is None and name in _COMPUTE)
    }
    for quota in store.all_of(kinds.QUOTAS, namespace):
        hard: dict[str, str] = dig(quota, "spec", "hard") or {}
        asked = {name: more for name, more in wanted.items() if name in hard}
        if asked:
            _check_one(store, resource, obj, quota, asked)


def _check_one(store: Store, resource: Resource, obj: Obj, quota: Obj, asked: dict[str, Decimal]) -> None:
    hard, name = quota["spec"]["hard"], name_of(obj)
    if resource == kinds.PODS:
        silent = sorted(what for what in asked if what in _COMPUTE and _silent(obj["spec"], what))
        if silent:
            asking = "; ".join(f"{what} for: {','.join(_silent(obj['spec'], what))}" for what in silent)
            raise forbidden(resource, name, f"failed quota: {name_of(quota)}: must specify {asking}")
    used = total(store, obj["metadata"]["namespace"], asked)
    over = sorted(what for what, more in asked.items() if used[what] + more > quantities.amount(hard[what]))
    if not over:
        return

    def listed(values: dict[str, Any]) -> str:
        return ",".join(f"{what}={values[what]}" for what in over)

    texts = [{what: shown(what, amounts[what]) for what in over} for amounts in (asked, used)]
    raise forbidden(
        resource,
        name,
        f"exceeded quota: {name_of(quota)}, requested: {listed(texts[0])}, used: {listed(texts[1])},"
        f" limited: {listed(hard)}",
    )


def _silent(spec: Obj, what: str) -> list[str]:
    """The containers that do not say how much."""
    kind, resource = _COMPUTE[what]
    return [one["name"] for one in spec["containers"] if dig(one, "resources", kind, resource) is None]


def shown(what: str, value: Decimal) -> str:
    """An amount as a quota's status tells it: memory in powers of two."""
    text = quantities.text(value)
    return quantities.binary(value) if "memory" in what or "storage" in what else text


def _container_limits(store: Store, pod: Obj) -> list[Obj]:
    return [
        item
        for limit_range in store.all_of(kinds.LIMIT_RANGES, pod["metadata"]["namespace"])
        for item in limit_range["spec"].get("limits") or []
        if item.get("type") == "Container"
    ]


def fill_limits(store: Store, pod: Obj) -> None:
    """What LimitRanges give to containers that do not ask; an annotation tells it."""
    told = []
    for item in _container_limits(store, pod):
        for container in pod["spec"].get("containers") or []:
            told += _fill(container, item)
    if told:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations["kubernetes.io/limit-ranger"] = f"LimitRanger plugin set: {'; '.join(told)}"


def check_limits(store: Store, pod: Obj) -> None:
    """Raises 403 for what LimitRanges refuse."""
    problems = [
        text
        for item in _container_limits(store, pod)
        for container in pod["spec"].get("containers") or []
        for text in _refusals(container["resources"], item)
    ]
    if problems:
        listed = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise forbidden(kinds.PODS, name_of(pod), listed)


def _fill(container: Obj, item: Obj) -> list[str]:
    told = []
    for kind, source in (("requests", "defaultRequest"), ("limits", "default")):
        given = item.get(source) or {}
        wanted = container["resources"].setdefault(kind, {}) if given else {}
        missing = sorted(given.keys() - wanted.keys())
        wanted.update({name: given[name] for name in missing})
        if missing:
            told.append(f"{', '.join(missing)} {kind[:-1]} for container {container['name']}")
    return told


def _refusals(resources: Obj, item: Obj) -> list[str]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    found = []
    for name, least in sorted((item.get("min") or {}).items()):
        request = requests.get(name)
        if request is None:
            found.append(f"minimum {name} usage per Container is {least}.  No request is specified")
        elif quantities.amount(request) < quantities.amount(least):
            found.append(f"minimum {name} usage per Container is {least}, but request is {request}")
    for name, most in sorted((item.get("max") or {}).items()):
        limit = limits.get(name)
        if limit is None:
            found.append(f"maximum {name} usage per Container is {most}.  No limit is specified")
        elif quantities.amount(limit) > quantities.amount(most):
            found.append(f"maximum {name} usage per Container is {most}, but limit is {limit}")
    return found
