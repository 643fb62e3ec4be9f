"""Failed connections in words: one sentence for each way in which a server cannot be reached."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator

from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from wizard.errors import Problem, Unreachable

# What OpenSSL says when the other side speaks plain HTTP; the word differs between its versions.
NOT_TLS = {
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
}
# X509_V_ERR_* numbers (OpenSSL, x509_vfy.h).
CERTIFICATE_FAULTS = {
    9: "The certificate is not valid yet: this machine's clock or the certificate's dates are wrong.",
    10: "The certificate, or one of its chain, has expired.",
    18: "The certificate is self-signed.",
    19: "The chain ends in a root that this machine does not trust.",
    20: "The chain does not lead to a root that this machine trusts: "
    "the intermediate certificate is missing, or the root is a private or a staging one.",
    21: "The intermediate certificate is missing from the chain.",
    62: "The certificate is for another name.",
    64: "The certificate is for another address.",
}


def certificate_fault(error: ssl.SSLCertVerificationError) -> str:
    """The sentence for a failed verification."""
    return CERTIFICATE_FAULTS.get(error.verify_code, f"The certificate was refused: {error.verify_message}.")


def verification_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The failed verification inside an error of any library, or None."""
    found = (cause for cause in _causes(error) if isinstance(cause, ssl.SSLCertVerificationError))
    return next(found, None)


def name_not_found(host: str, raw: str = "") -> Unreachable:
    return Unreachable(
        Problem(
            "name-not-found",
            f"The name {host} is not found.",
            "No record leads anywhere, or a name server still caches that there is none.",
            "Create its DNS record, or wait a minute and run the check again.",
            raw,
        )
    )


def unreachable(error: BaseException, host: str, port: int, *, proxy: str = "") -> Unreachable:
    """What a failed connection to `host` means, whatever library raised it; its proxy is named, if any."""
    causes = list(_causes(error))
    where = f"{host}, port {port},"
    raw = _without_secrets(str(error))
    if proxy and (found := _of_proxy(causes, where, _without_secrets(proxy), raw)):
        return Unreachable(found)
    for cause in causes:
        if found := _of_socket(cause, host, where, raw) or _of_tls(cause, host, where, raw):
            return Unreachable(found)
    return Unreachable(
        Problem(
            "connection-failed", f"{where} did not answer as expected.", fix="Run the check again.", raw=raw
        )
    )


def _of_proxy(causes: list[BaseException], where: str, proxy: str, raw: str) -> Problem | None:
    text = " ".join(map(str, causes))
    if tunnel := re.search(r"Tunnel connection failed: (\d{3})", text):
        status = int(tunnel[1])
        if status == http.client.PROXY_AUTHENTICATION_REQUIRED:
            why, fix = (
                "It wants a user and a password.",
                "Leave endpoints.proxy empty, and set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT.",
            )
        elif status in {502, 503, 504}:
            why = "It knows no way to that name: the name is not found, or nobody answers there."
            fix = "Look whether the name leads where it should, then run the check again."
        else:
            why, fix = (
                "Its rules forbid this connection.",
                "Ask its operator to allow it, or put it in NO_PROXY.",
            )
        return Problem("proxy-refused", f"The proxy {proxy} refused {where} with {status}.", why, fix, raw)
    if any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in causes):
        return Problem(
            "proxy-unreachable", f"The proxy {proxy} does not answer.", "", "Correct endpoints.proxy.", raw
        )
    return None


def _of_socket(cause: BaseException, host: str, where: str, raw: str) -> Problem | None:
    if isinstance(cause, socket.gaierror | NameResolutionError):
        return name_not_found(host, raw).problem
    if isinstance(cause, ConnectionRefusedError):
        return Problem(
            "connection-refused",
            f"{where} refused the connection.",
            "Nothing listens there.",
            "Look whether the name leads to the load balancer.",
            raw,
        )
    if isinstance(cause, TimeoutError):
        return Problem(
            "connection-timed-out",
            f"{where} did not answer in time.",
            "A security group, a firewall or an internal load balancer drops the packets.",
            "Allow port 443 from here to the load balancer.",
            raw,
        )
    if isinstance(
        cause, ConnectionResetError | BrokenPipeError | ssl.SSLEOFError | http.client.RemoteDisconnected
    ):
        return Problem(
            "connection-closed",
            f"{where} closed the connection.",
            "The load balancer has no ready Pod behind it, or it cuts connections that pause too long.",
            "Look whether the registry's Pods are ready.",
            raw,
        )
    return None


def _of_tls(cause: BaseException, host: str, where: str, raw: str) -> Problem | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Problem(
            "certificate-refused",
            f"The certificate that {host} serves was refused.",
            certificate_fault(cause),
            "Serve the full chain of a trusted CA for this name, or name the CA in endpoints.ca_file.",
            raw,
        )
    if not isinstance(cause, ssl.SSLError):
        return None
    if cause.reason in NOT_TLS:
        return Problem(
            "not-tls",
            f"{where} answers HTTP, not TLS.",
            "Something in front of the registry, or the registry itself, speaks plain HTTP on this port.",
            "Lead port 443 to the registry's port 5000 as TCP, without another listener in between.",
            raw,
        )
    return Problem(
        "tls-failed",
        f"{where} broke off the TLS handshake.",
        f"OpenSSL calls it {cause.reason or 'an unknown error'}.",
        "Look at the registry's log.",
        raw,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all it wraps, outermost first: __cause__, __context__, `reason` and `args`."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        reason = getattr(current, "reason", None)
        inner = [current.__cause__, current.__context__, reason, *current.args]
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _without_secrets(text: str) -> str:
    """Blots out a proxy's password and the query of a URL, which may be a signature."""
    return re.sub(r"\?\S+", "?***", re.sub(r"(//[^/@:\s]*):[^/@\s]*@", r"\1:***@", text))
