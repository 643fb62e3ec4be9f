"""The controllers that matter, in one loop that changes wake."""

import logging
import threading
import time

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.api import Api
from wizard.practice.kubernetes.controllers.base import SYSTEM, Controller
from wizard.practice.kubernetes.controllers.deployments import Deployments
from wizard.practice.kubernetes.controllers.endpoints import Endpoints
from wizard.practice.kubernetes.controllers.garbage import Garbage
from wizard.practice.kubernetes.controllers.namespaces import EventExpiry, Namespaces, Quotas, ServiceAccounts
from wizard.practice.kubernetes.controllers.replicas import Replicas
from wizard.practice.kubernetes.controllers.scheduler import Scheduler
from wizard.practice.kubernetes.objects import is_deleting
from wizard.practice.kubernetes.status import ApiError
from wizard.practice.kubernetes.store import Change

LOG = logging.getLogger(__name__)
_IDLE_S = 3600.0
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Manager:
    """`start` also makes what every cluster has from the first moment."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._controllers: tuple[Controller, ...] = (
            ServiceAccounts(api),
            Garbage(api),
            Namespaces(api),
            Deployments(api),
            Replicas(api, kinds.REPLICA_SETS),
            Replicas(api, kinds.REPLICATION_CONTROLLERS),
            Scheduler(api),
            Endpoints(api),
            Quotas(api),
            EventExpiry(api),
        )
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is not None:
            return
        self._make_cluster()
        self._thread = threading.Thread(target=self._run, name="kubernetes-controllers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The store has to be closed before: that ends the loop."""
        if self._thread is not None:
            self._thread.join(2)

    def _make_cluster(self) -> None:
        for name in NAMESPACES:
            self._api.create(SYSTEM, kinds.NAMESPACES, "", {"metadata": {"name": name}})
        spec = {
            "clusterIP": "10.96.0.1",
            "ports": [{"name": "https", "port": 443, "targetPort": 6443}],
        }
        labels = {"component": "apiserver", "provider": "kubernetes"}
        service = {"metadata": {"name": "kubernetes", "labels": labels}, "spec": spec}
        self._api.create(SYSTEM, kinds.SERVICES, "default", service)

    def _run(self) -> None:
        store, revision = self._api.store, 0
        while not store.is_closed:
            missed = revision < store.oldest_revision
            changes = store.wait(revision, self._until_due())
            if missed:
                self._note_everything()
            for change in changes:
                revision = change.revision
                for controller in self._controllers:
                    controller.note(change)
            for controller in self._controllers:
                self._work(controller)

    def _until_due(self) -> float:
        due = [at for controller in self._controllers if (at := controller.next_due()) is not None]
        return max(0.0, min(due) - time.monotonic()) if due else _IDLE_S

    def _note_everything(self) -> None:
        for resource in kinds.STORED:
            for obj in self._api.store.all_of(resource):
                kind = "MODIFIED" if is_deleting(obj) else "ADDED"
                for controller in self._controllers:
                    controller.note(Change(self._api.store.revision, kind, resource, obj, None))

    def _work(self, controller: Controller) -> None:
        for key in controller.take():
            try:
                with self._api.store.lock:
                    controller.reconcile(key)
                controller.succeeded(key)
            except ApiError as error:
                LOG.debug("%s %s: %s", type(controller).__name__, key, error)
                controller.retry(key)
            except Exception:
                LOG.exception("%s %s", type(controller).__name__, key)
                controller.retry(key)
