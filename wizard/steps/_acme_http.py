"""Shows http-01 proofs: in a web server's directory, by a server of the wizard's own, or by hand."""

import secrets
from collections.abc import Sequence

from wizard.events import FileWanted
from wizard.journal import Entry
from wizard.polling import NotReady
from wizard.services import web, webroot
from wizard.services.acme import Challenge
from wizard.services.standalone import Standalone
from wizard.services.webroot import WELL_KNOWN, Webroot
from wizard.step import Check, Context
from wizard.steps._acme_checks import probing, reaching
from wizard.steps._acme_preflight import look_for

BY_HAND_S = 3600.0


class InWebroot:
    """Files in a directory of this machine that a web server serves."""

    kind = "http-01"

    def __init__(self, ctx: Context, entry: Entry) -> None:
        self._ctx, self._entry = ctx, entry
        self._root = Webroot(ctx.answers.certificate.webroot)
        self._files: list[str] = []
        self._directories = self._root.missing_directories()

    def open(self) -> None:
        self._root.refuse_useless()

    def checks(self) -> Sequence[Check]:
        """They fetch a file of random content through the domain."""
        token, content = _random_proof()
        self._place(token, content)
        return probing(self._ctx, token, content)

    def perform(self, challenge: Challenge) -> None:
        self._place(challenge.token, challenge.content)

    def settle(self) -> None:
        """A file is there at once."""

    def cleanup(self) -> None:
        webroot.clean(self._files, self._directories)

    def _place(self, token: str, content: str) -> None:
        self._files.append(self._root.path(token))
        self._entry.note(files=self._files, directories=self._directories)
        self._root.place(token, content)


class ByItself:
    """The wizard answers; port 80 of the domain must lead to this machine."""

    kind = "http-01"

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        listen = ctx.services.endpoints.http_listen
        self._server = Standalone(ctx.answers.certificate.http_port, listen)

    def open(self) -> None:
        self._server.start()

    def checks(self) -> Sequence[Check]:
        token, content = _random_proof()
        self._server.place(token, content)
        return probing(self._ctx, token, content)

    def perform(self, challenge: Challenge) -> None:
        self._server.place(challenge.token, challenge.content)

    def settle(self) -> None:
        """What was placed is served at once."""

    def cleanup(self) -> None:
        self._server.stop()


class ByHand:
    """The file is shown, and waited for: the web server is on another machine."""

    kind = "http-01"

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._shown: list[Challenge] = []

    def open(self) -> None:
        """Nothing is to be made ready here."""

    def checks(self) -> Sequence[Check]:
        """No file can be tried before the operator has put it there."""
        return reaching(self._ctx)

    def perform(self, challenge: Challenge) -> None:
        self._shown.append(challenge)
        wanted = FileWanted(self._ctx.step, challenge.domain, _path(challenge), challenge.content)
        self._ctx.emit(wanted)

    def settle(self) -> None:
        for challenge in self._shown:
            self._await(challenge)

    def _await(self, challenge: Challenge) -> None:
        endpoints = self._ctx.services.endpoints

        def is_there() -> bool:
            problem = look_for(session, endpoints, challenge.domain, challenge.token, challenge.content)
            if problem:
                raise NotReady(f"{problem.what} {problem.why}")
            return True

        with web.session(endpoints) as session:
            self._ctx.wait(
                is_there,
                what=f"the file at http://{challenge.domain}/{_path(challenge)}",
                deadline_s=BY_HAND_S,
                every_s=1.0,
                slowest_s=5.0,
                fix="Put the file there, then run the same command again; it shows the file anew.",
            )

    def cleanup(self) -> None:
        for challenge in self._shown:
            self._ctx.note(f"The file {_path(challenge)} may be removed from the web server.")


def _path(challenge: Challenge) -> str:
    return f"{WELL_KNOWN}/{challenge.token}"


def _random_proof() -> tuple[str, str]:
    return secrets.token_urlsafe(32), secrets.token_urlsafe(32)
