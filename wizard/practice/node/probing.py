"""The three probes of one run of a container, and what they say together."""

import functools
import threading
from collections.abc import Callable
from typing import Protocol

from wizard.practice.kubeclient import Obj
from wizard.practice.node.probes import PortOf, ProbeKind, Prober, ask


class OnState(Protocol):
    def __call__(self, *, is_started: bool, is_ready: bool, is_alive: bool) -> None: ...


class Probing:
    """Without a startup probe a container counts as started, without a readiness probe as ready.

    Readiness and liveness wait for the startup probe. `on_state` comes at the start and after each change.
    """

    def __init__(
        self, spec: Obj, port_of: PortOf, *, on_state: OnState, on_failure: Callable[[ProbeKind, str], None]
    ) -> None:
        self._spec, self._port_of = spec, port_of
        self._on_state, self._on_failure = on_state, on_failure
        self._lock = threading.Lock()
        self._probers: list[Prober] = []
        self._is_started = "startupProbe" not in spec
        self._is_ready = self._is_started and "readinessProbe" not in spec
        self._is_alive = True
        self._is_stopped = False

    def start(self) -> None:
        self._tell()
        if self._is_started:
            self._begin("readiness")
            self._begin("liveness")
        else:
            self._begin("startup")

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            for prober in self._probers:
                prober.stop()

    def _begin(self, kind: ProbeKind) -> None:
        probe = self._spec.get(f"{kind}Probe")
        if not probe:
            return
        prober = Prober(
            kind,
            probe,
            functools.partial(ask, probe, self._port_of),
            on_change=functools.partial(self._changed, kind),
            on_failure=functools.partial(self._on_failure, kind),
        )
        with self._lock:
            if self._is_stopped:
                return
            self._probers.append(prober)
        prober.start()

    def _changed(self, kind: ProbeKind, is_healthy: bool) -> None:
        if kind == "readiness":
            self._is_ready = is_healthy
        elif not is_healthy:
            self._is_alive = False
        elif kind == "startup":
            self._is_started, self._is_ready = True, "readinessProbe" not in self._spec
            self._probers[0].stop()
            self._begin("readiness")
            self._begin("liveness")
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            is_stopped = self._is_stopped
        if not is_stopped:
            self._on_state(is_started=self._is_started, is_ready=self._is_ready, is_alive=self._is_alive)
