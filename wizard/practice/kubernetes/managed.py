"""Who owns which field: the bookkeeping of `metadata.managedFields`.

Follows apimachinery's `managedfields`: an Update owns what it changed, an Apply what it names; a conflict is
an Apply that would change another manager's field.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from wizard.practice.kubernetes import fieldsets
from wizard.practice.kubernetes.fieldsets import Path, Paths
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, now
from wizard.practice.kubernetes.schema import kind_type
from wizard.practice.kubernetes.status import ApiError, bad_request

UPDATE, APPLY = "Update", "Apply"
_NEVER_OWNED = {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {
    ("f:metadata", f"f:{name}")
    for name in (
        "clusterName",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    )
}


@dataclass(frozen=True, slots=True)
class Owner:
    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


@dataclass(frozen=True, slots=True)
class Share:
    """What one owner has, and since when."""

    paths: Paths
    time: str


Shares = dict[Owner, Share]


def read(obj: Obj) -> Shares:
    """From an object; raises ApiError where somebody sent nonsense."""
    shares: Shares = {}
    for entry in (obj.get("metadata") or {}).get("managedFields") or []:
        if not isinstance(entry, dict) or not isinstance(entry.get("fieldsV1", {}), dict):
            raise bad_request("metadata.managedFields: Invalid value: fieldsV1 must be an object")
        owner = Owner(
            str(entry.get("manager", "")),
            str(entry.get("operation", "")),
            str(entry.get("apiVersion", "")),
            str(entry.get("subresource", "")),
        )
        shares[owner] = Share(fieldsets.decode(entry.get("fieldsV1", {})), str(entry.get("time", now())))
    return {owner: share for owner, share in shares.items() if owner.operation in (UPDATE, APPLY)}


def write(obj: Obj, shares: Shares) -> None:
    def rank(item: tuple[Owner, Share]) -> tuple[bool, str, str, str]:
        owner, share = item
        return owner.operation != APPLY, share.time, owner.manager, owner.subresource

    entries = []
    for owner, share in sorted(shares.items(), key=rank):
        entry: Obj = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
            "time": share.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fieldsets.encode(share.paths),
        }
        if owner.subresource:
            entry["subresource"] = owner.subresource
        entries.append(entry)
    obj["metadata"].pop("managedFields", None)
    if entries:
        obj["metadata"]["managedFields"] = entries


def _is_ownable(path: Path, resource: Resource, subresource: str) -> bool:
    if not path or path in _NEVER_OWNED or path[:2] in _NEVER_OWNED or path[0] in ("f:apiVersion", "f:kind"):
        return False
    if resource.has_status and path[0] == "f:status":
        return subresource == "status"
    return not (subresource == "status" and path[0] == "f:spec")


def _ownable(paths: Iterable[Path], resource: Resource, subresource: str) -> Paths:
    return frozenset(path for path in paths if _is_ownable(path, resource, subresource))


def _bare(obj: Obj) -> Obj:
    """Without managedFields, which nobody owns and which would be compared at great length."""
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def _shed(shares: Shares, paths: set[Path], *, except_of: Owner | None = None) -> Shares:
    out = {}
    for owner, share in shares.items():
        left = share.paths if owner == except_of else share.paths - paths
        if left:
            out[owner] = share if left == share.paths else replace(share, paths=left)
    return out


def record_update(old: Obj, new: Obj, resource: Resource, manager: str, subresource: str = "") -> None:
    """Enters into `new` what this update changed; `old` may be a zero object.

    Where somebody has cleared managedFields, nothing is tracked until the next apply.
    """
    is_stored = bool(old["metadata"].get("uid"))
    if is_stored and not old["metadata"].get("managedFields") and not new["metadata"].get("managedFields"):
        return
    root = kind_type(resource.schema_name)
    sent = new.get("metadata", {}).get("managedFields")
    base = new if sent else old
    shares = {} if sent == [{}] else read(base)
    found = fieldsets.compare(_bare(old), _bare(new), root)
    changed = _ownable(found.added | found.modified, resource, subresource)
    me = Owner(manager, UPDATE, resource.api_version, subresource)
    mine = shares.get(me)
    shares = _shed(shares, set(changed) | found.removed, except_of=None)
    kept = mine.paths - found.removed if mine else frozenset()
    paths = kept | changed
    if paths:
        is_same = mine is not None and paths == mine.paths
        shares[me] = Share(paths, mine.time if is_same and mine else now())
    write(new, shares)


def apply(
    live: Obj | None, config: Obj, resource: Resource, manager: str, subresource: str, *, force: bool
) -> Obj:
    """The object after an apply, its managedFields written; raises 409 with the conflicts.

    `config` is what the caller sent, decoded; `live` is None when the object does not exist yet.
    """
    root = kind_type(resource.schema_name)
    before: Obj = live or {"metadata": {}}
    shares = read(before)
    if live is not None and not shares:
        owned = _ownable(fieldsets.of_value(_bare(live), root), resource, "")
        shares[Owner("before-first-apply", UPDATE, resource.api_version)] = Share(owned, now())
    me = Owner(manager, APPLY, resource.api_version, subresource)
    had = shares.get(me)
    mine = _ownable(fieldsets.of_value(_bare(config), root), resource, subresource)
    after: Obj = fieldsets.merged(_bare(before), _bare(config), root)
    others = {owner: share for owner, share in shares.items() if owner != me}
    if had:
        kept = fieldsets.with_structs(mine.union(*(share.paths for share in others.values())), root)
        gone = fieldsets.with_structs(had.paths, root) - kept - _NEVER_OWNED
        after = fieldsets.without(after, gone, root)
    found = fieldsets.compare(_bare(before), after, root)
    others = _resolve(others, found.added | found.modified, force=force)
    others = _shed(others, found.removed)
    is_same = had is not None and had.paths == mine and not (found.added or found.modified or found.removed)
    if mine:
        others[me] = Share(mine, had.time if is_same and had else now())
    write(after, others)
    return after


def _resolve(others: Shares, changed: set[Path], *, force: bool) -> Shares:
    conflicts = [(owner, path) for owner, share in others.items() for path in sorted(share.paths & changed)]
    if conflicts and not force:
        raise _conflict(conflicts)
    return _shed(others, changed) if conflicts else others


def _conflict(conflicts: list[tuple[Owner, Path]]) -> ApiError:
    causes: list[Any] = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {owner}",
            "field": fieldsets.dotted(path),
        }
        for owner, path in conflicts
    ]
    if len(conflicts) == 1:
        owner, path = conflicts[0]
        text = f"Apply failed with 1 conflict: conflict with {owner}: {fieldsets.dotted(path)}"
    else:
        lines = []
        for owner in sorted({owner for owner, _ in conflicts}, key=str):
            lines.append(f"conflicts with {owner}:")
            lines += [f"- {fieldsets.dotted(path)}" for one, path in conflicts if one == owner]
        text = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", text, causes=causes)
