"""Authorizations and their challenges (RFC 8555, sections 7.1.4 and 7.5)."""

import logging
import secrets
from datetime import timedelta

from wizard.practice.acme import encoding
from wizard.practice.acme.accounts import thumbprint
from wizard.practice.acme.model import Account, Authorization, Challenge, Request, Response
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.state import Desk, new_id, owned
from wizard.practice.acme.validation import Task

LOG = logging.getLogger(__name__)
PENDING_LIFETIME = timedelta(days=7)
VALID_LIFETIME = timedelta(days=30)


class Authorizations:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def for_name(self, account: Account, name: str) -> Authorization:
        """A new authorization, or a proven one where they are reused; `name` may begin with "*."."""
        base, is_wildcard = name.removeprefix("*."), name.startswith("*.")
        if self._desk.settings.reuse_authorizations:
            for known in self._desk.state.authorizations.values():
                if (known.account, known.name, known.is_wildcard, known.status) == (
                    account.identity,
                    base,
                    is_wildcard,
                    "valid",
                ):
                    return known
        kinds = self._desk.validator.kinds(is_wildcard=is_wildcard)
        if not kinds:
            raise Problem(
                "rejectedIdentifier", f'Cannot issue for "{name}": a wildcard needs the dns-01 challenge'
            )
        challenges = [Challenge(kind, secrets.token_urlsafe(32)) for kind in kinds]
        made = Authorization(
            new_id(), account.identity, base, is_wildcard, encoding.now() + PENDING_LIFETIME, challenges
        )
        self._desk.state.authorizations[made.identity] = made
        return made

    def show(self, request: Request, identity: str) -> Response:
        """Answers POST-as-GET, and deactivates on request (section 7.5.2)."""
        found = owned(self._desk.state.authorizations, identity, request.owner, "authorization")
        if request.members:
            if request.members.get("status") != "deactivated":
                raise Problem("malformed", "Invalid status value")
            if found.status not in {"pending", "valid"}:
                raise Problem("malformed", f'An authorization that is "{found.status}" cannot be deactivated')
            found.status = "deactivated"
            self._settle(found)
        headers = (
            [("Retry-After", str(self._desk.settings.retry_after_s))] if found.status == "pending" else []
        )
        return Response(200, found.to_json(self._desk.urls), headers)

    def challenge(self, request: Request, identity: str, kind: str) -> Response:
        """Answers POST-as-GET, and starts the validation when the client says that it is ready (7.5.1)."""
        state = self._desk.state
        authorization = owned(state.authorizations, identity, request.owner, "challenge")
        found = next((c for c in authorization.challenges if c.kind == kind), None)
        if found is None:
            raise Problem("malformed", "No such challenge", status=404)
        if request.payload is not None:
            if authorization.status != "pending":
                raise Problem("malformed", "authorization must be pending")
            if found.status != "pending":
                raise Problem("malformed", f'challenge is "{found.status}", it cannot be answered again')
            self._begin(authorization, found, request.owner)
        headers = [("Link", f'<{self._desk.urls.authorization(identity)}>;rel="up"')]
        if found.status == "processing":
            headers.append(("Retry-After", str(self._desk.settings.retry_after_s)))
        return Response(200, found.to_json(self._desk.urls, identity), headers)

    def _begin(self, authorization: Authorization, challenge: Challenge, account: Account) -> None:
        challenge.status = "processing"
        task = Task(
            challenge.kind,
            authorization.name,
            authorization.is_wildcard,
            challenge.token,
            f"{challenge.token}.{thumbprint(account.key)}",
            self._desk.urls.account(account.identity),
        )
        delay_s = self._desk.settings.delay_s("validation")
        self._desk.background.later(delay_s, lambda: self._validate(authorization, challenge, task))

    def _validate(self, authorization: Authorization, challenge: Challenge, task: Task) -> None:
        problem = None
        try:
            self._desk.validator.check(task)
        except Problem as found:
            problem = found
        except Exception:
            LOG.exception("validating %s for %s", task.kind, task.name)
            problem = Problem("serverInternal", "Error getting validation data")
        with self._desk.state.lock:
            challenge.validated = encoding.now()
            challenge.problem = problem
            challenge.status = "invalid" if problem else "valid"
            if authorization.status == "pending":
                authorization.status = challenge.status
                self._settle(authorization)

    def _settle(self, authorization: Authorization) -> None:
        """Leads the orders on from what became of one of their authorizations (section 7.1.6)."""
        if authorization.status == "valid":
            authorization.expires = encoding.now() + VALID_LIFETIME
        if authorization.problem:
            self._desk.limiter.count("failure", f"{authorization.account} {authorization.name}")
            self._desk.note("failed", (authorization.name,), authorization.problem.detail)
        known = self._desk.state.authorizations
        for order in self._desk.state.orders_with(authorization.identity):
            if order.status not in {"pending", "ready"}:
                continue
            if authorization.status != "valid":
                order.status = "invalid"
                order.problem = authorization.problem
            elif all(known[identity].status == "valid" for identity in order.authorizations):
                order.status = "ready"
