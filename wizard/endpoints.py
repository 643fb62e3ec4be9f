"""Where the services are: the real internet unless answers or environment name something else.

A corporate network, an S3-compatible store, a private CA and the practice world are all the same thing
here: other addresses. AWS_ENDPOINT_URL, AWS_CONFIG_FILE, KUBECONFIG and the proxy variables are read by
the SDKs themselves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from wizard.answers import EndpointAnswers
from wizard.errors import Problem, Refused
from wizard.traffic import Traffic

PRODUCTION = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
LOOPBACK = re.compile(r"127(?:\.\d{1,3}){3}")
LEAST_PATIENCE, MOST_PATIENCE = 0.01, 100.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`nameservers` are "ip" or "ip:port"; `ca_file` is trusted besides the system's roots; "" is unset.

    `acme_directory` and `acme_staging` stand in for production and staging; `http_listen` is "host:port",
    where the wizard answers for http-01 instead of at every address and the answers' port.
    `patience` is what every time-out of a request is multiplied by; `traffic` is told of each request.
    """

    nameservers: tuple[str, ...] = ()
    proxy: str = ""
    ca_file: str = ""
    acme_directory: str = ""
    acme_staging: str = ""
    http_listen: str = ""
    patience: float = 1.0
    traffic: Traffic = field(default_factory=Traffic, compare=False, repr=False)

    @classmethod
    def gather(cls, answers: EndpointAnswers, environ: Mapping[str, str]) -> "Endpoints":
        """Answers win over KUBE_REGISTRY_NAMESERVER, _CA_FILE and _ACME_DIRECTORY.

        Raises Refused for a KUBE_REGISTRY_PATIENCE that is no factor, and a directory that is not https.
        """
        named = environ.get("KUBE_REGISTRY_NAMESERVER", "")
        return cls(
            nameservers=tuple(answers.nameservers) or tuple(filter(None, named.split(","))),
            proxy=answers.proxy,
            ca_file=answers.ca_file or environ.get("KUBE_REGISTRY_CA_FILE", ""),
            acme_directory=_acme_directory(environ, "KUBE_REGISTRY_ACME_DIRECTORY"),
            acme_staging=_acme_directory(environ, "KUBE_REGISTRY_ACME_STAGING"),
            http_listen=environ.get("KUBE_REGISTRY_HTTP_LISTEN", ""),
            patience=_patience(environ.get("KUBE_REGISTRY_PATIENCE", "1")),
        )

    def directory(self, answer: str) -> str:
        """The URL for an answer of production, staging or a URL."""
        known = {
            "production": self.acme_directory or PRODUCTION,
            "staging": self.acme_staging or self.acme_directory or STAGING,
        }
        return known.get(answer, answer)

    def staging_of(self, directory: str, wish: str) -> str:
        """The directory to rehearse with, "" where none is known or wished; "auto" is for Let's Encrypt's."""
        known = {PRODUCTION: STAGING, self.acme_directory: self.acme_staging}
        is_wished = wish == "always" or (wish == "auto" and directory == PRODUCTION)
        return known.get(directory, "") if is_wished else ""

    def proxy_for(self, scheme: str, host: str) -> str:
        """The proxy's URL for a host, "" where it is to be reached directly (NO_PROXY, none set)."""
        from requests.utils import get_environ_proxies, should_bypass_proxies

        if should_bypass_proxies(f"{scheme}://{host}", no_proxy=None):
            return ""
        return self.proxy or get_environ_proxies(f"{scheme}://{host}").get(scheme, "")


def is_private(url: str) -> bool:
    """Whether nobody can read or change what goes there: https, or this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and (host in {"localhost", "::1"} or LOOPBACK.fullmatch(host) is not None)


def _acme_directory(environ: Mapping[str, str], name: str) -> str:
    url = environ.get(name, "")
    if url and not is_private(url):
        raise Refused(
            Problem(
                "acme-not-https",
                f"{name} is {url!r}, which is no https:// address.",
                "Whoever is on the way could read and change what the CA is asked and says.",
                "Name the https:// address of the ACME directory, or unset it.",
            )
        )
    return url


def _patience(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not LEAST_PATIENCE <= found <= MOST_PATIENCE:
        raise Refused(
            Problem(
                "bad-patience",
                f"KUBE_REGISTRY_PATIENCE is {text!r}, which is no factor for time-outs.",
                f"It has to be a number from {LEAST_PATIENCE} to {MOST_PATIENCE:.0f}.",
                "Correct it, or unset it.",
            )
        )
    return found
