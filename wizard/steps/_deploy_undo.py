"""Takes the deploy step's changes back: ours are deleted, what was adopted gets its former self back."""

import json
from typing import Any

from wizard import manifests, names, ownership
from wizard.errors import WizardError, wizard_error
from wizard.events import StepId, Verb
from wizard.journal import Entry
from wizard.polling import NotReady
from wizard.step import Context
from wizard.steps import _deploy_objects as objects
from wizard.steps._deploy_apply import await_absence, copy_key
from wizard.steps._deploy_rollout import pods_of

PODS_DEADLINE_S = 120
BALANCER_DEADLINE_S = 300


def undo(ctx: Context, entry: Entry) -> str:
    """One sentence on what came of it; may be run again."""
    match entry.change.action:
        case "write-http-secret":
            return _delete_secret(ctx)
        case "apply-service" if entry.change.verb is Verb.ADOPT:
            return _give_back_service(ctx, entry)
        case "apply-service" | "apply-workload" if entry.change.verb is Verb.CHANGE:
            return f"{_shown(entry)} is taken back with what made it."
        case "apply-service":
            return _delete_service(ctx)
        case "apply-workload":
            return _delete_workload(ctx, entry.change.kind)
        case "remove-workload":
            return _bring_back_workload(ctx, entry)
        case _:
            return "Nothing was made there that could be taken back."


def _delete_secret(ctx: Context) -> str:
    cluster = ctx.services.cluster
    found = cluster.secret_facts(names.HTTP_SECRET)
    if not found.exists:
        return f"The Secret {names.HTTP_SECRET} was gone already."
    if found.owner == ctx.answers.setup:
        cluster.delete("v1", "Secret", names.HTTP_SECRET)
        return f"The Secret {names.HTTP_SECRET} is deleted."
    if found.owner:
        return f"The Secret {names.HTTP_SECRET} is not this setup's: it was left."
    return _take_out_key(ctx)


def _take_out_key(ctx: Context) -> str:
    """Of an adopted Secret, as long as the value is the one that was written."""
    cluster = ctx.services.cluster
    found = cluster.read_secret(names.HTTP_SECRET)
    value = found.data.get(names.HTTP_SECRET_KEY, b"") if found else b""
    if found is None or found.annotations.get(ownership.WRITTEN) != ownership.fingerprint(value):
        return (
            f"The Secret {names.HTTP_SECRET} was left: its value is not, or no more, what this setup wrote."
        )
    cluster.write_secret(
        names.HTTP_SECRET,
        {key: each for key, each in found.data.items() if key != names.HTTP_SECRET_KEY},
        setup=ctx.answers.setup,
        type=found.facts.type,
        annotations={ownership.WRITTEN: None, manifests.HTTP_SECRET: None},
        expected_version=found.facts.resource_version,
    )
    return f"The Secret {names.HTTP_SECRET} has lost the value that this setup had put into it."


def _delete_service(ctx: Context) -> str:
    cluster = ctx.services.cluster
    live = cluster.get("v1", "Service", names.REGISTRY)
    if live is None:
        return f"The Service {names.REGISTRY} was gone already."
    if objects.owner(live) != ctx.answers.setup:
        return f"The Service {names.REGISTRY} is not this setup's: it was left."
    address = objects.balancer_address(live)
    cluster.delete("v1", "Service", names.REGISTRY, uid=objects.uid(live))
    await_absence(ctx, "Service", "the Service and its load balancer to be gone")
    return f"The Service {names.REGISTRY} is deleted{_await_no_balancer(ctx, address)}."


def _await_no_balancer(ctx: Context, address: str) -> str:
    if not address:
        return ""

    def look() -> bool:
        if ctx.services.aws.describe_balancer(address) is None:
            return True
        raise NotReady("AWS still has it")

    try:
        ctx.wait(look, what=f"the load balancer {address} to be gone", deadline_s=BALANCER_DEADLINE_S)
    except WizardError as error:
        return f"; whether its load balancer {address} is gone could not be seen: {error.problem.what}"
    return " and its load balancer is gone"


def _delete_workload(ctx: Context, kind: str) -> str:
    cluster = ctx.services.cluster
    live = cluster.get(objects.API_VERSIONS[kind], kind, names.REGISTRY)
    if live is None:
        return f"{objects.shown(kind).capitalize()} was gone already."
    if objects.owner(live) != ctx.answers.setup:
        return f"{objects.shown(kind).capitalize()} is not this setup's: it was left."
    cluster.delete(objects.API_VERSIONS[kind], kind, names.REGISTRY, uid=objects.uid(live))
    await_absence(ctx, kind, f"{objects.shown(kind)} to be gone")

    def look() -> bool:
        if left := len(pods_of(ctx)):
            raise NotReady(f"{left} left")
        return True

    ctx.wait(look, what="its Pods to be gone", deadline_s=PODS_DEADLINE_S)
    return f"{objects.shown(kind).capitalize()} and its Pods are deleted."


def _give_back_service(ctx: Context, entry: Entry) -> str:
    cluster = ctx.services.cluster
    former = _copy(ctx, "Service")
    live = cluster.get("v1", "Service", names.REGISTRY)
    if former is None:
        return f"The Service {names.REGISTRY} was left as it is: there is no copy of its former self."
    if live is None:
        cluster.create(_fresh(former))
    elif objects.owner(live) != ctx.answers.setup:
        return f"The Service {names.REGISTRY} is as it was."
    elif manifests.differences(_last_applied(ctx, entry), live):
        return f"The Service {names.REGISTRY} was changed by others since: it was left."
    elif former["spec"].get("clusterIP") != live["spec"].get("clusterIP"):
        # It was made anew since, and a Service's address never changes.
        cluster.delete("v1", "Service", names.REGISTRY, uid=objects.uid(live))
        await_absence(ctx, "Service", "the Service and its load balancer to be gone")
        cluster.create(_fresh(former))
    else:
        version = objects.metadata(live)["resourceVersion"]
        cluster.replace({**former, "metadata": {**former["metadata"], "resourceVersion": version}})
    _forget_copy(ctx, "Service")
    return f"The Service {names.REGISTRY} has its former settings back."


def _bring_back_workload(ctx: Context, entry: Entry) -> str:
    kind = entry.change.params["kind"]
    if not entry.change.params.get("keeps_copy"):
        return f"The former {kind} was this setup's own: it stays away."
    former = _copy(ctx, kind)
    if former is None:
        return f"{objects.shown(kind).capitalize()} was never removed."
    live = ctx.services.cluster.get(objects.API_VERSIONS[kind], kind, names.REGISTRY)
    if live is not None and objects.owner(live) == ctx.answers.setup:
        raise wizard_error(
            "former-workload-waits",
            f"The former {kind} {names.REGISTRY} was not brought back yet.",
            why="This setup's own still has its name.",
            fix="Run undo again once that is gone.",
        )
    if live is not None:
        _forget_copy(ctx, kind)
        return f"{objects.shown(kind).capitalize()} is there, and not this setup's: it stays."
    ctx.services.cluster.create(former)
    _forget_copy(ctx, kind)
    return f"The former {kind} {names.REGISTRY} is back."


def _copy(ctx: Context, kind: str) -> dict[str, Any] | None:
    found = ctx.services.cluster.read_secret(names.FORMER_SECRET)
    text = found.data.get(copy_key(kind)) if found else None
    return None if text is None else dict(json.loads(text))


def _forget_copy(ctx: Context, kind: str) -> None:
    cluster = ctx.services.cluster
    found = cluster.read_secret(names.FORMER_SECRET)
    if found is None or found.facts.owner != ctx.answers.setup:
        return
    left = {key: value for key, value in found.data.items() if key != copy_key(kind)}
    if left:
        version = found.facts.resource_version
        cluster.write_secret(names.FORMER_SECRET, left, setup=ctx.answers.setup, expected_version=version)
    else:
        cluster.delete("v1", "Secret", names.FORMER_SECRET)


def _last_applied(ctx: Context, entry: Entry) -> dict[str, Any]:
    """The Service as this setup last wanted it: by the newest change, undone or not."""
    own = [each for each in ctx.journal.entries(StepId.DEPLOY) if each.change.action == entry.change.action]
    return dict(own[-1].change.params["manifest"])


def _fresh(former: dict[str, Any]) -> dict[str, Any]:
    """Without the addresses that the cluster gave to the former Service."""
    given = {"clusterIP", "clusterIPs", "healthCheckNodePort"}
    if former["spec"].get("clusterIP") == "None":  # headless: no address, but a setting
        given -= {"clusterIP"}
    return {**former, "spec": {key: value for key, value in former["spec"].items() if key not in given}}


def _shown(entry: Entry) -> str:
    return objects.shown(entry.change.kind).capitalize()
