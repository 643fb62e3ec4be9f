"""What kube-controller-manager and kube-scheduler do, in one thread woken by changes.

The world is small, so every change leads to a look at all of it: each reconciler compares what is with what
should be and moves one step; it goes on until nothing moves any more.
"""

import sys
import threading
import traceback

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.api import Api
from wizard.practice.kubernetes.controllers import (
    deployments,
    endpoints,
    garbage,
    namespaces,
    replicas,
    scheduling,
)
from wizard.practice.kubernetes.controllers.desk import Desk
from wizard.practice.kubernetes.store import Change, Store

SEEN_ANYWAY_EVERY_S = 5.0
_SILENT = frozenset({kinds.EVENTS, kinds.LEASES})
_RECONCILERS = (
    namespaces.reconcile,
    garbage.reconcile,
    deployments.reconcile,
    replicas.reconcile,
    scheduling.reconcile,
    endpoints.reconcile,
)


def _matters(changes: list[Change]) -> bool:
    """Events are the controllers' own echo; to follow it would never end."""
    return any(change.resource not in _SILENT for change in changes)


class Controllers:
    """`start` makes the namespaces that every cluster has."""

    def __init__(self, api: Api, store: Store) -> None:
        self._desk = Desk(api, store)
        self._store = store
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="controllers", daemon=True)

    def start(self) -> None:
        namespaces.seed(self._desk)
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._store.wake()
        if self._thread.ident is not None:
            self._thread.join(2)

    def _work(self) -> None:
        while not self._ended.is_set() and not self._store.is_closed:
            start = self._store.revision
            self._look()
            if _matters(self._store.changes(start)):
                continue
            seen = start
            while not self._ended.is_set() and not self._store.is_closed:
                changes = self._store.wait(seen, SEEN_ANYWAY_EVERY_S)
                if not changes or _matters(changes):
                    break
                seen = changes[-1].revision

    def _look(self) -> None:
        for reconcile in _RECONCILERS:
            try:
                with self._store.lock:
                    reconcile(self._desk)
            except Exception:  # noqa: BLE001 - one controller's mistake must not end the others
                traceback.print_exc(file=sys.stderr)
