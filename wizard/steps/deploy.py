"""The step deploy: HTTP secret, Service with its load balancer, and the workload that runs the registry."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from wizard import manifests, names
from wizard.answers import Answers
from wizard.errors import AccessDenied, Problem, WizardError
from wizard.events import StepId
from wizard.facts import BalancerFacts, DeployFacts, FactBook, SecretFacts
from wizard.journal import Entry
from wizard.parallel import side_by_side
from wizard.step import Change, Check, CheckResult, Context, Plan, Receipt
from wizard.steps import _deploy_balancer as balancer
from wizard.steps import _deploy_objects as objects
from wizard.steps._deploy_apply import apply
from wizard.steps._deploy_plan import inputs_of, live_workloads, plan_deploy
from wizard.steps._deploy_rollout import pods_of
from wizard.steps._deploy_undo import undo


class DeployStep:
    """See wizard.step.Step."""

    id = StepId.DEPLOY

    def inspect(self, ctx: Context) -> DeployFacts:
        cluster = ctx.services.cluster
        found: dict[str, Any] = {}

        def read(name: str, look: Any) -> None:
            found[name] = look()

        def get(kind: str) -> Mapping[str, Any] | None:
            try:
                return cluster.get(objects.API_VERSIONS[kind], kind, names.REGISTRY)
            except AccessDenied:
                if kind == ctx.answers.deploy.workload:
                    raise
                return None  # who may not look at the other kind has not made one either

        looks = {
            "secret": partial(cluster.read_secret, names.HTTP_SECRET),
            "service": partial(_service_and_balancer, ctx),
            "Deployment": partial(get, "Deployment"),
            "ReplicationController": partial(get, "ReplicationController"),
            "pods": partial(pods_of, ctx),
            "s3": lambda: ctx.services.aws.s3_endpoint,
        }
        side_by_side([partial(read, name, look) for name, look in looks.items()])
        service, described, warnings = found["service"]
        secret = found["secret"]
        pods = [pod for pod in found["pods"] if not objects.is_ending(pod)]
        return DeployFacts(
            warnings=warnings,
            http_secret=secret.facts if secret else SecretFacts(name=names.HTTP_SECRET),
            http_secret_mark=secret.annotations.get(manifests.HTTP_SECRET, "") if secret else "",
            service=objects.redacted(service),
            deployment=objects.redacted(found["Deployment"]),
            replication_controller=objects.redacted(found["ReplicationController"]),
            ready_pods=sum(objects.is_ready(pod) for pod in pods),
            balancer_hostname=objects.balancer_address(service),
            balancer=described,
            s3_endpoint=found["s3"],
            pod_digests={objects.name(pod): objects.pod_digest(pod) for pod in pods},
        )

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        return plan_deploy(answers, facts)

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:  # noqa: ARG002 - of the protocol
        return apply(ctx, change)

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        return (
            Check("rollout", "all Pods are up to date and ready", partial(_check_rollout, ctx)),
            Check("endpoints", "the Service leads to ready Pods", partial(_check_endpoints, ctx)),
            Check("balancer", "AWS has the load balancer as wanted", partial(balancer.check_kind, ctx)),
            Check(
                "idle-timeout",
                "the load balancer keeps slow pushes connected",
                partial(balancer.check_idle_timeout, ctx),
            ),
            Check(
                "serial",
                "the load balancer leads to the registry's certificate",
                partial(balancer.check_serial, ctx),
                after=("rollout", "endpoints"),
            ),
        )

    def probed(self, answers: Answers, facts: FactBook) -> str:  # noqa: ARG002 - no check of this step writes
        return ""

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:  # noqa: ARG002 - the bucket's
        return undo(ctx, entry)


def _service_and_balancer(
    ctx: Context,
) -> tuple[Mapping[str, Any] | None, BalancerFacts | None, tuple[Problem, ...]]:
    service = ctx.services.cluster.get("v1", "Service", names.REGISTRY)
    address = objects.balancer_address(service)
    if not address:
        return service, None, ()
    try:
        return service, ctx.services.aws.describe_balancer(address), ()
    except WizardError as error:
        return service, None, (error.problem,)


def _check_rollout(ctx: Context) -> CheckResult:
    facts = ctx.facts.deploy or DeployFacts()
    wanted = manifests.workload(ctx.answers, inputs_of(ctx.answers, ctx.facts))
    live = live_workloads(facts)[wanted["kind"]]
    digest = manifests.template_digest(wanted)
    if objects.is_rolled_out(live, digest, facts.pod_digests.values()):
        return CheckResult.passed(f"{facts.ready_pods} of {ctx.answers.deploy.replicas} ready")
    return CheckResult.failed(
        Problem(
            "not-rolled-out",
            f"Not all Pods of {objects.shown(wanted['kind'])} are up to date and ready.",
            f"{facts.ready_pods} of {ctx.answers.deploy.replicas} are ready.",
            "Run `kubectl describe pods -l app.kubernetes.io/name=kube-registry` to see why.",
        )
    )


def _check_endpoints(ctx: Context) -> CheckResult:
    """By EndpointSlices (discovery.k8s.io/v1), which say what the Service's own controllers see."""
    selector = f"kubernetes.io/service-name={names.REGISTRY}"
    try:
        slices = ctx.services.cluster.list("discovery.k8s.io/v1", "EndpointSlice", label_selector=selector)
    except AccessDenied:
        return CheckResult.skipped("You may not list endpointslices.")
    endpoints = [endpoint for found in slices for endpoint in found.get("endpoints") or ()]
    ready = sum((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in endpoints)
    if ready:
        return CheckResult.passed(f"{ready} ready")
    return CheckResult.failed(
        Problem(
            "no-endpoints",
            f"The Service {names.REGISTRY} leads to no ready Pod.",
            "No Pod has its labels and is ready.",
            "Run the step deploy again.",
        )
    )
