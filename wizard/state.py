"""Where setups are remembered: a directory each, with answers, journal and log, and a lock.

Directories are 0700 and files 0600 whatever the umask. No secret is ever in there. The first screen lists
setups: what that does not need, pydantic above all, is imported where it is used.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from wizard.errors import Held, Problem, Refused
from wizard.journal import Journal
from wizard.redaction import without_secrets

if TYPE_CHECKING:
    from wizard.answers import Answers

LARGEST_LOG_BYTES = 5 * 1024 * 1024
LEFT_AFTER_S = 60.0
_logging = threading.Lock()


def state_root() -> Path:
    """`$XDG_STATE_HOME/kube-registry`, or the platform's equal."""
    return Path(platformdirs.user_state_dir("kube-registry"))


def write_private(path: Path, text: str | bytes) -> None:
    """Replaces a file at once or not at all, mode 0600, for good; text goes there as UTF-8."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # not every system opens directories
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class SetupDirectory:
    """One setup's directory under a state root; it is made when first written to."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.path = root / name
        self.command = ""
        self._lock_path = self.path / "lock"

    @property
    def exists(self) -> bool:
        return (self.path / "answers.toml").is_file()

    def make(self) -> None:
        """Raises Refused where the state directory cannot be written."""
        try:
            # One by one: mkdir(parents=True) gives the mode to the last only, and the others what umask lets.
            for directory in (*reversed(self.path.parents), self.path):
                if not directory.is_dir():
                    directory.mkdir(mode=0o700, exist_ok=True)
            self.path.chmod(0o700)
            probe = self.path / f".{os.getpid()}.probe"
            probe.touch(0o600)
            probe.unlink()
        except OSError as error:
            raise Refused(
                Problem(
                    "state-unwritable",
                    f"The state directory {self.path} cannot be written.",
                    f"{error.strerror}.",
                    "Make it writable, or set XDG_STATE_HOME to a directory that is.",
                )
            ) from error

    def load_answers(self) -> "Answers":
        from wizard import answers as answers_module

        return answers_module.load(self.path / "answers.toml")

    def save_answers(self, answers: "Answers") -> None:
        from wizard import answers as answers_module

        self.make()
        write_private(self.path / "answers.toml", answers_module.dump(answers))

    @contextmanager
    def answers_saved(self, answers: "Answers", has_done_anything: Callable[[], bool]) -> Iterator[None]:
        """For a run; one that ends before it did anything leaves the former answers, or none.

        Undo and check go by what is saved here: it has to be what was carried out last.
        """
        path = self.path / "answers.toml"
        former = path.read_bytes() if self.exists else None
        saved = path.stat().st_mtime if self.exists else 0.0
        self.save_answers(answers)
        try:
            yield
        except BaseException:
            if not has_done_anything():
                self._put_back(path, former, saved)
            raise

    @staticmethod
    def _put_back(path: Path, former: bytes | None, saved: float) -> None:
        if former is None:
            path.unlink(missing_ok=True)
            return
        write_private(path, former)
        os.utime(path, (saved, saved))

    def answers_time(self) -> datetime:
        """When the answers were saved; of two that differ the newer count."""
        return datetime.fromtimestamp((self.path / "answers.toml").stat().st_mtime, UTC)

    def identity(self) -> str:
        """What tells this directory from those of other machines; random, made once."""
        path = self.path / "identity"
        try:
            found = path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            found = ""
        if not found:
            self.make()
            found = secrets.token_hex(8)
            write_private(path, found)
        return found

    def journal(self) -> Journal:
        return Journal(self.path / "journal.jsonl")

    def touched(self) -> datetime:
        """When anything was last written here."""
        times = [file.stat().st_mtime for file in self.path.iterdir() if file.name != "lock"]
        return datetime.fromtimestamp(max(times, default=0.0), UTC)

    def log(self, record: Mapping[str, Any]) -> None:
        """Appends a line to log.jsonl, redacted; a full disk costs the line, never the run. Thread-safe."""
        path = self.path / "log.jsonl"
        line = json.dumps(without_secrets(record), ensure_ascii=False, default=str) + "\n"
        with _logging, suppress(OSError):
            if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
                path.replace(path.with_suffix(".jsonl.1"))
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                left = line.encode("utf-8", "backslashreplace")
                while left:
                    left = left[os.write(handle, left) :]
            finally:
                os.close(handle)

    def sweep(self) -> None:
        """Removes what runs left that were killed while they wrote; for whoever holds the lock."""
        latest = time.time() - LEFT_AFTER_S
        for left in (*self.path.glob(".*.new"), *self.path.glob(".*.probe")):
            with suppress(OSError):
                if left.stat().st_mtime < latest:
                    left.unlink()

    @contextmanager
    def lock(self, command: str) -> Iterator[None]:
        """Holds the setup for one run; raises Held with who has it."""
        import filelock

        self.make()
        self.command = command
        guard = filelock.FileLock(self._lock_path, mode=0o600)
        holder = self.path / "holder.json"
        try:
            guard.acquire(timeout=0)
        except filelock.Timeout as error:
            raise Held(
                Problem(
                    "setup-held",
                    f"Another run works on the setup {self.name}.",
                    _told(holder),
                    "Wait until it has ended, or end it, then run the same command again.",
                )
            ) from error
        try:
            who = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since": _now()}
            write_private(holder, json.dumps(who))
            self.sweep()
            yield
        finally:
            holder.unlink(missing_ok=True)
            self._leave_nothing_empty()
            guard.release()

    def _leave_nothing_empty(self) -> None:
        """A directory in which nothing was ever written goes again; whoever waits for its lock sees that."""
        with suppress(OSError):
            if [each.name for each in self.path.iterdir()] == [self._lock_path.name]:
                self._lock_path.unlink()
                self.path.rmdir()


def setups(root: Path) -> list[SetupDirectory]:
    """Every setup with answers, by name."""
    if not root.is_dir():
        return []
    found = [SetupDirectory(root, entry.name) for entry in sorted(root.iterdir()) if entry.is_dir()]
    return [each for each in found if each.exists]


def find_setup(root: Path, name: str | None) -> SetupDirectory:
    """The setup of that name, or the only one; raises Refused with the list otherwise."""
    there = setups(root)
    names = ", ".join(each.name for each in there)
    if name is None:
        if len(there) == 1:
            return there[0]
        what = "There are several setups." if there else "There is no setup yet."
        fix = f"Name one of: {names}." if there else "Run `kube-registry` or `kube-registry apply -a FILE`."
        raise Refused(Problem("which-setup", what, "", fix))
    for each in there:
        if each.name == name:
            return each
    fix = f"There are: {names}." if there else "There is none yet; `kube-registry` makes one."
    raise Refused(Problem("no-such-setup", f"There is no setup called {name}.", "", fix))


def _told(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
        return f"Process {who['pid']} on {who['host']} ({who['command']}) has held it since {who['since']}."
    except (OSError, ValueError, KeyError, TypeError):
        return "Who holds it is not known."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
