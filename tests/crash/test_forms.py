"""What the fault proxy says in a server's place is understood by real clients as what it is meant to be."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.crash.answers import refusal, spoilt
from tests.crash.script import Fault, Script, Slot
from tests.crash.wire import Message, Stream

ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=10)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads one request and says that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                Stream(client).request()
                client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize(
    ("service", "name", "ask", "throttled", "broken"),
    [
        ("s3", "PUT /b", lambda s3: s3.create_bucket(Bucket="b"), "SlowDown", "InternalError"),
        ("iam", "GetUser u", lambda iam: iam.get_user(UserName="u"), "Throttling", "ServiceUnavailable"),
        (
            "sts",
            "GetCallerIdentity",
            lambda sts: sts.get_caller_identity(),
            "Throttling",
            "ServiceUnavailable",
        ),
        (
            "route53",
            "POST /2013-04-01/hostedzone/*/rrset/",
            lambda dns: dns.change_resource_record_sets(
                HostedZoneId="Z1",
                ChangeBatch={
                    "Changes": [{"Action": "DELETE", "ResourceRecordSet": {"Name": "a.test", "Type": "A"}}]
                },
            ),
            "PriorRequestNotComplete",
            "ServiceUnavailable",
        ),
        (
            "route53",
            "GET /2013-04-01/change/*",
            lambda dns: dns.get_change(Id="C1"),
            "Throttling",
            "ServiceUnavailable",
        ),
    ],
)
def test_aws_is_understood_by_its_sdk(
    service: str, name: str, ask: Callable[[object], object], throttled: str, broken: str
) -> None:
    for fault, code in ((Fault.THROTTLED, throttled), (Fault.ERROR, broken)):
        said = refusal(service, name, fault)
        with answering(said.head + said.body) as url:
            client = boto3.client(
                service,  # type: ignore[call-overload] # which of the services is the test's business
                endpoint_url=url,
                region_name="eu-west-1",
                aws_access_key_id="a",
                aws_secret_access_key="b",
                config=ONCE,
            )
            with pytest.raises(ClientError) as caught:
                ask(client)
            client.close()
        assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "status", "kind"),
    [
        ("kubernetes", 429, "application/json"),
        ("acme", 429, "application/problem+json"),
        ("registry", 429, "json"),
    ],
)
def test_others_say_when_to_come_again(service: str, status: int, kind: str) -> None:
    said = refusal(service, "GET /", Fault.THROTTLED)
    with answering(said.head + said.body) as url, requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "1")
    assert kind in answer.headers["Content-Type"]
    assert answer.json()


@pytest.mark.parametrize("name", ["GET /a", "GET /b", "GET /c", "GET /d"])
def test_a_spoilt_answer_is_never_the_whole_one(name: str) -> None:
    body = b'{"kind": "Secret", "data": {}}'
    whole = Message(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)
    with answering(spoilt(whole, name)) as url, requests.Session() as session:
        session.trust_env = False
        try:
            assert session.get(url, timeout=10).content != body
        except requests.RequestException:
            return


def test_chunks_are_passed_on_as_they_came() -> None:
    one, other = socket.socketpair()
    wire = CHUNKED + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with one, other:
        one.sendall(wire + b"HTTP/1.1 204 No Content\r\n\r\n")
        stream = Stream(other)
        first, second = stream.answer("GET"), stream.answer("GET")
    assert first.head + first.body == wire
    assert first.content == b"abcde"
    assert second.status == 204


def test_polls_count_once_and_a_fault_strikes_where_it_is_due() -> None:
    slot = Slot("s3", "HEAD /b", is_after_change=True)
    script = Script(slot, Fault.RESET)
    struck = [script.arrived("s3", "HEAD /b", changes=False) for _ in range(2)]
    script.arrived("s3", "PUT /b", changes=True)
    struck += [script.arrived("s3", "HEAD /b", changes=False) for _ in range(5)]
    assert struck == [None, None, *[Fault.RESET] * 3, None, None]
    assert list(script.slots.values()) == [2, 1, 5]
