"""Looks at AWS: profile, region, bucket, user, policy."""

from collections.abc import Callable, Mapping
from typing import Any

from wizard import ownership, rules
from wizard.answers import Answers
from wizard.errors import AccessDenied, NotFound, Refused
from wizard.looks.answer import Look, bad, good, of_problem, unknown, warning
from wizard.looks.doors import Doors
from wizard.services.aws.errors import FOREIGN
from wizard.steps._bucket_look import look_at_bucket


def profile(answers: Answers, doors: Doors) -> Look:
    """Who the profile is; empty means the default credentials."""
    connect = answers.connect
    return _identity(doors, connect.aws_profile, connect.aws_region)


def zone_profile(answers: Answers, doors: Doors) -> Look:
    connect = answers.connect
    return _identity(doors, answers.dns.aws_profile or connect.aws_profile, connect.aws_region)


def region(answers: Answers, doors: Doors) -> Look:
    """Known to AWS; a region that the nodes are not in is told by the step itself."""
    try:
        found = doors.aws_of(answers).region
    except Refused as error:
        word = "missing" if error.problem.code == "no-region" else "unknown"
        return of_problem(error.problem, word)
    if answers.connect.aws_region:
        return good("known", "AWS has this region.")
    return good(found, "The region of the profile.")


def bucket(answers: Answers, doors: Doors) -> Look:
    name = answers.bucket.name
    facts = look_at_bucket(doors.aws_of(answers), name)
    if facts.state == "absent":
        if not answers.bucket.create:
            return bad("absent", f"There is no bucket {name}.", "Tick bucket.create, or correct the name.")
        if unwise := rules.bucket_name_warning(name):
            return warning("free", unwise)
        return good("free", f"It will be made in {facts.aws_region}.")
    if facts.state == "mine-elsewhere":
        return bad(
            "elsewhere",
            f"You have this bucket, but in {facts.aws_region}.",
            f"Type another name, or set connect.aws_region to {facts.aws_region}.",
        )
    if facts.state == "taken":
        return bad("taken", "Somebody else has a bucket of this name.", "Type another name.")
    if facts.state == "forbidden":
        return warning(
            "taken",
            "A bucket of this name is there, and you may not see whose it is.",
            "Type another name, unless you know it to be yours.",
        )
    return _own_bucket(answers, facts.owner, facts.aws_region)


def _own_bucket(answers: Answers, owner: str, aws_region: str) -> Look:
    if owner == answers.setup:
        return good("yours", f"This setup made it, in {aws_region}.")
    if owner:
        return bad("in use", f"The setup {owner} uses this bucket.", "Type another name.")
    return warning("yours", f"It is in your account, in {aws_region}; you will be asked before it is used.")


def user(answers: Answers, doors: Doors) -> Look:
    name, aws = answers.user.name, doors.aws_of(answers)
    found = _ask(lambda: aws.client("iam").get_user(UserName=name)["User"], aws.explain, "iam:GetUser")
    return _thing(found, answers, f"IAM user {name}")


def policy(answers: Answers, doors: Doors) -> Look:
    aws, wanted = doors.aws_of(answers), answers.user
    who = aws.identity()
    arn = f"arn:{who.partition}:iam::{who.account_id}:policy{wanted.path}{wanted.policy}"
    found = _ask(lambda: aws.client("iam").get_policy(PolicyArn=arn)["Policy"], aws.explain, "iam:GetPolicy")
    return _thing(found, answers, f"IAM policy {wanted.policy}")


def boundary(answers: Answers, doors: Doors) -> Look:
    aws, arn = doors.aws_of(answers), answers.user.permissions_boundary
    found = _ask(lambda: aws.client("iam").get_policy(PolicyArn=arn)["Policy"], aws.explain, "iam:GetPolicy")
    if found is None:
        return bad("absent", "There is no policy of this ARN.", "Correct it, or clear the field.")
    return good("there", "The user will be bound by it.")


def _thing(found: Mapping[str, Any] | None, answers: Answers, what: str) -> Look:
    if found is None:
        if answers.user.create:
            return good("free", f"The {what} will be made.")
        return bad("absent", f"There is no {what}.", "Tick user.create, or correct the name.")
    owner = ownership.owner_of_tags({tag["Key"]: tag["Value"] for tag in found.get("Tags", [])})
    if owner == answers.setup:
        return good("yours", f"The {what} carries this setup's mark.")
    if owner:
        return bad("in use", f"The setup {owner} uses the {what}.", "Type another name.")
    return warning("there", f"The {what} exists already; you will be asked before it is used.")


def _ask(read: Callable[[], Any], explain: Callable[[Exception, str], Exception], action: str) -> Any:
    """None where it is absent."""
    try:
        return read()
    except FOREIGN as error:
        told = explain(error, action)
        if isinstance(told, NotFound):
            return None
        raise told from error


def _identity(doors: Doors, name: str, aws_region: str) -> Look:
    aws = doors.aws(name, aws_region)
    try:
        who = aws.identity()
    except Refused as error:
        if error.problem.code == "no-region":
            return unknown("Whether it works can be asked once a region is set.")
        raise
    except AccessDenied:
        return unknown("It may not ask AWS who it is; the step itself will tell.")
    return good("answers", f"{who.user_name or who.role or 'root'} of account {who.account_id}.")
