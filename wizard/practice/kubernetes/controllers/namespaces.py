"""Namespaces: those that every cluster has, their default ServiceAccount, and their end."""

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.controllers.desk import Desk
from wizard.practice.kubernetes.objects import Obj, clone, is_deleting, name_of

SEEDED = ("default", "kube-node-lease", "kube-public", "kube-system")


def seed(desk: Desk) -> None:
    for name in SEEDED:
        if desk.store.get(kinds.NAMESPACES, "", name) is None:
            desk.create(kinds.NAMESPACES, "", {"metadata": {"name": name}})


def reconcile(desk: Desk) -> None:
    for namespace in desk.store.all_of(kinds.NAMESPACES):
        if is_deleting(namespace):
            _empty(desk, namespace)
        elif desk.store.get(kinds.SERVICE_ACCOUNTS, name_of(namespace), "default") is None:
            desk.create(kinds.SERVICE_ACCOUNTS, name_of(namespace), {"metadata": {"name": "default"}})


def _empty(desk: Desk, namespace: Obj) -> None:
    """Deletes what is in it; it is gone once nothing is left and nobody's finalizer holds it."""
    is_empty = True
    for resource in kinds.STORED:
        if not resource.is_namespaced:
            continue
        for obj in desk.store.all_of(resource, name_of(namespace)):
            if not is_deleting(obj):
                desk.delete(resource, obj, propagationPolicy="Background")
            is_empty = is_empty and desk.store.get(resource, name_of(namespace), name_of(obj)) is None
    if not is_empty:
        return
    if namespace["metadata"].get("finalizers"):
        if (namespace.get("spec") or {}).get("finalizers"):
            fresh = clone(namespace)
            fresh["spec"]["finalizers"] = []
            desk.store.put(kinds.NAMESPACES, fresh)
        return
    desk.store.remove(kinds.NAMESPACES, namespace)
