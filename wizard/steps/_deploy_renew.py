"""Starts Pods with another certificate, changing nothing else, and sees it served by the load balancer.

It needs no more than the workload, its Pods and the Service: a role for renewals may do nothing else.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from wizard import manifests, names
from wizard.errors import Refused, Unreachable, WizardError, wizard_error
from wizard.events import Verb
from wizard.manifests import DIGEST, SERIAL, Inputs
from wizard.step import Change, Context, Receipt
from wizard.steps import _deploy_balancer as balancer
from wizard.steps import _deploy_objects as objects
from wizard.steps import _deploy_rollout as rollout

Object = Mapping[str, Any]

ROLL = "roll-certificate"
SERVED_DEADLINE_S = 120


def serial_of(live: Object) -> str:
    """Of the certificate that the workload's Pods are started with."""
    return objects.template_annotations(live).get(SERIAL, "")


def workload(ctx: Context) -> Object:
    """The setup's own; raises Refused where there is none, or it is somebody else's."""
    kind = ctx.answers.deploy.workload
    live = ctx.services.cluster.get(objects.API_VERSIONS[kind], kind, names.REGISTRY)
    if live is not None and objects.owner(live) == ctx.answers.setup:
        return live
    what = f"{objects.shown(kind).capitalize()} is not there, or not this setup's."
    why = "A renewal ends with Pods that serve the new certificate."
    raise Refused(wizard_error("no-workload", what, why=why, fix="Run `kube-registry apply` first.").problem)


def rolling(live: Object, serial: str) -> Change:
    """What is about to be done, for the journal."""
    kind = live["kind"]
    way = "one after the other, each once a new one is ready" if kind == "Deployment" else "one by one"
    return Change(
        ROLL,
        Verb.CHANGE,
        kind,
        names.REGISTRY,
        f"Start the Pods anew with the certificate {serial}, {way}",
        {"serial": serial, "former_serial": serial_of(live)},
    )


def is_seen(ctx: Context) -> bool:
    """Whether the load balancer can be reached from here: what never could be proves nothing."""
    from wizard.services import tls

    address = _address(ctx)
    if not address:
        return False
    try:
        tls.served(address, 443, ctx.answers.certificate.domain, ctx.services.endpoints)
    except Unreachable:
        return False
    return True


def roll(ctx: Context, change: Change) -> Receipt:
    """Until every Pod has the certificate and the balancer shows it; raises what keeps it from that."""
    live, serial = workload(ctx), str(change.params["serial"])
    kind = live["kind"]
    if serial_of(live) != serial:
        ctx.services.cluster.patch(
            objects.API_VERSIONS[kind], kind, names.REGISTRY, _annotations(ctx, live, serial)
        )
        live = workload(ctx)
    if kind == "ReplicationController":
        rollout.replace_pods(ctx, live)
    rollout.await_rollout(ctx, live)
    if change.params.get("is_seen"):
        balancer.await_serial(ctx, _address(ctx), serial, SERVED_DEADLINE_S)
    return {"serial": serial}


def see_served(ctx: Context, serial: str) -> str:
    """One sentence on what clients of the domain get now."""
    from wizard.services import tls

    domain = ctx.answers.certificate.domain
    try:
        served = tls.served(domain, 443, domain, ctx.services.endpoints)
    except WizardError as error:
        return f"What {domain} serves cannot be seen from here: {error.problem.what}"
    if served.serial == serial:
        return f"{domain} serves the certificate {serial}, valid until {served.not_after:%Y-%m-%d}."
    return (
        f"{domain} serves another certificate ({served.serial}): the name does not lead to this setup's "
        "load balancer. `kube-registry check` says where it leads."
    )


def _address(ctx: Context) -> str:
    return objects.balancer_address(ctx.services.cluster.get("v1", "Service", names.REGISTRY))


def _annotations(ctx: Context, live: Object, serial: str) -> dict[str, Any]:
    """Drift stays as it is: what somebody has changed by hand is `check`'s business, not a renewal's.

    The digests are those that `apply` would give, so that it finds nothing to do afterwards.
    """
    former, wanted = (_as_applied(ctx, live, each) for each in (serial_of(live), serial))
    template, whole = manifests.template_digest(wanted), _digest(wanted)
    found = objects.template_annotations(live).get(DIGEST, "")
    if (found, _digest(live)) != (manifests.template_digest(former), _digest(former)):
        template, whole = (
            hashlib.sha256(f"{each} {serial}".encode()).hexdigest()[:16] for each in (found, _digest(live))
        )
    return {
        "metadata": {"annotations": {DIGEST: whole}},
        "spec": {"template": {"metadata": {"annotations": {SERIAL: serial, DIGEST: template}}}},
    }


def _as_applied(ctx: Context, live: Object, serial: str) -> dict[str, Any]:
    """The workload that the answers mean; what other steps know is taken from the live one."""
    annotations = objects.template_annotations(live)
    containers = live["spec"]["template"]["spec"].get("containers") or [{}]
    env = {each["name"]: each.get("value", "") for each in containers[0].get("env") or ()}
    inputs = Inputs(
        aws_region=env.get("REGISTRY_STORAGE_S3_REGION", ""),
        certificate_serial=serial,
        access_key_id=annotations.get(manifests.ACCESS_KEY, ""),
        http_secret_mark=annotations.get(manifests.HTTP_SECRET, ""),
        s3_endpoint=ctx.services.aws.s3_endpoint,
    )
    return manifests.workload(ctx.answers, inputs)


def _digest(live: Object) -> str:
    return str((objects.metadata(live).get("annotations") or {}).get(DIGEST, ""))
