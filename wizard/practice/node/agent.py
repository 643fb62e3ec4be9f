"""The kubelet's part: keeps the Node there and runs the Pods that are bound to it."""

import contextlib
import functools
import logging
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from wizard.practice.kubeclient import KubeClient, KubeEndpoint, KubeError, Obj, path_of
from wizard.practice.kubevents import EventRecorder, timestamp
from wizard.practice.kubewatch import Reflector
from wizard.practice.node.machine import Machine
from wizard.practice.node.pod import PodRunner
from wizard.practice.node.ports import PodPorts
from wizard.practice.node.process import Warden
from wizard.practice.node.pulling import Puller, Route

log = logging.getLogger(__name__)

# As often as a kubelet reports a Node that has not changed (nodeStatusReportFrequency).
HEARTBEAT_S = 300.0
RETRY_S = 1.0


class NodeAgent:
    """`run_dir` gets a private directory for each agent: files of Secrets stand in there while Pods run.

    `route` leads to the registries of its world, whose images are really pulled then.
    `is_scheduler` makes it bind Pods that nobody has scheduled: for an API server that runs alone.
    """

    def __init__(
        self,
        kube: KubeEndpoint,
        run_dir: Path,
        ports: PodPorts,
        *,
        node_name: str = "practice-1",
        provider_id: str,
        region: str,
        zone: str,
        is_scheduler: bool = False,
        route: Route | None = None,
    ) -> None:
        self._machine = Machine(node_name, provider_id, region, zone)
        self._directory = run_dir / node_name
        self._ports = ports
        self._is_scheduler = is_scheduler
        self._client = KubeClient(kube, user_agent="kubelet/practice")
        self._events = EventRecorder(self._client, component="kubelet", host=node_name)
        self._scheduled = EventRecorder(self._client, component="default-scheduler")
        self._lock = threading.Lock()
        self._runners: dict[str, PodRunner] = {}
        self._pulled: set[str] = set()
        self._puller = Puller(route) if route else None
        self._warden: Warden | None = None
        self._stopping = threading.Event()
        self._node_lost = threading.Event()
        self._heartbeat = threading.Thread(target=self._keep_node, name="node heartbeat", daemon=True)
        self._reflectors = [
            self._reflect("pods", self._on_pod, f"spec.nodeName={node_name}"),
            self._reflect("secrets", functools.partial(self._on_config, "secret")),
            self._reflect("configmaps", functools.partial(self._on_config, "configmap")),
            self._reflect("nodes", self._on_node, f"metadata.name={node_name}"),
        ]
        if is_scheduler:
            self._reflectors.append(self._reflect("pods", self._on_unscheduled, "spec.nodeName="))

    def start(self) -> None:
        if self._warden:
            return
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(mode=0o700, parents=True)
        self._warden = Warden(self._directory)
        self._events.start()
        if self._is_scheduler:
            self._scheduled.start()
        self._heartbeat.start()
        for reflector in self._reflectors:
            reflector.start()

    def stop(self) -> None:
        """Ends every process it started and removes every file it wrote; the API server is not told."""
        if not self._warden or self._stopping.is_set():
            return
        self._stopping.set()
        self._node_lost.set()
        with self._lock:
            runners = list(self._runners.values())
        enders = [threading.Thread(target=runner.kill, daemon=True) for runner in runners]
        enders += [threading.Thread(target=part.stop, daemon=True) for part in self._reflectors]
        enders += [
            threading.Thread(target=part.stop, daemon=True) for part in (self._events, self._scheduled)
        ]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join(2)
        self._warden.dismiss()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._client.close()

    def logs(self, namespace: str, pod: str, container: str, previous: bool) -> Iterable[bytes] | None:
        """The lines kept of a container, or of its run before; None where there is none."""
        with self._lock:
            runners = list(self._runners.values())
        for runner in runners:
            meta = runner.pod["metadata"]
            if (meta["namespace"], meta["name"]) == (namespace, pod):
                ring = runner.log(container, previous=previous)
                return ring.lines() if ring else None
        return None

    def _reflect(
        self, plural: str, handler: Callable[[str, Obj], None], field_selector: str = ""
    ) -> Reflector:
        query = {"fieldSelector": field_selector} if field_selector else {}
        return Reflector(self._client, path_of("v1", plural), handler, query=query)

    def _on_pod(self, kind: str, pod: Obj) -> None:
        meta = pod["metadata"]
        with self._lock:
            runner = (
                self._runners.pop(meta["uid"], None) if kind == "DELETED" else self._runners.get(meta["uid"])
            )
        if kind == "DELETED":
            if runner:
                runner.kill()
        elif meta.get("deletionTimestamp"):
            if runner:
                runner.terminate(float(meta.get("deletionGracePeriodSeconds") or 0))
            else:
                self._bury(pod)
        elif not runner and (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}:
            self._run_pod(pod)

    def _run_pod(self, pod: Obj) -> None:
        assert self._warden
        runner = PodRunner(
            {"apiVersion": "v1", "kind": "Pod", **pod},
            self._client,
            directory=self._directory / pod["metadata"]["uid"],
            ports=self._ports,
            events=self._events,
            warden=self._warden,
            pulled=self._pulled,
            puller=self._puller,
        )
        with self._lock:
            if self._stopping.is_set():
                return
            self._runners[runner.uid] = runner
        runner.start()

    def _bury(self, pod: Obj) -> None:
        """Removes a Pod that was deleted while nobody ran it, or its deletion would never end."""
        meta = pod["metadata"]
        with contextlib.suppress(KubeError):
            path = path_of("v1", "pods", meta["namespace"], meta["name"])
            self._client.delete(path, grace_period_s=0, uid=meta["uid"])

    def _on_config(self, config_kind: str, kind: str, obj: Obj) -> None:
        meta = obj["metadata"]
        with self._lock:
            runners = list(self._runners.values())
        for runner in runners:
            is_near = runner.pod["metadata"]["namespace"] == meta["namespace"]
            if kind != "DELETED" and is_near and runner.refers_to(config_kind, meta["name"]):
                runner.poke()

    def _on_unscheduled(self, kind: str, pod: Obj) -> None:
        meta = pod["metadata"]
        if kind == "DELETED" or pod["spec"].get("nodeName") or meta.get("deletionTimestamp"):
            return
        namespace, name = meta["namespace"], meta["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": self._machine.name}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        try:
            self._client.create(path_of("v1", "pods", namespace, name, "binding"), binding)
        except KubeError as error:
            log.warning("%s/%s could not be bound: %s", namespace, name, error.message)
        else:
            message = f"Successfully assigned {namespace}/{name} to {self._machine.name}"
            self._scheduled.emit({"kind": "Pod", **pod}, "Normal", "Scheduled", message)

    def _on_node(self, kind: str, _: Obj) -> None:
        if kind == "DELETED":
            self._node_lost.set()

    def _keep_node(self) -> None:
        since = timestamp()
        while not self._stopping.is_set():
            try:
                self._tell_node(since)
                wait_s = HEARTBEAT_S
            except KubeError as error:
                log.warning("The Node could not be registered: %s", error.message)
                wait_s = RETRY_S
            self._node_lost.wait(wait_s)
            self._node_lost.clear()

    def _tell_node(self, since: str) -> None:
        nodes, name = path_of("v1", "nodes"), self._machine.name
        try:
            self._client.create(nodes, self._machine.node())
        except KubeError as error:
            if error.reason != "AlreadyExists":
                raise
        status = self._machine.status(since=since, now=timestamp())
        self._client.patch(path_of("v1", "nodes", name=name, subresource="status"), {"status": status})
