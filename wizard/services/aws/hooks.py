"""Tells of each request that botocore makes, by the hooks it has for that."""

import time
from typing import Any

from wizard.traffic import Request, Traffic, since

STARTED = "kube-registry-started"


def listen(events: Any, traffic: Traffic) -> None:
    """`events` are a session's: clients made of it afterwards have the hooks too."""

    def before(context: dict[str, Any], **_: Any) -> None:
        context[STARTED] = time.monotonic()

    def after(parsed: Any, context: dict[str, Any], event_name: str, **_: Any) -> None:
        metadata = parsed.get("ResponseMetadata") or {}
        told = metadata.get("HTTPHeaders") or {}
        service, operation = _named(event_name)
        traffic.heard(
            Request(
                service,
                operation,
                int(metadata.get("HTTPStatusCode") or 0),
                since(context.get(STARTED, time.monotonic())),
                request_id=str(metadata.get("RequestId") or told.get("x-amz-request-id", "")),
                retries=int(metadata.get("RetryAttempts") or 0),
                error=str((parsed.get("Error") or {}).get("Code", "")),
            )
        )

    def failed(exception: Exception, context: dict[str, Any], event_name: str, **_: Any) -> None:
        service, operation = _named(event_name)
        elapsed_s = since(context.get(STARTED, time.monotonic()))
        traffic.heard(Request(service, operation, 0, elapsed_s, error=type(exception).__name__))

    events.register("before-call.*.*", before)
    events.register("after-call.*.*", after)
    events.register("after-call-error.*.*", failed)


def _named(event_name: str) -> tuple[str, str]:
    """after-call.s3.PutObject; botocore hyphenates a service's name, as in elastic-load-balancing."""
    _, service, operation = event_name.split(".", 2)
    return service, operation
