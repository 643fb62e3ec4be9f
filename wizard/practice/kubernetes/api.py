"""The verbs that write: create, update and apply, from a request's JSON to a stored object.

The order is the real server's: decode, defaults, field ownership, allocation, validation (422), admission
(403), then the store, where optimistic locking decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from wizard.practice.kubernetes import admission, identity, kinds, managed, rules, typed
from wizard.practice.kubernetes.decode import Undecodable, decode, zero
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, clone, is_deleting, namespace_of
from wizard.practice.kubernetes.rules import metadata, pods, services
from wizard.practice.kubernetes.schema import kind_type
from wizard.practice.kubernetes.status import (
    ApiError,
    Problems,
    already_exists,
    bad_request,
    modified_since,
    not_found,
)
from wizard.practice.kubernetes.store import Store

_HEAD = ("apiVersion", "kind")


@dataclass(slots=True)
class Call:
    """Who asks, and how; `warnings` collects what the answer's Warning headers say."""

    user: str
    manager: str = "unknown"
    is_dry_run: bool = False
    validation: str = "Warn"
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def read(call: Call, resource: Resource, body: Obj) -> Obj:
    """A request's body as an object of this kind; raises 400."""
    kind = str(body.get("kind") or resource.kind)
    version = str(body.get("apiVersion") or resource.api_version)
    if (kind, version) != (resource.kind, resource.api_version):
        raise _wrong_kind(resource, kind, version)
    prefix = f'{kind} in version "v1" cannot be handled as a {kind}'
    try:
        obj, unknown = decode(body, resource.schema_name)
    except Undecodable as error:
        raise bad_request(f"{prefix}: {error}") from error
    if unknown and call.validation == "Strict":
        listed = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise bad_request(f"{prefix}: strict decoding error: {listed}")
    if call.validation == "Warn":
        for path in unknown:
            call.warn(f'unknown field "{path}"')
    obj.update(kind=resource.kind, apiVersion=resource.api_version)
    return {"kind": obj["kind"], "apiVersion": obj["apiVersion"], **obj}


def _wrong_kind(resource: Resource, kind: str, version: str) -> ApiError:
    prefix = f'{kind} in version "{version.rpartition("/")[2]}" cannot be handled as a {resource.kind}'
    if kinds.of_kind(version, kind):
        return bad_request(f"{prefix}: converting ({kind}) to ({resource.kind}): unknown conversion")
    return bad_request(f'{prefix}: no kind "{kind}" is registered for version "{version}"')


class Api:
    """Thread-safe: every write happens under the store's lock."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        obj = self.store.get(resource, namespace, name)
        if obj is None:
            raise not_found(resource, name)
        return obj

    def create(self, call: Call, resource: Resource, namespace: str, body: Obj) -> Obj:
        obj = read(call, resource, body)
        if obj["metadata"].get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        with self.store.lock:
            return self._create(call, resource, namespace, obj)

    def _create(
        self, call: Call, resource: Resource, namespace: str, obj: Obj, *, is_apply: bool = False
    ) -> Obj:
        kind = rules.of(resource)
        identity.check_namespace(resource, namespace, obj)
        obj["metadata"] = identity.new_metadata(obj["metadata"], resource, namespace)
        if kind.counts_generations:
            obj["metadata"]["generation"] = 1
        admission.require_namespace(self.store, resource, obj)
        kind.default(obj)
        if resource.has_status and kind.initial_status is not None:
            obj["status"] = clone(kind.initial_status)
        if not is_apply:
            managed.record_update(zero(kind_type(resource.schema_name)), obj, resource, call.manager)
        kind.prepare(obj, None)
        if resource == kinds.PODS:
            admission.prepare_pod(self.store, obj)
            obj["status"]["qosClass"] = pods.quality_class(obj["spec"])
        problems = Problems()
        name = obj["metadata"].get("name", "")
        if resource == kinds.SERVICES:
            services.allocate(obj, self.store.all_of(kinds.SERVICES), problems)
            problems.raise_if_any(resource, name)
        metadata.check(resource, obj["metadata"], problems)
        kind.check(obj, None, problems)
        problems.raise_if_any(resource, name)
        admission.validate(self.store, call, resource, obj, None)
        if self.store.get(resource, namespace_of(obj), name) is not None:
            raise already_exists(resource, name)
        return obj if call.is_dry_run else self.store.put(resource, obj)

    def update(
        self,
        call: Call,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Obj], Obj],
        subresource: str = "",
    ) -> Obj:
        """`change` makes the new state from (a copy of) the old one; it runs under the lock."""
        with self.store.lock:
            old = self.get(resource, namespace, name)
            return self._replace(call, resource, old, change(clone(old)), subresource)

    def _replace(
        self,
        call: Call,
        resource: Resource,
        old: Obj,
        new: Obj,
        subresource: str = "",
        *,
        is_apply: bool = False,
    ) -> Obj:
        kind = rules.of(resource)
        identity.check_same(resource, old, new)
        identity.carry_over(resource, old, new, subresource)
        kind.default(new)
        if not is_apply:
            managed.record_update(old, new, resource, call.manager, subresource)
        kind.prepare(new, old)
        if kind.counts_generations and new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if subresource != "status":
            self._check_update(call, resource, old, new)
        elif resource == kinds.SERVICES:
            problems = Problems()
            services.check_status(new, problems)
            problems.raise_if_any(resource, old["metadata"]["name"])
        if identity.is_same(old, new):
            return old
        if call.is_dry_run:
            return new
        if is_deleting(new) and identity.is_over(resource, new):
            return self.store.remove(resource, new)
        return self.store.put(resource, new)

    def _check_update(self, call: Call, resource: Resource, old: Obj, new: Obj) -> None:
        problems, name = Problems(), old["metadata"]["name"]
        metadata.check(resource, new["metadata"], problems)
        if is_deleting(old):
            had = set(old["metadata"].get("finalizers") or [])
            more = [one for one in new["metadata"].get("finalizers") or [] if one not in had]
            if more:
                why = "no new finalizers can be added if the object is being deleted, found new finalizers "
                problems.forbidden("metadata.finalizers", why + repr(more).replace("'", '"'))
        rules.of(resource).check(new, old, problems)
        problems.raise_if_any(resource, name)
        if resource == kinds.SERVICES:
            others = [one for one in self.store.all_of(kinds.SERVICES) if one is not old]
            services.allocate(new, others, problems)
            problems.raise_if_any(resource, name)
        admission.validate(self.store, call, resource, new, old)

    def apply(
        self,
        call: Call,
        resource: Resource,
        namespace: str,
        name: str,
        body: Obj,
        subresource: str = "",
        *,
        force: bool = False,
    ) -> tuple[Obj, bool]:
        """Server-side apply; the object and whether it is new. Raises 409 with the conflicts."""
        config = _read_config(resource, namespace, name, body)
        with self.store.lock:
            live = self.store.get(resource, namespace, name)
            if live is None and subresource:
                raise not_found(resource, name)
            sent_version = config["metadata"].pop("resourceVersion", None)
            if sent_version and (live is None or live["metadata"]["resourceVersion"] != sent_version):
                raise modified_since(resource, name)
            wanted = managed.apply(live, config, resource, call.manager, subresource, force=force)
            wanted["metadata"].setdefault("name", name)
            shares = wanted["metadata"].pop("managedFields", None)
            obj = read(Call(call.user), resource, wanted)
            if shares:
                obj["metadata"]["managedFields"] = shares
            if live is None:
                return self._create(call, resource, namespace, obj, is_apply=True), True
            return self._replace(call, resource, live, obj, subresource, is_apply=True), False


def _read_config(resource: Resource, namespace: str, name: str, body: Obj) -> Obj:
    version, kind = body.get("apiVersion", ""), body.get("kind", "")
    if (version, kind) != (resource.api_version, resource.kind):
        group, _, number = str(version).rpartition("/")
        raise bad_request(f"invalid object type: {group}/{number}, Kind={kind}")
    meta = body.get("metadata")
    if not isinstance(meta, dict):
        meta = body["metadata"] = {}
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if meta.get("name", name) != name:
        raise identity.wrong_name(meta["name"], name)
    if resource.is_namespaced and meta.get("namespace", namespace) != namespace:
        raise identity.wrong_namespace()
    found = typed.problems(
        {key: body[key] for key in body if key not in _HEAD}, kind_type(resource.schema_name)
    )
    if found:
        versioned = version if "/" in version else f"/{version}"
        where = f"{meta.get('namespace', '')}/{name}; {versioned}, Kind={kind}"
        listed = found[0] if len(found) == 1 else "errors:\n  " + "\n  ".join(found)
        raise ApiError(500, "", f"failed to create typed patch object ({where}): {listed}")
    config = clone(body)
    config["metadata"]["name"] = name
    return config
