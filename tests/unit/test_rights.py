"""What connect asks for is among what the README tells people to ask for."""

import fnmatch
from typing import Any

import pytest

from wizard.answers import from_mapping
from wizard.steps.connect.guide import cluster_role, iam_policy
from wizard.steps.connect.rights import aws_actions, dns_actions, kubernetes_rights

BOUNDARY = "arn:aws:iam::123456789012:policy/edge"


def _allowed(policy: dict[str, Any]) -> list[tuple[str, str]]:
    words = {"BUCKET": "images", "ACCOUNT": "123456789012", "ZONE": "Z1"}
    found = []
    for statement in policy["Statement"]:
        resource = statement["Resource"]
        for word, value in words.items():
            resource = resource.replace(word, value)
        found += [(action, resource) for action in statement["Action"]]
    return found


@pytest.mark.parametrize("balancer", ["auto", "classic", "nlb"])
def test_every_aws_action_that_is_asked_for_is_in_the_guide(balancer: str) -> None:
    answers = from_mapping(
        {
            "bucket": {"name": "images"},
            "user": {"permissions_boundary": BOUNDARY},
            "deploy": {"load_balancer": balancer},
            "dns": {"provider": "route53", "hosted_zone_id": "Z1"},
        }
    )
    allowed = _allowed(iam_policy())
    for action, resource in (*aws_actions(answers, "aws", "123456789012"), *dns_actions(answers, "aws")):
        assert any(action == each and fnmatch.fnmatch(resource, where) for each, where in allowed), action


@pytest.mark.parametrize("kind", ["Deployment", "ReplicationController"])
def test_every_verb_that_is_asked_for_is_in_the_guide(kind: str) -> None:
    rules = cluster_role()["rules"]
    for right in kubernetes_rights(from_mapping({"deploy": {"workload": kind}}), makes_namespace=False):
        resource = "/".join(filter(None, (right.resource, right.subresource)))
        (rule,) = (r for r in rules if r["apiGroups"] == [right.group] and r["resources"] == [resource])
        assert right.verb in rule["verbs"], right
