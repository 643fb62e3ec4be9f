"""The htpasswd file: bcrypt only, read again when it has changed."""

import base64
import binascii
import hashlib
import os
import secrets
import threading
from collections import OrderedDict
from pathlib import Path

import bcrypt

from wizard.practice.registry.output import say

REMEMBERED = 256


class Passwords:
    """Checking a password takes 60 ms and more, so successes are remembered until the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._users: dict[str, bytes] = {}
        self._stamp: tuple[int, int] | None = None
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        if not path.exists():
            self._provision()

    def accepts(self, authorization: str) -> bool:
        """Takes the value of an Authorization header."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        mark = hashlib.sha256(encoded.encode()).digest()
        with self._lock:
            self._refresh()
            if mark in self._accepted:
                return True
            stored, stamp = self._users.get(user, b""), self._stamp
        # bcrypt takes 72 bytes and no NUL; it raises for anything else.
        try:
            is_right = bool(colon and stored) and bcrypt.checkpw(password.encode()[:72], stored)
        except ValueError:
            is_right = False
        if is_right:
            with self._lock:
                if stamp == self._stamp:
                    self._accepted[mark] = None
                    while len(self._accepted) > REMEMBERED:
                        self._accepted.popitem(last=False)
        return is_right

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp == self._stamp:
                return
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return
        self._stamp, self._users = stamp, {}
        self._accepted.clear()
        for line in lines:
            user, colon, stored = line.strip().partition(b":")
            if colon and not user.startswith(b"#"):
                # The library knows $2y$ by its newer name.
                self._users[user.decode(errors="replace")] = stored.replace(b"$2y$", b"$2b$", 1)

    def _provision(self) -> None:
        password = secrets.token_urlsafe(32)
        say(
            "warning", "htpasswd is missing, provisioning with default user", user="docker", password=password
        )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(b"docker:" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)))
