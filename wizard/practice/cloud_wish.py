"""Pure: which load balancer a Service asks for, by the rules of the controller that its cluster has.

`in-tree` is cloud-provider-aws; the other two make network load balancers, internal unless told otherwise.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from wizard.practice.kubeclient import Obj

Controller = Literal["in-tree", "aws-load-balancer-controller", "auto-mode"]
Kind = Literal["classic", "nlb"]
Scheme = Literal["internet-facing", "internal"]

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
CLASSES = {"aws-load-balancer-controller": "service.k8s.aws/nlb", "auto-mode": "eks.amazonaws.com/nlb"}
FINALIZERS = {
    "in-tree": "service.kubernetes.io/load-balancer-cleanup",
    "aws-load-balancer-controller": "service.k8s.aws/resources",
    "auto-mode": "service.eks.amazonaws.com/resources",
}
CLASSIC_IDLE_S, NETWORK_IDLE_S = 60, 350


class BadService(Exception):
    """A Service that asks for what cannot be; the message goes into its Event."""


@dataclass(frozen=True, slots=True)
class Port:
    """`name` is that of the Service's port, by which EndpointSlices know it too; often empty."""

    name: str
    number: int
    node_port: int
    idle_timeout_s: int


@dataclass(frozen=True, slots=True)
class Wish:
    """`name` is the balancer's in AWS; `source_ranges` are CIDRs, none for everyone."""

    kind: Kind
    name: str
    scheme: Scheme
    ports: tuple[Port, ...]
    tags: tuple[tuple[str, str], ...]
    source_ranges: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, str, str]:
        """What cannot be changed in a balancer that stands."""
        return self.kind, self.name, self.scheme


def is_ours(service: Obj, controller: Controller) -> bool:
    """Whether this controller, and no other, is to make the Service's balancer."""
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer":
        return False
    wanted_class = spec.get("loadBalancerClass")
    if controller == "in-tree":
        return not wanted_class and _annotation(service, "type") not in {"external", "nlb-ip"}
    # The controller's webhook, and Auto Mode, put their class on every new Service that has none.
    return wanted_class in {None, "", CLASSES[controller]}


def wish_of(service: Obj, controller: Controller, cluster: str) -> Wish:
    """Raises BadService for an annotation that cannot be followed."""
    is_in_tree = controller == "in-tree"
    kind: Kind = "classic" if is_in_tree and _annotation(service, "type") != "nlb" else "nlb"
    scheme = _scheme(service, controller)
    uid = service["metadata"]["uid"]
    name = f"a{uid.replace('-', '')}"[:32] if is_in_tree else _modern_name(service, cluster, scheme)
    return Wish(
        kind=kind,
        name=name,
        scheme=scheme,
        ports=tuple(
            Port(port.get("name", ""), port["port"], port.get("nodePort", 0), _idle(service, kind, port))
            for port in service["spec"].get("ports") or ()
        ),
        tags=tuple(sorted(_tags(service, controller, cluster).items())),
        source_ranges=_source_ranges(service),
    )


def _scheme(service: Obj, controller: Controller) -> Scheme:
    internal = _annotation(service, "internal")
    if controller == "in-tree":
        return "internal" if internal not in {"", "false"} else "internet-facing"
    scheme = _annotation(service, "scheme")
    if scheme == "internet-facing":
        return "internet-facing"
    if scheme not in {"", "internal"}:
        raise BadService(f"unknown scheme: {scheme}")
    if not scheme and controller == "aws-load-balancer-controller" and internal == "false":
        return "internet-facing"
    return "internal"


def _idle(service: Obj, kind: Kind, port: Obj) -> int:
    if kind == "classic":
        text = _annotation(service, "connection-idle-timeout") or str(CLASSIC_IDLE_S)
        if not text.isascii() or not text.isdigit():
            raise BadService(f"error parsing service annotation: {PREFIX}connection-idle-timeout={text}")
        return int(text)
    given = _pairs(_annotation(service, f"listener-attributes.TCP-{port['port']}"))
    text = given.get("tcp.idle_timeout.seconds", str(NETWORK_IDLE_S))
    if not text.isascii() or not text.isdigit():
        raise BadService(f"'{text}' is not a valid value for tcp.idle_timeout.seconds")
    return int(text)


def _tags(service: Obj, controller: Controller, cluster: str) -> dict[str, str]:
    owner = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
    own = {
        "in-tree": {f"kubernetes.io/cluster/{cluster}": "owned", "kubernetes.io/service-name": owner},
        "aws-load-balancer-controller": {
            "elbv2.k8s.aws/cluster": cluster,
            "service.k8s.aws/resource": "LoadBalancer",
            "service.k8s.aws/stack": owner,
        },
        "auto-mode": {
            "eks:eks-cluster-name": cluster,
            "service.eks.amazonaws.com/resource": "LoadBalancer",
            "service.eks.amazonaws.com/stack": owner,
        },
    }
    return _pairs(_annotation(service, "additional-resource-tags")) | own[controller]


def _source_ranges(service: Obj) -> tuple[str, ...]:
    ranges = service["spec"].get("loadBalancerSourceRanges")
    if ranges:
        return tuple(ranges)
    text = (service["metadata"].get("annotations") or {}).get(RANGES, "")
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _modern_name(service: Obj, cluster: str, scheme: str) -> str:
    if given := _annotation(service, "name"):
        return given
    meta = service["metadata"]
    # A changed scheme is another balancer, so it has another name.
    digest = hashlib.sha256(f"{cluster}{meta['uid']}{scheme}".encode()).hexdigest()
    parts = [re.sub(r"[^a-z0-9]", "", meta[key])[:8] for key in ("namespace", "name")]
    return f"k8s-{parts[0]}-{parts[1]}-{digest[:10]}"


def _annotation(service: Obj, name: str) -> str:
    value: str = (service["metadata"].get("annotations") or {}).get(PREFIX + name, "")
    return value


def _pairs(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}
