"""The lock of a setup that other machines see: a Lease that is held while something is changed.

A Lease that is there is held: whoever ends deletes it, and that of a run that was cut off expires. It is
taken over by deleting it by its UID, so that of two who try only one gets it.
"""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from wizard import names, ownership
from wizard.errors import Conflict, Held, NotFound, Problem, WizardError

if TYPE_CHECKING:
    from wizard.services.cluster import Cluster
    from wizard.state import SetupDirectory

Object = dict[str, Any]
API, KIND = "coordination.k8s.io/v1", "Lease"
COMMAND = "kube-registry/command"
LASTS_S = 60.0
RENEWALS = 3  # in the time that it lasts
END_S = 2.0


class Lease:
    """`clock` tells the time that machines agree on: Leases are compared across them."""

    def __init__(
        self, cluster: "Cluster", directory: "SetupDirectory", lasts_s: float, clock: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._directory = directory
        self._lasts_s = max(1, round(lasts_s))
        self._clock = clock
        self._lock = threading.Lock()
        self._mine: Object | None = None
        self._lost: Held | None = None
        self._until = datetime.min.replace(tzinfo=UTC)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_held(self) -> bool:
        return self._mine is not None

    def blocked_by(self, found: Object | None) -> Held | None:
        """Why the setup cannot be taken now; None where nobody holds it, or one who was cut off did."""
        if found is None or self._is_own(found) or self._clock() > _expires(found):
            return None
        setup = self._directory.name
        return Held(
            Problem(
                "setup-held",
                f"Another run works on the setup {setup}, on another machine or as another user.",
                _told(found),
                f"Wait until it has ended, then run the same command again; "
                f"if it was cut off, it counts until {_expires(found):%H:%M:%S} UTC.",
            )
        )

    def take(self) -> None:
        """Raises Held, or as the cluster does: NotFound where there is no namespace yet."""
        self._lost = None
        try:
            self._mine = self._cluster.create(self._manifest())
        except Conflict:
            found = self._cluster.get(API, KIND, names.LOCK)
            if held := self.blocked_by(found):
                raise held from None
            self._mine = self._taken_over(found)
        self._until = self._clock() + timedelta(seconds=self._lasts_s)
        self._ended.clear()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def confirm(self) -> None:
        """Raises Held where it was lost, as by a machine that slept: another one goes on there now."""
        if self._clock() > self._until:
            self._renew()
        if self._lost:
            raise self._lost

    def release(self) -> WizardError | None:
        """Gives it back; where that fails, and why is returned, it expires."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(END_S)
        with self._lock:
            mine, self._mine = self._mine, None
            if mine is None or self._lost:
                return None
            try:
                self._cluster.delete(API, KIND, names.LOCK, uid=mine["metadata"]["uid"])
            except Conflict:
                return None  # another one has taken it over
            except WizardError as error:
                return error
            return None

    def clear(self) -> None:
        """Takes away what a run of this setup has left that was cut off; raises as the cluster does."""
        found = self._cluster.get(API, KIND, names.LOCK)
        if (
            found is None
            or ownership.owner_of_labels(found["metadata"].get("labels")) != self._directory.name
        ):
            return
        if self.blocked_by(found) is None:
            with suppress(Conflict):
                self._cluster.delete(API, KIND, names.LOCK, uid=found["metadata"]["uid"])

    def _taken_over(self, found: Object | None) -> Object:
        try:
            if found is not None:
                self._cluster.delete(API, KIND, names.LOCK, uid=found["metadata"]["uid"])
            return self._cluster.create(self._manifest())
        except Conflict:
            now = self._cluster.get(API, KIND, names.LOCK)
            raise (self.blocked_by(now) or self._was_lost()) from None

    def _keep(self) -> None:
        """In a thread of its own; what fails once is tried again, and the time runs on."""
        while not self._ended.wait(self._lasts_s / RENEWALS):
            try:
                self._renew()
            except WizardError:
                continue

    def _renew(self) -> None:
        with self._lock:
            if self._mine is None or self._lost:
                return
            now = self._clock()
            spec = {**self._mine["spec"], "renewTime": _micro(now)}
            try:
                self._mine = self._cluster.replace({**self._mine, "spec": spec})
            except (Conflict, NotFound):
                self._lost = self._was_lost()
                return
            self._until = now + timedelta(seconds=self._lasts_s)

    def _was_lost(self) -> Held:
        return Held(
            Problem(
                "setup-taken-over",
                f"Another run has taken over the setup {self._directory.name}.",
                "This one was not heard of for too long.",
                "Wait until the other one has ended, then run the same command again.",
            )
        )

    def _holder(self) -> str:
        return f"{socket.gethostname()}/{os.getpid()}/{self._directory.identity()}"

    def _is_own(self, found: Object) -> bool:
        """Of a former run in this very directory: that has ended, or the directory's lock would be held."""
        host, _, rest = str((found.get("spec") or {}).get("holderIdentity", "")).partition("/")
        identity = rest.rpartition("/")[2]
        return (host, identity) == (socket.gethostname(), self._directory.identity())

    def _manifest(self) -> Object:
        now = _micro(self._clock())
        command = {COMMAND: self._directory.command} if self._directory.command else {}
        return {
            "apiVersion": API,
            "kind": KIND,
            "metadata": {
                "name": names.LOCK,
                "labels": ownership.labels(self._directory.name),
                "annotations": command,
            },
            "spec": {
                "holderIdentity": self._holder(),
                "leaseDurationSeconds": self._lasts_s,
                "acquireTime": now,
                "renewTime": now,
            },
        }


def _expires(found: Object) -> datetime:
    """What cannot be read has expired."""
    spec = found.get("spec") or {}
    try:
        renewed = datetime.fromisoformat(str(spec["renewTime"]))
        return renewed + timedelta(seconds=int(spec["leaseDurationSeconds"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _told(found: Object) -> str:
    spec, metadata = found.get("spec") or {}, found.get("metadata") or {}
    host, _, rest = str(spec.get("holderIdentity", "")).partition("/")
    command = str((metadata.get("annotations") or {}).get(COMMAND, "")) or "kube-registry"
    since = str(spec.get("acquireTime", ""))[:19]
    return f"Process {rest.partition('/')[0]} on {host} ({command}) has held it since {since}Z."


def _micro(time: datetime) -> str:
    """A MicroTime (Kubernetes API, "MicroTime")."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
