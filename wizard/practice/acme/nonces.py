"""Anti-replay nonces (RFC 8555, section 6.5)."""

import secrets
import threading


class Nonces:
    """Each is good once; the oldest are forgotten, so that asking for nonces does not fill memory."""

    KEPT = 2000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._good: dict[str, None] = {}
        self._owed = 0.0

    def new(self) -> str:
        nonce = secrets.token_urlsafe(16)
        with self._lock:
            self._good[nonce] = None
            if len(self._good) > self.KEPT:
                del self._good[next(iter(self._good))]
        return nonce

    def spend(self, nonce: str, *, refused_share: float = 0.0) -> bool:
        """False for a nonce that is unknown or used, and for the given share of the good ones."""
        with self._lock:
            if nonce not in self._good:
                return False
            del self._good[nonce]
            self._owed += refused_share
            if self._owed < 1:
                return True
            self._owed -= 1
            return False
