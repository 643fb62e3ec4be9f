"""Reads and verifies AWS signatures (version 4), in headers and in presigned URLs.

Source: "AWS Signature Version 4 for API requests" in the IAM user guide.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from wizard.practice.aws.errors import AwsError

ALLOWED_SKEW = timedelta(seconds=900)
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),"
    r"\s*Signature=(?P<signature>[0-9a-f]+)\s*"
)
S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method."
)
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
NOT_VALIDATED = "AWS was not able to validate the provided access credentials"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request claims; `token` belongs to temporary keys, `expires_s` to presigned URLs."""

    key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    stamp: str
    signed_at: datetime
    token: str | None
    expires_s: int | None = None


def read_signature(headers: Mapping[str, str], query: str) -> Signature | None:
    """None for an anonymous request; AwsError for a signature that cannot be read."""
    claimed = dict(parse_qsl(query, keep_blank_values=True))
    if "X-Amz-Signature" in claimed:
        credential = claimed.get("X-Amz-Credential", "")
        signed, value = claimed.get("X-Amz-SignedHeaders", "host"), claimed["X-Amz-Signature"]
        stamp, token = claimed.get("X-Amz-Date", ""), claimed.get("X-Amz-Security-Token")
        expires = claimed.get("X-Amz-Expires", "3600")
        expires_s = int(expires) if expires.isascii() and expires.isdigit() else -1
    elif "AWSAccessKeyId" in claimed or headers.get("authorization", "").startswith("AWS "):
        message = (
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
        raise AwsError("InvalidRequest", message)
    elif authorization := headers.get("authorization"):
        found = AUTHORIZATION.fullmatch(authorization.strip())
        if found is None:
            raise AwsError("AuthorizationHeaderMalformed", "The authorization header is malformed.")
        credential, signed, value = found["credential"], found["headers"], found["signature"]
        stamp, token, expires_s = headers.get("x-amz-date", ""), headers.get("x-amz-security-token"), None
    else:
        return None
    scope = credential.split("/")
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise AwsError(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403
        ) from error
    if len(scope) != 5 or scope[4] != "aws4_request" or scope[1] != stamp[:8] or expires_s == -1:
        raise AwsError("AuthorizationHeaderMalformed", "The Credential is mal-formed; expecting five parts.")
    names = tuple(name for name in signed.lower().split(";") if name)
    return Signature(scope[0], scope[2], scope[3], names, value, stamp, signed_at, token, expires_s)


def check_time(signature: Signature, now: datetime) -> None:
    """Refuses a clock that is 15 minutes off, and a presigned URL that has run out."""
    age = now - signature.signed_at
    limit = ALLOWED_SKEW if signature.expires_s is None else timedelta(seconds=signature.expires_s)
    if age <= limit and age >= -ALLOWED_SKEW:
        return
    if signature.service == "s3" and signature.expires_s is not None:
        raise AwsError("AccessDenied", "Request has expired", 403)
    if signature.service == "s3":
        message = "The difference between the request time and the current time is too large."
        raise AwsError("RequestTimeTooSkewed", message, 403)
    if signature.service == "ec2":
        raise AwsError("RequestExpired", "Request has expired.")
    here = f"{now:%Y%m%dT%H%M%SZ}"
    if age > limit:
        edge = f"{now - limit:%Y%m%dT%H%M%SZ}"
        minutes = f"{limit.total_seconds() / 60:.0f}"
        message = f"Signature expired: {signature.stamp} is now earlier than {edge} ({here} - {minutes} min.)"
    else:
        edge = f"{now + ALLOWED_SKEW:%Y%m%dT%H%M%SZ}"
        message = (
            f"Signature not yet current: {signature.stamp} is still later than {edge} ({here} + 15 min.)"
        )
    raise AwsError("SignatureDoesNotMatch", message, 403)


def check_signature(
    signature: Signature, secret: str, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> None:
    """`url` is absolute, as it came; `headers` have lower-case names. AwsError where the secret differs."""
    expected = _expected(signature, secret, method, url, headers, body)
    if not hmac.compare_digest(expected, signature.value):
        raise mismatch(signature.service)
    claimed = headers.get("x-amz-content-sha256", "")
    if re.fullmatch("[0-9a-f]{64}", claimed) and claimed != hashlib.sha256(body).hexdigest():
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise AwsError("XAmzContentSHA256Mismatch", message)
    told = headers.get("content-md5", "")
    if signature.service == "s3" and told and told != _md5(body):
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def mismatch(service: str) -> AwsError:
    if service == "ec2":
        return AwsError("AuthFailure", NOT_VALIDATED, 401)
    return AwsError("SignatureDoesNotMatch", S3_MISMATCH if service == "s3" else MISMATCH, 403)


def _expected(
    signature: Signature, secret: str, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> str:
    from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    credentials = Credentials(signature.key_id, secret)
    is_presigned = signature.expires_s is not None
    kind: Any = SigV4Auth
    if signature.service == "s3":
        kind = S3SigV4QueryAuth if is_presigned else S3SigV4Auth
    auth = kind(credentials, signature.service, signature.region)
    if is_presigned:
        address, _, query = url.partition("?")
        parts = [part for part in query.split("&") if not part.startswith("X-Amz-Signature=")]
        url = f"{address}?{'&'.join(parts)}"
    signed = {name: headers.get(name, "") for name in signature.signed_headers}
    request = AWSRequest(method=method, url=url, data=body, headers=signed)
    request.context["timestamp"] = signature.stamp
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return str(auth.signature(text, request))
