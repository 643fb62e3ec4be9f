"""Passwords that only this run can know: typed, or generated and shown once, never stored in clear."""

import getpass
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from wizard.answers import CertificateAnswers
from wizard.errors import Problem, Refused, WizardError
from wizard.journal import Journal
from wizard.secret_variables import EAB_HMAC, PKCS12_PASSWORD
from wizard.vault import Vault


class Passwords:
    """`to` is the file for generated ones, None where the terminal is asked and told."""

    def __init__(self, vault: Vault, journal: Journal, to: Path | None, *, is_json: bool) -> None:
        self._vault = vault
        self._journal = journal
        self._to = to
        self._may_ask = not is_json
        self._unwritten: tuple[str, ...] = ()

    def provide(self, users: Sequence[str]) -> None:
        """What the engine calls with the users whose password nobody has given yet; writes nothing."""
        if self._to is not None:
            self._prepare(users, self._to)
        elif self._may_ask and sys.stdin.isatty() and sys.stderr.isatty():
            for user in users:
                _ask(self._vault, user)

    def keep(self) -> None:
        """What the engine calls right before the lines are written: from then on the passwords count."""
        if self._to is None or not self._unwritten:
            return
        how = os.O_TRUNC if self._is_own(self._to) else os.O_EXCL
        try:
            handle = os.open(self._to, os.O_WRONLY | os.O_CREAT | how, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                self._journal.passwords_go_to(str(self._to.absolute()))
                file.writelines(f"{user}: {self._known(user)}\n" for user in self._unwritten)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise WizardError(_unusable(self._to, f"{error.strerror}.")) from error
        self._unwritten = ()

    def show(self, written: Collection[str]) -> None:
        """Shows generated ones once, on a terminal only: of users whose line this run may have written."""
        users = [user for user in self._vault.generated if user in written]
        if self._to is not None or not users or not sys.stderr.isatty():
            return
        sys.stderr.write("\nGenerated passwords. They are shown this once; note them now:\n")
        sys.stderr.writelines(f"  {user}: {self._known(user)}\n" for user in users)
        sys.stderr.flush()
        for user in users:
            self._vault.forget_shown(user)

    def _prepare(self, users: Sequence[str], path: Path) -> None:
        """Refuses a file that exists, as somebody's passwords may be in it, unless this setup wrote it."""
        if not os.path.lexists(path):
            if reason := _no_room(path.absolute().parent):
                raise Refused(_unusable(path, reason))
            found: Mapping[str, str] = {}
        elif not self._is_own(path):
            raise Refused(_unusable(path, "File exists."))
        else:
            found = _read(path)
        if found and any(user not in found for user in users):
            raise Refused(_unusable(path, "It holds an earlier run's, and not all that are needed."))
        for user in users:
            if user in found:
                self._vault.set_password(user, found[user])
            else:
                self._vault.generate(user)
        self._unwritten = () if found else tuple(users)

    def _is_own(self, path: Path) -> bool:
        """Whether a run of this setup made the file, the last thing it did before it wrote the lines."""
        return str(path.absolute()) in self._journal.password_files and path.is_file()

    def _known(self, user: str) -> str:
        password = self._vault.password(user)
        return password.get_secret_value() if password else ""


def ask_secrets(vault: Vault, wanted: CertificateAnswers, *, is_json: bool) -> None:
    """Asks a person for what a certificate needs and neither answers nor environment may or do hold."""
    needed = {
        PKCS12_PASSWORD: f"Password of {wanted.pkcs12_file} (Enter for none): " if wanted.pkcs12_file else "",
        EAB_HMAC: f"HMAC key of the CA's customer {wanted.eab_kid}: " if wanted.eab_kid else "",
    }
    if is_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    for variable, question in needed.items():
        if question and vault.secret(variable) is None:
            vault.keep(variable, getpass.getpass(question, stream=sys.stderr))


def _ask(vault: Vault, user: str) -> None:
    typed = getpass.getpass(f"Password for {user} (empty: one is generated): ")
    if not typed:
        vault.generate(user)
        return
    if getpass.getpass("The same again: ") != typed:
        raise Refused(
            Problem("passwords-differ", f"The two passwords for {user} differ.", "", "Run it again.")
        )
    vault.set_password(user, typed)


def _read(path: Path) -> Mapping[str, str]:
    """Passwords by user; empty for what a run left that was cut off while it wrote."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise Refused(_unusable(path, f"It cannot be read: {error}.")) from error
    pairs = (line.partition(": ") for line in lines)
    return {user: password for user, _, password in pairs if user and password}


def _no_room(directory: Path) -> str:
    """Why no file can be made there, "" where one can."""
    if not directory.is_dir():
        return f"There is no directory {directory}."
    return "" if os.access(directory, os.W_OK | os.X_OK) else "Permission denied."


def _unusable(path: Path, why: str) -> Problem:
    return Problem(
        "passwords-file",
        f"The passwords cannot be written to {path}.",
        why,
        "Name a new file in a directory you may write to after --passwords-to.",
    )
