"""Lists to pick an answer from, page by page: the next page is asked for only when it is wanted."""

from collections.abc import Iterator
from typing import Any

from wizard.answers import Answers
from wizard.looks.answer import Choice
from wizard.looks.doors import Doors

PAGE = 500
ZONES_PAGE = 100
"""The most that Route53 gives at once (API reference, ListHostedZones)."""
Pages = Iterator[list[Choice]]


def profiles(_answers: Answers, _doors: Doors) -> Pages:
    """Of the AWS configuration files; the place that each says it is in."""
    from botocore.session import Session

    tables = Session().full_config.get("profiles", {})
    yield [Choice(name, _about(table)) for name, table in tables.items() if name != "default"]


def regions(_answers: Answers, _doors: Doors) -> Pages:
    from boto3.session import Session

    session = Session()
    for partition in session.get_available_partitions():
        yield [Choice(name) for name in session.get_available_regions("s3", partition)]


def contexts(_answers: Answers, _doors: Doors) -> Pages:
    from wizard.services.cluster.kubeconfig import contexts

    views, current = contexts()
    yield [Choice(view.name, f"{view.server}{'  current' if view.name == current else ''}") for view in views]


def namespaces(answers: Answers, doors: Doors) -> Pages:
    for page in doors.cluster_of(answers).pages("v1", "Namespace", namespaced=False):
        yield [Choice(each["metadata"]["name"]) for each in page]


def buckets(answers: Answers, doors: Doors) -> Pages:
    aws = doors.aws_of(answers)
    for page in _pages(aws, "s3", "list_buckets", "s3:ListAllMyBuckets", PAGE):
        yield [
            Choice(str(each.get("Name", "")), str(each.get("BucketRegion", "")))
            for each in page.get("Buckets", [])
        ]


def users(answers: Answers, doors: Doors) -> Pages:
    for page in _pages(doors.aws_of(answers), "iam", "list_users", "iam:ListUsers", PAGE):
        yield [Choice(each["UserName"], _path(each)) for each in page["Users"]]


def policies(answers: Answers, doors: Doors) -> Pages:
    aws = doors.aws_of(answers)
    for page in _pages(aws, "iam", "list_policies", "iam:ListPolicies", PAGE, Scope="Local"):
        yield [Choice(each["PolicyName"], _path(each)) for each in page["Policies"]]


def boundaries(answers: Answers, doors: Doors) -> Pages:
    aws = doors.aws_of(answers)
    for page in _pages(aws, "iam", "list_policies", "iam:ListPolicies", PAGE, Scope="Local"):
        yield [Choice(each["Arn"]) for each in page["Policies"]]


def zones(answers: Answers, doors: Doors) -> Pages:
    for page in _zones(answers, doors):
        yield [Choice(zone_id, name) for zone_id, name in page]


def domains(answers: Answers, doors: Doors) -> Pages:
    """A name for the registry in each public zone."""
    for page in _zones(answers, doors):
        yield [Choice(f"registry.{name}", zone_id) for zone_id, name in page]


def _zones(answers: Answers, doors: Doors) -> Iterator[list[tuple[str, str]]]:
    aws = doors.dns_aws_of(answers)
    for page in _pages(aws, "route53", "list_hosted_zones", "route53:ListHostedZones", ZONES_PAGE):
        yield [
            (each["Id"].rpartition("/")[2], each["Name"].rstrip(".").lower())
            for each in page["HostedZones"]
            if not each.get("Config", {}).get("PrivateZone", False)
        ]


def _pages(aws: Any, service: str, operation: str, action: str, size: int, **more: str) -> Iterator[Any]:
    pages = aws.client(service).get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **more)
    with aws.explained(action):
        yield from pages


def _about(table: Any) -> str:
    keys = ("region", "role_arn", "sso_session", "sso_account_id")
    return "  ".join(str(table[key]) for key in keys if isinstance(table.get(key), str))


def _path(found: Any) -> str:
    return "" if found["Path"] == "/" else str(found["Path"])
