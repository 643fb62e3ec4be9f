"""How the things that a setup made are marked as its own."""

import hashlib
from collections.abc import Mapping

TAG = "kube-registry:setup"
PLACE_TAG = "kube-registry:place"
"""The setup's cluster and namespace: the name alone is the same for all who keep the default."""
MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
MANAGER = "kube-registry-wizard"
FIELD_MANAGER = MANAGER
SELECTOR = f"{MANAGED_BY}={MANAGER}"
COMPONENT, RECORD = "app.kubernetes.io/component", "setup-record"
RECORD_SELECTOR = f"{SELECTOR},{COMPONENT}={RECORD}"
WRITTEN = "kube-registry/written"
"""Annotation of an adopted Secret: the fingerprint of what was put into it."""


def labels(setup: str) -> dict[str, str]:
    """Labels for Kubernetes objects."""
    return {MANAGED_BY: MANAGER, INSTANCE: setup}


def owner_of_labels(found: Mapping[str, str] | None) -> str:
    """The setup's name, "" where the object is not the wizard's."""
    return (found or {}).get(INSTANCE, "") if (found or {}).get(MANAGED_BY) == MANAGER else ""


def owner_of_tags(found: Mapping[str, str] | None) -> str:
    """The setup's name in AWS tags, "" where the thing is not the wizard's."""
    return (found or {}).get(TAG, "")


def fingerprint(contents: bytes) -> str:
    """Tells later whether somebody has changed the contents since; for secrets that cannot be guessed."""
    return hashlib.sha256(contents).hexdigest()
