"""The node agent: runs the Pods that a Kubernetes API binds to it as processes of this machine."""

from wizard.practice.node.agent import NodeAgent
from wizard.practice.node.ports import PodPorts
from wizard.practice.node.pulling import Route

__all__ = ["NodeAgent", "PodPorts", "Route"]
