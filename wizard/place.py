"""Where a setup lives: the account, the cluster and the namespace that its things were made in.

Undo finds things by name in the place that the answers name. After a move it would find nothing there, take
that for "gone already", and forget what still runs, and costs, in the former place.
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from wizard.errors import AccessDenied, Cancelled, Problem, WizardError
from wizard.events import StepId
from wizard.parallel import side_by_side

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.services import Services

LONGEST_TAG = 256
LANDMARK = "kube-system"
"""Every cluster has this namespace from its first day on: its UID tells clusters apart."""


class Side(enum.StrEnum):
    """The three that can be away, or others, each by itself."""

    AWS = "aws"
    CLUSTER = "cluster"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class Place:
    """What could not be seen is empty; `zone_account_id` is the account that Route53 is asked in."""

    namespace: str
    account_id: str = ""
    kube_context: str = ""
    kube_server: str = ""
    cluster_uid: str = ""
    zone_account_id: str = ""

    @classmethod
    def from_json(cls, found: Mapping[str, str]) -> "Place":
        """Raises TypeError for other things."""
        return cls(**{str(key): str(value) for key, value in {**found}.items()})

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @property
    def mark(self) -> str:
        """Cluster and namespace as a tag's value, which takes neither all characters nor any length (IAM)."""
        text = f"{self.namespace} {self.cluster_uid or '-'} {self.kube_server}"
        return re.sub(r"[^\w .:/=+@-]", "_", text)[:LONGEST_TAG]

    @classmethod
    def from_mark(cls, text: str) -> "Place":
        namespace, _, rest = text.partition(" ")
        uid, _, server = rest.partition(" ")
        return cls(namespace, cluster_uid="" if uid == "-" else uid, kube_server=server)

    def is_other_home(self, other: "Place") -> bool:
        """Whether two marks tell of different clusters or namespaces."""
        return self.namespace != other.namespace or self._is_other_cluster(other)

    def filled(self, seen: "Place") -> "Place":
        """With what an earlier version did not record, or an earlier run could not see."""
        more = {key: value for key, value in seen.to_json().items() if not getattr(self, key)}
        return replace(self, **more)

    def moved_to(self, other: "Place", setup: str) -> Problem | None:
        """Why the setup cannot go on there; a renamed context, or what is not seen, is no move."""
        if self.namespace != other.namespace:
            return _moved(setup, "namespace", self.namespace, other.namespace, "connect.namespace")
        if _differ(self.account_id, other.account_id):
            return _moved(setup, "AWS account", self.account_id, other.account_id, "connect.aws_profile")
        if self._is_other_cluster(other):
            return _moved(setup, "cluster", self.cluster, other.cluster, "connect.kube_context")
        return None

    def zone_moved_to(self, other: "Place", setup: str) -> Problem | None:
        """Why the record cannot be looked for with the other profile."""
        if not _differ(self.zone_account_id, other.zone_account_id):
            return None
        former, now = self.zone_account_id, other.zone_account_id
        return _moved(setup, "hosted zones of the AWS account", former, now, "dns.aws_profile")

    def _is_other_cluster(self, other: "Place") -> bool:
        """By the UID a new address of the same cluster is known; without it the address must be the same."""
        if self.cluster_uid and other.cluster_uid:
            return self.cluster_uid != other.cluster_uid
        return _differ(self.kube_server, other.kube_server)

    @property
    def cluster(self) -> str:
        """For people."""
        return f"{self.kube_server} (context {self.kube_context})"


@dataclass(frozen=True, slots=True)
class Sight:
    """What can be seen from here, and for each side that could not be identified, why."""

    place: Place
    unseen: Mapping[Side, Problem] = field(default_factory=dict)


def look(answers: "Answers", services: "Services") -> Sight:
    """Each side by itself, so that one that is away hides no other."""
    found: dict[str, str] = {}
    unseen: dict[Side, Problem] = {}

    def ask(side: Side, read: Callable[[], Mapping[str, str]]) -> Callable[[], None]:
        def work() -> None:
            try:
                found.update(read())
            except Cancelled:
                raise
            except WizardError as error:
                unseen[side] = error.problem

        return work

    asked = [
        ask(Side.AWS, lambda: {"account_id": services.aws.identity().account_id}),
        ask(Side.CLUSTER, lambda: _cluster(services)),
    ]
    has_own_profile = bool(answers.dns.aws_profile)
    if has_own_profile:
        asked.append(ask(Side.ZONE, lambda: {"zone_account_id": services.dns_aws.identity().account_id}))
    side_by_side(asked)
    if not has_own_profile:
        found["zone_account_id"] = found.get("account_id", "")
        unseen |= {Side.ZONE: unseen[Side.AWS]} if Side.AWS in unseen else {}
    return Sight(Place(answers.connect.namespace, **found), unseen)


def home(answers: "Answers", services: "Services") -> Place:
    """Cluster and namespace alone; raises as the cluster does where it cannot be asked."""
    return Place(answers.connect.namespace, **_cluster(services))


def homes(step: StepId, action: str) -> tuple[Side, ...]:
    """The sides that a change was made on, the one that its undo cannot do without first."""
    if action == "create-access-key":
        return Side.AWS, Side.CLUSTER
    if action == "await-record":
        return ()
    return _HOMES.get(step, (Side.CLUSTER,))


_HOMES: Mapping[StepId, tuple[Side, ...]] = {
    StepId.BUCKET: (Side.AWS,),
    StepId.USER: (Side.AWS,),
    StepId.DNS: (Side.ZONE,),
}


def _cluster(services: "Services") -> Mapping[str, str]:
    """Raises Unreachable, CredentialsError or Refused; the UID is "" where the namespace may not be read."""
    cluster = services.cluster
    try:
        found = cluster.get("v1", "Namespace", LANDMARK, namespaced=False) or {}
    except AccessDenied:
        found = {}
    uid = str((found.get("metadata") or {}).get("uid", ""))
    return {"kube_context": cluster.context, "kube_server": cluster.server, "cluster_uid": uid}


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _moved(setup: str, what: str, former: str, now: str, key: str) -> Problem:
    return Problem(
        "setup-elsewhere",
        f"The setup {setup} lives in the {what} {former}, not in {now}.",
        "A setup does not move: its things there would be left behind.",
        f"Set {key} back, or undo this setup there first, or give the new one another name in `setup`.",
    )
