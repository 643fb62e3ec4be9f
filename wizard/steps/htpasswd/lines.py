"""An htpasswd file as the registry reads it, which differs from Apache's tools.

The last line of a user wins, only bcrypt counts, and one line without a colon makes the whole file useless
(distribution, registry/auth/htpasswd). libpass's HtpasswdFile takes the first line of a user and keeps no
line numbers, so only its hashes are used.
"""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any

from wizard.facts import BadLineFacts

COST = 10
HIGHEST_COST = 14
HASHERS = 4
_importing = Lock()  # its module makes each hash at the first touch, and two threads at once see half of it
_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")
_OTHER_HASHES = (
    (("$apr1$",), "an Apache MD5 hash ($apr1$)"),
    (("{SHA}",), "a SHA-1 hash ({SHA})"),
    (("$5$", "$6$"), "a SHA-crypt hash"),
    (("$1$",), "an MD5 hash"),
)


class HtpasswdLines:
    """The lines of a file in their order; never shown by repr, for a hash is a secret."""

    def __init__(self, contents: bytes = b"") -> None:
        # Not splitlines: the registry knows one line break only, and a user's name may hold others.
        self._lines = contents.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
        if self._lines == [""]:
            self._lines = []

    def contents(self) -> bytes:
        return "".join(f"{line}\n" for line in self._lines).encode("utf-8", "surrogateescape")

    def users(self) -> tuple[str, ...]:
        """Those whom the registry lets in, in the order of their lines."""
        return tuple(user for user, hashed in self._entries().items() if not fault(hashed))

    def bad(self) -> tuple[BadLineFacts, ...]:
        """Lines that are of no use: no colon, no bcrypt, or dearer than a registry can bear."""
        found = []
        for number, line in enumerate(self._lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            user, colon, hashed = text.partition(":")
            reason = fault(hashed) if colon else "it has no colon, so the registry refuses the whole file"
            if reason:
                found.append(BadLineFacts(number=number, user=user if colon else "", reason=reason))
        return tuple(found)

    def hash_of(self, user: str) -> str:
        """The user's bcrypt hash, "" where there is no usable line."""
        hashed = self._entries().get(user, "")
        return "" if fault(hashed) else hashed

    def put(self, user: str, hashed: str) -> None:
        """In the place of the user's line, or as a new last one; further lines of the user go."""
        places = self._places(user)
        line = f"{user}:{hashed}"
        if not places:
            self._lines.append(line)
            return
        self._lines[places[0]] = line
        self._drop(places[1:])

    def remove(self, user: str) -> None:
        self._drop(self._places(user))

    def _entries(self) -> Mapping[str, str]:
        found = {}
        for line in self._lines:
            text = line.strip()
            user, colon, hashed = text.partition(":")
            if colon and not text.startswith("#"):
                found[user] = hashed
        return found

    def _places(self, user: str) -> list[int]:
        return [n for n, line in enumerate(self._lines) if line.strip().startswith(f"{user}:")]

    def _drop(self, places: list[int]) -> None:
        for place in reversed(places):
            del self._lines[place]


def fault(hashed: str) -> str:
    """What keeps the registry from using it, "" for a sound bcrypt hash."""
    for prefixes, what in _OTHER_HASHES:
        if hashed.startswith(prefixes):
            return f"it holds {what}, the registry takes bcrypt only"
    found = _BCRYPT.fullmatch(hashed)
    if not found:
        is_near = hashed.startswith("$2")
        return "its bcrypt hash is damaged" if is_near else "it holds no bcrypt hash, and no other is taken"
    if int(found["cost"]) > HIGHEST_COST:
        return f"its bcrypt cost {found['cost']} would keep the registry busy for seconds at each request"
    return ""


def hash_passwords(passwords: Mapping[str, str]) -> dict[str, str]:
    """Bcrypt hashes by user, cost 10."""
    hasher = _bcrypt().using(rounds=COST)
    hashes = _spread([(hasher.hash, (password,)) for password in passwords.values()])
    return dict(zip(passwords, hashes, strict=True))


def verify_passwords(pairs: Iterable[tuple[str, str]]) -> list[bool]:
    """For each pair of password and sound hash whether they fit."""
    hasher = _bcrypt()
    return _spread([(hasher.verify, pair) for pair in pairs])


def _spread(jobs: list[tuple[Any, tuple[str, ...]]]) -> list[Any]:
    """Bcrypt lets other threads run, so a few at once pay; daemon threads, so that quitting never waits."""
    futures: list[Future[Any]] = [Future() for _ in jobs]

    def work(offset: int) -> None:
        for (function, arguments), future in list(zip(jobs, futures, strict=True))[offset::HASHERS]:
            try:
                future.set_result(function(*arguments))
            except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
                future.set_exception(error)

    for offset in range(min(HASHERS, len(jobs))):
        Thread(target=work, args=(offset,), daemon=True, name=f"bcrypt-{offset}").start()
    return [future.result() for future in futures]


def _bcrypt() -> Any:
    with _importing:
        from passlib.hash import bcrypt

    return bcrypt
