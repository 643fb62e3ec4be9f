"""The write-ahead record of a setup: what was about to be done, and what came of it. No secrets.

One JSON object a line, each flushed to the disk before the act that it announces. A torn last line (a
pulled plug) is ignored: its act cannot have begun. The world is the truth, the journal a hint.
"""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wizard.events import StepId
from wizard.place import Place
from wizard.step import Change, Receipt

VERSION = 1
FATE = ("intended", "done", "undone")


@dataclass(slots=True)
class Entry:
    """One change: `state` is intended, done or undone; `notes` were learnt while it was carried out."""

    number: int
    step: StepId
    change: Change
    time: datetime
    state: str = "intended"
    notes: dict[str, Any] = field(default_factory=dict)
    receipt: dict[str, Any] = field(default_factory=dict)
    _journal: "Journal | None" = None

    @property
    def key(self) -> str:
        """The same in every copy of the journal; numbers are not, where two were written at once."""
        change = asdict(self.change)
        return json.dumps([_text(self.time), self.step, change], sort_keys=True, ensure_ascii=False)

    def records(self) -> Iterator[dict[str, Any]]:
        """The fewest lines that tell all of it."""
        base = {"v": VERSION, "time": _text(self.time), "id": self.number}
        yield {**base, "state": "intended", "step": self.step, "change": asdict(self.change)}
        if self.notes:
            yield {**base, "state": "noted", "note": self.notes}
        if self.state != "intended":
            yield {**base, "state": self.state, "receipt": self.receipt}

    def note(self, **facts: Any) -> None:
        """Adds what a resume would need, such as an order's address, before going on."""
        self.notes.update(facts)
        self._write("noted", note=facts)
        assert self._journal is not None
        self._journal.before_the_act()

    def done(self, receipt: Receipt) -> None:
        self.receipt = dict(receipt)
        self.state = "done"
        self._write("done", receipt=self.receipt)

    def undone(self) -> None:
        """What was verified of its step, and of those after it, holds no more."""
        self.state = "undone"
        self._write("undone")
        assert self._journal is not None
        self._journal.forget_verified(self.step)

    def _write(self, state: str, **more: Any) -> None:
        assert self._journal is not None
        self._journal.write({"id": self.number, "state": state, **more})


class Journal:
    """Thread-safe; `path` need not exist yet. Raises OSError where the disk refuses.

    `ahead` is called once an intent or a note is on the disk, before the act; what it raises prevents that.
    `begun` are the entries of this run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._verified: dict[StepId, dict[str, Any]] = {}
        self._judged: dict[StepId, str] = {}
        self._unsaved: list[dict[str, Any]] = []
        self._place: Place | None = None
        self.password_files: set[str] = set()
        self.ahead: Callable[[], None] | None = None
        self.begun: list[Entry] = []
        self._last_number = 0
        self._ends_clean = True
        for line in self._lines():
            self._replay(line)

    @classmethod
    def parsed(cls, text: str) -> "Journal":
        """One of another machine, to merge; it is not to be written to."""
        made = cls(Path(os.devnull))
        for record in _objects(text.encode()):
            made._replay(record)
        return made

    @property
    def path(self) -> Path:
        return self._path

    def entries(self, step: StepId | None = None) -> list[Entry]:
        """In the order they were begun, undone ones included."""
        return [entry for entry in self._entries if step in (None, entry.step)]

    def standing(self, step: StepId | None = None) -> list[Entry]:
        """Those that were begun and not undone."""
        return [entry for entry in self.entries(step) if entry.state != "undone"]

    @contextmanager
    def intend(self, step: StepId, change: Change) -> Iterator[Entry]:
        """Records the intent first; the body acts and calls `done`. What fails stays intended."""
        with self._lock:
            self._last_number += 1
            time = datetime.fromisoformat(_now())
            entry = Entry(self._last_number, step, change, time, _journal=self)
        self.write(next(entry.records()))
        self._entries.append(entry)
        self.begun.append(entry)
        self.before_the_act()
        yield entry

    def before_the_act(self) -> None:
        if self.ahead is not None:
            self.ahead()

    def verified(self, step: StepId, **facts: Any) -> None:
        """Remembers that the step's checks that write have passed, and for what."""
        with self._lock:
            self._judged[step] = now = _now()
            self._verified[step] = {"time": now, **facts}
        self.write({"time": now, "state": "verified", "step": step, "facts": self._verified[step]})

    def doubted(self, step: StepId) -> None:
        """Forgets that the step was verified: what it was verified for is taken back."""
        with self._lock:
            known = self._verified.pop(step, None)
        if known is not None:
            self._judged[step] = now = _now()
            self.write({"time": now, "state": "doubted", "step": step})

    def last_verified(self, step: StepId) -> Mapping[str, Any] | None:
        """Shape: `{"time": RFC 3339, ...facts}`; None again once something was undone that it built on."""
        return self._verified.get(step)

    def forget_verified(self, undone: StepId) -> None:
        """Of a step and those after it; of all, where nothing stands any more."""
        order = list(StepId)
        first = order.index(undone) if self.standing() else 0
        for step in order[first:]:
            if self._verified.pop(step, None) is not None:
                self._judged[step] = _now()

    def place(self) -> Place | None:
        """Where what stands was made, None where nothing stands."""
        return self._place if self.standing() else None

    def placed(self, place: Place) -> None:
        """Remembers where the next changes are made."""
        self._place = place
        self.write({"state": "placed", "place": place.to_json()})

    def passwords_go_to(self, path: str) -> None:
        """Remembers a file that the operator has named for them: it is this setup's own from now on."""
        self.password_files.add(path)
        self.write({"state": "passwords", "path": path})

    def judgements(self) -> Iterator[dict[str, Any]]:
        """What was last said of each step that was ever verified, as records."""
        for step, time in self._judged.items():
            base = {"v": VERSION, "time": time, "step": step}
            if facts := self._verified.get(step):
                yield {**base, "state": "verified", "facts": facts}
            else:
                yield {**base, "state": "doubted"}

    def merge(self, other: "Journal") -> bool:
        """Takes over what another copy knows and this one does not; True if that was anything.

        An entry goes from intended to done to undone and never back, so the farther state is the newer one,
        whatever the clocks say. It is on the disk with the next write: until then the other copy has it.
        """
        before, place = len(self._unsaved), self.place()
        mine = {entry.key: entry for entry in self._entries}
        taken = {entry.number for entry in self._entries}
        self._last_number = max([self._last_number, *(entry.number for entry in other.entries())])
        for entry in other.entries():
            known = mine.get(entry.key)
            number = known.number if known else entry.number
            if number in taken and not known:
                self._last_number = number = self._last_number + 1
            for record in entry.records():
                if known is None or _is_news(record, known):
                    self._take({**record, "id": number})
        for record in other.judgements():
            if record["time"] > self._judged.get(record["step"], ""):
                self._take(record)
        if place is None and (theirs := other.place()):
            self._take({"v": VERSION, "state": "placed", "place": theirs.to_json()})
        self._entries.sort(key=lambda entry: entry.number)
        return len(self._unsaved) > before

    def save(self) -> None:
        """Writes what was merged; else that is done with the next record."""
        if self._unsaved:
            self._append([])

    def write(self, record: Mapping[str, Any]) -> None:
        self._append([{"v": VERSION, "time": _now(), **record}])

    def _take(self, record: dict[str, Any]) -> None:
        self._replay(record)
        self._unsaved.append(record)

    def _append(self, records: list[dict[str, Any]]) -> None:
        with self._lock:
            line = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in [*self._unsaved, *records])
            if not self._ends_clean:
                line = "\n" + line
            self._ends_clean = False
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                _write_whole(handle, line.encode("utf-8", "backslashreplace"))  # half a surrogate pair
                os.fsync(handle)
            finally:
                os.close(handle)
            self._ends_clean = True
            self._unsaved.clear()

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return
        self._ends_clean = not text or text.endswith(b"\n")
        yield from _objects(text)

    def _replay(self, record: dict[str, Any]) -> None:
        try:
            self._apply(record)
        except (KeyError, TypeError, ValueError, OverflowError, StopIteration):
            return  # a damaged record says nothing; the world is asked anyway

    def _apply(self, record: dict[str, Any]) -> None:
        state = record["state"]
        if state == "verified":
            self._verified[StepId(record["step"])] = {**record["facts"]}
            self._judged[StepId(record["step"])] = str(record["facts"]["time"])
            return
        if state == "doubted":
            self._verified.pop(StepId(record["step"]), None)
            self._judged[StepId(record["step"])] = str(record["time"])
            return
        if state == "placed":
            self._place = Place.from_json(record["place"])
            return
        if state == "passwords":
            self.password_files.add(str(record["path"]))
            return
        number = int(record["id"])
        if state == "intended":
            if any(entry.number == number for entry in self._entries):
                return
            change = Change.from_json(record["change"])
            time = datetime.fromisoformat(record["time"]).astimezone(UTC)
            self._entries.append(Entry(number, StepId(record["step"]), change, time, _journal=self))
            self._last_number = max(self._last_number, number)
            return
        entry = next(entry for entry in self._entries if entry.number == number)
        if state == "noted":
            entry.notes.update(record["note"])
        elif state in {"done", "undone"}:
            entry.state = str(state)
            entry.receipt.update(record.get("receipt", {}))
            if state == "undone":
                self.forget_verified(entry.step)


def _objects(text: bytes) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _is_news(record: Mapping[str, Any], known: Entry) -> bool:
    """Of an entry that both copies have."""
    if record["state"] == "noted":
        note: Mapping[str, Any] = record["note"]
        return known.state == "intended" and any(key not in known.notes for key in note)
    return FATE.index(record["state"]) > FATE.index(known.state)


def _write_whole(handle: int, left: bytes) -> None:
    """A disk that is nearly full takes a part; asked for the rest, it says why it does not take that."""
    while left:
        written = os.write(handle, left)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left = left[written:]


def _now() -> str:
    return _text(datetime.now(UTC))


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
