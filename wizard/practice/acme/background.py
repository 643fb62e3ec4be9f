"""Work that happens a little later: validations, and issuance where it is slow."""

import threading
import time
from collections.abc import Callable


class Background:
    """`later` runs the work in a daemon thread after the delay; after `stop` nothing starts any more."""

    STOP_S = 1

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._run, args=(delay_s, work), name="acme-work", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def stop(self) -> None:
        """Work that still runs after a second is left to end by itself."""
        deadline = time.monotonic() + self.STOP_S
        self._stopping.set()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, delay_s: float, work: Callable[[], None]) -> None:
        try:
            if not self._stopping.wait(delay_s):
                work()
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
