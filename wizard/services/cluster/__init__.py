"""The Kubernetes cluster as the steps use it: plain JSON in and out, every error a sentence."""

from wizard.services.cluster.client import Cluster
from wizard.services.cluster.failures import FieldConflict
from wizard.services.cluster.kubeconfig import ContextView, contexts
from wizard.services.cluster.secrets import SecretContents

__all__ = ["Cluster", "ContextView", "FieldConflict", "SecretContents", "contexts"]
