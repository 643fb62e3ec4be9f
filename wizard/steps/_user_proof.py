"""Proves the key: first that it can do all that the registry does, only then that it can do no more.

In that order, because a key that AWS has not spread yet is refused everywhere and would pass the second.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import SecretStr

from wizard import names
from wizard.errors import AccessDenied, CredentialsError, NotFound, Problem, WizardError
from wizard.events import StepId
from wizard.facts import UserFacts
from wizard.polling import NotReady, WaitedTooLong
from wizard.services.aws.errors import FOREIGN, aws_error
from wizard.services.aws.permissions import denied_actions
from wizard.step import CheckResult, Context
from wizard.steps._s3_probe import S3Probe

if TYPE_CHECKING:
    from collections.abc import Callable

SPREADING = "AWS is still spreading the new key or policy; this is normal and takes under a minute."
SPREAD_WITHIN_S = 120.0
FRESH = timedelta(minutes=10)
IN_A_ROW = 3
MOST_OTHERS = 5
MAY_PASS = frozenset({"aws-key-refused", "aws-signature-refused", "denied", "bucket-missing"})
"""Explicit denials, boundaries and the organisation's policies do not go away by waiting."""
A_NAME = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)+")
"""As Kubernetes wants names; neither half of a key of AWS looks so."""


def prove_rights(ctx: Context, facts: UserFacts) -> CheckResult:
    """All that the registry does, `IN_A_ROW` knocks and a whole cycle without one refusal for a fresh key."""
    key_id, secret = _key(ctx, facts)
    aws, bucket = ctx.services.aws, ctx.answers.bucket.name
    client = aws.client_with_key(key_id, secret.get_secret_value())

    def cycle() -> bool:
        with S3Probe(client, bucket, "user", operator=aws.client("s3")) as probe:
            for _ in range(IN_A_ROW):
                probe.knock()
            probe.objects()
            probe.multipart()
        return True

    try:
        _patiently(ctx, facts, cycle)
    finally:
        client.close()
    return CheckResult.passed(f"as {key_id}")


def prove_no_other_bucket(ctx: Context, facts: UserFacts) -> CheckResult:
    """It may neither list the account's buckets nor look into another one.

    A bucket that lets everybody in by its own policy says nothing of the key: that is a warning.
    """
    key_id, secret = _key(ctx, facts)
    aws = ctx.services.aws
    client = aws.client_with_key(key_id, secret.get_secret_value())
    others, open_to_all = _other_buckets(ctx), list[str]()

    def forbidden() -> bool:
        if not _is_refused(partial(client.list_buckets, MaxBuckets=1)):
            raise _too_strong(ctx, facts, "list the account's buckets", "s3:ListAllMyBuckets")
        found = [o for o in others if not _is_refused(partial(client.list_objects_v2, Bucket=o, MaxKeys=1))]
        for other in found:
            if _is_granted_to_user(ctx, facts, other, is_everywhere=len(found) == len(others)):
                raise _too_strong(ctx, facts, f"read the bucket {other}", "s3:ListBucket")
        open_to_all[:] = found
        return True

    try:
        told = f"refused at {others[0]}" if others else "the list is refused; there is no other one to read"
        result = _judged(ctx, facts, forbidden, told)
    finally:
        client.close()
    return CheckResult.warning(_open_bucket(facts, open_to_all[0])) if open_to_all else result


def prove_no_iam(ctx: Context, facts: UserFacts) -> CheckResult:
    key_id, secret = _key(ctx, facts)
    client = ctx.services.aws.iam_with_key(key_id, secret.get_secret_value())

    def forbidden() -> bool:
        if not _is_refused(lambda: client.list_users(MaxItems=1)):
            raise _too_strong(ctx, facts, "call IAM", "iam:ListUsers")
        return True

    try:
        return _judged(ctx, facts, forbidden, "refused")
    finally:
        client.close()


def _key(ctx: Context, facts: UserFacts) -> tuple[str, SecretStr]:
    """Read from the Secret, as the registry will read it."""
    name = ctx.answers.user.secret_name
    contents = ctx.services.cluster.read_secret(name)
    data = contents.data if contents else {}
    key_id = data.get(names.S3_ACCESS_KEY_ID, b"").decode(errors="replace")
    secret = SecretStr(data.get(names.S3_SECRET_ACCESS_KEY, b"").decode(errors="replace"))
    for found in (key_id, secret.get_secret_value()):
        if not found or found != found.strip() or not found.isascii():
            raise WizardError(
                Problem(
                    "secret-garbled",
                    f"What the Secret {name} holds is not an access key.",
                    "A value is empty, or has a space or line break at its end (echo adds one).",
                    f"Write it anew: kubectl create secret generic {name} --from-literal=..., without echo.",
                )
            )
        if A_NAME.fullmatch(found):
            raise WizardError(_a_name(name, "an access key ID" if found is key_id else "a secret access key"))
    if facts.secret_access_key_id and key_id != facts.secret_access_key_id:
        raise WizardError(
            Problem(
                "secret-changed", f"The Secret {name} changed a moment ago.", "", "Run the command again."
            )
        )
    return key_id, secret


def _a_name(secret: str, what: str) -> Problem:
    return Problem(
        "secret-names-another",
        f"The Secret {secret} does not hold {what}.",
        "In its place stands a text that looks like a name, such as that of another Secret.",
        f"Put the key's own two values there: kubectl edit secret {secret}.",
    )


def _is_fresh(ctx: Context, facts: UserFacts) -> bool:
    """Whether the key is new, or user and policy were changed a moment ago: IAM spreads that as slowly."""
    held = facts.secret_access_key_id
    made = [key.created for key in facts.access_keys if key.access_key_id == held]
    changed = [entry.time for entry in ctx.journal.entries(StepId.USER)]
    return any(datetime.now(UTC) - time < FRESH for time in (*made, *changed))


def _patiently(ctx: Context, facts: UserFacts, prove: "Callable[[], bool]") -> None:
    """What is fresh gets time; what is refused for good, or still refused in the end, is raised as it is."""
    if not _is_fresh(ctx, facts):
        with _explained(ctx, facts):
            prove()
        return
    last: list[WizardError] = []

    def attempt() -> bool:
        try:
            with _explained(ctx, facts):
                return prove()
        except (AccessDenied, CredentialsError, NotFound) as error:
            if error.problem.code not in MAY_PASS:
                raise
            last[:] = [error]
            raise NotReady(SPREADING) from error

    try:
        ctx.wait(attempt, what="the key to work", deadline_s=SPREAD_WITHIN_S)
    except WaitedTooLong as error:
        raise last[0] from error


@contextmanager
def _explained(ctx: Context, facts: UserFacts) -> Iterator[None]:
    """It is the registry's key that was refused, not the operator's: other words, another thing to do."""
    try:
        yield
    except (CredentialsError, *FOREIGN) as error:
        told = aws_error(error)
        key_id, secret = facts.secret_access_key_id, ctx.answers.user.secret_name
        if told.problem.code == "aws-key-refused":
            what = f"AWS does not know the access key {key_id} of the Secret {secret}, or it is inactive."
            why, fix = "The registry could not reach its bucket.", "Put an active key there."
        elif told.problem.code == "aws-signature-refused":
            what = f"The two values in the Secret {secret} do not belong together."
            why, fix = f"AWS knows {key_id}, with another secret access key.", "Write both values anew."
        else:
            raise told from error
        if ctx.answers.user.kind == "iam-user":
            fix = f"Delete the Secret {secret} and run `kube-registry apply`: it makes a new key."
        raise CredentialsError(Problem(told.problem.code, what, why, fix, told.problem.raw)) from error


def _is_refused(ask: "Callable[[], object]") -> bool:
    """True for a denial of a known key; an unknown key is an error: it would prove nothing."""
    try:
        ask()
    except ClientError as error:
        if isinstance(aws_error(error), AccessDenied):
            return True
        raise
    return False


def _other_buckets(ctx: Context) -> list[str]:
    """Some other buckets of the account in the same region, none where it may not be asked."""
    aws, own = ctx.services.aws, ctx.answers.bucket.name
    pages = aws.client("s3").get_paginator("list_buckets")
    asked = pages.paginate(BucketRegion=aws.region, PaginationConfig={"PageSize": MOST_OTHERS + 1})
    listed = (found.get("Name", own) for page in asked for found in page.get("Buckets", ()))
    try:
        return list(islice((name for name in listed if name != own), MOST_OTHERS))
    except FOREIGN:
        return []


def _is_granted_to_user(ctx: Context, facts: UserFacts, bucket: str, *, is_everywhere: bool) -> bool:
    """By the user's own policies or groups; where the simulator may not be asked, by whether all are open.

    The simulator looks at no bucket's policy unless it is given one. Source: IAM SimulatePrincipalPolicy.
    """
    aws = ctx.services.aws
    if not facts.user_arn:
        return is_everywhere
    partition = aws.identity().partition
    asked = [("s3:ListBucket", f"arn:{partition}:s3:::{bucket}")]
    denied = denied_actions(aws.client("iam"), facts.user_arn, partition, "", asked)
    return is_everywhere if denied is None else not denied


def _open_bucket(facts: UserFacts, bucket: str) -> Problem:
    return Problem(
        "bucket-open",
        f"The key {facts.secret_access_key_id} can read the bucket {bucket}.",
        "That bucket's own policy or access list lets others in; the key has no such right of its own.",
        f"If that is not wanted, change that policy: aws s3api get-bucket-policy --bucket {bucket}",
    )


class _TooStrong(WizardError):
    """The key can do what it should not be able to do."""


def _too_strong(ctx: Context, facts: UserFacts, what: str, action: str) -> _TooStrong:
    key_id, name = facts.secret_access_key_id, ctx.answers.user.name
    if ctx.answers.user.kind == "existing-secret":
        why, fix = (
            "Its owner has more rights than a registry needs.",
            "Bring a key with only the guide's policy.",
        )
    else:
        why = f"Another policy or a group grants {action} to the IAM user {name}."
        fix = f"Remove what grants {action} to {name} besides the policy {ctx.answers.user.policy}."
    return _TooStrong(Problem("key-too-strong", f"The key {key_id} can {what}.", why, fix))


def _judged(ctx: Context, facts: UserFacts, prove: "Callable[[], bool]", detail: str) -> CheckResult:
    """What somebody else's key can do besides is a warning: it is not ours to take away."""
    try:
        _patiently(ctx, facts, prove)
    except _TooStrong as error:
        if _is_made_here(ctx):
            return CheckResult.failed(error.problem)
        return CheckResult.warning(error.problem)
    return CheckResult.passed(detail)


def _is_made_here(ctx: Context) -> bool:
    user = ctx.answers.user
    return user.kind == "iam-user" and any(
        entry.change.action == "create-user" and entry.change.params["name"] == user.name
        for entry in ctx.journal.standing(ctx.step)
    )
