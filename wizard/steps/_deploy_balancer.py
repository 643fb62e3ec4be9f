"""The load balancer: waited for, read back from AWS, and asked for the certificate that it passes on."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from wizard import names
from wizard.errors import Problem, Unreachable, WizardError
from wizard.facts import BalancerFacts
from wizard.polling import NotReady, WaitedTooLong
from wizard.step import CheckResult, Context
from wizard.steps import _deploy_objects as objects

ADDRESS_DEADLINE_S = 600
# AWS names a new network load balancer minutes before it passes anything on.
ANSWER_DEADLINE_S = 600
# After a rollout the balancer may lead to a Pod that is just ending.
SETTLE_DEADLINE_S = 20
KINDS = {"classic": "classic load balancer", "nlb": "network load balancer"}
# Pattern, why, fix: what cloud-provider-aws and the AWS Load Balancer Controller say in Events.
FAILURES = (
    (
        r"subnet",
        "The cluster's controller finds no suitable subnets.",
        "Tag the public subnets with kubernetes.io/role/elb = 1, private ones with role/internal-elb = 1.",
    ),
    (
        r"TooManyLoadBalancers|LimitExceeded|quota",
        "The account's quota of load balancers is used up.",
        "Raise it in Service Quotas, or delete a load balancer that nobody uses.",
    ),
    (
        r"AccessDenied|UnauthorizedOperation|not authorized",
        "The cluster's controller may not make load balancers.",
        "Give its IAM role the policy that its documentation names.",
    ),
    (
        r"[Ii]nternet gateway",
        "The cluster's network has no internet gateway.",
        'Attach one, or set deploy.scheme to "internal".',
    ),
    (
        r"security group",
        "The nodes' security groups keep the controller from its work.",
        "Leave the tag kubernetes.io/cluster/<name> on exactly one security group of the nodes.",
    ),
    (
        r"webhook|no endpoints available",
        "The load balancer controller's webhook does not answer.",
        "Look at the controller's Pods in kube-system.",
    ),
)


def await_address(ctx: Context) -> str:
    """The balancer's name; raises early what the cloud's controller complains of in a known way."""
    trouble: list[Problem] = []

    def look() -> str:
        service = ctx.services.cluster.get("v1", "Service", names.REGISTRY)
        if found := objects.balancer_address(service):
            return found
        trouble[:] = [problem] if (problem := _complaint(ctx, service)) else []
        if trouble and trouble[0].code == "balancer-failed":
            raise WizardError(trouble[0])
        raise NotReady(trouble[0].why if trouble else "AWS is making it")

    try:
        return ctx.wait(look, what="the load balancer's address", deadline_s=ADDRESS_DEADLINE_S)
    except WaitedTooLong as error:
        raise (WizardError(trouble[0]) if trouble else error) from error


def await_answer(ctx: Context, address: str, serial: str) -> None:
    """Until the balancer leads to Pods with the certificate; an internal one may not be seen from here."""
    if ctx.answers.deploy.scheme == "internal":
        return
    await_serial(ctx, address, serial, ANSWER_DEADLINE_S)


def check_kind(ctx: Context) -> CheckResult:
    """The balancer as AWS describes it: kind and scheme."""
    found, problem = _described(ctx)
    if found is None:
        return problem
    wanted, scheme = ctx.answers.deploy.load_balancer, ctx.answers.deploy.scheme
    if wanted not in {"auto", found.kind}:
        why = f"It is a {KINDS.get(found.kind, found.kind)}: the cluster's controller decides that."
        return _failed("balancer-kind", "The load balancer is of another kind.", why, 'Use "auto".')
    if found.scheme != scheme:
        what = f"The load balancer is {found.scheme}, not {scheme}."
        why = "The cluster's controller gave it so"
        why += ", by its default." if wanted == "auto" else "."
        fix = "Ask the cluster's operators how it chooses the scheme, or set deploy.scheme to what it gives."
        return _failed("balancer-scheme", what, why, fix)
    return CheckResult.passed(f"{KINDS.get(found.kind, found.kind)}, {found.scheme}, {found.name}")


def check_idle_timeout(ctx: Context) -> CheckResult:
    """A balancer that cuts silent connections after a minute breaks the push of large layers."""
    found, problem = _described(ctx)
    if found is None:
        return problem
    wanted = ctx.answers.deploy.idle_timeout_s
    if found.idle_timeout_s == wanted:
        return CheckResult.passed(f"cut off after {wanted} s of silence")
    if found.idle_timeout_s is None:
        return CheckResult.skipped("AWS does not tell it.")
    told = Problem(
        "balancer-idle-timeout",
        f"The load balancer cuts connections that are silent for {found.idle_timeout_s} s, not {wanted} s.",
        "The cluster's controller did not set it.",
        "Set the idle time-out of the load balancer in the AWS console.",
    )
    # The controller inside Kubernetes cannot set that of a network load balancer.
    return CheckResult.warning(told) if found.kind == "nlb" else CheckResult.failed(told)


def check_serial(ctx: Context) -> CheckResult:
    """The balancer's address answers TLS with the certificate in the Secret."""
    facts = ctx.facts.deploy
    address = facts.balancer_hostname if facts else ""
    serial = wanted_serial(ctx)
    try:
        return CheckResult.passed(await_serial(ctx, address, serial, SETTLE_DEADLINE_S))
    except WizardError as error:
        if ctx.answers.deploy.scheme == "internal" and isinstance(error.__cause__, Unreachable):
            why = "An internal load balancer is not to be reached from here. That may be right."
            return CheckResult.warning(
                Problem("balancer-internal", f"{address} does not answer here.", why, raw=error.problem.what)
            )
        raise


def wanted_serial(ctx: Context) -> str:
    certificate = ctx.facts.certificate
    return certificate.chain.serial if certificate and certificate.chain else ""


def await_serial(ctx: Context, address: str, serial: str, deadline_s: float) -> str:
    """Returns a detail for people; raises the last failure where the deadline passes."""
    from wizard.services import tls

    last: list[WizardError] = []

    def look() -> str:
        try:
            served = tls.served(address, 443, ctx.answers.certificate.domain, ctx.services.endpoints)
        except Unreachable as error:
            last[:] = [error]
            raise NotReady(error.problem.what) from error
        if served.serial != serial:
            last[:] = [WizardError(_other_certificate(address, served.serial))]
            raise NotReady("it still shows another certificate")
        return f"serial {served.serial}"

    try:
        return ctx.wait(look, what="the load balancer to lead to the registry", deadline_s=deadline_s)
    except WaitedTooLong:
        if not last:
            raise
        raise WizardError(last[0].problem) from last[0]


def _other_certificate(address: str, serial: str) -> Problem:
    return Problem(
        "other-certificate",
        f"{address} answers with another certificate than the Secret's.",
        f"It shows the serial {serial}: the Pods were not restarted, or something else answers.",
        "Run the step deploy again.",
    )


def _described(ctx: Context) -> tuple[BalancerFacts, CheckResult] | tuple[None, CheckResult]:
    facts = ctx.facts.deploy
    if facts and facts.balancer:
        return facts.balancer, CheckResult.passed()
    address = facts.balancer_hostname if facts else ""
    if _is_address(address):
        what = f"The load balancer has the address {address} and no name."
        why = "This cluster's load balancers are not made by AWS."
        fix = 'Set dns.provider to "manual", and make an A record with that address.'
        return None, CheckResult.warning(Problem("balancer-elsewhere", what, why, fix))
    what = f"AWS does not know a load balancer with the name {address}."
    why = "The cluster belongs to another AWS account or region than the profile."
    return None, _failed("balancer-unknown", what, why, "Correct connect.aws_profile or connect.aws_region.")


def _failed(code: str, what: str, why: str, fix: str) -> CheckResult:
    return CheckResult.failed(Problem(code, what, why, fix))


def _complaint(ctx: Context, service: Mapping[str, Any] | None) -> Problem | None:
    """The newest Event of this Service, if it is a complaint; `balancer-failed` where its reason is known."""
    if service is None:
        return None
    selector = f"involvedObject.kind=Service,involvedObject.name={names.REGISTRY}"
    events = [
        event
        for event in ctx.services.cluster.list("v1", "Event", field_selector=selector)
        if (event.get("involvedObject") or {}).get("uid") == objects.uid(service)
    ]
    newest = max(events, key=_when, default={})
    if newest.get("type") != "Warning":
        return None
    message = str(newest.get("message", ""))
    what = "AWS makes no load balancer for the registry."
    for pattern, why, fix in FAILURES:
        if re.search(pattern, message):
            return Problem("balancer-failed", what, why, fix, message)
    fix = f"Look at the Service: kubectl describe service {names.REGISTRY}"
    return Problem("balancer-pending", what, message, fix, message)


def _when(event: Mapping[str, Any]) -> tuple[str, bool]:
    """Times are whole seconds: an attempt and its failure mostly have the same one."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or ""), event.get("type") == "Warning"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
