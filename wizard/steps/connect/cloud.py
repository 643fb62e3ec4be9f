"""The AWS side: who we are, whether the clock agrees, and what we may not do."""

from dataclasses import dataclass

from wizard.answers import Answers
from wizard.errors import Problem, Refused
from wizard.parallel import side_by_side
from wizard.services import Services
from wizard.services.aws import Identity
from wizard.steps.connect.findings import Findings
from wizard.steps.connect.rights import aws_actions, dns_actions

WARNED_SKEW_S = 60
LARGEST_SKEW_S = 900
"""AWS refuses signatures that are further off (Signature Version 4, "RequestTimeTooSkewed")."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """`denied` is None where AWS does not say; `no_region` is the problem if none is set."""

    identity: Identity | None = None
    aws_region: str = ""
    clock_skew_s: float | None = None
    denied: tuple[str, ...] | None = None
    no_region: Problem | None = None


def look(answers: Answers, services: Services, findings: Findings) -> Cloud:
    """Raises CredentialsError, Unreachable or Refused where AWS cannot be spoken to."""
    aws = services.aws
    try:
        aws_region = aws.region
    except Refused as refusal:
        if refusal.problem.code != "no-region":
            raise
        return Cloud(no_region=refusal.problem)
    identity = aws.identity()
    skew_s = aws.clock_skew_s()
    _judge_clock(skew_s, findings)
    return Cloud(identity, aws_region, skew_s, _denied(answers, services, identity))


def _denied(answers: Answers, services: Services, identity: Identity) -> tuple[str, ...] | None:
    own = aws_actions(answers, identity.partition, identity.account_id)
    dns = dns_actions(answers, identity.partition)
    if not answers.dns.aws_profile or not dns:
        return services.aws.denied_actions([*own, *dns])
    found = side_by_side(
        [lambda: services.aws.denied_actions(own), lambda: services.dns_aws.denied_actions(dns)]
    )
    return None if None in found else tuple(action for each in found for action in each or ())


def _judge_clock(skew_s: float, findings: Findings) -> None:
    if abs(skew_s) <= WARNED_SKEW_S:
        return
    problem = Problem(
        "clock-skew",
        f"This machine's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} AWS's.",
        f"AWS refuses every signature that is more than {LARGEST_SKEW_S // 60} minutes off.",
        "Set the clock; better, let it be kept right: timedatectl set-ntp true",
    )
    if abs(skew_s) > LARGEST_SKEW_S:
        findings.block("clock", problem)
    else:
        findings.warn("clock", problem)
