"""How the CA is shown that the domain is the operator's: one class a method, one life a certificate."""

import secrets
from collections.abc import Mapping
from typing import Protocol

from wizard.errors import Problem, WizardError
from wizard.journal import Entry
from wizard.polling import NotReady
from wizard.services import web, webroot
from wizard.services.acme import Challenge
from wizard.services.webroot import WELL_KNOWN, Webroot
from wizard.step import Context
from wizard.steps._acme_preflight import UNSURE, look_for, stale_ipv6

BY_HAND_S = 3600.0
MANUAL = "manual"


class Method(Protocol):
    """`prepare` tries the way before the CA is asked, `perform` shows one proof, `cleanup` always runs."""

    kind: str
    """The challenges it meets: http-01 or dns-01."""

    def prepare(self) -> None: ...

    def perform(self, challenge: Challenge) -> None: ...

    def cleanup(self) -> None: ...


def method_for(ctx: Context, entry: Entry) -> Method:
    """The one that the answers name; the plan has refused those that are not there."""
    return ByHand(ctx) if ctx.answers.certificate.webroot == MANUAL else InWebroot(ctx, entry)


class InWebroot:
    """Files in a directory of this machine that a web server serves."""

    kind = "http-01"

    def __init__(self, ctx: Context, entry: Entry) -> None:
        self._ctx, self._entry = ctx, entry
        self._root = Webroot(ctx.answers.certificate.webroot)
        self._files: list[str] = []
        self._directories = self._root.missing_directories()

    def prepare(self) -> None:
        """Fetches a file of random content through the domain; raises WizardError where that fails."""
        if problem := self._root.problem():
            raise WizardError(problem)
        token, content = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._place(token, content)
        problem = self._fetch(token, content)
        if problem is None:
            return
        if self._ctx.answers.certificate.preflight and problem.code != UNSURE:
            raise WizardError(problem)
        self._ctx.note(f"{problem.what} {problem.why} The CA is asked all the same.")

    def perform(self, challenge: Challenge) -> None:
        self._place(challenge.token, challenge.content)

    def cleanup(self) -> None:
        webroot.clean(self._files, self._directories)

    def _place(self, token: str, content: str) -> None:
        self._files.append(self._root.path(token))
        self._entry.note(files=self._files, directories=self._directories)
        self._root.place(token, content)

    def _fetch(self, token: str, content: str) -> Problem | None:
        domain, endpoints = self._ctx.answers.certificate.domain, self._ctx.services.endpoints
        with web.session(endpoints) as session:
            return look_for(session, endpoints, domain, token, content) or stale_ipv6(
                session, endpoints, self._ctx.services.resolver, domain, token
            )


class ByHand:
    """The file is shown, and waited for: the web server is on another machine."""

    kind = "http-01"

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._shown: list[str] = []

    def prepare(self) -> None:
        """Nothing can be tried before the operator has put the file there."""

    def perform(self, challenge: Challenge) -> None:
        path = f"{WELL_KNOWN}/{challenge.token}"
        self._shown.append(path)
        self._ctx.note(
            f"On the web server of {challenge.domain}, put a file at {path} below its document root, "
            f"readable for everybody, with this one line:\n{challenge.content}"
        )
        endpoints = self._ctx.services.endpoints

        def is_there() -> bool:
            problem = look_for(session, endpoints, challenge.domain, challenge.token, challenge.content)
            if problem:
                raise NotReady(f"{problem.what} {problem.why}")
            return True

        with web.session(endpoints) as session:
            self._ctx.wait(
                is_there,
                what=f"the file at http://{challenge.domain}/{path}",
                deadline_s=BY_HAND_S,
                every_s=1.0,
                slowest_s=5.0,
                fix="Put the file there, then run the same command again; it shows the file anew.",
            )

    def cleanup(self) -> None:
        for path in self._shown:
            self._ctx.note(f"The file {path} may be removed from the web server.")


def clean_after(notes: Mapping[str, object]) -> None:
    """Removes what a run that was cut off has left in a webroot, as its journal entry says."""
    files, directories = notes.get("files"), notes.get("directories")
    if isinstance(files, list) and isinstance(directories, list | tuple):
        webroot.clean(map(str, files), map(str, directories))
