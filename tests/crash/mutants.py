"""The program, broken on purpose: each breaks the order in which things have to be written down.

Applied inside the process that runs the program, and nowhere else; the matrix has to notice each.
"""

import atexit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any


def act_before_intent() -> None:
    """What is about to be done is written down when it has been done, on the disk and in the cluster."""
    from wizard.events import StepId
    from wizard.journal import Entry, Journal
    from wizard.step import Change

    @contextmanager
    def intend(self: Journal, step: StepId, change: Change) -> Iterator[Entry]:
        write, late = self.write, list[Mapping[str, Any]]()
        self._last_number += 1
        entry = Entry(self._last_number, step, change, datetime.now(UTC), _journal=self)
        self._entries.append(entry)
        vars(self).update(write=late.append, before_the_act=lambda: None)
        try:
            yield entry
        finally:
            del vars(self)["write"], vars(self)["before_the_act"]
            write({"id": entry.number, "state": "intended", "step": step, "change": asdict(change)})
            for record in late:
                write(record)

    _replace(Journal, "intend", intend)


def no_flush() -> None:
    """The journal stays in memory until the program ends by itself, and its copy out of the cluster."""
    from wizard.journal import Journal

    write, late = Journal.write, list[Callable[[], None]]()

    def later(self: Journal, record: Mapping[str, Any]) -> None:
        late.append(lambda: write(self, dict(record)))

    _replace(Journal, "write", later)
    _replace(Journal, "before_the_act", lambda _self: None)
    atexit.register(lambda: [each() for each in late])


def secret_after_report() -> None:
    """The key's Secret is written when the journal already says that all is done."""
    from wizard import names
    from wizard.facts import SecretFacts
    from wizard.journal import Entry
    from wizard.services.cluster import Cluster
    from wizard.step import Receipt

    write_secret, done, late = Cluster.write_secret, Entry.done, list[Callable[[], object]]()

    def later(self: Cluster, name: str, data: Mapping[str, bytes], **more: Any) -> SecretFacts:
        if names.S3_SECRET_ACCESS_KEY not in data:
            return write_secret(self, name, data, **more)
        late.append(lambda: write_secret(self, name, data, **more))
        return self.secret_facts(name)

    def done_first(self: Entry, receipt: Receipt) -> None:
        done(self, receipt)
        while late:
            late.pop()()

    _replace(Cluster, "write_secret", later)
    _replace(Entry, "done", done_first)


MUTANTS: Mapping[str, Callable[[], None]] = {
    mutant.__name__: mutant for mutant in (act_before_intent, no_flush, secret_after_report)
}


def apply(name: str) -> None:
    MUTANTS[name]()


def _replace(where: type, name: str, new: object) -> None:
    setattr(where, name, new)
