"""Passwords that only this run can know: typed, or generated and shown once, never stored in clear."""

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from wizard.errors import Problem, Refused
from wizard.vault import Vault


def provider(vault: Vault, passwords_to: Path | None, *, is_json: bool) -> Callable[[Sequence[str]], None]:
    """What the engine calls with the users whose password nobody has given yet."""

    def provide(users: Sequence[str]) -> None:
        if passwords_to is not None:
            _write(vault, users, passwords_to)
        elif sys.stdin.isatty() and sys.stderr.isatty() and not is_json:
            for user in users:
                _ask(vault, user)

    return provide


def show_generated(vault: Vault, passwords_to: Path | None) -> None:
    """Shows generated passwords once, on a terminal only."""
    if passwords_to is not None or not vault.generated or not sys.stderr.isatty():
        return
    sys.stderr.write("\nGenerated passwords. They are shown this once; note them now:\n")
    for user in vault.generated:
        password = vault.password(user)
        sys.stderr.write(f"  {user}: {password.get_secret_value() if password else ''}\n")


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


def _write(vault: Vault, users: Sequence[str], path: Path) -> None:
    """Refuses a file that exists: somebody's passwords may be in it."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Refused(
            Problem(
                "passwords-file",
                f"The passwords cannot be written to {path}.",
                f"{error.strerror}.",
                "Name a new file in a directory you may write to after --passwords-to.",
            )
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        for user in users:
            file.write(f"{user}: {vault.generate(user).get_secret_value()}\n")
