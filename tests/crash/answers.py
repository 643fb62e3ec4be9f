"""What a server says that is broken or has had enough: each service in its own words.

Sources: "Error responses" of the S3 and IAM API references, "Common errors" of Route53's, the Kubernetes
API conventions (Status), RFC 8555 6.6 and 6.7, and the error codes of the OCI Distribution Specification.
"""

import json
import zlib

from tests.crash.script import Fault
from tests.crash.wire import Message

REASONS = {
    400: "Bad Request",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
RETRY_AFTER_S = 1
Words = tuple[int, str, str]  # status, content type, body


def refusal(service: str, name: str, fault: Fault) -> Message:
    """The answer of a server that did not carry the request out."""
    is_busy = fault is Fault.THROTTLED
    status, kind, body = _AWS.get(service, _others)(service, name, is_busy)
    head = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body.encode())}",
        "Connection: close",
    ]
    if is_busy and service in {"kubernetes", "acme", "registry", "web"}:
        head.append(f"Retry-After: {RETRY_AFTER_S}")
    is_head = name.startswith("HEAD ")
    return Message(("\r\n".join(head) + "\r\n\r\n").encode(), b"" if is_head else body.encode(), True)


def spoilt(answer: Message, name: str) -> bytes:
    """An answer that breaks off, or one whose body is noise; which of the two hangs on the name."""
    if not answer.body:
        return answer.head[: len(answer.head) // 2]
    if zlib.crc32(name.encode()) % 2:
        return answer.head + answer.body[: len(answer.body) // 2]
    noise = b"\x00\xff<{]garbage" * (len(answer.content) // 12 + 1)
    noise = noise[: max(1, len(answer.content))]
    lines = [
        line
        for line in answer.head.split(b"\r\n")
        if line and not line.lower().startswith((b"content-length:", b"transfer-encoding:", b"connection:"))
    ]
    lines += [b"Content-Length: %d" % len(noise), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + noise


def _s3(_service: str, _name: str, is_busy: bool) -> Words:
    code, text = (
        ("SlowDown", "Please reduce your request rate.")
        if is_busy
        else ("InternalError", "We encountered an internal error.")
    )
    xml = (
        f"<Error><Code>{code}</Code><Message>{text}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
    )
    return (503 if is_busy else 500), "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}'


def _route53(_service: str, name: str, is_busy: bool) -> Words:
    if not is_busy:
        return 503, "text/xml", _query_error("Receiver", "ServiceUnavailable", "Service unavailable.")
    if name.startswith("POST") and name.rstrip("/").endswith("/rrset"):
        text = "The request was rejected because Route 53 was still processing a prior request."
        return 400, "text/xml", _query_error("Sender", "PriorRequestNotComplete", text)
    return 400, "text/xml", _query_error("Sender", "Throttling", "Rate exceeded")


def _query(_service: str, _name: str, is_busy: bool) -> Words:
    if is_busy:
        return 400, "text/xml", _query_error("Sender", "Throttling", "Rate exceeded")
    return 503, "text/xml", _query_error("Receiver", "ServiceUnavailable", "Service is unavailable.")


def _query_error(kind: str, code: str, text: str) -> str:
    error = f"<Error><Type>{kind}</Type><Code>{code}</Code><Message>{text}</Message></Error>"
    return (
        f"<ErrorResponse>{error}<RequestId>b25f48e8-84fd-11e6-80d9-574e0c4664cb</RequestId></ErrorResponse>"
    )


def _others(service: str, _name: str, is_busy: bool) -> Words:
    status = 429 if is_busy else 500 if service in {"kubernetes", "acme"} else 503
    if service == "kubernetes":
        reason = "TooManyRequests" if is_busy else "InternalError"
        found = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status}
        found |= {"message": "the server is busy", "reason": reason, "details": {"retryAfterSeconds": 1}}
        return status, "application/json", json.dumps(found)
    if service == "acme":
        kind = "rateLimited" if is_busy else "serverInternal"
        problem = {
            "type": f"urn:ietf:params:acme:error:{kind}",
            "detail": "Service busy; retry later.",
            "status": status,
        }
        return status, "application/problem+json", json.dumps(problem)
    if service == "registry":
        code = "TOOMANYREQUESTS" if is_busy else "UNAVAILABLE"
        found = {"errors": [{"code": code, "message": "not now", "detail": None}]}
        return status, "application/json", json.dumps(found)
    return status, "text/plain", "not now\n"


_AWS = {"s3": _s3, "route53": _route53} | dict.fromkeys(("iam", "sts", "ec2", "elasticloadbalancing"), _query)
