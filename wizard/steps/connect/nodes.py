"""What the nodes say of themselves. Pure but for the one question to AWS about an instance."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wizard.errors import Problem, Remedy
from wizard.steps.connect.findings import Findings

Object = Mapping[str, Any]
REGION_LABELS = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
AUTO_MODE_LABEL = "eks.amazonaws.com/compute-type"
_PROVIDER_ID = re.compile(
    r"aws:///?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)[a-z]?[^/]*/(?P<instance>i-[0-9a-f]+)$"
)


@dataclass(frozen=True, slots=True)
class Nodes:
    """`instance_id` is one node's EC2 instance, "" where none says."""

    total: int = 0
    unready: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    instance_id: str = ""
    is_auto_mode: bool = False

    @classmethod
    def summed_up(cls, nodes: Sequence[Object]) -> "Nodes":
        metadata = [node.get("metadata") or {} for node in nodes]
        labels = [each.get("labels") or {} for each in metadata]
        ids = [_PROVIDER_ID.match(str((node.get("spec") or {}).get("providerID", ""))) for node in nodes]
        regions = {_region(label, found) for label, found in zip(labels, ids, strict=True)}
        return cls(
            total=len(nodes),
            unready=tuple(
                str(each.get("name", ""))
                for each, node in zip(metadata, nodes, strict=True)
                if not _is_ready(node)
            ),
            regions=tuple(sorted(regions - {""})),
            architectures=tuple(sorted({_architecture(node) for node in nodes} - {""})),
            instance_id=next((found["instance"] for found in ids if found), ""),
            is_auto_mode=any(label.get(AUTO_MODE_LABEL) == "auto" for label in labels),
        )


def judge(nodes: Nodes | None, aws_region: str, findings: Findings) -> None:
    """`nodes` is None where they may not be listed."""
    if nodes is None:
        findings.warn(
            "nodes",
            Problem(
                "nodes-unlistable",
                "Your user may not list the cluster's nodes.",
                "So it cannot be seen whether they run in the same AWS region and account.",
                "Go on if you know that, or ask for the right to list nodes.",
            ),
        )
        return
    _judge_region(nodes, aws_region, findings)
    if nodes.unready:
        findings.warn(
            "nodes",
            Problem(
                "nodes-unready",
                f"{len(nodes.unready)} of {nodes.total} nodes are not ready: {', '.join(nodes.unready[:5])}.",
                "The registry runs on the others only.",
                "Look at them: kubectl describe node NAME",
            ),
        )


def _judge_region(nodes: Nodes, aws_region: str, findings: Findings) -> None:
    if aws_region and nodes.regions and aws_region not in nodes.regions:
        findings.block(
            "nodes",
            Problem(
                "region-mismatch",
                f"The nodes run in {', '.join(nodes.regions)}, but the AWS region is {aws_region}.",
                "The registry's balancer is made where the nodes are, and looked for in the AWS region.",
                f'Set aws_region = "{nodes.regions[0]}" in [connect], or choose another context.',
                remedy=Remedy("set", "connect", "aws_region", nodes.regions[0]),
            ),
        )
    elif nodes.total and not nodes.regions:
        findings.warn(
            "nodes",
            Problem(
                "nodes-region-unknown",
                "The nodes do not say in which AWS region they run.",
                "Nodes outside AWS get no balancer from it.",
                "Go on if you know that the cluster runs on AWS.",
            ),
        )


def judge_account(is_there: bool | None, nodes: Nodes, account_id: str, findings: Findings) -> None:
    """`is_there`: whether the profile's account has the node's instance; None where it may not be asked."""
    if is_there is False:
        findings.warn(
            "account",
            Problem(
                "other-account",
                f"The account {account_id} does not have the node's instance {nodes.instance_id}.",
                "The cluster seems to run in another account; its balancer will not be found in this one.",
                "Check that profile and context belong together.",
            ),
        )


def no_region(problem: Problem, nodes: Nodes | None) -> Problem:
    """The same problem, with the nodes' region as the thing to set where they all agree on one."""
    if nodes is None or len(nodes.regions) != 1:
        return problem
    fix = f'Set aws_region = "{nodes.regions[0]}" in [connect]; the nodes run there.'
    remedy = Remedy("set", "connect", "aws_region", nodes.regions[0])
    return replace(problem, fix=fix, remedy=remedy)


def _region(labels: Mapping[str, str], found: re.Match[str] | None) -> str:
    named = next((labels[key] for key in REGION_LABELS if labels.get(key)), "")
    return named or (found["region"] if found else "")


def _architecture(node: Object) -> str:
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("architecture", ""))


def _is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
