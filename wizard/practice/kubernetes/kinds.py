"""The resources this API server knows, as discovery tells them."""

from collections.abc import Iterable
from dataclasses import dataclass

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
READ_VERBS = ("get", "list", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """`type_name` names its line in `types.txt`; `subresources` are those served beside the object itself."""

    group: str
    plural: str
    kind: str
    is_namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    type_name: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def schema_name(self) -> str:
        return self.type_name or self.kind

    @property
    def full_name(self) -> str:
        """As errors name it: `deployments.apps`, `secrets`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def full_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


NAMESPACES = Resource("", "namespaces", "Namespace", False, ("ns",), ("finalize", "status"))
NODES = Resource("", "nodes", "Node", False, ("no",), ("status",))
SECRETS = Resource("", "secrets", "Secret")
CONFIG_MAPS = Resource("", "configmaps", "ConfigMap", short_names=("cm",))
SERVICES = Resource(
    "", "services", "Service", short_names=("svc",), subresources=("status",), categories=("all",)
)
PODS = Resource(
    "",
    "pods",
    "Pod",
    short_names=("po",),
    subresources=("binding", "eviction", "log", "status"),
    categories=("all",),
)
REPLICATION_CONTROLLERS = Resource(
    "",
    "replicationcontrollers",
    "ReplicationController",
    short_names=("rc",),
    subresources=("scale", "status"),
    categories=("all",),
)
EVENTS = Resource("", "events", "Event", short_names=("ev",))
ENDPOINTS = Resource("", "endpoints", "Endpoints", short_names=("ep",))
SERVICE_ACCOUNTS = Resource("", "serviceaccounts", "ServiceAccount", short_names=("sa",))
CLAIMS = Resource(
    "", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), subresources=("status",)
)
QUOTAS = Resource("", "resourcequotas", "ResourceQuota", short_names=("quota",), subresources=("status",))
LIMIT_RANGES = Resource("", "limitranges", "LimitRange", short_names=("limits",))
DEPLOYMENTS = Resource(
    "apps",
    "deployments",
    "Deployment",
    short_names=("deploy",),
    subresources=("scale", "status"),
    categories=("all",),
)
REPLICA_SETS = Resource(
    "apps",
    "replicasets",
    "ReplicaSet",
    short_names=("rs",),
    subresources=("scale", "status"),
    categories=("all",),
)
INGRESSES = Resource(
    "networking.k8s.io", "ingresses", "Ingress", short_names=("ing",), subresources=("status",)
)
NETWORK_POLICIES = Resource("networking.k8s.io", "networkpolicies", "NetworkPolicy", short_names=("netpol",))
ENDPOINT_SLICES = Resource("discovery.k8s.io", "endpointslices", "EndpointSlice")
LEASES = Resource("coordination.k8s.io", "leases", "Lease")
EVENTS_VIEW = Resource("events.k8s.io", "events", "Event", short_names=("ev",), type_name="EventsEvent")
MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    False,
    categories=("api-extensions",),
)
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    False,
    categories=("api-extensions",),
)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=("create",)
)
RULES_REVIEWS = Resource(
    "authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, verbs=("create",)
)
SUBJECT_REVIEWS = Resource(
    "authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", False, verbs=("create",)
)
REVIEWS = (ACCESS_REVIEWS, RULES_REVIEWS, SUBJECT_REVIEWS)

RESOURCES = (
    CONFIG_MAPS,
    ENDPOINTS,
    EVENTS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    CLAIMS,
    PODS,
    REPLICATION_CONTROLLERS,
    QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    DEPLOYMENTS,
    REPLICA_SETS,
    EVENTS_VIEW,
    ACCESS_REVIEWS,
    RULES_REVIEWS,
    SUBJECT_REVIEWS,
    INGRESSES,
    NETWORK_POLICIES,
    LEASES,
    ENDPOINT_SLICES,
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
)
STORED = tuple(one for one in RESOURCES if one not in REVIEWS and one is not EVENTS_VIEW)
GROUPS = tuple(dict.fromkeys(one.group for one in RESOURCES if one.group))
SCALABLE = (REPLICATION_CONTROLLERS, DEPLOYMENTS, REPLICA_SETS)
_BY_PATH = {(one.group, one.plural): one for one in RESOURCES}
_BY_KIND = {(one.api_version, one.kind): one for one in STORED}


def find(group: str, plural: str) -> Resource | None:
    return _BY_PATH.get((group, plural))


def of_kind(api_version: str, kind: str) -> Resource | None:
    return _BY_KIND.get((api_version, kind))


def in_group(group: str) -> Iterable[Resource]:
    return (one for one in RESOURCES if one.group == group)
