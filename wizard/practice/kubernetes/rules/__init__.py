"""What the API server knows about each kind beyond its fields: defaults, validation, initial status."""

from collections.abc import Callable
from dataclasses import dataclass, field

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.rules import others, pods, secrets, services, workloads
from wizard.practice.kubernetes.status import Problems


def _nothing(obj: Obj) -> None:
    del obj


def _no_check(obj: Obj, old: Obj | None, problems: Problems) -> None:
    del obj, old, problems


def _no_preparation(obj: Obj, old: Obj | None) -> None:
    del obj, old


@dataclass(frozen=True, slots=True)
class Rules:
    """`initial_status` is None where the caller's status is kept; `counts_generations`: of the spec."""

    default: Callable[[Obj], None] = _nothing
    check: Callable[[Obj, Obj | None, Problems], None] = _no_check
    prepare: Callable[[Obj, Obj | None], None] = _no_preparation
    initial_status: Obj | None = field(default_factory=dict)
    counts_generations: bool = False


_RULES = {
    kinds.SECRETS: Rules(secrets.default_secret, secrets.check_secret),
    kinds.CONFIG_MAPS: Rules(check=secrets.check_config_map),
    kinds.SERVICES: Rules(services.default, services.check, services.prepare, {"loadBalancer": {}}),
    kinds.PODS: Rules(
        pods.default_pod,
        pods.check_pod,
        pods.prepare_pod,
        initial_status={"phase": "Pending"},
        counts_generations=True,
    ),
    kinds.DEPLOYMENTS: Rules(
        workloads.default_deployment, workloads.check_deployment, counts_generations=True
    ),
    kinds.REPLICA_SETS: Rules(
        workloads.default_replica_set,
        workloads.check_replica_set,
        initial_status={"replicas": 0},
        counts_generations=True,
    ),
    kinds.REPLICATION_CONTROLLERS: Rules(
        workloads.default_replication_controller,
        workloads.check_replication_controller,
        initial_status={"replicas": 0},
        counts_generations=True,
    ),
    kinds.NAMESPACES: Rules(
        others.default_namespace, prepare=others.prepare_namespace, initial_status={"phase": "Active"}
    ),
    kinds.NODES: Rules(initial_status=None),
    kinds.EVENTS: Rules(check=others.check_event, prepare=others.prepare_event),
    kinds.CLAIMS: Rules(others.default_claim, others.check_claim, initial_status={"phase": "Pending"}),
    kinds.INGRESSES: Rules(
        check=others.check_ingress, initial_status={"loadBalancer": {}}, counts_generations=True
    ),
    kinds.NETWORK_POLICIES: Rules(others.default_network_policy, counts_generations=True),
    kinds.LIMIT_RANGES: Rules(others.default_limit_range),
    kinds.ENDPOINT_SLICES: Rules(check=others.check_slice, counts_generations=True),
}
_PLAIN = Rules()


def of(resource: Resource) -> Rules:
    return _RULES.get(resource, _PLAIN)
