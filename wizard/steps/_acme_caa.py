"""Whether CAA records let a CA issue (RFC 8659), by this challenge and for this account (RFC 8657)."""

import re
from collections.abc import Sequence

from wizard.errors import Problem
from wizard.services.resolver import Resolver

RECORD = re.compile(r'(\d+) (\S+) "?(.*?)"?')
CRITICAL = 0b1000_0001
"""Bit 0 is meant, but people write 1; Let's Encrypt takes both."""
KNOWN_TAGS = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc"})


def forbidden_by(
    resolver: Resolver, name: str, kind: str, identities: Sequence[str], account_uri: str
) -> Problem | None:
    """None where the CA may issue; only the closest name with CAA records counts.

    `account_uri` "" is for an account that is still to be made. Raises Unreachable.
    """
    labels = name.split(".")
    for start in range(len(labels)):
        at = ".".join(labels[start:])
        if texts := resolver.public(at, "CAA"):
            return _judged(name, at, _parsed(texts), kind, identities, account_uri)
    return None


def _judged(
    name: str,
    at: str,
    records: list[tuple[int, str, str]],
    kind: str,
    identities: Sequence[str],
    account_uri: str,
) -> Problem | None:
    for flags, tag, _ in records:
        if flags & CRITICAL and tag not in KNOWN_TAGS:
            return _forbidden(name, at, f"It has the critical tag {tag}, which CAs do not know.", identities)
    issue = [value for _, tag, value in records if tag == "issue"]
    reasons = [_against(value, kind, identities, account_uri) for value in issue]
    if not issue or "" in reasons:
        return None
    ours = [reason for reason in reasons if not reason.startswith("It names")]
    return _forbidden(name, at, (ours or reasons)[0], identities)


def _against(value: str, kind: str, identities: Sequence[str], account_uri: str) -> str:
    """Why one `issue` value does not let the CA issue, "" where it does."""
    authority, *rest = (part.strip() for part in value.split(";"))
    if authority.lower() not in identities:
        return f"It names {authority or 'nobody'} only."
    for parameter in filter(None, rest):
        key, _, wanted = (part.strip() for part in parameter.partition("="))
        if key.lower() == "validationmethods" and kind not in wanted.split(","):
            return f"Its validationmethods are {wanted}, and this method proves by {kind}."
        if key.lower() == "accounturi" and wanted != account_uri:
            return f"Its accounturi is {wanted}, another account than this setup's."
    return ""


def _parsed(texts: Sequence[str]) -> list[tuple[int, str, str]]:
    found = [RECORD.fullmatch(text) for text in texts]
    return [(int(each[1]), each[2].lower(), each[3]) for each in found if each]


def _forbidden(name: str, at: str, why: str, identities: Sequence[str]) -> Problem:
    return Problem(
        "caa-forbids",
        f"The CAA record of {at} forbids this CA to issue for {name}.",
        f"{why} The closest CAA record on the way up decides.",
        f"Set a CAA record of {name}: 0 issue {identities[0]}, or correct the one of {at}.",
    )
