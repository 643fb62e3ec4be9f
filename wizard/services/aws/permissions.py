"""Asks IAM's simulator what the caller may do, before anything is tried."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from wizard.services.aws.errors import FOREIGN


def denied_actions(
    iam: Any, arn: str, partition: str, role: str, actions: Sequence[tuple[str, str]]
) -> tuple[str, ...] | None:
    """`actions` are (action, resource ARN); None where the simulator may not be asked or does not answer.

    The root user cannot be simulated, and is denied nothing. Source: IAM SimulatePrincipalPolicy.
    """
    if arn.endswith(":root"):
        return ()
    wanted: dict[str, list[str]] = defaultdict(list)
    for action, resource in actions:
        wanted[resource].append(action)
    try:
        source = _source_arn(iam, arn, partition, role)
        denied = [
            each["EvalActionName"]
            for resource, names in wanted.items()
            for each in _simulated(iam, source, names, resource)
            if is_denied(each)
        ]
    except FOREIGN:
        return None
    return tuple(dict.fromkeys(denied))


def is_denied(result: Mapping[str, Any]) -> bool:
    """Only where no condition hung on a key that the simulator does not know, such as aws:RequestedRegion.

    The real request brings such a key with it, so what the simulator says then is a guess.
    """
    specific = result.get("ResourceSpecificResults") or ()
    is_guess = any(each.get("MissingContextValues") for each in (result, *specific))
    return result["EvalDecision"] != "allowed" and not is_guess


def _simulated(iam: Any, source: str, actions: list[str], resource: str) -> Iterable[Any]:
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source, ActionNames=actions, ResourceArns=[resource]
    )
    for page in pages:
        yield from page["EvaluationResults"]


def _source_arn(iam: Any, arn: str, partition: str, role: str) -> str:
    """An assumed role's ARN lacks the role's path, which the simulator wants."""
    if not role:
        return arn
    try:
        found: str = iam.get_role(RoleName=role)["Role"]["Arn"]
    except ClientError:
        return f"arn:{partition}:iam::{arn.split(':')[4]}:role/{role}"
    return found


def nearest(name: str, known: Sequence[str]) -> str:
    """The sentence that offers the most similar name, "" where none is."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"The nearest name is {close[0]}." if close else ""
