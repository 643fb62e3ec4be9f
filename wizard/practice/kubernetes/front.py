"""From a request to its answer: who is it, may they, and which part of the API do they mean."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wizard.practice.kubernetes import (
    admission,
    discovery,
    kinds,
    openapi,
    reading,
    reviews,
    subresources,
    writing,
)
from wizard.practice.kubernetes.api import Api
from wizard.practice.kubernetes.request import Answer, Request, Target, target
from wizard.practice.kubernetes.reviews import Denied
from wizard.practice.kubernetes.status import ApiError, method_not_allowed, unauthorized
from wizard.practice.kubernetes.subresources import PodLogs
from wizard.practice.ledger import Ledger

SERVER = "kubernetes"
_HEALTH = ("/healthz", "/livez", "/readyz")
_OPEN = (*_HEALTH, "/version")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Fault:
    """What a scripted failure answers; `is_dropped` cuts the connection instead."""

    code: int = 503
    message: str = "the server is currently unable to handle the request"
    retry_after_s: int | None = None
    is_dropped: bool = False


class Dropped(Exception):
    """The connection is to be cut without an answer."""


Script = Callable[[str, str], Fault | None]


class Front:
    """Thread-safe. `fault` may be set by a test: it sees each method and path first.

    `latency_s` is how long every answer takes; both spare the world's own parts.
    """

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        tokens: Mapping[str, str],
        denied: Denied,
        pod_logs: PodLogs | None,
    ) -> None:
        self._api = api
        self._ledger = ledger
        self._tokens = tokens
        self._denied = denied
        self._pod_logs = pod_logs
        self.fault: Script | None = None
        self.latency_s = 0.0

    def answer(self, request: Request) -> Answer:
        """Raises ApiError, and Dropped where a fault says so."""
        is_known = self._authenticate(request)
        if not request.user.startswith("system:"):
            time.sleep(self.latency_s)
        if fault := self._fault_for(request):
            self._record(request, is_mutating=False)
            return _failure(fault)
        is_open = request.path.rstrip("/").startswith(_OPEN)
        if not is_known and not (is_open and not request.headers.get("authorization")):
            self._record(request, is_mutating=False)
            raise unauthorized()
        found = self._unlisted(request)
        if found is not None:
            self._record(request, is_mutating=False)
            return found
        aim = self._target(request)
        is_review = aim.resource in kinds.REVIEWS
        changes = request.method != "GET" and not is_review and not writing.is_dry_run(request)
        self._record(request, is_mutating=changes and not request.user.startswith("system:"))
        reviews.authorize(request, aim, self._denied)
        answer = reviews.serve(request, aim, self._denied) if is_review else self._serve(request, aim)
        if text := admission.deprecation(aim.resource):
            answer.warnings.append(text)
        return answer

    def _fault_for(self, request: Request) -> Fault | None:
        """The world's own parts are spared: they would use up failures meant for a client."""
        if self.fault is None or request.user.startswith("system:"):
            return None
        return self.fault(request.method, request.path)

    def _record(self, request: Request, *, is_mutating: bool) -> None:
        self._ledger.record(SERVER, request.method, request.path, is_mutating=is_mutating)

    def _authenticate(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user = self._tokens.get(token.strip()) if scheme.lower() == "bearer" else None
        request.user = user or ""
        return user is not None

    def _target(self, request: Request) -> Target:
        try:
            aim = target(request.path)
        except ApiError:
            self._record(request, is_mutating=False)
            raise
        if request.method not in _METHODS:
            self._record(request, is_mutating=False)
            raise method_not_allowed()
        return aim

    def _unlisted(self, request: Request) -> Answer | None:
        """What is no resource: health, version, discovery, OpenAPI; None for a resource."""
        path = request.path.rstrip("/")
        if request.method != "GET":
            return None
        if path in _HEALTH:
            return Answer(200, "ok", content_type="text/plain; charset=utf-8")
        if path == "/version":
            return Answer(200, discovery.version())
        return discovery.serve(request) or openapi.serve(request)

    def _serve(self, request: Request, aim: Target) -> Answer:
        method, api = request.method, self._api
        if aim.subresource:
            return subresources.serve(api, request, aim, self._pod_logs)
        if method == "GET":
            return self._read(request, aim)
        if aim.resource.is_namespaced and not aim.namespace:
            raise method_not_allowed()
        if method == "POST":
            return writing.create(api, request, aim)
        if method == "DELETE":
            return writing.delete(api, request, aim)
        if not aim.name:
            raise method_not_allowed()
        return writing.update(api, request, aim) if method == "PUT" else writing.patch(api, request, aim)

    def _read(self, request: Request, aim: Target) -> Answer:
        if request.flag("watch"):
            return reading.watch(self._api.store, request, aim)
        if not aim.name:
            return reading.collection(self._api.store, request, aim)
        obj = self._api.get(reading.stored(aim.resource), aim.namespace, aim.name)
        return reading.get(request, aim, obj)


def _failure(fault: Fault) -> Answer:
    if fault.is_dropped:
        raise Dropped
    reason = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}.get(fault.code, "")
    error = ApiError(fault.code, reason, fault.message, retryAfterSeconds=fault.retry_after_s)
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    return Answer(fault.code, error.status(), headers)
