"""HTTP and TLS: one thread a connection, authentication, health and error answers around the routes."""

import functools
import secrets
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from wizard.practice.registry.errors import ApiError, unauthorized
from wizard.practice.registry.handlers import ApiHandler, DebugHandler
from wizard.practice.registry.health import Health
from wizard.practice.registry.messages import Request, Response
from wizard.practice.registry.output import say
from wizard.practice.registry.passwords import Passwords
from wizard.practice.registry.routes import Routes
from wizard.practice.registry.settings import Refused, Settings
from wizard.practice.registry.store import Store
from wizard.practice.registry.uploads import States

CONNECTIONS = 128
HANDSHAKE_S = 10.0
NO_SECRET = (
    "No HTTP secret provided - generated random secret. This may cause problems with uploads if multiple "
    "registries are behind a load-balancer. To provide a shared secret, fill in http.secret in the "
    "configuration file or set the REGISTRY_HTTP_SECRET environment variable."
)
TLS_RECORD = b"\x16"
NOT_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
UNHEALTHY = ApiError(
    503, "UNAVAILABLE", "service unavailable", "health check failed: please see /debug/health"
)


class Registry:
    """Everything that answers; raises Refused where the real one would not start."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.host, self.has_relative_urls = settings.host, settings.has_relative_urls
        if not settings.secret:
            say("warning", NO_SECRET)
        secret = settings.secret or secrets.token_hex(32)
        store = Store(settings.storage)
        self._passwords = Passwords(Path(settings.htpasswd)) if settings.htpasswd else None
        self._routes = Routes(
            store, States(secret), can_delete=settings.can_delete, does_redirect=settings.does_redirect
        )
        self._health = Health(store, interval_s=settings.check_interval_s, threshold=settings.check_threshold)

    def serve(self) -> None:
        """Listens until the process ends."""
        settings = self._settings
        context = _context(settings)
        listening = _listen(settings.address)
        if settings.debug_address:
            debug = _listen(settings.debug_address)
            serve = functools.partial(DebugHandler, registry=self)
            threading.Thread(target=_accept, args=(debug, serve, None), daemon=True).start()
        if settings.is_checked:
            self._health.start()
        host, port = listening.getsockname()[:2]
        say("info", f"listening on {host}:{port}{', tls' if context else ''}")
        _accept(listening, functools.partial(ApiHandler, registry=self), context)

    def answer(self, request: Request) -> Response:
        if self._health.failures():
            raise UNHEALTHY
        if request.path == "/":
            return Response(200, {"Cache-Control": "no-cache"})
        route = self._routes.find(request)
        login = request.headers.get("Authorization", "")
        if self._passwords and route.access is not None and not self._passwords.accepts(login):
            raise unauthorized(self._settings.realm, route.access)
        return route.answer()

    def failures(self) -> dict[str, str]:
        return self._health.failures()


def _context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.certificate:
        return None
    for path in (settings.certificate, settings.key):
        if not Path(path).is_file():
            raise Refused(f"open {path}: no such file or directory", is_panic=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except ssl.SSLError as error:
        reason = (
            "private key does not match public key"
            if "MISMATCH" in str(error)
            else "failed to find any PEM data"
        )
        raise Refused(f"tls: {reason}", is_panic=False) from error
    return context


def _listen(address: tuple[str, int]) -> socket.socket:
    try:
        return socket.create_server(address, backlog=CONNECTIONS)
    except OSError as error:
        where = f"{address[0]}:{address[1]}"
        raise Refused(f"listen tcp {where}: bind: {str(error.strerror).lower()}", is_panic=False) from error


def _accept(
    listening: socket.socket, serve: Callable[[socket.socket], object], context: ssl.SSLContext | None
) -> None:
    slots = threading.BoundedSemaphore(CONNECTIONS)

    def run(connection: socket.socket) -> None:
        try:
            with connection:
                _serve_connection(connection, serve, context)
        except OSError:
            pass  # The client went away, or never spoke TLS.
        except Exception as error:  # noqa: BLE001 - a connection's trouble is not the registry's
            say("error", f"a connection ended in {error!r}")
        finally:
            slots.release()

    while True:
        slots.acquire()
        connection, _ = listening.accept()
        threading.Thread(target=run, args=(connection,), daemon=True).start()


def _serve_connection(
    connection: socket.socket, serve: Callable[[socket.socket], object], context: ssl.SSLContext | None
) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(HANDSHAKE_S)
    if context is None:
        serve(connection)
    elif connection.recv(1, socket.MSG_PEEK) != TLS_RECORD:
        connection.sendall(NOT_TLS)
    else:
        with context.wrap_socket(connection, server_side=True) as secured:
            serve(secured)
