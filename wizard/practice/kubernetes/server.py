"""The API server on a socket: TLS, HTTP/1.1, streams; what it answers is decided in `front`."""

import json
import logging
import select
import socket
import ssl
import uuid
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from wizard.practice.kubernetes import inventory
from wizard.practice.kubernetes.api import Api
from wizard.practice.kubernetes.controllers import Manager
from wizard.practice.kubernetes.front import Dropped, Front, Script
from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.request import JSON, Answer, Request
from wizard.practice.kubernetes.status import ApiError
from wizard.practice.kubernetes.store import Store
from wizard.practice.kubernetes.subresources import PodLogs
from wizard.practice.ledger import Ledger
from wizard.practice.listener import HttpHandler, Listener, RefusedBody

LOG = logging.getLogger(__name__)
MAX_BODY = 3 * 2**20
CONNECTIONS_MAX = 2000  # a client keeps ten open; fifty people at once is a workshop


class _Handler(HttpHandler):
    """One connection; `front` decides, this one writes."""

    def __init__(self, connection: socket.socket, front: Front) -> None:
        self._front = front
        super().__init__(connection)

    def _serve(self) -> None:
        try:
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.body(MAX_BODY))
            self._write(self._front.answer(request))
        except Dropped:
            self.close_connection = True
        except RefusedBody as error:
            reason = {413: "RequestEntityTooLarge"}.get(error.status, "BadRequest")
            self._write_error(ApiError(error.status, reason, str(error)))
        except ApiError as error:
            self._write_error(error)
        except OSError:
            self.close_connection = True
        except Exception as error:
            LOG.exception("%s %s", self.command, self.path)
            self._write_error(ApiError(500, "InternalError", f"Internal error occurred: {error!r}"))

    def __getattr__(self, name: str) -> Any:
        """Every method is served alike: `http.server` looks for do_GET and so on."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _write_error(self, error: ApiError) -> None:
        self._write(Answer(error.code, error.status()))

    def _write(self, answer: Answer) -> None:
        headers = [("Content-Type", answer.content_type or JSON), ("Cache-Control", "no-cache, private")]
        headers += [("Audit-Id", str(uuid.uuid4())), *answer.headers.items()]
        for text in answer.warnings:
            quoted = json.dumps(text, ensure_ascii=False).encode().decode("latin-1")
            headers.append(("Warning", f"299 - {quoted}"))
        if isinstance(answer.body, dict | str):
            is_text = isinstance(answer.body, str)
            body = str(answer.body) if is_text else json.dumps(answer.body, separators=(",", ":")) + "\n"
            self.reply(answer.code, headers, body.encode())
        else:
            self._stream(answer, headers, answer.body)

    def _stream(self, answer: Answer, headers: list[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        """In HTTP chunks, each sent at once; an empty one asks whether the client is still there."""
        self.send_response(answer.code)
        for name, value in (*headers, ("Transfer-Encoding", "chunked")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        for chunk in chunks:
            if chunk:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            elif _is_gone(self.connection):
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


def _is_gone(connection: socket.socket) -> bool:
    """Whether the other side has hung up; it sends nothing while it watches."""
    poll = select.poll()
    poll.register(connection, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


class KubernetesServer:
    """A Kubernetes API with the controllers that matter; Pods are run by a node agent that speaks to it.

    `tokens` maps bearer tokens to user names; users whose names start with `system:` are not counted as
    changing anything. `denied` holds pairs of verb and resource (`("create", "secrets")`, `("get",
    "pods/log")`) and may be changed at any time. `pod_logs(namespace, pod, container, previous)` gives a
    container's output, or None.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        ssl_context: ssl.SSLContext | None = None,
        tokens: Mapping[str, str],
        pod_logs: PodLogs | None = None,
        denied: AbstractSet[tuple[str, str]] = frozenset(),
    ) -> None:
        self.denied = denied
        self._store = Store()
        api = Api(self._store)
        self._front = Front(api, ledger, tokens, denied, pod_logs)
        self._manager = Manager(api)
        self._scheme = "https" if ssl_context else "http"
        self._listener = Listener("kubernetes", self._connection, context=ssl_context, limit=CONNECTIONS_MAX)

    def _connection(self, connection: socket.socket) -> None:
        _Handler(connection, self._front)

    @property
    def url(self) -> str:
        """Without a final slash; a port of 0 until it is started."""
        return f"{self._scheme}://127.0.0.1:{self._listener.port}"

    @property
    def fault(self) -> Script | None:
        """Sees method and path of each request first; a `Fault` it returns is answered in the API's stead."""
        return self._front.fault

    @fault.setter
    def fault(self, script: Script | None) -> None:
        self._front.fault = script

    @property
    def latency_s(self) -> float:
        """How long every answer to a client takes."""
        return self._front.latency_s

    @latency_s.setter
    def latency_s(self, seconds: float) -> None:
        self._front.latency_s = seconds

    def start(self) -> None:
        self._manager.start()
        self._listener.start()

    def stop(self) -> None:
        self._store.close()
        self._listener.stop()
        self._manager.stop()

    def dump(self) -> dict[str, Any]:
        """The canonical inventory, to compare before and after; see `inventory`."""
        found: Obj = inventory.of(self._store)
        return found
