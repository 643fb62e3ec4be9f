"""HTTP sessions that know the proxy, the trusted CAs and the time-outs of a run.

`requests` lets environment variables win over a session's own proxy and CA bundle; here the answers win,
so both are decided in the adapter, at the last moment.
"""

import atexit
import contextlib
import functools
import importlib.metadata
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import requests
from requests.adapters import HTTPAdapter

from wizard.endpoints import Endpoints
from wizard.errors import Problem, Refused, Unreachable, WizardError

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

TimeOuts = float | tuple[float, float] | tuple[float, None] | None


def session(endpoints: Endpoints, *, ca_file: str = "") -> requests.Session:
    """A session to be closed by the caller; `ca_file` is trusted besides `endpoints.ca_file`.

    Raises Refused where a CA file cannot be read. Errors of its requests: see `explain`.
    """
    made = requests.Session()
    adapter = _Adapter(endpoints, trusted_bundle(endpoints, ca_file=ca_file))
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    made.headers["User-Agent"] = user_agent()
    made.max_redirects = 10  # as many as a CA follows for http-01
    return made


def trusted_bundle(endpoints: Endpoints, *, ca_file: str = "") -> str:
    """Path of a PEM file of all trusted roots: those of the environment or of certifi, and the CA files.

    Raises Refused where a CA file cannot be read.
    """
    more = tuple(dict.fromkeys(filter(None, (endpoints.ca_file, ca_file))))
    base = base_bundle()
    if not more:
        return base
    for path in more:
        read_ca_file(path)
    files = (base, *more)
    return _merged(files, tuple(Path(path).stat().st_mtime_ns for path in files))


def read_ca_file(path: str) -> bytes:
    """The PEM of a CA file; raises Refused where it cannot be read or holds no certificate."""
    try:
        found = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise Refused(
            Problem(
                "ca-file-unreadable",
                f"The CA file {path} cannot be read.",
                f"{error.strerror}.",
                "Name a readable PEM file in ca_file, or leave it empty.",
            )
        ) from error
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise Refused(
            Problem(
                "ca-file-not-pem",
                f"The CA file {path} holds no certificate in PEM form.",
                "It needs a block that begins with -----BEGIN CERTIFICATE-----.",
                "Name the CA's PEM file in ca_file.",
            )
        )
    return found


@functools.cache
def user_agent() -> str:
    """kube-registry/<version>."""
    return f"kube-registry/{importlib.metadata.version('kube-registry')}"


def explain(error: requests.RequestException, url: str, endpoints: Endpoints) -> WizardError:
    """The sentence for a request that got no answer."""
    address = urlsplit(url)
    host = address.hostname or url
    proxy = endpoints.proxy_for(address.scheme, host)
    way = f" through the proxy {without_password(proxy)}" if proxy else ""
    code, why, fix = _reason(error, host, proxy)
    return Unreachable(
        Problem(code, f"{host} cannot be reached{way}.", why, fix, without_password(str(error)))
    )


def without_password(url: str) -> str:
    """The URL without what stands before an @ in its host part."""
    head, separator, rest = url.partition("://")
    return f"{head}{separator}{rest.rpartition('@')[2]}" if separator else url


def _reason(error: requests.RequestException, host: str, proxy: str) -> tuple[str, str, str]:
    text = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return (
            "proxy-failed",
            "The proxy did not let the request through.",
            "Check [endpoints] proxy and NO_PROXY.",
        )
    if isinstance(error, requests.exceptions.SSLError):
        if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
            return "not-tls", "It answers, but not with TLS.", "Check the port and the scheme of the address."
        return (
            "tls-untrusted",
            "Its certificate is not trusted: a private CA, or a firewall that opens TLS.",
            "Name the PEM file of that CA in [endpoints] ca_file.",
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "connect-timeout", "Nothing answered in time.", f"Check the firewall between here and {host}."
    if isinstance(error, requests.exceptions.Timeout):
        return "read-timeout", "It took the connection but did not answer in time.", "Try again in a minute."
    if "Failed to resolve" in text or "Name or service not known" in text:
        return "name-not-found", "Its name does not resolve here.", "Check the name and this machine's DNS."
    if "refused" in text:
        where = "The proxy" if proxy else "The address"
        return "refused", f"{where} refused the connection.", "Check that the server runs and listens there."
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return "redirect-loop", "It redirects without end.", f"Mend the redirects of {host}."
    if "nreachable" in text:
        return "no-route", "There is no route to its address.", "Check this machine's network."
    return "no-answer", "The connection broke before an answer came.", "Try again in a minute."


class _Adapter(HTTPAdapter):
    def __init__(self, endpoints: Endpoints, bundle: str) -> None:
        super().__init__()
        self._endpoints = endpoints
        self._bundle = bundle

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: TimeOuts = None,
        verify: bool | str = True,  # noqa: ARG002 - of requests' own signature; the bundle decides
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - as above; the endpoints decide
    ) -> requests.Response:
        url = urlsplit(request.url or "")
        scheme = str(url.scheme)
        host = str(url.hostname or "")
        proxy = self._endpoints.proxy_for(scheme, f"[{host}]" if ":" in host else host)
        return super().send(
            request,
            stream=stream,
            timeout=_bounded(timeout, self._endpoints.patience),
            verify=self._bundle,
            cert=cert,
            proxies={scheme: proxy} if proxy else {},
        )


def _bounded(timeout: TimeOuts, patience: float) -> tuple[float, float] | tuple[float, None]:
    if isinstance(timeout, tuple):
        return timeout
    read_s = (READ_TIMEOUT_S if timeout is None else timeout) * patience
    return min(CONNECT_TIMEOUT_S * patience, read_s), read_s


def base_bundle() -> str:
    """Path of the roots trusted without any answer: the environment's bundle, else certifi's."""
    named = (os.environ.get(variable, "") for variable in BUNDLE_VARIABLES)
    return next((path for path in named if path and Path(path).is_file()), certifi.where())


@functools.cache
def _merged(files: tuple[str, ...], _changed_ns: tuple[int, ...]) -> str:
    handle, path = tempfile.mkstemp(prefix="kube-registry-roots-", suffix=".pem")
    atexit.register(_remove, path)
    with os.fdopen(handle, "wb") as merged:
        for file in files:
            merged.write(Path(file).expanduser().read_bytes().rstrip() + b"\n")
    return path


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()
