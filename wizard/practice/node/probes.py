"""The kubelet's probes: httpGet and tcpSocket, asked at once after the start so that readiness comes soon."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wizard.practice.kubeclient import Obj

ProbeKind = Literal["startup", "readiness", "liveness"]

# The container port for a number or a name, and where it really is, if anywhere.
PortOf = Callable[[int | str], tuple[int, int | None]]

FAST_S = 0.05
FAST_FOR_S = 15.0
LIVENESS_DELAY_S = 1.0
CLOSED_PORT = 1  # tcpmux, which nothing has served for decades


@dataclass(frozen=True, slots=True)
class Answer:
    is_healthy: bool
    message: str = ""


def ask(probe: Obj, port_of: PortOf) -> Answer:
    """One probe of a container."""
    timeout_s = float(probe.get("timeoutSeconds") or 1)
    try:
        if "httpGet" in probe:
            return _ask_http(probe["httpGet"], port_of, timeout_s)
        if "tcpSocket" in probe:
            return _ask_tcp(probe["tcpSocket"], port_of, timeout_s)
    except KeyError as error:
        return Answer(is_healthy=False, message=f"couldn't find port: {error}")
    return Answer(is_healthy=False, message="the practice node has httpGet and tcpSocket probes only")


class Prober:
    """Asks until stopped; `on_change(is_healthy)` after a change, `on_failure(message)` after each failure.

    Startup and readiness begin unhealthy, liveness healthy. Until the first success, the former two are
    asked every 50 ms for a while, but failures count once a period, as they would in a real cluster.
    A startup probe that has run out says unhealthy again: it has to end its container.
    """

    def __init__(
        self,
        kind: ProbeKind,
        probe: Obj,
        question: Callable[[], Answer],
        *,
        on_change: Callable[[bool], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._kind, self._probe, self._question = kind, probe, question
        self._on_change, self._on_failure = on_change, on_failure
        self._period_s = float(probe.get("periodSeconds") or 10)
        self._is_healthy = kind == "liveness"
        self._has_succeeded = False
        self._successes = self._failures = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{kind} probe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait: a question on its way is left to time out."""
        self._stopping.set()

    def _run(self) -> None:
        if self._kind == "liveness":
            delay_s = float(self._probe.get("initialDelaySeconds") or 0)
            self._stopping.wait(max(delay_s, min(self._period_s, LIVENESS_DELAY_S)))
        begin = counted = time.monotonic()
        while not self._stopping.is_set():
            answer = self._question()
            if self._stopping.is_set():
                return
            now = time.monotonic()
            if answer.is_healthy:
                self._succeed()
            elif self._kind == "liveness" or self._has_succeeded or now - counted >= self._period_s:
                counted = now
                self._fail(answer.message)
            is_hasty = self._kind != "liveness" and not self._has_succeeded and now - begin < FAST_FOR_S
            self._stopping.wait(min(FAST_S, self._period_s) if is_hasty else self._period_s)

    def _succeed(self) -> None:
        self._successes, self._failures = self._successes + 1, 0
        if self._successes >= int(self._probe.get("successThreshold") or 1):
            self._has_succeeded = True
            self._become(is_healthy=True)

    def _fail(self, message: str) -> None:
        self._successes, self._failures = 0, self._failures + 1
        self._on_failure(message)
        if self._failures >= int(self._probe.get("failureThreshold") or 3):
            if self._kind == "startup":
                self._on_change(False)
            self._become(is_healthy=False)

    def _become(self, *, is_healthy: bool) -> None:
        if self._is_healthy != is_healthy:
            self._is_healthy = is_healthy
            self._on_change(is_healthy)


def _ask_http(action: Obj, port_of: PortOf, timeout_s: float) -> Answer:
    port, real_port = port_of(action["port"])
    scheme, path = (action.get("scheme") or "HTTP").lower(), action.get("path") or "/"
    shown = f"{scheme}://127.0.0.1:{port}{path if path.startswith('/') else '/' + path}"
    headers = {"User-Agent": "kube-probe/1.34", "Accept": "*/*", "Connection": "close"}
    headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or ()}
    connection: http.client.HTTPConnection
    if scheme == "https":
        connection = http.client.HTTPSConnection(
            "127.0.0.1", real_port or CLOSED_PORT, timeout=timeout_s, context=_unverified()
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", real_port or CLOSED_PORT, timeout=timeout_s)
    try:
        connection.request("GET", path, headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(is_healthy=False, message=f'Get "{shown}": {_words(error, port)}')
    finally:
        connection.close()
    if 200 <= status < 400:
        return Answer(is_healthy=True)
    return Answer(is_healthy=False, message=f"HTTP probe failed with statuscode: {status}")


def _ask_tcp(action: Obj, port_of: PortOf, timeout_s: float) -> Answer:
    port, real_port = port_of(action["port"])
    try:
        socket.create_connection(("127.0.0.1", real_port or CLOSED_PORT), timeout=timeout_s).close()
    except OSError as error:
        return Answer(is_healthy=False, message=_words(error, port))
    return Answer(is_healthy=True)


def _words(error: Exception, port: int) -> str:
    if isinstance(error, TimeoutError):
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    if isinstance(error, http.client.RemoteDisconnected):
        return "EOF"
    return str(error)


def _unverified() -> ssl.SSLContext:
    # A kubelet does not verify either: it asks by address, and the certificate is for a name.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
