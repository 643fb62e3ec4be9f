"""The headless readers of the event stream: people on stderr, programs as JSON Lines on stdout."""

import json
import os
import sys
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from wizard.errors import ExitCode, Problem
from wizard.events import (
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    CheckFinished,
    CheckStatus,
    Event,
    FileWanted,
    Noted,
    PlanMade,
    RunFinished,
    RunStarted,
    StepFinished,
    StepId,
    StepStarted,
    WaitFinished,
    WaitProgress,
    WaitStarted,
    to_json,
)

GLYPHS = {
    CheckStatus.PASSED: "✓",
    CheckStatus.WARNING: "!",
    CheckStatus.FAILED: "✗",
    CheckStatus.SKIPPED: "–",
}
TITLES = {
    StepId.CONNECT: "Connect",
    StepId.BUCKET: "Bucket",
    StepId.USER: "User",
    StepId.CERTIFICATE: "Certificate",
    StepId.HTPASSWD: "Users and passwords",
    StepId.DEPLOY: "Deploy",
    StepId.DNS: "DNS",
    StepId.PROOF: "Proof",
}


RAW_LINES, LONGEST_RAW_LINE = 12, 300
# Control and format characters, halves of surrogate pairs, and line breaks that only Unicode knows.
STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def plain(text: str) -> str:
    """The text without control characters: foreign words must not steer a terminal."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in STEERING else "�" for c in text)


def json_line(record: Mapping[str, object]) -> str:
    """One line of JSON that may be looked at in a terminal: what would steer it is escaped."""
    text = json.dumps(record, ensure_ascii=False)
    return "".join(json.dumps(c)[1:-1] if unicodedata.category(c) in STEERING else c for c in text)


class JsonLines:
    """One event a line on stdout."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        record = to_json(event, datetime.now(UTC).isoformat(timespec="milliseconds"))
        with self._lock:
            self._out.write(json_line(record) + "\n")
            self._out.flush()


class Narrator:
    """Tells a run to a person; waits are counted on one line where stderr is a terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._is_terminal = self._out.isatty()
        self._lock = threading.Lock()
        self._transient = False
        self._turns: list[StepId] = []
        self._held: dict[StepId, list[Event]] = {}
        self._command = ""

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._take(event)
            self._out.flush()

    def _take(self, event: Event) -> None:
        """In the order of the steps: what runs side by side is held until its turn has come."""
        step: StepId | None = getattr(event, "step", None)
        if isinstance(event, RunStarted):
            self._command = event.command
        if isinstance(event, RunStarted) and event.command in {"apply", "check"}:
            self._turns = list(event.steps)
        if isinstance(event, RunFinished):
            for each, events in self._held.items():
                begun = () if _has_begun(events) else (StepStarted(each),)
                for held in (*begun, *events):
                    self._tell(held)
            self._held.clear()
        if step in self._turns and step is not self._turns[0]:
            self._held.setdefault(step, []).append(event)
            return
        self._tell(event)
        if isinstance(event, StepStarted):
            for held in self._held.pop(event.step, []):
                self._take(held)
        if isinstance(event, StepFinished) and self._turns:
            self._turns.pop(0)
            following = self._turns[0] if self._turns else None
            # What was done ahead of a step waits for the step itself, so that it stands below its title.
            if following and _has_begun(self._held.get(following, [])):
                for held in self._held.pop(following):
                    self._take(held)

    def _tell(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._line("")
                self._line(TITLES[event.step])
            case PlanMade() if self._command == "plan":
                pass  # the table that `plan` prints has the notes
            case PlanMade():
                for note in event.notes:
                    self._line(f"  · {note}")
            case CheckFinished():
                self._check(event)
            case Noted():
                for line in event.text.splitlines():
                    self._line(f"  · {line}")
            case FileWanted():
                self._line(f"  · {event.told}")
                self._line(f"  · {event.content}")
            case RunFinished():
                self._end(event)
            case _:
                self._tell_work(event)

    def _tell_work(self, event: Event) -> None:
        match event:
            case ChangeStarted():
                self._passing(f"  ▸ {event.summary}")
            case ChangeFinished() if self._command == "undo":
                self._clear()  # what came of it was told in a sentence
            case ChangeFinished():
                self._line(f"  + {event.summary} ({event.elapsed_s:.1f} s)")
            case ChangeFailed():
                self._line(f"  ✗ {event.summary}")
            case WaitStarted():
                self._passing(f"  … waiting for {event.what} (at most {event.deadline_s:.0f} s)")
            case WaitProgress():
                left = max(0, event.deadline_s - event.elapsed_s)
                seen = f": {event.detail}" if event.detail else ""
                self._passing(f"  … waiting for {event.what}, {left:.0f} s left{seen}")
            case WaitFinished() | StepFinished():
                self._clear()
            case _:
                pass

    def _check(self, event: CheckFinished) -> None:
        detail = f": {event.detail}" if event.detail and not event.problem else ""
        self._line(f"  {GLYPHS[event.status]} {event.title} – {event.status.value}{detail}")
        if event.problem:
            self._problem(event.problem, "      ")

    def _end(self, event: RunFinished) -> None:
        if event.problem:
            self._line("")
            self._problem(event.problem, "")
        if event.problem and event.exit_code == ExitCode.FAILED:
            self._raw(event.problem)
        if event.next_command:
            self._line(f"To go on: {event.next_command}")

    def _problem(self, problem: Problem, indent: str) -> None:
        for part in (problem.what, problem.why, problem.fix and f"→ {problem.fix}"):
            for line in part.splitlines():
                self._line(f"{indent}{line}")

    def _raw(self, problem: Problem) -> None:
        """The end of the foreign words: a Pod's last log lines and Events, an error as it came."""
        from wizard.redaction import redacted, secrets_of

        lines = [line for line in redacted(problem.raw, secrets_of(os.environ)).splitlines() if line.strip()]
        for line in lines[-RAW_LINES:]:
            self._line(f"    {line[:LONGEST_RAW_LINE]}")

    def _line(self, text: str) -> None:
        """One line: a line break in foreign words must not begin what looks like one of ours."""
        self._clear()
        self._out.write(plain(text).replace("\n", " ") + "\n")

    def _passing(self, text: str) -> None:
        if self._is_terminal:
            self._clear()
            self._out.write(plain(text).replace("\n", " ")[:100])
            self._transient = True

    def _clear(self) -> None:
        if self._transient:
            self._out.write("\r\x1b[K")
            self._transient = False


def _has_begun(events: Sequence[Event]) -> bool:
    return any(isinstance(event, StepStarted) for event in events)


def tell_problem(problem: Problem, out: TextIO | None = None) -> None:
    """What, why, fix on stderr, for errors that come before any run."""
    narrator = Narrator(out)
    narrator(RunFinished("", 2, problem))
