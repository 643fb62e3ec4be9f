"""Takes HTTP requests apart: nonces, signatures, accounts; turns what went wrong into problem documents."""

import json
import logging
import time
from collections.abc import Callable

from wizard.practice.acme import jws, renewal
from wizard.practice.acme.faults import Refuse
from wizard.practice.acme.model import Account, Request, Response
from wizard.practice.acme.nonces import Nonces
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.routes import Route, call, signed_routes
from wizard.practice.acme.state import Desk
from wizard.practice.ledger import Ledger

LOG = logging.getLogger(__name__)
JOSE = "application/jose+json"
NO_STORE = ("Cache-Control", "public, max-age=0, no-cache")
NOT_FOUND = "The request path is unknown. See the directory"
TERMS = b"The practice authority promises nothing. Trust its root nowhere but in practice.\n"


class Front:
    """`answer` never raises: what is wrong with a request becomes a problem, what is wrong here a 500."""

    def __init__(self, desk: Desk, ledger: Ledger, name: str) -> None:
        self._desk = desk
        self._name = name
        self._ledger = ledger
        self._nonces = Nonces()
        self._signed = signed_routes(desk)
        self._open = {
            "directory": self._directory,
            "newNonce": self._new_nonce,
            "renewalInfo": self._renewal_info,
            "terms": self._terms,
        }

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> Response:
        """`path` as it stands in the request line; the answer's body is bytes."""
        time.sleep(self._desk.settings.latency_s)
        try:
            response = self._route(method, path, content_type, body)
        except Problem as problem:
            response = self._refusal(problem)
        except Exception:
            LOG.exception("%s %s", method, path)
            response = self._refusal(
                Problem("serverInternal", "The practice authority has a fault of its own")
            )
        if method == "POST":
            response.headers.append(("Replay-Nonce", self._nonces.new()))
        if path != "/directory":
            response.headers.append(("Link", f'<{self._desk.urls.of("directory")}>;rel="index"'))
        response.headers.append(NO_STORE)
        return _encoded(response)

    def refuse(self, status: int, why: str) -> Response:
        """For requests that are no HTTP or too large to read."""
        self._ledger.record(self._name, "-", "malformed", is_mutating=False)
        return _encoded(self._refusal(Problem("malformed", why, status=status)))

    def _refusal(self, problem: Problem) -> Response:
        headers = [("Content-Type", "application/problem+json"), *problem.headers]
        return Response(problem.status, problem.document(), headers)

    def _route(self, method: str, path: str, content_type: str, body: bytes) -> Response:
        kind, *rest = path.removeprefix("/").split("/")
        if kind in self._open:
            self._ledger.record(self._name, method, kind, is_mutating=False)
            if method not in {"GET", "HEAD"}:
                raise _not_allowed("GET, HEAD")
            self._check_outage(kind)
            self._check_faults(lambda each: each.at == kind)
            return self._open[kind](method, rest)
        route = self._signed.get(kind)
        if route is None or len(rest) not in route.parts or "" in rest:
            self._ledger.record(self._name, method, "unknown", is_mutating=False)
            raise Problem("malformed", NOT_FOUND, status=404)
        if method != "POST":
            self._ledger.record(self._name, method, kind, is_mutating=False)
            raise _not_allowed("POST")
        return self._answer_signed(route, path, rest, content_type, body)

    def _answer_signed(
        self, route: Route, path: str, rest: list[str], content_type: str, body: bytes
    ) -> Response:
        is_mutating = False
        what = f"{route.kind} (refused)"
        try:
            self._check_outage(route.kind)
            request = self._verified(route, self._desk.urls.base + path, content_type, body)
            self._check_faults(lambda each: each.at in {"", route.kind})
            is_mutating = route.is_mutating(request.payload)
            what = route.kind
        finally:
            method = "POST-as-GET" if what == route.kind and request.payload is None else "POST"
            self._ledger.record(self._name, method, what, is_mutating=is_mutating)
        with self._desk.state.lock:
            return call(route, request, rest)

    def _verified(self, route: Route, url: str, content_type: str, body: bytes) -> Request:
        """Checks in Let's Encrypt's order: key, algorithm and signature, nonce, URL, payload."""
        if content_type != JOSE:
            raise Problem(
                "malformed", f'Invalid Content-Type header on POST. Content-Type must be "{JOSE}"', status=415
            )
        signed = jws.parse(body)
        has_jwk, has_kid = "jwk" in signed.header, "kid" in signed.header
        if has_jwk and has_kid:
            raise Problem("malformed", "jwk and kid header fields are mutually exclusive")
        if not has_kid and route.signer == "kid":
            raise Problem("malformed", "No Key ID in JWS header")
        if not has_jwk and (route.signer == "jwk" or not has_kid):
            raise Problem("malformed", "No embedded JWK in JWS header")
        account = self._account(signed.header["kid"]) if has_kid else None
        key = account.key if account else jws.public_key(signed.header["jwk"])
        jws.verify(signed, key)
        self._spend_nonce(signed)
        if signed.header.get("url") != url:
            raise Problem(
                "unauthorized",
                f"JWS header parameter 'url' incorrect. Expected \"{url}\" got"
                f" {json.dumps(signed.header.get('url'))}",
            )
        payload = jws.payload_object(signed)
        if route.is_read and payload is not None:
            raise Problem("malformed", "POST-as-GET requests must have an empty payload")
        return Request(url, key, payload, account)

    def _account(self, kid: object) -> Account:
        prefix = self._desk.urls.account("")
        if not isinstance(kid, str) or not kid.startswith(prefix):
            raise Problem("malformed", f"KeyID header contained an invalid account URL: {json.dumps(kid)}")
        with self._desk.state.lock:
            account = self._desk.state.accounts.get(kid.removeprefix(prefix))
        if account is None:
            raise Problem("accountDoesNotExist", f"Account {json.dumps(kid)} not found")
        if account.status != "valid":
            raise Problem("unauthorized", f'Account is not valid, has status "{account.status}"')
        return account

    def _spend_nonce(self, signed: jws.Signed) -> None:
        nonce = signed.text("nonce")
        if nonce is None:
            raise Problem("badNonce", "JWS has no anti-replay nonce")
        if not self._nonces.spend(nonce, refused_share=self._desk.settings.bad_nonce_share):
            raise Problem("badNonce", f"JWS has an invalid anti-replay nonce: {json.dumps(nonce)}")

    def _check_outage(self, kind: str) -> None:
        if status := self._desk.settings.outages.get(kind):
            raise Problem(
                "serverInternal",
                "The service is down for maintenance or had an internal error.",
                status=status,
                headers=[("Retry-After", str(self._desk.settings.retry_after_s))],
            )

    def _check_faults(self, fits: Callable[[Refuse], bool]) -> None:
        if fault := self._desk.settings.faults.take(Refuse, fits):
            when = [] if fault.retry_after_s is None else [("Retry-After", str(fault.retry_after_s))]
            raise Problem(fault.problem, fault.detail, status=fault.status or None, headers=when)

    def _directory(self, _: str, rest: list[str]) -> Response:
        _no_more(rest)
        urls, settings = self._desk.urls, self._desk.settings
        found = {
            kind: urls.of(kind)
            for kind in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo")
        }
        meta = {
            "termsOfService": urls.of("terms"),
            "caaIdentities": list(settings.caa_identities),
            "externalAccountRequired": bool(settings.bindings(is_creating=False)),
            "profiles": {
                name: profile.description for name, profile in settings.offered(is_ordering=False).items()
            },
        }
        return Response(200, {**found, "meta": meta})

    def _new_nonce(self, method: str, rest: list[str]) -> Response:
        _no_more(rest)
        return Response(200 if method == "HEAD" else 204, headers=[("Replay-Nonce", self._nonces.new())])

    def _renewal_info(self, _: str, rest: list[str]) -> Response:
        identity = "/".join(rest)
        renewal.check_id(identity)
        with self._desk.state.lock:
            issued = self._desk.state.issued_by_id(identity)
            if issued is None:
                raise Problem("malformed", "Requested certificate was not found", status=404)
            found = renewal.information(issued, self._desk.settings)
        return Response(200, found, [("Retry-After", str(renewal.ASK_AGAIN_S))])

    def _terms(self, _: str, rest: list[str]) -> Response:
        _no_more(rest)
        return Response(200, TERMS, [("Content-Type", "text/plain; charset=utf-8")])


def _no_more(rest: list[str]) -> None:
    if rest:
        raise Problem("malformed", NOT_FOUND, status=404)


def _not_allowed(methods: str) -> Problem:
    return Problem("malformed", "Method not allowed", status=405, headers=[("Allow", methods)])


def _encoded(response: Response) -> Response:
    if isinstance(response.body, dict):
        response.body = json.dumps(response.body, indent=2).encode() + b"\n"
        if not any(name == "Content-Type" for name, _ in response.headers):
            response.headers.insert(0, ("Content-Type", "application/json"))
    return response
