"""Create, update, patch and delete as requests ask for them."""

from typing import Any

from wizard.practice.kubernetes import deletion, eventview, kinds, managed, patches
from wizard.practice.kubernetes.api import Api, Call, read
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, name_of, namespace_of
from wizard.practice.kubernetes.reading import listed, select, shown, stored
from wizard.practice.kubernetes.request import APPLY, JSON, YAML, Answer, Request, Target
from wizard.practice.kubernetes.schema import kind_type
from wizard.practice.kubernetes.status import (
    ApiError,
    bad_option,
    bad_request,
    method_not_allowed,
    unprocessable,
    unsupported_patch_type,
)

_MERGE, _STRATEGIC, _JSON_PATCH = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
)
_CREATED_BY_UPDATE = (kinds.LEASES, kinds.ENDPOINTS, kinds.LIMIT_RANGES)


def create(api: Api, request: Request, target: Target) -> Answer:
    if target.name:
        raise method_not_allowed()
    call = request.call("CreateOptions")
    body = _document(request, target)
    obj = api.create(call, stored(target.resource), target.namespace, body)
    return _answer(201, target, obj, call)


def _document(request: Request, target: Target) -> Obj:
    body = request.document(target.resource)
    if target.resource == kinds.EVENTS_VIEW:
        return eventview.to_core(body)
    return body


def _answer(code: int, target: Target, obj: Obj, call: Call) -> Answer:
    return Answer(code, shown(target.resource, obj), warnings=call.warnings)


def update(api: Api, request: Request, target: Target) -> Answer:
    """PUT of an object or its status."""
    resource = stored(target.resource)
    call = request.call("UpdateOptions")
    new = read(call, resource, _document(request, target))
    if name_of(new) != target.name:
        sent = name_of(new)
        if not sent:
            why = "was undeterminable: name must be provided"
            raise bad_request(f"the name of the object ({target.name} based on URL) {why}")
        raise bad_request(
            f"the name of the object ({sent}) does not match the name on the URL ({target.name})"
        )
    with api.store.lock:
        is_there = api.store.get(resource, target.namespace, target.name) is not None
        if not is_there and resource in _CREATED_BY_UPDATE and not new["metadata"].get("resourceVersion"):
            return _answer(201, target, api.create(call, resource, target.namespace, new), call)
        obj = api.update(call, resource, target.namespace, target.name, lambda _: new, target.subresource)
    return _answer(200, target, obj, call)


def patch(api: Api, request: Request, target: Target) -> Answer:
    resource = stored(target.resource)
    call = request.call("PatchOptions")
    if request.content_type in APPLY:
        return _apply(api, request, target, call)
    sent = _patch_document(request)

    def change(old: Obj) -> Obj:
        return _patched(request, call, resource, old, sent)

    obj = api.update(call, resource, target.namespace, target.name, change, target.subresource)
    return _answer(200, target, obj, call)


def _apply(api: Api, request: Request, target: Target, call: Call) -> Answer:
    if not request.query.get("fieldManager"):
        raise bad_option("PatchOptions", "fieldManager", "Required value: is required for apply patch")
    body = request.yaml()
    if not isinstance(body, dict):
        raise bad_request("error decoding patch: the apply configuration is no object")
    obj, is_new = api.apply(
        call,
        stored(target.resource),
        target.namespace,
        target.name,
        body,
        target.subresource,
        force=request.flag("force"),
    )
    return _answer(201 if is_new else 200, target, obj, call)


def _patch_document(request: Request) -> Any:
    if request.content_type not in (_MERGE, _STRATEGIC, _JSON_PATCH):
        raise unsupported_patch_type()
    try:
        found = request.json("Patch")
    except ApiError:
        raise bad_request("invalid JSON patch") from None
    if request.content_type != _JSON_PATCH and not isinstance(found, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    return found


def _patched(request: Request, call: Call, resource: Resource, old: Obj, sent: Any) -> Obj:
    """A new object from the stored one; an unknown field or a wrong type is the patch's fault (422)."""
    if request.content_type == _JSON_PATCH:
        new = patches.json_patch(old, sent)
    elif request.content_type == _MERGE:
        new = patches.merge(old, sent)
    else:
        new = patches.strategic(old, sent, kind_type(resource.schema_name))
    try:
        return read(call, resource, _whole(new))
    except ApiError as error:
        _, _, why = error.message.partition(f" cannot be handled as a {resource.kind}: ")
        if not why:
            raise
        raise invalid_patch(why) from error


def invalid_patch(why: str) -> ApiError:
    cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {why}", "field": "patch"}
    return ApiError(422, "Invalid", f' "" is invalid: patch: Invalid value: {why}', causes=[cause])


def _whole(new: Any) -> Obj:
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise unprocessable()
    entries = new["metadata"].get("managedFields") or []
    is_listed = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not is_listed:
        raise unprocessable()
    managed.read(new)
    return new


def _delete_options(request: Request) -> Obj:
    """From the body, if there is one, and the query."""
    body: Any = {}
    if request.body.strip():
        if request.content_type not in ("", JSON, YAML):
            raise unsupported_patch_type()
        body = request.json("DeleteOptions")
    if not isinstance(body, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type v1.DeleteOptions")
    options = dict(body)
    if request.query.get("propagationPolicy"):
        options["propagationPolicy"] = request.query["propagationPolicy"]
    grace = request.number("gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    return deletion.read_options(options)


def _delete_call(request: Request, options: Obj) -> Call:
    call = request.call("DeleteOptions")
    call.is_dry_run = call.is_dry_run or options.get("dryRun") == ["All"]
    return call


def is_dry_run(request: Request) -> bool:
    """Whether this request stores nothing, wherever it says so."""
    if request.query.get("dryRun") == "All":
        return True
    return request.method == "DELETE" and b'"dryRun"' in request.body and b'"All"' in request.body


def delete(api: Api, request: Request, target: Target) -> Answer:
    options = _delete_options(request)
    call = _delete_call(request, options)
    resource = stored(target.resource)
    if target.name:
        return _answer(
            200, target, deletion.delete(api, call, resource, target.namespace, target.name, options), call
        )
    if "deletecollection" not in resource.verbs or resource == kinds.NAMESPACES:
        raise method_not_allowed()
    found = select(request, target).of(api.store)
    for obj in found:
        try:
            deletion.delete(api, call, resource, namespace_of(obj), name_of(obj), options)
        except ApiError as error:
            if error.code != 404:
                raise
    return Answer(200, listed(resource, found, {"resourceVersion": str(api.store.revision)}))
