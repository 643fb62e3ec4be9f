"""Servers in this process answer late on a busy machine: the patience that the practice tests have."""

from tests.practice.conftest import _patience_with_clusters

__all__ = ["_patience_with_clusters"]
