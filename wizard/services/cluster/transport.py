"""One connection to one API server: the official client without its discovery, retries and terminal use.

Paths are made from the kind's name, so that nothing is written to a shared cache directory and no
request is spent on discovery.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wizard.endpoints import Endpoints
from wizard.errors import CredentialsError, Unreachable, WizardError
from wizard.services.cluster import failures
from wizard.services.cluster.connection import open_client
from wizard.services.cluster.credentials import EksTokens, Renewable, eks_plugin, run_plugin
from wizard.services.cluster.failures import Call, Status, Target
from wizard.services.cluster.kubeconfig import Chosen
from wizard.traffic import Request, since

if TYPE_CHECKING:
    from wizard.services.aws import Aws

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
FIRST_TIMEOUTS_S = (4.0, 4.0)
FIRST_ANSWER_S = 7.0
"""Whatever keeps silent; with the program's start it is told in ten seconds."""
CLOSE_S = 1.0
APPLY_PATCH = "application/apply-patch+yaml"
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the body as it came."""

    data: bytes
    warnings: tuple[str, ...] = ()


class Transport:
    """Thread-safe; connects when first used. Every request ends in time, with an answer or a WizardError."""

    def __init__(self, chosen: Chosen, endpoints: Endpoints, aws: Callable[[], "Aws"]) -> None:
        self._chosen = chosen
        self._endpoints = endpoints
        self._lock = threading.Lock()
        self._client: Any = None
        self._failed: Unreachable | None = None
        self._version: dict[str, Any] = {}
        self._eks: EksTokens | None = None
        self._renewable = self._login(aws)
        self.target = Target(chosen.name, chosen.server, is_eks=self._eks is not None)

    def version(self) -> dict[str, Any]:
        """The server's /version document; raises Unreachable within 10 s."""
        self._connected()
        return self._version

    def request(
        self,
        method: str,
        path: str,
        call: Call,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "",
    ) -> Answer:
        """Raises the error that `failures` makes of it; a credential that was refused is renewed once."""
        client = self._connected()
        try:
            return self._send(client, method, path, call, query, body, content_type)
        except CredentialsError:
            if self._renewable is None:
                raise
            self._renewable.forget()
            return self._send(client, method, path, call, query, body, content_type)

    def close(self) -> None:
        """Waits a second for a connection in the making, no longer: its thread ends by itself."""
        is_ours = self._lock.acquire(timeout=CLOSE_S)
        try:
            if self._client is not None:
                self._client.client.close()
                self._client = None
            if self._eks is not None:
                self._eks.close()
        finally:
            if is_ours:
                self._lock.release()

    def _login(self, aws: Callable[[], "Aws"]) -> Renewable | None:
        plugin = self._chosen.user.get("exec")
        if not isinstance(plugin, dict):
            return None
        if found := eks_plugin(plugin):
            self._eks = EksTokens(found, self._endpoints, aws)
            return Renewable(self._eks.obtain)
        return Renewable(lambda: run_plugin(self._chosen))

    def _connected(self) -> Any:
        """The client, after a first answer in bounded time; a failure counts for all who waited for it."""
        waits = self._lock.locked()
        with self._lock:
            if self._client is None:
                if waits and self._failed is not None:
                    raise self._failed
                self._failed = None
                client = self._open()
                try:
                    self._version = self._first_answer(client)
                except Unreachable as error:
                    self._failed = error
                    raise
                self._client = client
            return self._client

    def _first_answer(self, client: Any) -> dict[str, Any]:
        """Asks for the version in a thread of its own: name look-ups and many addresses know no time-out."""
        outcome: list[dict[str, Any] | WizardError] = []

        def ask() -> None:
            try:
                found = self._send(
                    client, "GET", "/version", Call("get", "/version"), timeouts_s=FIRST_TIMEOUTS_S
                )
                outcome.append(parsed(found, self.target))
            except WizardError as error:
                outcome.append(error)

        thread = threading.Thread(target=ask, name="cluster-first-answer", daemon=True)
        thread.start()
        within_s = FIRST_ANSWER_S * self._endpoints.patience
        thread.join(within_s)
        if not outcome:
            raise failures.unreached(TimeoutError(f"No answer in {within_s:.0f} s."), self.target)
        if isinstance(outcome[0], WizardError):
            raise outcome[0]
        return outcome[0]

    def _open(self) -> Any:
        credential = self._renewable.credential() if self._renewable else None
        has_token = credential is not None and bool(credential.token)
        show_token = self._show_token if has_token else None
        return open_client(self._chosen, self._endpoints, credential, show_token)

    def _show_token(self, configuration: Any) -> None:
        assert self._renewable is not None
        configuration.api_key["BearerToken"] = f"Bearer {self._renewable.credential().token}"

    def _send(
        self,
        client: Any,
        method: str,
        path: str,
        call: Call,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "",
        timeouts_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
    ) -> Answer:
        import urllib3
        from kubernetes.client.exceptions import ApiException

        patience = self._endpoints.patience
        started = time.monotonic()
        try:
            response = client.request(
                method,
                path,
                body=body,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json"},
                content_type=content_type or None,
                serialize=False,
                _request_timeout=(timeouts_s[0] * patience, timeouts_s[1] * patience),
            )
            self._heard(method, path, started, response.status, response.headers)
            return Answer(response.data, _warnings(response.headers))
        except ApiException as error:
            self._heard(method, path, started, error.status, error.headers, error)
            # No "from error": its text holds headers and the whole body.
            if not error.status:
                raise failures.unreached(error, self.target) from None
            raise failures.refused(Status.parse(error.status, error.body), call, self.target) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._heard(method, path, started, 0, None, error)
            raise failures.unreached(error, self.target) from None

    def _heard(
        self,
        method: str,
        path: str,
        started: float,
        status: int | None,
        headers: Any,
        error: Exception | None = None,
    ) -> None:
        """Audit-Id is the request's in the API server's audit log (Kubernetes, "Auditing")."""
        audit_id = str((headers or {}).get("Audit-Id", ""))
        kind = type(error).__name__ if error and not status else ""
        asked = f"{method} {path}"
        request = Request("kubernetes", asked, status or 0, since(started), audit_id, error=kind)
        self._endpoints.traffic.heard(request)


def parsed(answer: Answer, target: Target) -> dict[str, Any]:
    """The answer's JSON object; raises Unreachable for anything else."""
    try:
        found = json.loads(answer.data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise failures.bad_answer(target)
    return found


def plural(kind: str) -> str:
    """Deployment -> deployments, NetworkPolicy -> networkpolicies, Ingress -> ingresses.

    Source: apimachinery, meta.UnsafeGuessKindToResource.
    """
    name = kind.lower()
    if name == "endpoints":
        return name
    if name.endswith("s"):
        return f"{name}es"
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def path_of(api_version: str, resource: str, namespace: str = "", name: str = "") -> str:
    """The path of a collection or an object; `resource` is the plural."""
    parts = ["apis" if "/" in api_version else "api", *api_version.split("/")]
    if namespace:
        parts += ["namespaces", namespace]
    parts += [part for part in (resource, name) if part]
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _warnings(headers: Any) -> tuple[str, ...]:
    """The texts of Warning headers (RFC 7234, 5.5)."""
    return tuple(_WARNING.findall(headers.get("Warning", "")))
