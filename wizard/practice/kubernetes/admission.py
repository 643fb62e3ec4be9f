"""What may stand in a namespace: its life cycle, Pod Security, LimitRanges and quotas."""

from typing import TYPE_CHECKING

from wizard.practice.kubernetes import kinds, podsecurity, quota
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, dig, is_deleting, name_of
from wizard.practice.kubernetes.status import forbidden, not_found
from wizard.practice.kubernetes.store import Store

if TYPE_CHECKING:
    from wizard.practice.kubernetes.api import Call

_TEMPLATED = (kinds.DEPLOYMENTS, kinds.REPLICA_SETS, kinds.REPLICATION_CONTROLLERS)
_DEPRECATED = {kinds.ENDPOINTS: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"}


def deprecation(resource: Resource) -> str:
    return _DEPRECATED.get(resource, "")


def require_namespace(store: Store, resource: Resource, obj: Obj) -> None:
    """Raises 404 where the namespace is missing and 403 where it is going away."""
    if not resource.is_namespaced:
        return
    name = obj["metadata"]["namespace"]
    namespace = store.get(kinds.NAMESPACES, "", name)
    if namespace is None:
        raise not_found(kinds.NAMESPACES, name)
    if is_deleting(namespace):
        why = f"unable to create new content in namespace {name} because it is being terminated"
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        raise forbidden(resource, name_of(obj), why, [cause])


def prepare_pod(store: Store, pod: Obj) -> None:
    """What mutating admission adds; the default ServiceAccount may still be on its way, another may not."""
    namespace, account = pod["metadata"]["namespace"], pod["spec"]["serviceAccountName"]
    if account != "default" and store.get(kinds.SERVICE_ACCOUNTS, namespace, account) is None:
        why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise forbidden(kinds.PODS, name_of(pod), why)
    quota.fill_limits(store, pod)


def validate(store: Store, call: "Call", resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Raises 403, or adds warnings to the call."""
    if not resource.is_namespaced or resource in (kinds.EVENTS, kinds.LEASES):
        return
    namespace = store.get(kinds.NAMESPACES, "", obj["metadata"]["namespace"])
    if namespace is None:
        return
    if resource == kinds.PODS:
        _check_pod(store, call, namespace, obj, old)
    elif resource in _TEMPLATED:
        spec = dig(obj, "spec", "template", "spec") or {}
        is_new = old is None or spec != dig(old, "spec", "template", "spec")
        if is_new and (found := podsecurity.violations(spec, podsecurity.warned(namespace))):
            call.warn(f"would violate {found}")
    quota.check(store, resource, obj, old)


def _check_pod(store: Store, call: "Call", namespace: Obj, pod: Obj, old: Obj | None) -> None:
    if old is not None:
        return
    if found := podsecurity.violations(pod["spec"], podsecurity.enforced(namespace)):
        raise forbidden(kinds.PODS, name_of(pod), f"violates {found}")
    if found := podsecurity.violations(pod["spec"], podsecurity.warned(namespace)):
        call.warn(f"would violate {found}")
    quota.check_limits(store, pod)
