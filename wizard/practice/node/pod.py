"""One Pod of this node: volumes, then containers, its status told to the API server, its end."""

import logging
import shutil
import threading
import time
from pathlib import Path

from wizard.practice.kubeclient import KubeClient, KubeError, Obj, path_of
from wizard.practice.kubevents import EventRecorder, timestamp
from wizard.practice.node.container import Container, Surroundings
from wizard.practice.node.logs import LogRing
from wizard.practice.node.podimages import PodImages
from wizard.practice.node.ports import PodPorts
from wizard.practice.node.process import Warden
from wizard.practice.node.pulling import Puller
from wizard.practice.node.status import pod_status
from wizard.practice.node.volumes import MountError, Volumes

MOUNT_RETRY_S = 0.5
LONGEST_MOUNT_RETRY_S = 4.0
# A kubelet takes a minute or more to bring a changed Secret into a volume; the order of things is the same.
REFRESH_DELAY_S = 0.3
FAILED_REPORT_S = 0.5

log = logging.getLogger(__name__)


class PodRunner:
    """Runs a Pod from `start` until `terminate`, which deletes it from the API, or `kill`, which does not."""

    def __init__(
        self,
        pod: Obj,
        client: KubeClient,
        *,
        directory: Path,
        ports: PodPorts,
        events: EventRecorder,
        warden: Warden,
        pulled: set[str],
        puller: Puller | None = None,
    ) -> None:
        self.pod, self._client, self._events, self._ports = pod, client, events, ports
        meta = pod["metadata"]
        self.uid: str = meta["uid"]
        self._path = path_of("v1", "pods", meta["namespace"], meta["name"])
        self._directory = directory
        self._volumes = Volumes(pod, directory / "volumes", self._look_up)
        around = Surroundings(
            pod=pod,
            directory=directory,
            volumes=self._volumes,
            lookup=self._look_up,
            ports=ports,
            events=events,
            warden=warden,
            pulled=pulled,
            images=PodImages(pod, self._look_up, puller),
            on_change=self._changed,
        )
        self._containers = [Container(spec, around) for spec in pod["spec"]["containers"]]
        self._start_time = timestamp()
        self._reported: Obj = pod.get("status") or {}
        self._wake = threading.Event()
        self._refresh_at: float | None = None
        self._is_ending = threading.Event()
        self._is_killed = threading.Event()
        self._grace_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"pod {meta['name']}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def terminate(self, grace_s: float) -> None:
        """Ends it as a deletion asks for; returns at once."""
        self._grace_s = grace_s
        self._is_ending.set()
        self._wake.set()

    def kill(self) -> None:
        """Ends it now, without telling the API server; returns when all is gone, or after 2 s."""
        self._is_killed.set()
        self._is_ending.set()
        self._wake.set()
        for container in self._containers:
            container.stop(0)
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(2)

    def refers_to(self, kind: str, name: str) -> bool:
        """Whether a Secret ("secret") or ConfigMap ("configmap") may matter to it."""
        keys = {"secret": ("secretKeyRef", "secretRef"), "configmap": ("configMapKeyRef", "configMapRef")}[
            kind
        ]
        for container in self.pod["spec"]["containers"]:
            sources = [entry.get("valueFrom") or {} for entry in container.get("env") or ()]
            sources += container.get("envFrom") or ()
            if any((source.get(key) or {}).get("name") == name for source in sources for key in keys):
                return True
        if kind == "secret" and any(
            each.get("name") == name for each in self.pod["spec"].get("imagePullSecrets") or ()
        ):
            return True
        return self._volumes.uses(kind, name)

    def poke(self) -> None:
        """A Secret or ConfigMap that it refers to has changed."""
        self._refresh_at = time.monotonic() + REFRESH_DELAY_S
        self._wake.set()
        for container in self._containers:
            container.poke()

    def log(self, container: str, *, previous: bool) -> LogRing | None:
        for candidate in self._containers:
            if candidate.name == container or (not container and len(self._containers) == 1):
                return candidate.log(previous=previous)
        return None

    def _run(self) -> None:
        try:
            self._report()
            if self._set_up():
                for container in self._containers:
                    container.start()
                self._follow()
            self._finish()
        except Exception:
            log.exception("%s: its runner failed", self._path)
        finally:
            self._ports.forget(self.uid)
            shutil.rmtree(self._directory, ignore_errors=True)

    def _set_up(self) -> bool:
        delay_s = MOUNT_RETRY_S
        while not self._is_ending.is_set():
            try:
                self._volumes.refresh()
            except MountError as error:
                self._events.emit(self.pod, "Warning", "FailedMount", str(error))
            except KubeError as error:
                log.warning("%s: %s", self._path, error.message)
            else:
                return True
            self._wake.wait(delay_s)
            self._wake.clear()
            delay_s = min(delay_s * 2, LONGEST_MOUNT_RETRY_S)
        return False

    def _follow(self) -> None:
        retry_s: float | None = None
        while not self._is_ending.is_set():
            due = self._refresh_at
            waits = [due - time.monotonic() if due else None, retry_s]
            self._wake.wait(min((max(0.0, wait) for wait in waits if wait is not None), default=None))
            self._wake.clear()
            if due and time.monotonic() >= due:
                self._refresh_at = None
                self._refresh()
            retry_s = None if self._report() else FAILED_REPORT_S

    def _refresh(self) -> None:
        try:
            self._volumes.refresh()
        except MountError as error:
            self._events.emit(self.pod, "Warning", "FailedMount", str(error))
        except KubeError:
            self._refresh_at = time.monotonic() + REFRESH_DELAY_S

    def _finish(self) -> None:
        if not self._is_killed.is_set():
            for container in self._containers:
                if "running" in container.status()["state"]:
                    message = f"Stopping container {container.name}"
                    self._events.emit(self.pod, "Normal", "Killing", message, container=container.name)
        enders = [
            threading.Thread(target=container.stop, args=(self._grace_s,), daemon=True)
            for container in self._containers
        ]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        while not self._is_killed.is_set():
            self._report()
            try:
                self._client.delete(self._path, grace_period_s=0, uid=self.uid)
            except KubeError as error:
                log.warning("%s: %s", self._path, error.message)
                self._is_killed.wait(FAILED_REPORT_S)
            else:
                return

    def _changed(self) -> None:
        self._wake.set()

    def _report(self) -> bool:
        """Tells the API server what has changed; False asks to be called again soon."""
        statuses = [container.status() for container in self._containers]
        status = pod_status(
            self.pod, statuses, previous=self._reported, start_time=self._start_time, now=timestamp()
        )
        if status == self._reported:
            return True
        try:
            self._client.patch(f"{self._path}/status", {"metadata": {"uid": self.uid}, "status": status})
        except KubeError as error:
            # Gone, or replaced by another of the same name: the watch will say so.
            return error.code in {404, 409}
        self._reported = status
        return True

    def _look_up(self, kind: str, name: str) -> Obj | None:
        namespace = self.pod["metadata"]["namespace"]
        return self._client.find(path_of("v1", f"{kind}s", namespace, name))
