"""Follows a collection of a Kubernetes API server through lost watches and expired versions."""

import logging
import threading
from collections.abc import Callable, Mapping

from wizard.practice.kubeclient import KubeClient, KubeError, Obj, Watch

log = logging.getLogger(__name__)

RETRY_S = 0.5


class Reflector:
    """Keeps a handler told of everything that matches: ADDED, MODIFIED, DELETED, by list and watch.

    After a lost watch it lists again and tells what has gone meanwhile as DELETED, so a handler never
    has to look for itself. The handler is called in the reflector's own thread.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        handler: Callable[[str, Obj], None],
        *,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._client, self._path, self._handler = client, path, handler
        self._query = dict(query or {})
        self._known: dict[str, Obj] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self.synced = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reflect {path}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            if self._watch:
                self._watch.interrupt()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(2)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                version = self._list()
                self.synced.set()
                while not self._stopping.is_set():
                    version = self._follow(version)
            except KubeError as error:
                if error.code not in {0, 410} and not self._stopping.is_set():
                    log.warning("%s: %s", self._path, error.message)
                self._stopping.wait(RETRY_S)

    def _list(self) -> str:
        found, version = self._client.list(self._path, self._query)
        fresh = {obj["metadata"]["uid"]: obj for obj in found}
        for uid in [uid for uid in self._known if uid not in fresh]:
            self._tell("DELETED", self._known[uid])
        for uid, obj in fresh.items():
            self._tell("MODIFIED" if uid in self._known else "ADDED", obj)
        return version

    def _follow(self, version: str) -> str:
        with self._client.watch(self._path, {**self._query, "resourceVersion": version}) as watch:
            with self._lock:
                self._watch = watch
            try:
                for kind, obj in () if self._stopping.is_set() else watch.events():
                    version = obj["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK" and not self._stopping.is_set():
                        self._tell(kind, obj)
            finally:
                with self._lock:
                    self._watch = None
        return version

    def _tell(self, kind: str, obj: Obj) -> None:
        uid = obj["metadata"]["uid"]
        if kind == "DELETED":
            self._known.pop(uid, None)
        else:
            # All that a later DELETED carries: no contents of Secrets are kept.
            kept = {key: obj["metadata"].get(key, "") for key in ("uid", "namespace", "name")}
            self._known[uid] = {"metadata": kept}
        try:
            self._handler(kind, obj)
        except Exception:
            log.exception("%s: a handler failed on %s", self._path, kind)
