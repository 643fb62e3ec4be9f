"""Where a setup lives: the account, the cluster and the namespace that its things were made in.

Undo finds things by name in the place that the answers name. After a move it would find nothing there, take
that for "gone already", and forget what still runs, and costs, in the former place.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from wizard.errors import Problem

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.facts import ConnectFacts


@dataclass(frozen=True, slots=True)
class Place:
    """What could not be seen is empty."""

    namespace: str
    account_id: str = ""
    kube_context: str = ""
    kube_server: str = ""

    @classmethod
    def of(cls, answers: "Answers", seen: "ConnectFacts | None") -> "Place":
        namespace = answers.connect.namespace
        return (
            cls(namespace, seen.account_id, seen.kube_context, seen.kube_server) if seen else cls(namespace)
        )

    @classmethod
    def from_json(cls, found: Mapping[str, str]) -> "Place":
        """Raises TypeError for other things."""
        return cls(**{str(key): str(value) for key, value in found.items()})

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    def moved_to(self, other: "Place", setup: str) -> Problem | None:
        """Why the setup cannot go on in the other place; a renamed context or server alone is no move."""
        if self.namespace != other.namespace:
            return _moved(setup, "namespace", self.namespace, other.namespace, "connect.namespace")
        if _differ(self.account_id, other.account_id):
            return _moved(setup, "AWS account", self.account_id, other.account_id, "connect.aws_profile")
        is_other = _differ(self.kube_server, other.kube_server)
        if is_other and _differ(self.kube_context, other.kube_context):
            return _moved(
                setup, "cluster of the context", self.kube_context, other.kube_context, "connect.kube_context"
            )
        return None


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _moved(setup: str, what: str, former: str, now: str, key: str) -> Problem:
    return Problem(
        "setup-elsewhere",
        f"The setup {setup} lives in the {what} {former}, not in {now}.",
        "A setup does not move: its things there would be left behind.",
        f"Set {key} back, or undo this setup there first, or give the new one another name in `setup`.",
    )
