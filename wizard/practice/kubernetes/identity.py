"""What stays the same about an object from one write to the next, and what only the server sets."""

import secrets
import uuid

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, clone, dig, namespace_of, now
from wizard.practice.kubernetes.status import ApiError, bad_request, conflict, modified_since

_NAME_SIGNS = "bcdfghjklmnpqrstvwxz2456789"


def random_suffix(length: int = 5) -> str:
    """As generateName appends it: no vowels, so no words."""
    return "".join(secrets.choice(_NAME_SIGNS) for _ in range(length))


def wrong_name(sent: object, name: str) -> ApiError:
    return bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")


def wrong_namespace() -> ApiError:
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def check_namespace(resource: Resource, namespace: str, obj: Obj) -> None:
    sent = obj["metadata"].get("namespace")
    if resource.is_namespaced and sent and sent != namespace:
        raise wrong_namespace()


def new_metadata(sent: Obj, resource: Resource, namespace: str) -> Obj:
    dropped = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation")
    made = {key: value for key, value in sent.items() if key not in dropped}
    if not made.get("name") and made.get("generateName"):
        made["name"] = made["generateName"][:58] + random_suffix()
    if resource.is_namespaced:
        made["namespace"] = namespace
    else:
        made.pop("namespace", None)
    made["uid"], made["creationTimestamp"] = str(uuid.uuid4()), now()
    return made


def check_same(resource: Resource, old: Obj, new: Obj) -> None:
    meta, name = new["metadata"], old["metadata"]["name"]
    if meta.get("name", name) != name:
        raise wrong_name(meta["name"], name)
    check_namespace(resource, namespace_of(old), new)
    version = meta.get("resourceVersion")
    if version and version != old["metadata"]["resourceVersion"]:
        raise modified_since(resource, name)
    if meta.get("uid") and meta["uid"] != old["metadata"]["uid"]:
        raise conflict(
            resource,
            name,
            f"Precondition failed: UID in precondition: {meta['uid']}, "
            f"UID in object meta: {old['metadata']['uid']}",
        )


def carry_over(resource: Resource, old: Obj, new: Obj, subresource: str) -> None:
    """What a caller cannot change, and what lies outside the subresource written to."""
    for key in (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ):
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]
        else:
            new["metadata"].pop(key, None)
    new["metadata"].pop("selfLink", None)
    kept: tuple[str, ...] = ()
    if subresource == "status":
        kept = tuple(key for key in old if key not in ("metadata", "status"))
        if resource.group == "apps":
            _keep(new["metadata"], old["metadata"], "labels")
    elif resource.has_status:
        kept = ("status",)
    for key in kept:
        _keep(new, old, key)


def _keep(new: Obj, old: Obj, key: str) -> None:
    if key in old:
        new[key] = clone(old[key])
    else:
        new.pop(key, None)


def is_same(old: Obj, new: Obj) -> bool:
    def untimed(obj: Obj) -> Obj:
        meta = dict(obj["metadata"])
        entries = meta.pop("managedFields", None) or []
        return {
            **obj,
            "metadata": meta,
            "": [{key: value for key, value in entry.items() if key != "time"} for entry in entries],
        }

    return untimed(old) == untimed(new)


def is_over(resource: Resource, obj: Obj) -> bool:
    """A deleted object ends with its last finalizer; a Pod also waits for its node agent."""
    if obj["metadata"].get("finalizers"):
        return False
    if resource == kinds.NAMESPACES:
        return not dig(obj, "spec", "finalizers")
    return not obj["metadata"].get("deletionGracePeriodSeconds")
