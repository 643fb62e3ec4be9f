"""The practice world's cluster: an API server with its controllers, all in memory."""

from wizard.practice.kubernetes.front import Fault
from wizard.practice.kubernetes.server import KubernetesServer

__all__ = ["Fault", "KubernetesServer"]
