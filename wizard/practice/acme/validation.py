"""Validates challenges (RFC 8555, section 8) and CAA records (RFC 8659, RFC 8657)."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from wizard.practice.acme import encoding
from wizard.practice.acme.faults import FailValidation
from wizard.practice.acme.fetch import Fetcher, look_up
from wizard.practice.acme.model import ChallengeKind
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.settings import AcmeSettings

CRITICAL = 0b1000_0001  # bit 0 is meant, but people write 1: Let's Encrypt takes both
KNOWN_TAGS = {"issue", "issuewild", "iodef", "issuemail", "issuevmc"}

Txt = Callable[[str], list[str]]
Caa = Callable[[str], list[tuple[int, str, str]]]


@dataclass(frozen=True, slots=True)
class Task:
    """What one challenge has to prove; `account` is the account's URL."""

    kind: ChallengeKind
    name: str
    is_wildcard: bool
    token: str
    key_authorization: str
    account: str


class Validator:
    """`txt` and `caa` answer for one exact name; without them dns-01 is not offered, CAA not looked at."""

    def __init__(self, fetcher: Fetcher, settings: AcmeSettings, txt: Txt | None, caa: Caa | None) -> None:
        self._fetcher = fetcher
        self._settings = settings
        self._txt = txt
        self._caa = caa

    def kinds(self, *, is_wildcard: bool) -> list[ChallengeKind]:
        """What a name can be proven by; a wildcard only by DNS (section 7.1.3 and Let's Encrypt's policy)."""
        dns: list[ChallengeKind] = ["dns-01"] if self._txt else []
        return dns if is_wildcard else ["http-01", *dns]

    def check(self, task: Task) -> None:
        """Raises Problem with what was wrong."""
        if fault := self._settings.faults.take(FailValidation, lambda each: each.name in {"", task.name}):
            raise Problem(fault.problem, fault.detail)
        if task.kind == "http-01":
            self._check_http(task)
        else:
            self._check_dns(task)
        if self._caa:
            self._check_caa(task, self._caa)

    def _check_http(self, task: Task) -> None:
        body = self._fetcher.get(task.name, f"/.well-known/acme-challenge/{task.token}")
        found = body.decode("utf-8", "replace").rstrip()
        if found != task.key_authorization:
            raise Problem(
                self._settings.mismatch_problem,
                "The key authorization file from the server did not match this challenge."
                f' Expected "{task.key_authorization}" (got {json.dumps(found, ensure_ascii=False)})',
                status=403,
            )

    def _check_dns(self, task: Task) -> None:
        name = f"_acme-challenge.{task.name}"
        found = look_up(self._txt, name, "TXT") if self._txt else []
        expected = encoding.encode(hashlib.sha256(task.key_authorization.encode()).digest())
        if not found:
            raise Problem(
                "dns",
                f"DNS problem: NXDOMAIN looking up TXT for {name} - check that a DNS record exists for this"
                " domain",
            )
        if expected not in found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            text = json.dumps(found[0], ensure_ascii=False)
            raise Problem(
                self._settings.mismatch_problem,
                f"Incorrect TXT record {text}{more} found at {name}",
                status=403,
            )

    def _check_caa(self, task: Task, caa: Caa) -> None:
        labels = task.name.split(".")
        for above in range(len(labels)):
            at = ".".join(labels[above:])
            try:
                records = look_up(caa, at, "CAA")
            except Problem as problem:
                raise problem.about(f"While processing CAA for {task.name}: ") from problem
            if not records:
                continue
            if not self._is_permitted(task, records):
                raise Problem(
                    "caa",
                    f"While processing CAA for {task.name}: CAA record for {at} prevents issuance",
                )
            return

    def _is_permitted(self, task: Task, records: list[tuple[int, str, str]]) -> bool:
        tagged = [(flags, tag.lower(), value) for flags, tag, value in records]
        if any(flags & CRITICAL and tag not in KNOWN_TAGS for flags, tag, _ in tagged):
            return False
        issue = [value for _, tag, value in tagged if tag == "issue"]
        wild = [value for _, tag, value in tagged if tag == "issuewild"]
        relevant = (wild or issue) if task.is_wildcard else issue
        return not relevant or any(self._names_us(task, value) for value in relevant)

    def _names_us(self, task: Task, value: str) -> bool:
        authority, *rest = (part.strip() for part in value.split(";"))
        if authority.lower() not in self._settings.caa_identities:
            return False
        for parameter in filter(None, rest):
            key, _, wanted = (part.strip() for part in parameter.partition("="))
            if key.lower() == "validationmethods" and task.kind not in wanted.split(","):
                return False
            if key.lower() == "accounturi" and wanted != task.account:
                return False
        return True
