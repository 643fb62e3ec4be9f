"""The preflight's sentences for what cannot be staged on loopback: ports 80 of other machines, and IPv6."""

import io
import socket
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from wizard.endpoints import Endpoints
from wizard.events import CheckStatus
from wizard.services.resolver import Resolver
from wizard.steps._acme_preflight import look_for, stale_ipv6

DOMAIN, TOKEN, CONTENT = "registry.example.com", "token", "content"
HERE = f"http://{DOMAIN}/.well-known/acme-challenge/{TOKEN}"
IPV6 = f"http://[2001:db8::1]/.well-known/acme-challenge/{TOKEN}"
ELSEWHERE = f"https://www.example.com/.well-known/acme-challenge/{TOKEN}"
FAR = f"http://www.example.com:8080/.well-known/acme-challenge/{TOKEN}"
CONNECTION = HTTPConnection("192.0.2.1", 80)
Found = tuple[int, bytes, Mapping[str, str]] | Exception
REFUSED = requests.ConnectionError(NewConnectionError(CONNECTION, "[Errno 111] Connection refused"))
NO_ROUTE = requests.ConnectionError(NewConnectionError(CONNECTION, "[Errno 101] Network is unreachable"))
NO_NAME = requests.ConnectionError(NameResolutionError(DOMAIN, CONNECTION, socket.gaierror("no such name")))


class Canned(BaseAdapter):
    """The internet as the test wants it, by URL."""

    def __init__(self, pages: Mapping[str, Found]) -> None:
        super().__init__()
        self._pages = pages

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        assert request.url
        found = self._pages[request.url]
        if isinstance(found, Exception):
            if isinstance(found, requests.RequestException):
                found.request = request
            raise found
        status, body, headers = found
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = status, request.url, request
        answer.headers.update(headers)
        answer.raw = HTTPResponse(io.BytesIO(body), headers=headers, status=status, preload_content=False)
        return answer

    def close(self) -> None:
        """Nothing is open."""


class Names(Resolver):
    """One AAAA record, as an operator may have forgotten it."""

    def lookup(self, name: str, rdtype: str) -> tuple[str, ...]:
        return ("2001:db8::1",) if (name, rdtype) == (DOMAIN, "AAAA") else ()


def session(pages: Mapping[str, Found]) -> requests.Session:
    made = requests.Session()
    for prefix in ("http://", "https://"):
        made.mount(prefix, Canned(pages))
    return made


def code(pages: Mapping[str, Found]) -> str:
    problem = look_for(session(pages), Endpoints(), DOMAIN, TOKEN, CONTENT)
    return problem.code if problem else ""


@pytest.mark.parametrize("body", [b"content", b"content\n", b"content \r\n"])
def test_the_right_content_passes_with_space_behind_it(body: bytes) -> None:
    assert code({HERE: (200, body, {})}) == ""


def test_a_redirect_to_the_file_passes() -> None:
    there = HERE.replace("http:", "https:")
    assert code({HERE: (301, b"", {"Location": there}), there: (200, b"content", {})}) == ""


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ({HERE: REFUSED}, "probe-refused"),
        ({HERE: requests.ConnectTimeout("connect timeout=5")}, "probe-connect-timeout"),
        ({HERE: requests.ReadTimeout("read timeout=15")}, "probe-read-timeout"),
        ({HERE: NO_NAME}, "probe-name-not-found"),
        ({HERE: (200, b"welcome", {})}, "probe-wrong-content"),
        ({HERE: (404, b"nothing", {})}, "probe-not-found"),
        ({HERE: (302, b"", {"Location": f"{HERE}:9"}), f"{HERE}:9": (404, b"", {})}, "probe-redirected"),
        ({HERE: (302, b"", {"Location": HERE})}, "probe-redirect-loop"),
    ],
)
def test_each_failure_has_its_code(pages: dict[str, Found], expected: str) -> None:
    assert code(pages) == expected


def test_hairpin_nat_is_thought_of() -> None:
    problem = look_for(session({HERE: REFUSED}), Endpoints(), DOMAIN, TOKEN, CONTENT)
    assert problem is not None
    assert "preflight = false" in problem.fix


def test_a_redirect_to_tls_that_is_not_trusted_here_is_not_held_against_it() -> None:
    there = HERE.replace("http:", "https:")
    error = requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED")
    assert code({HERE: (301, b"", {"Location": there}), there: error}) == "probe-unsure"


@pytest.mark.parametrize(
    ("found", "there", "expected"),
    [
        (REFUSED, None, "The AAAA record of registry.example.com leads to 2001:db8::1"),
        ((404, b"", {}), None, "answers 404"),
        ((200, b"welcome", {}), None, "something else than the file"),
        ((301, b"", {"Location": ELSEWHERE}), (200, b"welcome", {}), f"leads to {ELSEWHERE}, where"),
        ((301, b"", {"Location": FAR}), (200, b"content", {}), f"leads to {FAR}, where"),
    ],
)
def test_an_aaaa_record_that_leads_elsewhere_is_found(
    found: Found, there: Found | None, expected: str
) -> None:
    pages = {IPV6: found, **({ELSEWHERE: there, FAR: there} if there else {})}
    result = stale_ipv6(session(pages), Endpoints(), Names(Endpoints()), DOMAIN, TOKEN, CONTENT)
    assert result.problem is not None
    assert result.problem.code == "stale-aaaa"
    assert expected in str(result.problem)


@pytest.mark.parametrize(
    ("found", "status", "detail"),
    [
        ((200, b"content", {}), CheckStatus.PASSED, "2001:db8::1"),
        ((301, b"", {"Location": ELSEWHERE}), CheckStatus.PASSED, "2001:db8::1"),
        (NO_ROUTE, CheckStatus.SKIPPED, "this machine has no IPv6"),
    ],
)
def test_an_aaaa_record_that_leads_to_the_file_is_no_hindrance(
    found: Found, status: CheckStatus, detail: str
) -> None:
    pages = {IPV6: found, ELSEWHERE: (200, b"content\n", {})}
    result = stale_ipv6(session(pages), Endpoints(), Names(Endpoints()), DOMAIN, TOKEN, CONTENT)
    assert result.status is status
    assert detail in result.detail


def test_behind_a_proxy_no_address_is_tried() -> None:
    endpoints = Endpoints(proxy="http://proxy.example.com:3128")
    result = stale_ipv6(session({}), endpoints, Names(endpoints), DOMAIN, TOKEN, CONTENT)
    assert (result.status, "proxy" in result.detail) == (CheckStatus.SKIPPED, True)
