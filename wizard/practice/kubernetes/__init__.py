"""The practice world's Kubernetes: an API server in memory, with the controllers that matter.

It follows kube-apiserver 1.37 in status codes, texts, versions, patches and field ownership; the contract
tests can be pointed at a real one.
"""

from wizard.practice.kubernetes.front import Fault
from wizard.practice.kubernetes.server import KubernetesServer

__all__ = ["Fault", "KubernetesServer"]
