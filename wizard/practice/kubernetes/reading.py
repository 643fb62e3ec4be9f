"""Get, list and watch."""

import base64
import binascii
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wizard.practice.kubernetes import eventview, kinds, selectors, table
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, name_of, namespace_of
from wizard.practice.kubernetes.request import Answer, Request, Target
from wizard.practice.kubernetes.status import ApiError, bad_request, expired
from wizard.practice.kubernetes.store import Change, Store

_DEFAULT_WATCH_S = 1800.0
_BOOKMARK_S = 60.0
_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a collection are meant."""

    resource: Resource
    namespace: str
    is_meant: Callable[[Obj], bool]
    is_filtered: bool

    def of(self, store: Store) -> list[Obj]:
        return [obj for obj in store.all_of(self.resource, self.namespace) if self.is_meant(obj)]


def stored(resource: Resource) -> Resource:
    """Where a kind is kept: events.k8s.io shows the core Events."""
    return kinds.EVENTS if resource == kinds.EVENTS_VIEW else resource


def shown(resource: Resource, obj: Obj) -> Obj:
    return eventview.from_core(obj) if resource == kinds.EVENTS_VIEW else obj


def select(request: Request, target: Target) -> Selection:
    """Raises 400 for selectors that cannot be read."""
    resource = stored(target.resource)
    label_text, field_text = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    by_label, by_field = selectors.labels(label_text), selectors.fields(field_text, resource)

    def is_meant(obj: Obj) -> bool:
        if target.name and name_of(obj) != target.name:
            return False
        return by_label(obj) and by_field(obj)

    return Selection(resource, target.namespace, is_meant, bool(label_text or field_text))


def get(request: Request, target: Target, obj: Obj) -> Answer:
    obj = shown(target.resource, obj)
    if request.is_table_wanted and table.columns(target.resource):
        version = obj["metadata"]["resourceVersion"]
        return Answer(200, table.of(target.resource, [obj], {"resourceVersion": version}, _include(request)))
    return Answer(200, obj)


def _include(request: Request) -> str:
    return request.query.get("includeObject", "Metadata")


def collection(store: Store, request: Request, target: Target) -> Answer:
    """A list, by pages where `limit` asks for them."""
    selection = select(request, target)
    limit, start = request.number("limit") or 0, _continued(request.query.get("continue", ""))
    with store.lock:
        _check_version(store, request.query.get("resourceVersion", ""))
        found, revision = selection.of(store), store.revision
    if start is not None:
        found = [obj for obj in found if (namespace_of(obj), name_of(obj)) > start[1]]
        revision = start[0]
    meta: Obj = {"resourceVersion": str(revision)}
    if limit and len(found) > limit:
        last = found[limit - 1]
        meta["continue"] = _token(revision, (namespace_of(last), name_of(last)))
        if not selection.is_filtered:
            meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    items = [shown(target.resource, obj) for obj in found]
    if request.is_table_wanted and table.columns(target.resource):
        return Answer(200, table.of(target.resource, items, meta, _include(request)))
    return Answer(200, listed(target.resource, items, meta))


def listed(resource: Resource, items: list[Obj], meta: Obj) -> Obj:
    """As the real server does, an item of a list does not say its kind again."""
    plain = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in items]
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": meta,
        "items": plain,
    }


def _token(revision: int, key: tuple[str, str]) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": list(key)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _continued(token: str) -> tuple[int, tuple[str, str]] | None:
    if not token:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = found["start"]
        return int(found["rv"]), (str(namespace), str(name))
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise bad_request("invalid continue token: continue key is not valid") from None


def _check_version(store: Store, text: str) -> int:
    """A resourceVersion from the query as a number; raises 400 and 504."""
    if not text:
        return 0
    if not text.isdecimal():
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing '
            f'"{text}": invalid syntax'
        )
    if int(text) > store.revision:
        raise ApiError(
            504,
            "Timeout",
            f"Timeout: Too large resource version: {text}, current: {store.revision}",
            causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            retryAfterSeconds=1,
        )
    return int(text)


def watch(store: Store, request: Request, target: Target) -> Answer:
    """A stream of events, one JSON document a line, until `timeoutSeconds` are over."""
    selection = select(request, target)
    timeout = request.number("timeoutSeconds")
    text = request.query.get("resourceVersion", "")
    wants_initial = request.flag("sendInitialEvents")
    with store.lock:
        version = _check_version(store, text)
        is_expired = version != 0 and version < store.oldest_revision and not wants_initial
        starts_with_state = text in ("", "0") or wants_initial
        initial = selection.of(store) if starts_with_state and not is_expired else []
        start = store.revision if starts_with_state else version
    if is_expired:
        error = expired(f"too old resource version: {version} ({store.revision})").status()
        return Answer(200, iter([_line("ERROR", error)]), content_type="application/json")
    watcher = _Watcher(store, request, target, selection, time.monotonic() + (timeout or _DEFAULT_WATCH_S))
    return Answer(
        200, watcher.stream(initial, start, wants_initial=wants_initial), content_type="application/json"
    )


def _line(kind: str, obj: Obj) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"


@dataclass(slots=True)
class _Watcher:
    store: Store
    request: Request
    target: Target
    selection: Selection
    deadline: float

    def stream(self, initial: list[Obj], revision: int, *, wants_initial: bool) -> Iterator[bytes]:
        """An empty chunk means: see if the client is still there."""
        for obj in initial:
            yield self._event("ADDED", obj)
        if wants_initial:
            yield self._bookmark(revision, {_INITIAL_END: "true"})
        yield b""
        while not self.store.is_closed:
            left = self.deadline - time.monotonic()
            if left <= 0:
                return
            changes = self.store.wait(revision, min(left, _BOOKMARK_S))
            for change in changes:
                revision = change.revision
                if event := self._of(change):
                    yield event
            if not changes and self.request.flag("allowWatchBookmarks"):
                yield self._bookmark(revision, {})
            yield b""
            if changes and revision < self.store.oldest_revision:
                yield _line("ERROR", expired(f"too old resource version: {revision}").status())
                return

    def _of(self, change: Change) -> bytes | None:
        """What this change is to somebody who sees only the selection."""
        if change.resource != self.selection.resource:
            return None
        if self.target.namespace and namespace_of(change.obj) != self.target.namespace:
            return None
        was = change.before is not None and self.selection.is_meant(change.before)
        is_now = change.kind != "DELETED" and self.selection.is_meant(change.obj)
        if is_now:
            return self._event("MODIFIED" if was else "ADDED", change.obj)
        if not was:
            return None
        return self._event("DELETED", change.obj)

    def _event(self, kind: str, obj: Obj) -> bytes:
        obj = shown(self.target.resource, obj)
        if self.request.is_table_wanted and table.columns(self.target.resource):
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            obj = table.of(self.target.resource, [obj], meta, _include(self.request))
        return _line(kind, obj)

    def _bookmark(self, revision: int, annotations: dict[str, str]) -> bytes:
        meta: Obj = {"resourceVersion": str(revision)}
        if annotations:
            meta["annotations"] = annotations
        resource = self.target.resource
        return _line(
            "BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        )
