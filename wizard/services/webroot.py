"""The directory of a web server in which a CA looks for http-01 files (RFC 8555, 8.3)."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from wizard.errors import Problem, WizardError

WELL_KNOWN = ".well-known/acme-challenge"
"""The path below the webroot; with a slash before it, the path of the URL."""

USUAL_WEBROOTS = (
    "/var/www/html",
    "/usr/share/nginx/html",
    "/srv/http",
    "/var/www/localhost/htdocs",
    "/srv/www/htdocs",
    "/usr/local/var/www",
    "/opt/homebrew/var/www",
)
"""Debian and Red Hat, nginx's packages, Arch, Alpine, SUSE, Homebrew on both kinds of Mac."""


def usual_webroot() -> str:
    """The first of the usual directories that is there and may be written, "" where none is."""
    return next(
        (root for root in USUAL_WEBROOTS if Path(root).is_dir() and Webroot(root).problem() is None), ""
    )


class Webroot:
    """Files are 0644 and directories 0755 whatever the umask: the web server is another user."""

    def __init__(self, root: str) -> None:
        self._root = Path(root).expanduser()
        self._directories = (self._root / ".well-known", self._root / WELL_KNOWN)

    def problem(self) -> Problem | None:
        """Why no file can be put there, as far as it can be seen without trying."""
        if not self._root.is_dir():
            return Problem(
                "webroot-absent",
                f"The webroot {self._root} is not a directory of this machine.",
                "The web server that answers for the domain may run on another machine than this wizard.",
                'Run the wizard there, or set webroot = "manual" to be shown the file to put there.',
            )
        deepest = [self._root, *(each for each in self._directories if each.is_dir())][-1]
        if not os.access(deepest, os.W_OK | os.X_OK):
            return _not_writable(deepest)
        return None

    def refuse_useless(self) -> None:
        """Raises WizardError with the problem, if there is one."""
        if problem := self.problem():
            raise WizardError(problem)

    def missing_directories(self) -> tuple[str, ...]:
        """Those that `place` would make, the outer one first."""
        return tuple(str(each) for each in self._directories if not each.is_dir())

    def path(self, token: str) -> str:
        """Where a token's file belongs; raises WizardError for what is not a token.

        The token comes from the CA: it must not lead out of the directory.
        """
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", token):
            raise WizardError(
                Problem(
                    "acme-bad-token",
                    "The CA asked for a file with an impossible name.",
                    "A token has only letters, digits, - and _ (RFC 8555, 8.1).",
                    "Check the ACME directory's address.",
                    repr(token[:200]),
                )
            )
        return str(self._directories[1] / token)

    def place(self, token: str, content: str) -> None:
        """Writes a token's file, over one of that name too; raises WizardError where it cannot."""
        path = Path(self.path(token))
        try:
            for directory in self._directories:
                if not directory.is_dir():
                    directory.mkdir()
                    directory.chmod(0o755)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(content)
            path.chmod(0o644)
        except OSError as error:
            raise WizardError(_not_writable(path, error.strerror or "")) from error


def clean(files: Iterable[str], directories: Iterable[str]) -> None:
    """Removes files, then those directories that are empty; what cannot be removed is left."""
    for file in files:
        with contextlib.suppress(OSError):
            Path(file).unlink()
    for directory in sorted(directories, reverse=True):
        with contextlib.suppress(OSError):
            Path(directory).rmdir()


def _not_writable(path: Path, reason: str = "") -> Problem:
    return Problem(
        "webroot-not-writable",
        f"{path} cannot be written.",
        f"{reason or 'This user has no right to write there'}.",
        'Run the wizard as a user who may write there, or set webroot = "manual".',
    )
