"""The kinds with few rules of their own."""

from wizard.practice.kubernetes.objects import Obj, dig
from wizard.practice.kubernetes.status import Problems


def default_namespace(namespace: Obj) -> None:
    """Every namespace carries its name as a label."""
    namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = namespace["metadata"].get(
        "name", ""
    )


def prepare_namespace(namespace: Obj, old: Obj | None) -> None:
    if old is None:
        namespace["spec"] = {"finalizers": ["kubernetes"]}


def prepare_event(event: Obj, old: Obj | None) -> None:
    del old
    for field in ("firstTimestamp", "lastTimestamp", "eventTime"):
        event.setdefault(field, None)
    event.setdefault("reportingComponent", dig(event, "source", "component") or "")
    event.setdefault("reportingInstance", "")


def check_event(event: Obj, old: Obj | None, problems: Problems) -> None:
    del old
    involved = event["involvedObject"].get("namespace", "")
    namespace = event["metadata"]["namespace"]
    if involved != namespace and not (not involved and namespace == "default"):
        problems.invalid("involvedObject.namespace", involved, "does not match event.namespace")


def default_claim(claim: Obj) -> None:
    claim["spec"].setdefault("volumeMode", "Filesystem")


def check_claim(claim: Obj, old: Obj | None, problems: Problems) -> None:
    spec = claim["spec"]
    if not spec.get("accessModes"):
        problems.required("spec.accessModes", "at least 1 access mode is required")
    if not dig(spec, "resources", "requests", "storage"):
        problems.required("spec.resources[storage]")
    if old is not None:
        fixed = [
            {key: value for key, value in one.items() if key != "resources"} for one in (spec, old["spec"])
        ]
        if fixed[0] != fixed[1] and old["spec"].get("volumeName"):
            problems.forbidden("spec", "spec is immutable after creation except resources.requests")


def check_ingress(ingress: Obj, old: Obj | None, problems: Problems) -> None:
    del old
    spec = ingress["spec"]
    if not spec.get("rules") and not spec.get("defaultBackend"):
        problems.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    for at, rule in enumerate(spec.get("rules") or []):
        for number, path in enumerate(dig(rule, "http", "paths") or []):
            field = f"spec.rules[{at}].http.paths[{number}]"
            kinds = ("Exact", "ImplementationSpecific", "Prefix")
            if not path.get("pathType"):
                problems.required(f"{field}.pathType", "pathType must be specified")
            elif path["pathType"] not in kinds:
                problems.not_supported(f"{field}.pathType", path["pathType"], kinds)


def default_network_policy(policy: Obj) -> None:
    spec = policy["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress"] + (["Egress"] if spec.get("egress") else [])


def default_limit_range(limit_range: Obj) -> None:
    for item in limit_range["spec"].get("limits") or []:
        if item.get("type") != "Container":
            continue
        for name, value in (item.get("max") or {}).items():
            item.setdefault("default", {}).setdefault(name, value)
        for name, value in {**(item.get("min") or {}), **(item.get("default") or {})}.items():
            item.setdefault("defaultRequest", {}).setdefault(name, value)


def check_slice(endpoint_slice: Obj, old: Obj | None, problems: Problems) -> None:
    kinds, kind = ("FQDN", "IPv4", "IPv6"), endpoint_slice.get("addressType", "")
    if not kind:
        problems.required("addressType")
    elif kind not in kinds:
        problems.not_supported("addressType", kind, kinds)
    if old is not None and old.get("addressType") != kind:
        problems.invalid("addressType", kind, "field is immutable")
