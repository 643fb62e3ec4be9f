"""Carries out the deploy step's changes; each looks first, as an interrupted run may have been there."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from wizard import manifests, names, ownership
from wizard.polling import NotReady
from wizard.step import Change, Context, Receipt
from wizard.steps import _deploy_balancer as balancer
from wizard.steps import _deploy_objects as objects
from wizard.steps import _deploy_renew as renewal
from wizard.steps import _deploy_rollout as rollout

GONE_DEADLINE_S = 300
HTTP_SECRET_BYTES = 32


def apply(ctx: Context, change: Change) -> Receipt:
    match change.action:
        case "write-http-secret":
            return write_http_secret(ctx, change)
        case "apply-service":
            return apply_service(ctx, change)
        case "apply-workload":
            return apply_workload(ctx, change)
        case "replace-pods":
            return {"replaced": rollout.replace_pods(ctx, change.params["manifest"])}
        case "remove-workload":
            return remove_workload(ctx, change)
        case renewal.ROLL:
            return renewal.roll(ctx, change)
        case _:
            return await_registry(ctx)


def write_http_secret(ctx: Context, change: Change) -> Receipt:
    """Random, and never replaced: another one would break the uploads that are under way.

    Its mark goes into the Pods' template: Pods that run with a former one have to be started anew.
    """
    cluster = ctx.services.cluster
    found = cluster.read_secret(names.HTTP_SECRET)
    if found and found.data.get(names.HTTP_SECRET_KEY):
        return {"created": False}
    # The registry parses variables as YAML: a letter in front keeps digits from becoming a number.
    value = "s" + secrets.token_hex(HTTP_SECRET_BYTES)
    data = {**(found.data if found else {}), names.HTTP_SECRET_KEY: value.encode()}
    version = found.facts.resource_version if found else None
    kind = found.facts.type if found else "Opaque"
    annotations = {ownership.WRITTEN: ownership.fingerprint(data[names.HTTP_SECRET_KEY])}
    if "mark" in change.params:
        annotations[manifests.HTTP_SECRET] = change.params["mark"]
    cluster.write_secret(
        names.HTTP_SECRET,
        data,
        setup=ctx.answers.setup,
        type=kind,
        annotations=annotations,
        expected_version=version,
    )
    return {"created": found is None}


def apply_service(ctx: Context, change: Change) -> Receipt:
    cluster, wanted = ctx.services.cluster, change.params["manifest"]
    live = cluster.get("v1", "Service", names.REGISTRY)
    is_foreign = live is not None and not objects.owner(live)
    if live is not None and is_foreign:
        keep_copy(ctx, "Service", live)
    if live is not None and change.params.get("is_new_balancer"):
        cluster.delete("v1", "Service", names.REGISTRY, uid=objects.uid(live))
        await_absence(ctx, "Service", "the old load balancer to be gone")
    elif live is not None and is_foreign:
        # Ports are told apart by number: nameless foreign ones could not stand beside ours.
        cluster.patch("v1", "Service", names.REGISTRY, {"spec": {"ports": wanted["spec"]["ports"]}})
    made = put(ctx, wanted, is_forced=is_foreign)
    return {"uid": objects.uid(made), "adopted": is_foreign}


def apply_workload(ctx: Context, change: Change) -> Receipt:
    return {"uid": objects.uid(put(ctx, change.params["manifest"]))}


def remove_workload(ctx: Context, change: Change) -> Receipt:
    """Deletes the workload of the other kind, or one that is not ours; a foreign one is copied first."""
    kind, cluster = change.params["kind"], ctx.services.cluster
    live = cluster.get(objects.API_VERSIONS[kind], kind, names.REGISTRY)
    if live is None:
        return {"removed": False}
    is_foreign = objects.owner(live) != ctx.answers.setup
    if is_foreign and not change.params.get("keeps_copy"):
        return {"removed": False}
    if is_foreign:
        keep_copy(ctx, kind, live)
    cluster.delete(objects.API_VERSIONS[kind], kind, names.REGISTRY, uid=objects.uid(live))
    await_absence(ctx, kind, f"{objects.shown(kind)} to be gone")
    return {"removed": True}


def await_registry(ctx: Context) -> Receipt:
    kind = ctx.answers.deploy.workload
    live = ctx.services.cluster.get(objects.API_VERSIONS[kind], kind, names.REGISTRY)
    if live is not None:
        rollout.await_rollout(ctx, live)
    address = balancer.await_address(ctx)
    balancer.await_answer(ctx, address, balancer.wanted_serial(ctx))
    return {"address": address}


def put(ctx: Context, wanted: Mapping[str, Any], *, is_forced: bool = False) -> dict[str, Any]:
    """Server-side apply after a dry run; fields that others hold are taken over with consent only."""
    from wizard.services.cluster import FieldConflict

    cluster, is_agreed = ctx.services.cluster, is_forced or ctx.answers.consent.take_over_fields
    known = len(cluster.warnings)
    try:
        cluster.apply(dict(wanted), dry_run=True, force=is_agreed)
    except FieldConflict as conflict:
        # An earlier version of ours may hold a field by an update: that is no one else.
        if any(manager != ownership.FIELD_MANAGER for manager, _ in conflict.managers):
            raise
        is_agreed = True
    for warning in cluster.warnings[known:]:
        ctx.note(f"The cluster warns: {warning}")
    return cluster.apply(dict(wanted), force=is_agreed)


def keep_copy(ctx: Context, kind: str, live: Mapping[str, Any]) -> None:
    """What is replaced goes into a Secret, for it may hold keys as plain values; the first copy stays."""
    cluster = ctx.services.cluster
    found = cluster.read_secret(names.FORMER_SECRET)
    data = dict(found.data) if found else {}
    if (key := copy_key(kind)) in data:
        return
    data[key] = json.dumps(objects.restorable(live)).encode()
    version = found.facts.resource_version if found else None
    cluster.write_secret(names.FORMER_SECRET, data, setup=ctx.answers.setup, expected_version=version)


def copy_key(kind: str) -> str:
    return f"{kind.lower()}.json"


def await_absence(ctx: Context, kind: str, what: str) -> None:
    """Until the object is gone, its finalizers included: a Service goes after its balancer."""
    cluster = ctx.services.cluster

    def look() -> bool:
        live = cluster.get(objects.API_VERSIONS[kind], kind, names.REGISTRY)
        if live is None:
            return True
        finalizers = objects.metadata(live).get("finalizers") or []
        raise NotReady(f"still held by {', '.join(finalizers)}" if finalizers else "still there")

    ctx.wait(look, what=what, deadline_s=GONE_DEADLINE_S)
