"""The least that a renewal needs: one TXT record, the certificate's Secrets, the workload's restart."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from wizard import names
from wizard.answers import Answers
from wizard.errors import Problem, WizardError
from wizard.steps._acme_renew import way_of

if TYPE_CHECKING:
    from wizard.services import Services

ROLE = "kube-registry-renew"
API_GROUPS = {"Deployment": ("apps", "deployments"), "ReplicationController": ("", "replicationcontrollers")}


def doubts(answers: Answers, services: "Services", environ: Mapping[str, str]) -> list[Problem]:
    """Why a timer could not do it with the credentials of now."""
    from wizard.services.aws.lasting import why_not_lasting

    found = []
    for profile in dict.fromkeys((answers.connect.aws_profile, answers.dns.aws_profile)):
        name = profile or environ.get("AWS_PROFILE", "")
        if reason := why_not_lasting(name):
            found.append(
                Problem(
                    "timer-without-credentials",
                    f"A timer cannot renew with the AWS credentials of the profile {name or 'default'}.",
                    reason,
                    "Give it a key or a role that holds by itself; the least that it needs follows.",
                )
            )
    way = way_of(answers.certificate)
    if way in {"webroot", "standalone"}:
        found.append(
            Problem(
                "timer-needs-port-80",
                f"A timer can renew by {way} only as long as port 80 of the name leads to this machine.",
                "After the DNS step it leads to the load balancer.",
                'Set [certificate] renew_by = "dns-route53" where the zone is in Route53.',
            )
        )
    if way == "import":
        found.append(
            Problem(
                "timer-cannot-import",
                "A timer cannot renew an imported certificate.",
                "Its issuer is not the wizard's.",
                'Set [certificate] renew_by = "dns-route53" where the zone is in Route53.',
            )
        )
    try:
        assert services.cluster
    except WizardError as error:
        found.append(error.problem)
    return found


def least(answers: Answers) -> Iterator[str]:
    """Lines to copy: the IAM policy, then Role and RoleBinding."""
    yield "# IAM policy of the user or role that the timer works as:"
    yield from json.dumps(policy(answers), indent=2).splitlines()
    yield f"# Kubernetes: kubectl -n {answers.connect.namespace} apply -f - (put the timer's user in):"
    yield from yaml.safe_dump_all(access(answers), sort_keys=False).splitlines()


def policy(answers: Answers, partition: str = "aws") -> dict[str, Any]:
    """TXT records of `_acme-challenge.<name>` and nothing else; identity and region need no permission.

    Condition keys: Route 53, "Using IAM policy conditions for fine-grained access control".
    """
    zone = f"arn:{partition}:route53:::hostedzone/{answers.dns.hosted_zone_id or '*'}"
    records = [f"_acme-challenge.{name.removeprefix('*.')}" for name in answers.certificate.names]
    keys = (
        "route53:ChangeResourceRecordSetsNormalizedRecordNames",
        "route53:ChangeResourceRecordSetsRecordTypes",
    )
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ProveTheDomain",
                "Effect": "Allow",
                "Action": "route53:ChangeResourceRecordSets",
                "Resource": zone,
                "Condition": {"ForAllValues:StringEquals": {keys[0]: records, keys[1]: ["TXT"]}},
            },
            {
                "Sid": "FindTheZone",
                "Effect": "Allow",
                "Action": ["route53:ListHostedZonesByName", "route53:GetChange"],
                "Resource": "*",
            },
            {
                "Sid": "SeeTheRecord",
                "Effect": "Allow",
                "Action": "route53:ListResourceRecordSets",
                "Resource": zone,
            },
        ],
    }


def access(answers: Answers) -> list[dict[str, Any]]:
    """A Role for the Secrets of certificate and account, and for the workload's restart."""
    group, plural = API_GROUPS[answers.deploy.workload]
    pods = ["list", "delete"] if answers.deploy.workload == "ReplicationController" else ["list"]
    metadata = {"name": ROLE, "namespace": answers.connect.namespace}
    secrets = [names.CERTIFICATE_SECRET, names.ACME_ACCOUNT_SECRET]
    rules = [
        _rule("", "secrets", ["get", "update"], secrets),
        _rule(group, plural, ["get", "patch"], [names.REGISTRY]),
        _rule("", "services", ["get"], [names.REGISTRY]),
        _rule("", "pods", pods),
        _rule("", "pods/log", ["get"]),
        _rule("", "events", ["list"]),
        _rule("", "configmaps", ["get", "update"], [names.RECORD]),
        _rule("coordination.k8s.io", "leases", ["create"]),
        _rule("coordination.k8s.io", "leases", ["get", "update", "delete"], [names.LOCK]),
    ]
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": ROLE},
            "subjects": [{"apiGroup": api, "kind": "User", "name": "TIMER"}],
        },
    ]


def _rule(group: str, plural: str, verbs: list[str], only: list[str] | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"apiGroups": [group], "resources": [plural], "verbs": verbs}
    return rule | ({"resourceNames": only} if only else {})
