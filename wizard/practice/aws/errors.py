"""AWS's error answers, in the XML dialect of each service."""

from xml.sax.saxutils import escape

NAMESPACES = {
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "route53": "https://route53.amazonaws.com/doc/2013-04-01/",
    "elb": "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/",
    "elbv2": "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
}


class AwsError(Exception):
    """One refusal: the code and message as AWS words them, an HTTP status, and what the dialect adds."""

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        *,
        details: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.details = details or {}
        self.headers = headers or {}


def error_body(service: str, error: AwsError, request_id: str) -> bytes:
    """The XML document that the SDKs of `service` read an error from."""
    code, message = escape(error.code), escape(error.message)
    if service == "s3":
        more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in error.details.items())
        text = (
            f"<Error><Code>{code}</Code><Message>{message}</Message>{more}"
            f"<RequestId>{request_id}</RequestId><HostId>practice</HostId></Error>"
        )
    elif service == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    else:
        text = (
            f'<ErrorResponse xmlns="{NAMESPACES.get(service, "")}"><Error><Type>Sender</Type>'
            f"<Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
