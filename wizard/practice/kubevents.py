"""Writes Events as kubelets and cloud controllers do: in order, repeated ones counted, never blocking."""

import contextlib
import queue
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from wizard.practice.kubeclient import KubeClient, KubeError, Obj, path_of

EventType = Literal["Normal", "Warning"]
Key = tuple[str, str, str, str]

QUEUED = 500
REMEMBERED = 256


@dataclass(slots=True)
class _Sent:
    path: str
    count: int


def timestamp() -> str:
    """Now, in the form of metav1.Time: RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class EventRecorder:
    """`component` is who speaks (kubelet, service-controller), `host` the node it speaks from, if any."""

    def __init__(self, client: KubeClient, *, component: str, host: str = "") -> None:
        self._client, self._component, self._host = client, component, host
        self._queue: queue.Queue[tuple[Key, Obj] | None] = queue.Queue(QUEUED)
        self._sent: OrderedDict[Key, _Sent] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name=f"events of {component}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends what is queued, for at most a second."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        if self._thread.ident is not None:
            self._thread.join(1)

    def emit(
        self, about: Obj, kind: EventType, reason: str, message: str, *, container: str | None = None
    ) -> None:
        """`about` is the object, whole or with at least kind, apiVersion and metadata."""
        meta = about["metadata"]
        involved = {
            "kind": about.get("kind", "Pod"),
            "apiVersion": about.get("apiVersion", "v1"),
            "name": meta["name"],
            "namespace": meta.get("namespace", "default"),
            "uid": meta.get("uid", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        if container:
            involved["fieldPath"] = f"spec.containers{{{container}}}"
        key = (involved["uid"], kind, reason, message)
        # Full means that nobody has listened for a long time: then the newest is lost.
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait((key, self._event(involved, kind, reason, message)))

    def _event(self, involved: Obj, kind: EventType, reason: str, message: str) -> Obj:
        now = timestamp()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{involved['name']}.{secrets.token_hex(8)}",
                "namespace": involved["namespace"],
            },
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._host,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    def _run(self) -> None:
        while item := self._queue.get():
            key, event = item
            with contextlib.suppress(KubeError):
                self._send(key, event)

    def _send(self, key: Key, event: Obj) -> None:
        if known := self._sent.get(key):
            try:
                news = {"count": known.count + 1, "lastTimestamp": event["lastTimestamp"]}
                self._client.patch(known.path, news)
            except KubeError as error:
                if error.code != 404:
                    raise
            else:
                known.count += 1
                self._sent.move_to_end(key)
                return
        namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
        self._client.create(path_of("v1", "events", namespace), event)
        self._sent[key] = _Sent(path_of("v1", "events", namespace, name), 1)
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
