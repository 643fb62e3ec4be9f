"""The clients that looks go through: those of the run where they fit, and a few more for what is typed."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import SecretStr

from wizard.answers import Answers
from wizard.services import Services, load

if TYPE_CHECKING:
    from wizard.services.aws import Aws
    from wizard.services.cluster import Cluster

MOST_KEPT = 3


class _Closable(Protocol):
    def close(self) -> None: ...


Key = TypeVar("Key")
Door = TypeVar("Door", bound=_Closable)


class Doors:
    """Thread-safe. `current` gives the answers and clients of the run, which are not ours to close.

    `secret` gives what was typed for a variable.
    """

    def __init__(
        self, current: Callable[[], tuple[Answers, Services]], secret: Callable[[str], SecretStr | None]
    ) -> None:
        self._current = current
        self.secret = secret
        self._lock = threading.RLock()
        self._clouds: OrderedDict[tuple[str, str], Aws] = OrderedDict()
        self._clusters: OrderedDict[tuple[str, str, str], Cluster] = OrderedDict()

    @property
    def services(self) -> Services:
        """For what no answer of a field changes: the resolver, the endpoints."""
        load()
        return self._current()[1]

    def aws(self, profile: str, region: str) -> "Aws":
        """Raises CredentialsError for an unknown profile."""
        load()
        answers, services = self._current()
        if (answers.connect.aws_profile, answers.connect.aws_region) == (profile, region):
            return services.aws

        def make() -> "Aws":
            from wizard.services.aws import Aws

            return Aws(profile, region, services.endpoints)

        return self._kept(self._clouds, (profile, region), make)

    def aws_of(self, answers: Answers) -> "Aws":
        return self.aws(answers.connect.aws_profile, answers.connect.aws_region)

    def dns_aws_of(self, answers: Answers) -> "Aws":
        """The account that holds the hosted zone."""
        profile = answers.dns.aws_profile or answers.connect.aws_profile
        return self.aws(profile, answers.connect.aws_region)

    def cluster_of(self, answers: Answers) -> "Cluster":
        """Its own namespace does not count: looks name theirs. Raises Refused for an unknown context."""
        load()
        current, services = self._current()
        connect = answers.connect
        if current.connect.kube_context == connect.kube_context and _same_account(current, answers):
            return services.cluster

        def make() -> "Cluster":
            from wizard.services.cluster import Cluster

            return Cluster(
                connect.kube_context,
                connect.namespace,
                services.endpoints,
                aws=lambda: self.aws(connect.aws_profile, connect.aws_region),
            )

        return self._kept(
            self._clusters, (connect.kube_context, connect.aws_profile, connect.aws_region), make
        )

    def close(self) -> None:
        with self._lock:
            for cloud in self._clouds.values():
                cloud.close()
            for cluster in self._clusters.values():
                cluster.close()
            self._clouds.clear()
            self._clusters.clear()

    def _kept(self, kept: "OrderedDict[Key, Door]", key: "Key", make: Callable[[], Door]) -> Door:
        with self._lock:
            if key not in kept:
                kept[key] = make()
            kept.move_to_end(key)
            while len(kept) > MOST_KEPT:
                kept.popitem(last=False)[1].close()
            return kept[key]


def _same_account(one: Answers, other: Answers) -> bool:
    """An EKS token is signed by the profile."""
    return (one.connect.aws_profile, one.connect.aws_region) == (
        other.connect.aws_profile,
        other.connect.aws_region,
    )
