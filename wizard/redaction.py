"""Blots out of a text what looks like a secret. Pure.

Nothing that the wizard writes holds one; a report goes to other people, so this does not rely on that.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

HIDDEN = "[hidden]"
LEAST_SECRET = 6
"""Shorter values are words that occur anyway; to blot them out would tell more than it hides."""
CHANGES = 0.3
_TELLING = r"(?:secret|passw|token|hmac|authorization|credential|private[_-]?key|api[_-]?key|cookie)"
_NAMES_A_SECRET = re.compile(_TELLING, re.IGNORECASE)
_NAMES_NO_SECRET = re.compile(r"(?:name|file|id|url|uri|kind|passwords_known|given)$", re.IGNORECASE)
_NAMED = re.compile(
    rf"""(?P<head>["']?(?P<name>[\w.\-]*{_TELLING}[\w.\-]*)["']?\s*[:=]\s*)"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)+"|'[^'\n]+'|[^\s"',;{}\[\]]+)""",
    re.IGNORECASE,
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), shown)
    for pattern, shown in (
        (r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", "[hidden: PEM]"),
        (r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{20,}", "[hidden: bcrypt]"),
        (r"\$(?:apr1|1|5|6|y)\$[^\s\"':,]{8,}", "[hidden: hash]"),
        (r"(?<=://)[^/\s:@\"']+:[^/\s@\"']+@", f"{HIDDEN}@"),
        (r"\b(Bearer|Basic|Negotiate)(\s+)[A-Za-z0-9._~+/=\-]{8,}", rf"\1\2{HIDDEN}"),
        (r"\bk8s-aws-v1\.[\w\-=]+", HIDDEN),
        (r"\beyJ[\w\-]{6,}\.[\w\-]+(?:\.[\w\-]*)?", HIDDEN),
        (r"([?&](?:X-Amz-[\w\-]+|Signature|_state|token)=)[^&\s\"']+", rf"\1{HIDDEN}"),
        (r"\b((?:AKIA|ASIA))[A-Z0-9]{8,}([A-Z0-9]{4})\b", r"\1…\2"),
        (r"(?<![\w+/=\-])[A-Za-z0-9+/_\-]{88,}={0,2}(?![\w+/=])", HIDDEN),
        (r"(?<!sha256:)\b[0-9a-f]{64,}\b", HIDDEN),
        (r"(?<!\d)\d{8}(\d{4})(?!\d)(?=[:\-/@\"'\s.,]|$)", r"…\1"),
    )
)
_WORD = re.compile(r"[A-Za-z0-9_\-]{20,}")
_AWS_SECRET = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{40}(?![\w+/=])")


def redacted(text: str, known: Iterable[str] = ()) -> str:
    """The text without keys, tokens, passwords, hashes and PEM bodies; `known` secrets go in any form."""
    for secret in sorted({each for each in known if len(each) >= LEAST_SECRET}, key=len, reverse=True):
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            text = text.replace(form, HIDDEN)
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    text = _AWS_SECRET.sub(_unless_plain, text)
    text = _WORD.sub(_unless_made_of_words, text)
    return _NAMED.sub(_named, text)


def without_secrets(record: Any) -> Any:
    """The same for every text inside of lists and mappings, whose shape stays; names count as in a line."""
    if isinstance(record, str):
        return redacted(record)
    if isinstance(record, Mapping):
        return {key: _value(str(key), value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [without_secrets(each) for each in record]
    return record


def _value(name: str, value: Any) -> Any:
    tells = _NAMES_A_SECRET.search(name) and not _NAMES_NO_SECRET.search(name)
    return HIDDEN if tells and isinstance(value, str) and value else without_secrets(value)


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Values of environment variables whose names speak of a secret."""
    return [
        value
        for name, value in environ.items()
        if _NAMES_A_SECRET.search(name) and not _NAMES_NO_SECRET.search(name)
    ]


def _unless_plain(match: re.Match[str]) -> str:
    """Forty hexadecimal digits are a checksum; a secret access key has letters of both cases and digits."""
    found = match[0]
    kinds = (str.islower, str.isupper, str.isdigit)
    return HIDDEN if all(any(kind(each) for each in found) for kind in kinds) else found


def _unless_made_of_words(match: re.Match[str]) -> str:
    """Random letters and digits change between capital, small and digit all the time, names seldom."""
    found = match[0]
    kinds = ["A" if c.isupper() else "a" if c.islower() else "0" if c.isdigit() else "-" for c in found]
    changes = sum(one != two and "-" not in {one, two} for one, two in pairwise(kinds))
    return HIDDEN if {"A", "a"} <= set(kinds) and changes >= CHANGES * len(found) else found


def _named(match: re.Match[str]) -> str:
    if _NAMES_NO_SECRET.search(match["name"]) or match["value"].strip("\"'") in {"", "true", "false", "null"}:
        return match[0]
    quote = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['head']}{quote}{HIDDEN}{quote}"
