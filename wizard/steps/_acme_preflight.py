"""Fetches a challenge's file as the CA will, and says in a sentence why that fails."""

from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests

from wizard.endpoints import Endpoints
from wizard.errors import Problem, Unreachable
from wizard.services import web
from wizard.services.resolver import Resolver
from wizard.services.webroot import WELL_KNOWN
from wizard.step import CheckResult

UNSURE = "probe-unsure"
"""The code of a problem that the CA may not have."""
LONGEST_FILE = 4096
HAIRPIN = (
    "If it works from outside, this network cannot reach its own public address (hairpin NAT): "
    "set [certificate] preflight = false."
)
GATEWAY_ERRORS = {502, 503, 504}


def look_for(
    session: requests.Session, endpoints: Endpoints, domain: str, token: str, content: str
) -> Problem | None:
    """None where http://domain/.well-known/acme-challenge/token holds the content.

    Redirects to ports 80 and 443 are followed, as a CA does (RFC 8555, 8.3).
    """
    return _look_at(session, endpoints, domain, f"http://{domain}/{WELL_KNOWN}/{token}", content)


def _look_at(
    session: requests.Session, endpoints: Endpoints, domain: str, url: str, content: str
) -> Problem | None:
    try:
        with session.get(url, stream=True) as answer:
            body = answer.raw.read(LONGEST_FILE, decode_content=True)
    except requests.RequestException as error:
        return _no_answer(error, url, domain, endpoints)
    if urlsplit(answer.url).port not in {None, 80, 443}:
        return _led_away(domain, answer.url, "The CA follows redirects to the ports 80 and 443 only.")
    if answer.status_code == 200 and body.strip() == content.encode():
        return None
    return _wrong_answer(answer, body, domain, endpoints)


def stale_ipv6(
    session: requests.Session,
    endpoints: Endpoints,
    resolver: Resolver,
    domain: str,
    token: str,
    content: str,
) -> CheckResult:
    """A CA prefers IPv6: an AAAA record that leads elsewhere fails the challenge, though browsers cope.

    Skipped where this machine has no IPv6, or a proxy stands in between, which chooses the address.
    """
    try:
        addresses = resolver.lookup(domain, "AAAA")
    except Unreachable as error:
        return CheckResult.skipped(f"Not tried: {error.problem.what}")
    if not addresses:
        return CheckResult.passed("it has no AAAA record")
    if any(endpoints.proxy_for("http", host) for host in (domain, *(f"[{each}]" for each in addresses))):
        return CheckResult.skipped("Not tried: a proxy stands in between, and chooses the address.")
    for address in addresses:
        try:
            reason = _other_by_address(session, endpoints, domain, address, token, content)
        except requests.RequestException as error:
            if web.explain(error, f"http://[{address}]/", endpoints).problem.code == "no-route":
                return CheckResult.skipped("Not tried: this machine has no IPv6.")
            reason = "Nothing answers there on port 80."
        if reason:
            return CheckResult.failed(_stale(domain, address, reason))
    return CheckResult.passed(", ".join(addresses))


def _other_by_address(
    session: requests.Session, endpoints: Endpoints, domain: str, address: str, token: str, content: str
) -> str:
    """What is served there in place of the file, as a sentence, "" for the file; raises as requests does."""
    path = f"/{WELL_KNOWN}/{token}"
    url = f"http://[{address}]{path}"
    with session.get(url, headers={"Host": domain}, allow_redirects=False, stream=True) as answer:
        body = answer.raw.read(LONGEST_FILE, decode_content=True)
    if answer.status_code == HTTPStatus.OK:
        is_file = body.strip() == content.encode()
        return "" if is_file else "The server there answers with something else than the file."
    target = session.get_redirect_target(answer)
    if target is None:
        return f"The server there answers {answer.status_code}."
    target = urljoin(f"http://{domain}{path}", target)
    problem = _look_at(session, endpoints, domain, target, content)
    is_found = problem is None or problem.code == UNSURE
    return "" if is_found else f"The server there leads to {target}, where the file is not."


def _stale(domain: str, address: str, reason: str) -> Problem:
    return Problem(
        "stale-aaaa",
        f"The AAAA record of {domain} leads to {address}, which does not serve the file.",
        f"{reason} The CA prefers IPv6, so it would fail there.",
        f"Correct or remove the AAAA record of {domain}.",
    )


def _no_answer(error: requests.RequestException, url: str, domain: str, endpoints: Endpoints) -> Problem:
    found = web.explain(error, url, endpoints).problem
    if found.code == "tls-untrusted":
        where = str(error.request.url if error.request is not None else url)
        why = "The certificate there is not trusted by this machine; the CA would not mind."
        return replace(_led_away(domain, where, why), code=UNSURE)
    why, fix = {
        "refused": (
            "Its address refuses connections on port 80: no web server listens there.",
            f"Start the web server, and open port 80 for everybody. {HAIRPIN}",
        ),
        "connect-timeout": (
            "Nothing answers on port 80: a firewall or security group may be in the way.",
            f"Open port 80 of the web server to the whole internet. {HAIRPIN}",
        ),
        "name-not-found": (
            "The name does not resolve here.",
            f"Create an A record for {domain} that leads to the web server.",
        ),
    }.get(found.code, (found.why, found.fix))
    return Problem(f"probe-{found.code}", f"http://{domain}/ cannot be reached.", why, fix, found.raw)


def _wrong_answer(answer: requests.Response, body: bytes, domain: str, endpoints: Endpoints) -> Problem:
    shown = body[:200].decode("ascii", "replace")
    if endpoints.proxy_for("http", domain) and answer.status_code in GATEWAY_ERRORS:
        return Problem(
            "probe-proxy",
            f"http://{domain}/ cannot be reached through the proxy.",
            f"The proxy, or the web server, answers {answer.status_code}: {shown.strip() or answer.reason}",
            f"Check that {domain} leads to a web server that runs, or add it to NO_PROXY.",
            shown,
        )
    if answer.history:
        return _led_away(domain, answer.url, f"It answers {answer.status_code}, without the file.")
    if answer.status_code == 200:
        return Problem(
            "probe-wrong-content",
            f"The web server of {domain} answers with something else than the file.",
            "Another server than the one of this webroot may answer for the name.",
            "Set [certificate] webroot to the directory that this name is served from.",
            shown,
        )
    return Problem(
        "probe-not-found",
        f"The web server of {domain} answers {answer.status_code} for a file in the webroot.",
        "The webroot may be another site's, or the server keeps /.well-known/ to itself.",
        "Set [certificate] webroot to the directory that this name is served from.",
        shown,
    )


def _led_away(domain: str, target: str, why: str) -> Problem:
    return Problem(
        "probe-redirected",
        f"http://{domain}/ leads elsewhere: to {target}",
        why,
        f"Let the web server answer http://{domain}/{WELL_KNOWN}/ itself.",
    )
