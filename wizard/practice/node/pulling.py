"""Images of a registry of this world: really pulled, with the logins that a Pod's pull Secrets hold.

What fails is told in the words of containerd, which a kubelet passes on.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from wizard.practice.kubeclient import Obj
from wizard.practice.node.images import PullError

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ARCHITECTURES = ("amd64", "arm64")
TIMEOUT_S = (5.0, 30.0)
CHUNK_BYTES = 1 << 20
DOCKER_CONFIG = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson")


@dataclass(frozen=True, slots=True)
class Route:
    """How a node gets to the registries of its world: a proxy, and the file of roots that it trusts."""

    proxy: str
    ca_file: str


def logins_for(host: str, secrets: Sequence[Obj]) -> list[tuple[str, str]]:
    """User and password of each Secret that speaks of the host, as a kubelet's keyring finds them."""
    found = []
    for secret in secrets:
        kind, key = DOCKER_CONFIG
        if secret.get("type") != kind:
            continue
        try:
            auths = json.loads(base64.b64decode((secret.get("data") or {})[key]))["auths"]
            found += [_pair(login) for name, login in auths.items() if _host(name) == host]
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


class Puller:
    """Thread-safe; keeps nothing of what it pulls but the digests."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def known(self, full: str) -> str:
        """The digest of an image that was pulled before, "" else."""
        with self._lock:
            return self._known.get(full, "")

    def pull(self, name: str, reference: str, full: str, logins: Sequence[tuple[str, str]]) -> str:
        """Fetches manifest, configuration and layers, and checks their digests; returns the manifest's.

        `name` is host and repository, `reference` a tag or digest, `full` what the errors call it.
        """
        host, _, repository = name.partition("/")
        prefix = f'failed to pull and unpack image "{full}": '
        with requests.Session() as session:
            session.trust_env = False
            session.proxies = {"https": self._route.proxy}
            session.verify = self._route.ca_file
            base = f"https://{host}/v2/{repository}"
            try:
                manifest, digest = self._manifest(session, f"{base}/manifests/{reference}", full, logins)
                if _is_for_others(manifest):
                    raise PullError(f"{prefix}no match for platform in manifest: not found")
                for part in (manifest["config"], *manifest["layers"]):
                    _blob(session, base, part["digest"])
            except requests.RequestException as error:
                reason = f'failed to do request: Head "{base}/manifests/{reference}": {_reason(error, host)}'
                raise PullError(f'{prefix}failed to resolve reference "{full}": {reason}') from error
            except (KeyError, TypeError, ValueError) as error:
                raise PullError(f"{prefix}the manifest cannot be read") from error
        with self._lock:
            self._known[full] = digest
        return digest

    def _manifest(
        self, session: requests.Session, url: str, full: str, logins: Sequence[tuple[str, str]]
    ) -> tuple[Mapping[str, Any], str]:
        refused = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": '
        answer = _get(session, url)
        for login in logins if answer.status_code == requests.codes.unauthorized else ():
            session.auth = login
            answer = _get(session, url)
            if answer.status_code != requests.codes.unauthorized:
                break
        if answer.status_code == requests.codes.unauthorized:
            if logins:
                raise PullError(f"{refused}unexpected status from HEAD request to {url}: 401 Unauthorized")
            raise PullError(
                f"{refused}pull access denied, repository does not exist or may require authorization: "
                "authorization failed: no basic auth credentials"
            )
        if answer.status_code == requests.codes.not_found:
            raise PullError(f"{refused}{full}: not found")
        if not answer.ok:
            status = f"{answer.status_code} {answer.reason}"
            raise PullError(f"{refused}unexpected status from HEAD request to {url}: {status}")
        return answer.json(), "sha256:" + hashlib.sha256(answer.content).hexdigest()


def _is_for_others(manifest: Mapping[str, Any]) -> bool:
    """An index (OCI Image Specification 1.1) that lists other processors' images only."""
    if "manifests" not in manifest:
        return False
    platforms = [each.get("platform") or {} for each in manifest["manifests"]]
    return all(each.get("architecture") not in ARCHITECTURES for each in platforms)


def _get(session: requests.Session, url: str) -> requests.Response:
    return session.get(url, headers={"Accept": ", ".join(MANIFESTS)}, timeout=TIMEOUT_S)


def _blob(session: requests.Session, base: str, digest: str) -> None:
    """Raises ValueError where what comes is not what the digest says."""
    found = hashlib.sha256()
    with session.get(f"{base}/blobs/{digest}", stream=True, timeout=TIMEOUT_S) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_content(CHUNK_BYTES):
            found.update(chunk)
    if digest != f"sha256:{found.hexdigest()}":
        raise ValueError(digest)


def _reason(error: requests.RequestException, host: str) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, requests.exceptions.Timeout):
        return "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
    return f"dial tcp {host}:443: connect: connection refused"


def _pair(login: Mapping[str, str]) -> tuple[str, str]:
    if "auth" in login:
        user, _, password = base64.b64decode(login["auth"]).decode().partition(":")
        return user, password
    return login["username"], login["password"]


def _host(name: str) -> str:
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]
