"""What the server can do: versions, groups and resources, plain and aggregated."""

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.request import Answer, Request

MINOR = "37"
VERSION = f"v1.{MINOR}.2"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_VERBS = {
    "binding": ["create"],
    "eviction": ["create"],
    "finalize": ["update"],
    "log": ["get"],
    "scale": ["get", "patch", "update"],
    "status": ["get", "patch", "update"],
}
_KINDS = {
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "scale": ("autoscaling", "v1", "Scale"),
}


def version() -> Obj:
    return {
        "major": "1",
        "minor": MINOR,
        "emulationMajor": "1",
        "emulationMinor": MINOR,
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "36",
        "gitVersion": f"{VERSION}+practice",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def serve(request: Request) -> Answer | None:
    """The answer for a path of discovery, None for any other."""
    parts = [part for part in request.path.split("/") if part]
    wants_aggregated = "apidiscovery.k8s.io;v=v2;" in request.headers.get("accept", "").replace(" ", "")
    if parts == ["api"]:
        if wants_aggregated:
            return _aggregated([""])
        return Answer(200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    if parts == ["apis"]:
        if wants_aggregated:
            return _aggregated(list(kinds.GROUPS))
        groups = [_group(name) for name in kinds.GROUPS]
        return Answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    if parts == ["api", "v1"]:
        return Answer(200, _resources(""))
    if parts[:1] == ["apis"] and parts[1:2] and parts[1] in kinds.GROUPS:
        if len(parts) == 2:
            return Answer(200, {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])})
        if parts[2:] == ["v1"]:
            return Answer(200, _resources(parts[1]))
    return None


def _group(name: str) -> Obj:
    only = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [only], "preferredVersion": only}


def verbs(resource: Resource) -> list[str]:
    """A namespace collection cannot be deleted."""
    return [verb for verb in resource.verbs if resource != kinds.NAMESPACES or verb != "deletecollection"]


def _resources(group: str) -> Obj:
    found = []
    for resource in kinds.in_group(group):
        entry: Obj = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.is_namespaced,
            "kind": resource.kind,
            "verbs": verbs(resource),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        found.append(entry)
        found += [_subresource(resource, name) for name in resource.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/v1" if group else "v1",
        "resources": found,
    }


def _subresource(resource: Resource, name: str) -> Obj:
    group, number, kind = _KINDS.get(name, (resource.group, "v1", resource.kind))
    entry = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.is_namespaced,
        "kind": kind,
        "verbs": _VERBS[name],
    }
    return {**entry, "group": group, "version": number} if group != resource.group else entry


def _aggregated(groups: list[str]) -> Answer:
    items = []
    for group in groups:
        entries = [_entry(resource) for resource in kinds.in_group(group)]
        of_version = {"version": "v1", "resources": entries, "freshness": "Current"}
        items.append({"metadata": {"name": group} if group else {}, "versions": [of_version]})
    body = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }
    return Answer(200, body, content_type=AGGREGATED)


def _entry(resource: Resource) -> Obj:
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": "v1", "kind": resource.kind},
        "scope": "Namespaced" if resource.is_namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    subresources = []
    for name in resource.subresources:
        group, number, kind = _KINDS.get(name, (resource.group, "v1", resource.kind))
        response = {"group": group, "version": number, "kind": kind}
        subresources.append({"subresource": name, "responseKind": response, "verbs": _VERBS[name]})
    if subresources:
        entry["subresources"] = subresources
    return entry
