"""Thin, typed wrappers of the outside: each with time-outs, each turning foreign errors into sentences.

`Services` makes each client when it is first needed, so that a screen can open before any SDK is loaded.
"""

import importlib
import threading
from typing import TYPE_CHECKING

from wizard.answers import Answers
from wizard.endpoints import Endpoints

if TYPE_CHECKING:
    from wizard.services.aws import Aws
    from wizard.services.cluster import Cluster
    from wizard.services.resolver import Resolver


_loading = threading.Lock()


def load() -> None:
    """Imports what the clients need, in one thread: the SDKs import each other in circles.

    Two threads that first meet such a circle at once see half-made modules and fail.
    """
    with _loading:
        importlib.import_module("boto3")
        importlib.import_module("requests")
        importlib.import_module("kubernetes.config")
        importlib.import_module("kubernetes.dynamic")
        for name in ("aws", "cluster", "resolver", "web", "tls", "registry", "certificates"):
            importlib.import_module(f"wizard.services.{name}")


class Services:
    """The clients of one run; thread-safe: each is made once, under a lock, then shared."""

    def __init__(self, answers: Answers, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self._answers = answers
        self._lock = threading.RLock()
        self._aws: Aws | None = None
        self._dns_aws: Aws | None = None
        self._cluster: Cluster | None = None
        self._resolver: Resolver | None = None

    @property
    def aws(self) -> "Aws":
        """Raises CredentialsError; nothing is asked of AWS yet."""
        with self._lock:
            if self._aws is None:
                from wizard.services.aws import Aws

                connect = self._answers.connect
                self._aws = Aws(connect.aws_profile, connect.aws_region, self.endpoints)
            return self._aws

    @property
    def dns_aws(self) -> "Aws":
        """The account that holds the hosted zone: another profile, or the same as `aws`."""
        profile = self._answers.dns.aws_profile
        if not profile:
            return self.aws
        with self._lock:
            if self._dns_aws is None:
                from wizard.services.aws import Aws

                self._dns_aws = Aws(profile, self._answers.connect.aws_region, self.endpoints)
            return self._dns_aws

    @property
    def cluster(self) -> "Cluster":
        """Raises Refused or CredentialsError where the kubeconfig cannot be used."""
        with self._lock:
            if self._cluster is None:
                from wizard.services.cluster import Cluster

                connect = self._answers.connect
                self._cluster = Cluster(
                    connect.kube_context, connect.namespace, self.endpoints, aws=lambda: self.aws
                )
            return self._cluster

    @property
    def resolver(self) -> "Resolver":
        with self._lock:
            if self._resolver is None:
                from wizard.services.resolver import Resolver

                self._resolver = Resolver(self.endpoints)
            return self._resolver

    def close(self) -> None:
        """Frees the connections of every client that was made."""
        with self._lock:
            for client in (self._aws, self._dns_aws, self._cluster):
                if client is not None:
                    client.close()
            self._aws = self._dns_aws = self._cluster = None
