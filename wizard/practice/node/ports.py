"""Where the ports of a Pod really are.

All Pods share 127.0.0.1, so each container port stands for a random port of this machine.
"""

import contextlib
import errno
import secrets
import socket
import threading
from collections.abc import Callable

# Below the ports of Kubernetes' node ports (30000), Linux (32768) and macOS (49152).
QUIET_PORTS = range(20_000, 30_000)


class PodPorts:
    """Thread-safe; listeners are called, without arguments, after each change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._real: dict[tuple[str, int], int] = {}
        self._listeners: list[Callable[[], None]] = []

    def record(self, pod_uid: str, container_port: int, real_port: int) -> None:
        with self._lock:
            self._real[pod_uid, container_port] = real_port
        self._tell()

    def forget(self, pod_uid: str) -> None:
        with self._lock:
            self._real = {key: port for key, port in self._real.items() if key[0] != pod_uid}
        self._tell()

    def lookup(self, pod_uid: str, container_port: int) -> int | None:
        """The port on 127.0.0.1, or None while the container has not been started."""
        with self._lock:
            return self._real.get((pod_uid, container_port))

    def subscribe(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.append(listener)

    def _tell(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago.

    None that this system would give to whoever asks for any port, before the caller can take it.
    """
    for port in (*secrets.SystemRandom().sample(QUIET_PORTS, 20), 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            return found
    raise OSError(errno.EADDRINUSE, "no port of 127.0.0.1 is free")
