"""Makes the official client for one context, with routes, trust and keys set and nothing left in files."""

import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from wizard.endpoints import Endpoints
from wizard.errors import Problem, Refused
from wizard.services.cluster.credentials import Credential
from wizard.services.cluster.kubeconfig import Chosen

CONNECTIONS = 16


def open_client(
    chosen: Chosen,
    endpoints: Endpoints,
    credential: Credential | None,
    show_token: Callable[[Any], None] | None,
) -> Any:
    """A DynamicClient without discovery and retries; `show_token` puts the token in before each request.

    Raises Refused where the context's tables, files or certificates cannot be used. No request is made.
    """
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.dynamic import DynamicClient

    configuration: Any = Configuration()
    with tempfile.TemporaryDirectory(prefix="kube-registry-") as files:
        _load_into(configuration, chosen, files)
        _route(configuration, chosen, endpoints)
        configuration.retries = False
        configuration.connection_pool_maxsize = CONNECTIONS
        if show_token is not None:
            configuration.api_key["BearerToken"] = ""
            configuration.refresh_api_key_hook = show_token
        if credential is not None and credential.certificate_pem:
            configuration.cert_file = _file(files, "client.crt", credential.certificate_pem)
            configuration.key_file = _file(files, "client.key", credential.key_pem)
        context = _tls(configuration, chosen, endpoints)
    configuration.cert_file = configuration.key_file = configuration.ssl_ca_cert = None
    api: Any = ApiClient(configuration)
    api.user_agent = "kube-registry"
    if context is not None:
        api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    dynamic: Any = DynamicClient
    return dynamic(api, discoverer=_NoDiscovery)


class _NoDiscovery:
    """Stands in the place of the client's discoverer, which would ask for and cache the whole API."""

    def __init__(self, client: object, cache_file: object) -> None:
        """Takes what the client gives, and needs none of it."""


def _load_into(configuration: Any, chosen: Chosen, files: str) -> None:
    """Server, CA, client certificate and token as the official loader reads them; never a plugin."""
    from kubernetes.config import ConfigException, kube_config

    document = {
        "current-context": "chosen",
        "contexts": [{"name": "chosen", "context": {"cluster": "chosen", "user": "chosen"}}],
        "clusters": [{"name": "chosen", "cluster": dict(chosen.cluster)}],
        "users": [{"name": "chosen", "user": {k: v for k, v in chosen.user.items() if k != "exec"}}],
    }
    loader_type: Any = kube_config.KubeConfigLoader
    try:
        loader = loader_type(document, config_base_path="", temp_file_path=files)
        loader.load_and_set(configuration)
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = f"{error}." if isinstance(error, ConfigException | OSError) else "Its data is malformed."
        raise _unusable(f"The context {chosen.name} of the kubeconfig cannot be used.", why) from None


def _route(configuration: Any, chosen: Chosen, endpoints: Endpoints) -> None:
    """The kubeconfig's proxy-url wins, as in kubectl; else the operator's and the environment's."""
    import urllib3

    server = urlsplit(configuration.host)
    proxy = str(chosen.cluster.get("proxy-url") or "")
    proxy = proxy or endpoints.proxy_for(server.scheme, server.netloc)
    configuration.proxy = proxy or None
    configuration.no_proxy = None
    userinfo = urlsplit(proxy).netloc.rpartition("@")[0]
    if userinfo:
        configuration.proxy_headers = urllib3.make_headers(proxy_basic_auth=unquote(userinfo))


def _tls(configuration: Any, chosen: Chosen, endpoints: Endpoints) -> ssl.SSLContext | None:
    """A context with everything loaded, so that no key has to stay in a file; None for plain HTTP.

    Python 3.13 by default refuses CAs without a key identifier (RFC 5280), which older clusters have and
    kubectl takes.
    """
    from urllib3.util.ssl_ import create_urllib3_context

    if not configuration.host.startswith("https:"):
        return None
    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        if configuration.ssl_ca_cert:
            context.load_verify_locations(configuration.ssl_ca_cert)
        else:
            context.load_default_certs()
    except OSError:
        raise _unusable(
            f"The certificates of the context {chosen.name} cannot be used.",
            "A certificate or key in the kubeconfig is not valid PEM, or the two do not match.",
        ) from None
    if endpoints.ca_file:
        _trust(context, endpoints.ca_file)
    if not configuration.verify_ssl:
        _verify_nothing(context)
    return context


def _trust(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        context.load_verify_locations(Path(ca_file).expanduser())
    except OSError as error:
        raise Refused(
            Problem(
                "ca-file-unusable",
                f"The CA file {ca_file} cannot be used.",
                f"{error.strerror or 'It holds no PEM certificate'}.",
                "Name a PEM file as ca_file in [endpoints].",
            )
        ) from None


def _verify_nothing(context: ssl.SSLContext) -> None:
    """The kubeconfig's insecure-skip-tls-verify is its owner's decision."""
    import urllib3

    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def _file(directory: str, name: str, text: str) -> str:
    path = Path(directory) / name
    path.write_text(text)
    return str(path)


def _unusable(what: str, why: str) -> Refused:
    return Refused(
        Problem("kubeconfig-broken", what, why, "Get the kubeconfig anew from the one who runs the cluster.")
    )
