"""Keeps a setup's record and lock in its namespace, so that it can be gone on with from another machine.

The local journal is written first, then the cluster's copy, then the act: what another machine finds there
is at most one act behind, and that one is announced. Without the rights for it all stays on this machine.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wizard import answers as answers_module
from wizard import lease, names, record
from wizard.errors import AccessDenied, Cancelled, Conflict, Held, NotFound, Problem, Refused, WizardError
from wizard.lease import Lease
from wizard.record import Copy

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.journal import Journal
    from wizard.services import Services
    from wizard.state import SetupDirectory


class Keeper:
    """Of one engine; `tell` takes a warning's sentence. What cannot be seen is left to the steps to tell."""

    def __init__(
        self,
        directory: "SetupDirectory",
        journal: "Journal",
        answers: "Answers",
        services: "Services",
        tell: Callable[[str], None],
        skew_s: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._answers = answers
        self._services = services
        self._tell = tell
        self._skew_s = skew_s
        self._copy: Copy | None = None
        self._lease: Lease | None = None
        self._lease_seen: record.Object | None = None
        self._has_looked = self._is_open = False
        self._without: set[str] = set()
        self._depth = 0
        self._pushing = threading.Lock()

    def use(self, answers: "Answers", services: "Services") -> None:
        """Goes on with other answers, perhaps in another cluster."""
        self._answers, self._services = answers, services
        self._copy = self._lease = self._lease_seen = None
        self._has_looked = False
        self._without.clear()

    # Looking

    def look(self) -> None:
        """Reads record and lock; changes nothing."""
        try:
            self._copy = self._read()
            self._lease_seen = self._services.cluster.get(lease.API, lease.KIND, names.LOCK)
            self._has_looked = True
        except Cancelled:
            raise
        except WizardError as error:
            if error.problem.code == "record-unreadable":
                self._do_without(names.RECORD, error)

    def merge(self) -> bool:
        """The journal takes over what the cluster's copy has of this setup; True if that was anything."""
        copy, mine = self._copy, self._journal.place()
        if copy is None or copy.setup != self._directory.name:
            return False
        theirs = copy.journal.place()
        if mine and theirs and mine.moved_to(theirs, copy.setup):
            return False  # another setup of the same name; where this one lives is told elsewhere
        return self._journal.merge(copy.journal)

    def newer_answers(self) -> "Answers | None":
        """Those that another machine has used since; what is this machine's own in them stays."""
        copy = self._copy
        if copy is None or copy.setup != self._directory.name or copy.answers == self._own_answers():
            return None
        if copy.saved <= self._directory.answers_time().replace(microsecond=0):
            return None
        found = answers_module.parse(copy.answers, source=f"the ConfigMap {names.RECORD}")
        mine = self._answers
        found.connect.kube_context, found.connect.aws_profile = (
            mine.connect.kube_context,
            mine.connect.aws_profile,
        )
        found.dns.aws_profile, found.endpoints = mine.dns.aws_profile, mine.endpoints
        return found if found != mine else None

    def refuse_if_held(self) -> None:
        """Raises Held where another machine changes the setup now."""
        if self._lease_seen and (held := self._made_lease().blocked_by(self._lease_seen)):
            raise held

    def has_copy(self) -> bool:
        return self._copy is not None and self._copy.setup == self._directory.name

    def lags(self) -> bool:
        """Whether the cluster's copy is behind, though nothing else is left to be done."""
        if not self._has_looked or names.RECORD in self._without:
            return False
        is_others = self._copy is not None and not self.has_copy()
        return not is_others and record.lags(self._copy, self._own_answers(), self._journal)

    # Changing

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around what may change something: in the end the record is written, and the lock let go."""
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if not self._depth:
                with suppress(WizardError):
                    self._close()
            raise
        self._depth -= 1
        if not self._depth:
            self._close()

    def hold(self) -> None:
        """Before the first change of a run takes the lock; raises Held, Refused, or as the cluster does."""
        held = self._lease
        if held is not None and held.is_held:
            held.confirm()
            return
        if self._is_open:
            return
        try:
            self._take()
        except NotFound:
            return  # the namespace is not there: nothing can be kept in it
        self._check_for_news()
        self._is_open = True
        self._journal.ahead = self._push

    def remove(self) -> None:
        """Takes record and lock away, when nothing is left of what they tell; raises where one stays."""
        self._is_open, self._journal.ahead = False, None
        if names.RECORD not in self._without and self.has_copy():
            copy = self._read()
            if copy is not None and copy.setup == self._directory.name:
                self._services.cluster.delete("v1", "ConfigMap", names.RECORD, uid=copy.uid)
        self._copy = None
        if (error := self._let_go()) or (error := self._sweep()):
            raise error

    def sweep(self) -> None:
        """Takes away a lock that a run of this setup has left, for it was cut off; what stays expires."""
        if error := self._sweep():
            self._tell(f"The lock that a former run has left could not be removed: {error.problem}")

    def _sweep(self) -> WizardError | None:
        """Why it is still there; looked at once more, for the one that was seen may live after all."""
        if self._lease is not None or self._lease_seen is None:
            return None
        self._lease_seen = None
        try:
            self._made_lease().clear()
        except Cancelled:
            raise
        except WizardError as error:
            return error
        return None

    def update(self) -> None:
        """Brings a copy that lags up to date."""
        with self.kept():
            self.hold()
            if self._is_open:
                self._push()

    def _take(self) -> None:
        if names.LOCK in self._without:
            return
        made = self._made_lease()
        try:
            made.take()
        except AccessDenied as error:
            self._do_without(names.LOCK, error)
        else:
            self._lease, self._lease_seen = made, None

    def _check_for_news(self) -> None:
        """What was planned holds only if nobody has changed the setup since it was looked at."""
        if names.RECORD in self._without:
            return
        try:
            now = self._read()
        except AccessDenied as error:
            self._do_without(names.RECORD, error)
            return
        except WizardError as error:
            if error.problem.code != "record-unreadable":
                raise
            self._do_without(names.RECORD, error)
            return
        if now is not None and now.setup != self._directory.name:
            self._let_go()
            raise Refused(_of_another(now.setup, self._answers.connect.namespace))
        former, self._copy = self._copy, now
        self.merge()
        if self._has_looked and (now and now.version) != (former and former.version):
            self._let_go()
            raise Held(_ended_just_now(self._directory.name))

    def _close(self) -> None:
        try:
            if self._is_open:
                self._push()
        finally:
            self._is_open, self._journal.ahead = False, None
            if error := self._let_go():
                self._tell(f"The lock in the cluster could not be given back, so it expires: {error.problem}")
            self.sweep()

    def _let_go(self) -> WizardError | None:
        """Why the lock is still there."""
        held, self._lease = self._lease, None
        return held.release() if held is not None else None

    def _push(self) -> None:
        """One request, none where the copy tells all already; raises Held where the lock was lost."""
        with self._pushing:
            if self._lease is not None:
                self._lease.confirm()
            if names.RECORD in self._without:
                return
            try:
                self._write()
            except Conflict:
                # An answer that was lost, or somebody without the right to Leases.
                now = self._read()
                if now is not None and now.setup != self._directory.name:
                    self._is_open, self._journal.ahead = False, None
                    raise WizardError(_of_another(now.setup, self._answers.connect.namespace)) from None
                self._copy = now
                self.merge()
                self._write()
            except AccessDenied as error:
                self._do_without(names.RECORD, error)
            except WizardError as error:
                if error.problem.code != "record-too-large":
                    raise
                self._do_without(names.RECORD, error)

    def _write(self) -> None:
        copy, answers = self._copy, self._own_answers()
        is_same = copy is not None and copy.answers == answers
        saved = copy.saved if copy is not None and is_same else self._saved()
        wanted = record.manifest(self._directory.name, answers, saved, self._journal)
        cluster = self._services.cluster
        if copy is None:
            found = cluster.create(wanted)
        elif is_same and record.journal_text(copy.journal) == record.journal_text(self._journal):
            return
        else:
            wanted["metadata"] |= {"resourceVersion": copy.version, "uid": copy.uid}
            found = cluster.replace(wanted)
        self._copy = Copy.of(found)

    def _read(self) -> Copy | None:
        found = self._services.cluster.get("v1", "ConfigMap", names.RECORD)
        return None if found is None else Copy.of(found)

    def _own_answers(self) -> str:
        """As they are saved: without what only the environment gave."""
        if self._directory.exists:
            return (self._directory.path / "answers.toml").read_text(encoding="utf-8")
        return answers_module.dump(self._answers)

    def _saved(self) -> datetime:
        return self._directory.answers_time() if self._directory.exists else datetime.now(UTC)

    def _made_lease(self) -> Lease:
        patience = self._services.endpoints.patience
        return Lease(self._services.cluster, self._directory, lease.LASTS_S * patience, self._now)

    def _now(self) -> datetime:
        """By AWS's clock where that is known: this machine's may be off."""
        return datetime.now(UTC) - timedelta(seconds=self._skew_s())

    def _do_without(self, what: str, error: WizardError) -> None:
        if what in self._without:
            return
        self._without.add(what)
        lost = "who else works on it" if what == names.LOCK else "what was done"
        self._tell(f"Other machines cannot be told {lost}: {error.problem}")


def _of_another(setup: str, namespace: str) -> Problem:
    return Problem(
        "other-setup",
        f"The namespace {namespace} holds the record of {setup or 'something else'} already.",
        "A namespace holds one setup.",
        "Choose another namespace, or go on with that setup.",
    )


def _ended_just_now(setup: str) -> Problem:
    return Problem(
        "setup-changed",
        f"Another run on the setup {setup} has ended just now.",
        "What was planned here is out of date.",
        "Run the same command again.",
    )
