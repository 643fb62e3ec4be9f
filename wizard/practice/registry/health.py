"""The storage health check: the whole registry answers 503 while it fails, as the real one does."""

import threading

from wizard.practice.registry.store import StorageError, Store


class Health:
    """Asks every `interval_s`; fails after `threshold` failures in a row, is well again after one success."""

    def __init__(self, store: Store, *, interval_s: float, threshold: int) -> None:
        self._store, self._interval_s, self._threshold = store, interval_s, threshold
        self._failures: list[str] = []
        self._never = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def failures(self) -> dict[str, str]:
        """Shape: {check: error}, empty while all is well."""
        failures = self._failures
        return {"storagedriver_s3": failures[-1]} if len(failures) >= self._threshold else {}

    def _run(self) -> None:
        while not self._never.wait(self._interval_s):
            try:
                self._store.check()
            except StorageError as error:
                self._failures = [*self._failures[-self._threshold :], str(error)]
            else:
                self._failures = []
