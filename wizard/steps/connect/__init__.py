"""Step 1: the account, the cluster and the namespace, and every later blocker that can be seen now."""

from wizard.steps.connect.step import ConnectStep

__all__ = ["ConnectStep"]
