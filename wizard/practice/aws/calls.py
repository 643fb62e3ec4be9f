"""One request to AWS as the gate sees it: service, operation, parameters, and who signed it."""

import functools
import io
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from wizard.practice.aws import moto_parts
from wizard.practice.aws.callers import Caller
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.signatures import Signature

MAX_BODY = 256 * 1024 * 1024
SCOPES = {"s3": "s3", "iam": "iam", "sts": "sts", "route53": "route53", "ec2": "ec2"}
BALANCERS = {"2012-06-01": "elb", "2015-12-01": "elbv2"}
READING = ("Get", "List", "Describe", "Head", "Simulate", "Select", "Lookup")


@dataclass
class Call:
    """`caller` is set once the signature is verified; `path` holds the values from the URL's path.

    `versions` are an object's older ones, kept while moto writes.
    """

    environ: dict[str, Any]
    headers: dict[str, str]
    body: bytes
    signature: Signature | None
    service: str = "s3"
    operation: str = ""
    path: dict[str, str] = field(default_factory=dict)
    caller: Caller | None = None
    versions: list[Any] = field(default_factory=list)

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def aws_region(self) -> str:
        return self.signature.region if self.signature else "us-east-1"

    @property
    def query(self) -> str:
        return str(self.environ.get("QUERY_STRING", ""))

    @functools.cached_property
    def arguments(self) -> dict[str, str]:
        """The query string, keys without a value included."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def bucket(self) -> str | None:
        return self.path.get("Bucket") if self.service == "s3" else None

    @property
    def is_reading(self) -> bool:
        return self.operation.startswith(READING)

    @property
    def url(self) -> str:
        return f"http://{self.environ.get('HTTP_HOST', '')}{self.environ.get('RAW_URI', '/')}"

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """The operation's input, with the names of its API reference. AwsError when it cannot be read."""
        request = self._request()
        operation = moto_parts.model(self.service).operation_model(self.operation)
        protocol = str(moto_parts.model(self.service).protocol)
        parsers = moto_parts.part("core.parse", "PROTOCOL_PARSERS")
        unreadable = moto_parts.part("core.parse", "RequestParserError")
        parts = {
            "method": self.method,
            "values": request.values,
            "headers": request.headers,
            "body": self.body,
            "url_path": request.path,
            "url_params": self.path,
        }
        try:
            parsed: dict[str, Any] = parsers[protocol](operation, map_type=dict).parse(parts)
        except (unreadable, ValueError, KeyError, AttributeError, TypeError) as error:
            code = "MalformedXML" if protocol == "rest-xml" else "ValidationError"
            raise AwsError(code, "The request you provided was not well-formed.") from error
        return parsed

    def find_operation(self) -> None:
        """Sets service, operation and path. AwsError for what no service knows."""
        scope = self.signature.service if self.signature else self._unsigned_scope()
        form = self._form() if scope not in {"s3", "route53"} else {}
        if scope == "elasticloadbalancing":
            self.service = BALANCERS.get(form.get("Version", ""), "elbv2")
        elif scope in SCOPES:
            self.service = SCOPES[scope]
        else:
            raise AwsError(
                "UnknownService", f"The practice world has no AWS service that signs as '{scope}'."
            )
        if self.service in {"s3", "route53"}:
            self._route()
        else:
            self.operation = form.get("Action", "")
            if self.operation not in moto_parts.model(self.service).operation_names:
                raise AwsError(
                    "InvalidAction", f"Could not find operation {self.operation} for this version."
                )

    def _route(self) -> None:
        from werkzeug.exceptions import HTTPException

        route = moto_parts.part("core.routing", "get_service_router")
        try:
            operation, path = route(self.service).match(self._request())
        except (HTTPException, NotImplementedError, ValueError) as error:
            message = "The specified method is not allowed against this resource."
            raise AwsError("MethodNotAllowed", message, 405) from error
        self.operation = str(operation.name)
        self.path = {name: str(value) for name, value in path.items()}

    def _unsigned_scope(self) -> str:
        actions = self._form()
        if "Action" in actions:
            version = actions.get("Version", "")
            known = {"2010-05-08": "iam", "2016-11-15": "ec2"} | dict.fromkeys(
                BALANCERS, "elasticloadbalancing"
            )
            return known.get(version, "sts")
        return "route53" if str(self.environ.get("PATH_INFO", "")).startswith("/2013-04-01/") else "s3"

    def _form(self) -> dict[str, str]:
        form = dict(self.arguments)
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            form.update(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return form

    def _request(self) -> Any:
        return moto_parts.part("core.request", "Request")(
            {**self.environ, "wsgi.input": io.BytesIO(self.body)}
        )


def read_call(environ: dict[str, Any]) -> Call:
    """Reads the request to its end, so that a connection can be used again. Raises ValueError on garbage."""
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = str(environ[name])
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body = stream.read()
    else:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not 0 <= length <= MAX_BODY:
            raise ValueError("the body is too large")
        body = stream.read(length) if length else b""
    return Call(environ, headers, body, signature=None)
