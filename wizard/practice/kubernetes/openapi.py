"""OpenAPI v3 and v2: enough for kubectl's validation, `explain` and the choice of server-side checks."""

import hashlib
from functools import cache

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.discovery import VERSION
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.request import Answer, Request
from wizard.practice.kubernetes.schema import Type, kind_type, struct

_SCALARS: dict[str, Obj] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "microtime": {"type": "string", "format": "date-time"},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "intorstring": {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_OPTIONS = ("dryRun", "fieldManager", "fieldValidation")


def serve(request: Request) -> Answer | None:
    """The answer for a path under /openapi, None for any other."""
    path = request.path.strip("/")
    if path == "openapi/v2":
        # kubectl asks for v2 only as protobuf and does without it when told that there is none.
        if "application/json" not in request.headers.get("accept", "application/json"):
            return Answer(
                406,
                "only the following media types are accepted: application/json\n",
                content_type="text/plain",
            )
        return Answer(200, _version_2())
    if path == "openapi/v3":
        return Answer(200, {"paths": {name: {"serverRelativeURL": _address(name)} for name in _documents()}})
    if path.startswith("openapi/v3/"):
        document = _documents().get(path.removeprefix("openapi/v3/"))
        return Answer(200, _version_3(document)) if document is not None else None
    return None


def _documents() -> dict[str, str]:
    return {"api/v1": "", **{f"apis/{group}/v1": group for group in kinds.GROUPS}}


def _address(name: str) -> str:
    digest = hashlib.sha256(f"{VERSION} {name}".encode()).hexdigest()[:32]
    return f"/openapi/v3/{name}?hash={digest}"


def _path(resource: Resource) -> str:
    root = f"/apis/{resource.group}/v1" if resource.group else "/api/v1"
    space = "/namespaces/{namespace}" if resource.is_namespaced else ""
    return f"{root}{space}/{resource.plural}/{{name}}"


def _gvk(resource: Resource) -> Obj:
    return {"group": resource.group, "version": "v1", "kind": resource.kind}


@cache
def _version_3(group: str) -> Obj:
    paths: Obj = {}
    schemas: Obj = {}
    for resource in kinds.in_group(group):
        _collect(kind_type(resource.schema_name), schemas, "#/components/schemas/")
        schemas[_name(resource.schema_name)] = _whole(resource, "#/components/schemas/")
        parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _OPTIONS]
        operation = {
            "parameters": parameters,
            "responses": {},
            "x-kubernetes-group-version-kind": _gvk(resource),
        }
        paths[_path(resource)] = {
            verb: {**operation, "x-kubernetes-action": verb} for verb in ("patch", "put")
        }
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    }


@cache
def _version_2() -> Obj:
    definitions: Obj = {}
    for resource in kinds.RESOURCES:
        _collect(kind_type(resource.schema_name), definitions, "#/definitions/")
        definitions[_name(resource.schema_name)] = _whole(resource, "#/definitions/")
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": {},
        "definitions": definitions,
    }


def _name(type_name: str) -> str:
    return f"io.k8s.api.{type_name}"


def _whole(resource: Resource, prefix: str) -> Obj:
    schema = _struct(resource.schema_name, prefix)
    text = {"type": "string"}
    return {
        **schema,
        "properties": {"apiVersion": text, "kind": text, **schema["properties"]},
        "x-kubernetes-group-version-kind": [_gvk(resource)],
    }


def _collect(of: Type, into: Obj, prefix: str) -> None:
    """The schema of a type and of all it refers to."""
    if of.element is not None:
        _collect(of.element, into, prefix)
    if of.shape != "struct" or _name(of.name) in into:
        return
    into[_name(of.name)] = _struct(of.name, prefix)
    for field in struct(of.name).fields.values():
        _collect(field.type, into, prefix)


def _struct(name: str, prefix: str) -> Obj:
    found = struct(name)
    schema: Obj = {
        "type": "object",
        "properties": {key: _schema(field.type, prefix) for key, field in found.fields.items()},
    }
    if found.is_atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _schema(of: Type, prefix: str) -> Obj:
    if of.shape == "scalar":
        return dict(_SCALARS[of.name])
    if of.shape == "struct":
        return {"$ref": prefix + _name(of.name)}
    if of.shape == "map":
        schema: Obj = {"type": "object", "additionalProperties": _schema(of.item, prefix)}
        return {**schema, "x-kubernetes-map-type": "atomic"} if of.is_atomic else schema
    schema = {"type": "array", "items": _schema(of.item, prefix)}
    if of.keys:
        schema |= {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": list(of.keys),
            "x-kubernetes-patch-strategy": "merge,retainKeys" if of.retains_keys else "merge",
            "x-kubernetes-patch-merge-key": of.keys[0],
        }
    else:
        schema["x-kubernetes-list-type"] = "set" if of.is_set else "atomic"
    return schema
