"""The WSGI gate before moto: signature, permission, mends, ledger; what it lets through is moto's to answer.

One gate for all services instead of moto's own enforcement, which refuses every Route53 call,
knows no inactive keys and stumbles over presigned URLs.
"""

import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from io import BytesIO
from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.callers import Callers
from wizard.practice.aws.calls import Call, read_call
from wizard.practice.aws.errors import AwsError, error_body
from wizard.practice.aws.permissions import authorize, needs_of
from wizard.practice.aws.signatures import check_signature, check_time, read_signature
from wizard.practice.aws.zones import ZoneShelf
from wizard.practice.ledger import Ledger

logger = logging.getLogger(__name__)

Reply = tuple[int, dict[str, str], bytes]
Fault = Callable[[str, str], Reply | None]


@dataclass
class Settings:
    """What tests turn: `clock_offset_s` shifts AWS's clock, the delays are those of IAM and Route53.

    `latency_s` is how long every answer to a client takes; the world's own parts do not wait.
    """

    key_delay_s: float = 0.0
    change_delay_s: float = 0.2
    clock_offset_s: float = 0.0
    latency_s: float = 0.0
    fault: Fault | None = None


@dataclass
class Account:
    """What mends and permissions need to know of the account that is served."""

    number: str
    aws_region: str
    admin_name: str
    callers: Callers
    settings: Settings
    prepare_ec2: Callable[[], None]
    changes: dict[str, float] = field(default_factory=dict)
    zones: ZoneShelf = field(default_factory=ZoneShelf)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.settings.clock_offset_s)

    def new_change(self) -> str:
        """The ID of a Route53 change that is PENDING from now on."""
        change = "C" + secrets.token_hex(10).upper()
        self.changes[change] = time.monotonic()
        return change


Mend = Callable[[Account, Call], object | None]
Mends = dict[tuple[str, str], Mend]
AfterMends = dict[tuple[str, str], Callable[[Account, Call, dict[str, str]], None]]


class Gate:
    """A WSGI application; `before` answers in moto's place or refuses.

    `after` touches what moto has made, and the headers that tell of it.
    """

    def __init__(self, account: Account, ledger: Ledger, before: Mends, after: AfterMends) -> None:
        self._account = account
        self._ledger = ledger
        self._before = before
        self._after = after

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        request_id = secrets.token_hex(8).upper()
        service = "s3"
        try:
            call = read_call(environ)
        except (OSError, ValueError):
            reply = self._refusal("s3", AwsError("InvalidRequest", "The request cannot be read."), request_id)
        else:
            reply = self._guarded(call, request_id)
            service = call.service
        status, headers, body = reply
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "text/xml"
        headers["x-amz-request-id" if service == "s3" else "x-amzn-RequestId"] = request_id
        if environ["REQUEST_METHOD"] != "HEAD":
            headers["Content-Length"] = str(len(body))
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [body if environ["REQUEST_METHOD"] != "HEAD" else b""]

    def _guarded(self, call: Call, request_id: str) -> Reply:
        try:
            return self._answer(call)
        except AwsError as error:
            return self._refusal(call.service, error, request_id)
        except NotImplementedError:
            message = f"The practice world does not implement {call.service}:{call.operation}."
            return self._refusal(call.service, AwsError("NotImplemented", message, 501), request_id)
        except Exception as error:  # noqa: BLE001 - moto reads many a wrong body by falling over it
            at = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__} at {at.filename}:{at.lineno}"
            logger.warning("%s:%s made no sense to moto: %s", call.service, call.operation, told)
            refusal = AwsError("ValidationError", "The practice world could not make sense of this request.")
            return self._refusal(call.service, refusal, request_id)

    @staticmethod
    def _refusal(service: str, error: AwsError, request_id: str) -> Reply:
        return error.status, dict(error.headers), error_body(service, error, request_id)

    def _answer(self, call: Call) -> Reply:
        try:
            call.signature = read_signature(call.headers, call.query)
        finally:
            call.find_operation()
        try:
            self._authenticate(call)
        finally:
            self._record(call)
        assert call.caller is not None
        if not call.caller.is_internal:
            time.sleep(self._account.settings.latency_s)
        fault = self._account.settings.fault
        if fault is not None and (made := fault(call.service, call.operation)) is not None:
            return made[0], dict(made[1]), made[2]
        self._check_bucket(call)
        authorize(call, call.caller, self._account.number, needs_of(call, self._account.number))
        if call.service not in moto_parts.GLOBAL_SERVICES:
            self._account.prepare_ec2()
        key = (call.service, call.operation)
        if (mend := self._before.get(key)) is not None:
            result = _mended(mend, self._account, call)
            if result is not None:
                return serialized(call, result)
        reply = self._ask_moto(call)
        if reply[0] == 404 and call.operation in {"GetObject", "HeadObject"}:
            need = ("s3:ListBucket", f"arn:aws:s3:::{call.bucket}")
            authorize(call, call.caller, self._account.number, [need])
        if reply[0] < 300 and (touch := self._after.get(key)) is not None:
            touch(self._account, call, reply[1])
        return reply

    def _authenticate(self, call: Call) -> None:
        signature, account = call.signature, self._account
        if signature is None:
            if call.service == "s3":
                raise AwsError("AccessDenied", "Access Denied", 403)
            raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        now = account.now()
        caller = account.callers.find(
            signature.key_id, signature.token, call.service, now, account.settings.key_delay_s
        )
        check_time(signature, now)
        check_signature(signature, caller.secret, call.method, call.url, call.headers, call.body)
        call.caller = caller

    def _record(self, call: Call) -> None:
        caller = call.caller
        by_user = caller is not None and caller.user_name not in {None, self._account.admin_name}
        server = f"aws-as-{caller.user_name}" if caller is not None and by_user else "aws"
        is_own = caller is not None and caller.is_internal
        self._ledger.record(
            server,
            call.method,
            f"{call.service}:{call.operation}",
            is_mutating=not is_own and not call.is_reading,
        )

    def _check_bucket(self, call: Call) -> None:
        """A bucket elsewhere answers where it is; somebody else's answers nothing more than that."""
        name = call.bucket
        if name is None or call.operation == "CreateBucket":
            return
        partition, owner = moto_parts.bucket_owners().get(name, ("aws", ""))
        if not owner:
            message = "The specified bucket does not exist"
            raise AwsError("NoSuchBucket", message, 404, details={"BucketName": name})
        place = moto_parts.backend("s3", owner, partition).buckets[name].region_name
        headers = {"x-amz-bucket-region": place}
        if place != call.aws_region and call.operation != "GetBucketLocation":
            message = (
                "The bucket you are attempting to access must be addressed using the specified endpoint. "
                "Please send all future requests to this endpoint."
            )
            details = {"Endpoint": f"s3.{place}.amazonaws.com", "Bucket": name, "Region": place}
            raise AwsError("PermanentRedirect", message, 301, details=details, headers=headers)
        expected = call.headers.get("x-amz-expected-bucket-owner") or owner
        if owner != self._account.number or owner != expected:
            raise AwsError("AccessDenied", "Access Denied", 403, headers=headers)

    def _ask_moto(self, call: Call) -> Reply:
        """The account reaches moto in a header, the region and the key's owner in the authorization."""
        assert call.signature is not None
        environ = dict(call.environ)
        for name in ("HTTP_USER_AGENT", "HTTP_TRANSFER_ENCODING", "wsgi.input_terminated"):
            environ.pop(name, None)
        scope = (
            f"{call.signature.key_id}/{call.signature.stamp[:8]}/{call.aws_region}/{call.signature.service}"
        )
        environ["HTTP_AUTHORIZATION"] = (
            f"AWS4-HMAC-SHA256 Credential={scope}/aws4_request, SignedHeaders=host, Signature=0"
        )
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account.number
        environ["wsgi.input"] = BytesIO(call.body)
        environ["CONTENT_LENGTH"] = str(len(call.body))
        started: list[tuple[int, dict[str, str]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            kept = {name: value for name, value in headers if name.lower() not in {"date", "connection"}}
            started.append((int(status.split(maxsplit=1)[0]), kept))

        chunks = moto_parts.application(call.service)(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return (*started[-1], body)


def _mended(mend: Mend, account: Account, call: Call) -> object | None:
    """A mend's answer, which may be an error of moto's that its serializer knows how to word."""
    from werkzeug.exceptions import HTTPException

    moto_error = moto_parts.part("core.exceptions", "ServiceException")
    try:
        return mend(account, call)
    except moto_error as error:
        worded: object = error
        return worded
    except HTTPException as error:
        code = str(getattr(error, "error_type", "ValidationError"))
        raise AwsError(code, str(getattr(error, "message", error)), error.code or 400) from error


def serialized(call: Call, result: object) -> Reply:
    """A mend's result in the service's own protocol, by moto's serializer."""
    from moto.core.serialize import XFormedAttributePicker, get_serializer_class

    model = moto_parts.model(call.service)
    kind = get_serializer_class(model.service_name, str(model.protocol))
    picker = XFormedAttributePicker(response_transformers={})
    serializer = kind(
        operation_model=model.operation_model(call.operation), pretty_print=False, value_picker=picker
    )
    made = serializer.serialize(result)
    body = made["body"]
    return int(made["status_code"]), dict(made["headers"]), body if isinstance(body, bytes) else body.encode()
