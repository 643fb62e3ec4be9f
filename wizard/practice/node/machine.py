"""The Node object: what this machine says of itself to the API server."""

import os
import platform
from dataclasses import dataclass

from wizard.practice.kubeclient import Obj

KUBELET_VERSION = "v1.34.0"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Machine:
    """`provider_id` has the form `aws:///<zone>/<instance id>`."""

    name: str
    provider_id: str
    region: str
    zone: str

    def node(self) -> Obj:
        """The object to create."""
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": self._labels()},
            "spec": {"providerID": self.provider_id},
        }

    def status(self, *, since: str, now: str) -> Obj:
        """Shape: a NodeStatus; ready `since`, `now` is its heartbeat."""
        room = {"cpu": str(os.cpu_count() or 1), "memory": "8Gi", "ephemeral-storage": "20Gi", "pods": "110"}
        return {
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": self.name},
            ],
            "capacity": room,
            "allocatable": room,
            "conditions": _conditions(since, now),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": _architecture(),
                "bootID": "",
                "containerRuntimeVersion": "practice://1.0.0",
                "kernelVersion": platform.release(),
                "kubeProxyVersion": KUBELET_VERSION,
                "kubeletVersion": KUBELET_VERSION,
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "Practice",
                "systemUUID": "",
            },
        }

    def _labels(self) -> dict[str, str]:
        return {
            "kubernetes.io/arch": _architecture(),
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": "practice",
            "topology.kubernetes.io/region": self.region,
            "topology.kubernetes.io/zone": self.zone,
        }


def _conditions(since: str, now: str) -> list[Obj]:
    told = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": since,
        }
        for kind, status, reason, message in told
    ]


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine() or "amd64")
