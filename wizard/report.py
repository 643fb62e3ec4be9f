"""One redacted text file about a setup, to hand to whoever helps: versions, checks, answers, journal, log."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wizard.errors import Problem, Refused
from wizard.redaction import redacted, secrets_of
from wizard.state import SetupDirectory

LIBRARIES = (
    "kube-registry",
    "textual",
    "boto3",
    "botocore",
    "kubernetes",
    "acme",
    "cryptography",
    "dnspython",
    "requests",
    "pydantic",
)
KEPT = (".toml", ".json", ".jsonl", ".1")
LARGEST_PART_BYTES = 1024 * 1024
MARKS = {"passed": "+", "failed": "x", "warning": "!", "skipped": "-"}


def write(
    directory: SetupDirectory | None,
    *,
    known: Iterable[str] = (),
    into: Path | None = None,
    trouble: Problem | None = None,
) -> Path:
    """Mode 0600, in `into` (the current directory if None) or, where that cannot be written, in the setup's.

    Without a setup it tells of the versions and of `trouble`, what stands in the way of a start.
    `known` are this run's secrets. Raises Refused where neither can be written.
    """
    lines = parts(directory) if directory else _bare(trouble)
    text = redacted("\n".join(lines), [*known, *secrets_of(os.environ)])
    whose = f"-{directory.name}" if directory else ""
    name = f"kube-registry-report{whose}-{datetime.now(UTC):%Y%m%d-%H%M%S}.txt"
    reason = ""
    for place in (into or Path.cwd(), directory.path if directory else Path.home()):
        path = place.absolute() / name
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(text)
        except OSError as error:
            reason = f"{place}: {error.strerror}."
            continue
        return path
    raise Refused(
        Problem(
            "report-not-written", "The report could not be written.", reason, "Change to another directory."
        )
    )


def parts(directory: SetupDirectory) -> Iterator[str]:
    """Not redacted yet."""
    yield "What kube-registry knows of this setup. Secrets, and most of each account number, are left out."
    yield from _titled("Versions", _versions(directory.name))
    files = sorted(each for each in directory.path.iterdir() if each.suffix in KEPT)
    log = [_tail(each) for each in files if each.name.startswith("log.jsonl")]
    yield from _titled("Checks, as they last ended", _checks("".join(reversed(log)).splitlines()))
    for each in files:
        yield from _titled(each.name, _tail(each).splitlines())


def _bare(trouble: Problem | None) -> Iterator[str]:
    yield "Report of kube-registry, without a setup. Secrets are left out."
    yield from _titled("Versions", _versions(""))
    if trouble is not None:
        told = (trouble.code, trouble.what, trouble.why, trouble.fix, trouble.raw)
        yield from _titled("What stands in the way", filter(None, told))


def _titled(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"\n=== {title} ===\n"
    yield from lines


def _versions(setup: str) -> Iterator[str]:
    yield f"setup {setup or '(none is open)'}"
    yield f"written {datetime.now(UTC).isoformat(timespec='seconds')}"
    yield f"Python {platform.python_version()} ({sys.platform}, {platform.machine()}, {platform.release()})"
    for name in LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} (not installed)"


def _checks(lines: Iterable[str]) -> Iterator[str]:
    last: dict[tuple[str, str], dict[str, object]] = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("event") == "check_finished":
            last[str(record.get("step")), str(record.get("check"))] = record
    for (step, _), record in last.items():
        status = str(record.get("status"))
        yield f"{MARKS.get(status, '?')} {status:8} {step:12} {record.get('title')}"
        problem = record.get("problem")
        if isinstance(problem, dict):
            yield from (f"    {problem[key]}" for key in ("what", "why", "fix") if problem.get(key))
    if not last:
        yield "(no check has run yet)"


def _tail(path: Path) -> str:
    """The end of a file; what cannot be read is said."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - LARGEST_PART_BYTES, 0))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"({error.strerror})\n"
