"""The ACME server: HTTPS on loopback in front of the authority's services."""

import socket
from collections.abc import Callable, Sequence

from wizard.practice.acme.background import Background
from wizard.practice.acme.faults import AcmeFault
from wizard.practice.acme.fetch import Fetcher
from wizard.practice.acme.front import Front
from wizard.practice.acme.limits import Limiter
from wizard.practice.acme.log import LogEntry
from wizard.practice.acme.model import Response, Urls
from wizard.practice.acme.settings import AcmeSettings
from wizard.practice.acme.state import Desk, State
from wizard.practice.acme.validation import Caa, Txt, Validator
from wizard.practice.ledger import Ledger
from wizard.practice.listener import HttpHandler, Listener, RefusedBody
from wizard.practice.network import Network
from wizard.practice.pki import Authority

BODY_MAX = 128 * 1024


class AcmeServer:
    """A certificate authority for the practice world, by RFC 8555, 9773 and Let's Encrypt's manners.

    - `resolve`: name -> addresses; none means NXDOMAIN. Ports 80 and 443 are looked up in `network`.
    - `txt`: name -> texts of its TXT records, for dns-01; without it only http-01 is offered.
    - `caa`: name -> (flags, tag, value) of its own CAA records, parents not included.
    - `settings` may be changed while the server runs; `log` tells what was ordered, issued and refused.

    A second start begins anew, with no accounts and another port.
    """

    def __init__(
        self,
        authority: Authority,
        resolve: Callable[[str], list[str]],
        network: Network,
        ledger: Ledger,
        *,
        txt: Txt | None = None,
        caa: Caa | None = None,
        settings: AcmeSettings | None = None,
        name: str = "acme",
        served_by: Authority | None = None,
    ) -> None:
        self.settings = settings or AcmeSettings()
        self._name, self._served_by = name, served_by or authority
        self.log: list[LogEntry] = []
        self._authority = authority
        self._ledger = ledger
        self._validator = Validator(Fetcher(resolve, network, self.settings), self.settings, txt, caa)
        self._listener: Listener | None = None
        self._background: Background | None = None
        self._front: Front | None = None

    @property
    def directory_url(self) -> str:
        """Known once the server was started."""
        port = self._listener.port if self._listener else 0
        return f"https://127.0.0.1:{port}/directory"

    @property
    def faults(self) -> list[AcmeFault]:
        """What it was told to do wrong and has not done yet; may be set at any time."""
        return self.settings.faults.left

    @faults.setter
    def faults(self, faults: Sequence[AcmeFault]) -> None:
        self.settings.faults.set(faults)

    @property
    def latency_s(self) -> float:
        """How long every answer takes."""
        return self.settings.latency_s

    @latency_s.setter
    def latency_s(self, seconds: float) -> None:
        self.settings.latency_s = seconds

    def start(self) -> None:
        if self._background:
            return
        context = self._served_by.server_context(["127.0.0.1", "localhost"])
        self._listener = Listener(self._name, self._serve, context=context)
        self._listener.start()
        urls = Urls(f"https://127.0.0.1:{self._listener.port}")
        self._background = Background()
        desk = Desk(
            authority=self._authority,
            settings=self.settings,
            urls=urls,
            validator=self._validator,
            state=State(),
            limiter=Limiter(urls.of("terms")),
            background=self._background,
            log=self.log,
        )
        self._front = Front(desk, self._ledger, self._name)

    def stop(self) -> None:
        if self._background and self._listener:
            self._listener.stop()
            self._background.stop()
            self._background = None

    def _serve(self, connection: socket.socket) -> None:
        if self._front:
            AcmeHandler(connection, self._front)


class AcmeHandler(HttpHandler):
    def __init__(self, connection: socket.socket, front: Front) -> None:
        self._front = front
        super().__init__(connection)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.answer_in_full()
        self._send(self._front.refuse(code, explain or message or "Not an HTTP request"))

    def _answer(self) -> None:
        try:
            body = self.body(BODY_MAX)
        except RefusedBody as refused:
            self._send(self._front.refuse(refused.status, str(refused)))
            return
        content_type = self.headers.get("Content-Type", "").strip().lower()
        self._send(self._front.answer(self.command, self.path, content_type, body))

    def _send(self, response: Response) -> None:
        assert isinstance(response.body, bytes)
        self.reply(response.status, response.headers, response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815 (http.server's names)
