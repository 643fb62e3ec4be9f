"""Says of an AccessDenied which policy refused, and who can help.

AWS words its denials in three ways: nothing allows the action, something denies it, or a boundary or an
organisation's policy stands above all grants; each of these needs another person.

Source: "Troubleshoot access denied error messages" in the IAM user guide.
"""

import re
from typing import TYPE_CHECKING

from wizard.errors import AccessDenied

if TYPE_CHECKING:
    from wizard.services.aws.errors import Seen

SENTENCE = re.compile(
    r"(?:User: )?(?P<who>arn:\S+)?.*?is not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z0-9]+)"
    r"(?:.*? on resource: (?P<resource>\S+))?",
    re.DOTALL,
)


def denial(seen: "Seen") -> AccessDenied:
    """An AccessDenied whose fix names the action, and the policy that has to change."""
    found = SENTENCE.search(seen.message)
    action = (found and found["action"]) or seen.action
    who = (found and found["who"]) or seen.whose
    resource = ((found and found["resource"]) or "").strip("\"'")
    place = f" on {resource}" if resource else ""
    code, why, fix = _reason(seen.message.lower(), action, who)
    return AccessDenied(seen.problem(code, f"AWS refused {action}{place}.", why, fix), action=action)


def _reason(message: str, action: str, who: str) -> tuple[str, str, str]:
    if "kms:" in action:
        return (
            "kms-refused",
            "The bucket's KMS key may not be used.",
            f"Allow {action} to {who} in the key's policy, or set bucket.encryption to AES256.",
        )
    if "service control policy" in message or "resource control policy" in message:
        return (
            "denied-by-organisation",
            "A policy of your organisation forbids it to the whole account; no grant inside can lift that.",
            f"Ask the administrator of your AWS organisation to allow {action} in this account.",
        )
    if "permissions boundary" in message:
        return (
            "denied-by-boundary",
            f"The permissions boundary of {who} does not allow it, whatever its policies grant.",
            f"Ask the administrator who set the boundary to allow {action} in it.",
        )
    if "session policy" in message:
        return (
            "denied-by-session",
            "The policy that this sign-in was made with does not allow it.",
            f"Sign in with a role whose session allows {action}.",
        )
    if "vpc endpoint policy" in message:
        return (
            "denied-by-endpoint",
            "The policy of the VPC endpoint that the request went through does not allow it.",
            f"Allow {action} in the endpoint's policy.",
        )
    if "explicit deny" in message:
        where = "the bucket's own policy" if "resource-based policy" in message else "one of its policies"
        return (
            "denied-explicitly",
            f"A statement in {where} denies it to {who}.",
            f"Remove the statement that denies {action}.",
        )
    return (
        "denied",
        f"No policy of {who} allows it.",
        f"Add {action} to the policy of {who}.",
    )
