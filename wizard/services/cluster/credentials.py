"""Tokens for the API server: from an exec plugin, or for EKS made here from the AWS session.

The official client hands a plugin the terminal, swallows its errors and waits for ever, so it is run here.
"""

import base64
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import secret_variables
from wizard.endpoints import Endpoints
from wizard.errors import CredentialsError, Problem
from wizard.services.cluster.kubeconfig import Chosen

if TYPE_CHECKING:
    from wizard.services.aws import Aws

PLUGIN_TIMEOUT_S = 20.0
EARLY_S = 60.0
EKS_TOKEN_LIFE_S = 14 * 60.0
"""EKS takes a token for 15 minutes; `aws eks get-token` claims 14."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What the API server is shown; `expires_at` is a POSIX time in seconds, None for never."""

    token: str = field(default="", repr=False)
    certificate_pem: str = field(default="", repr=False)
    key_pem: str = field(default="", repr=False)
    expires_at: float | None = None


class Renewable:
    """Holds a credential and gets the next one shortly before it expires; thread-safe."""

    def __init__(self, obtain: Callable[[], Credential]) -> None:
        self._obtain = obtain
        self._lock = threading.Lock()
        self._held: Credential | None = None

    def credential(self) -> Credential:
        """Raises CredentialsError."""
        with self._lock:
            held = self._held
            if held is None or (held.expires_at is not None and time.time() > held.expires_at - EARLY_S):
                held = self._held = self._obtain()
            return held

    def forget(self) -> None:
        """The server refused it: the next call gets another."""
        with self._lock:
            self._held = None


@dataclass(frozen=True, slots=True)
class EksPlugin:
    """An exec entry that only makes a token for EKS, which needs no program; "" means not named."""

    cluster_name: str
    aws_profile: str = ""
    aws_region: str = ""


def eks_plugin(plugin: Mapping[str, Any]) -> EksPlugin | None:
    """None for other plugins, and for one that assumes a role: that is left to the program."""
    program = Path(str(plugin.get("command", ""))).name.removesuffix(".exe")
    args = [str(arg) for arg in plugin.get("args") or []]
    options = _options(args)
    is_aws = program == "aws" and "eks" in args and "get-token" in args
    is_authenticator = program == "aws-iam-authenticator" and "token" in args
    if not (is_aws or is_authenticator) or {"--role-arn", "--role", "-r"} & options.keys():
        return None
    name = options.get("--cluster-name") if is_aws else options.get("-i", options.get("--cluster-id"))
    if not name:
        return None
    env = _environment(plugin)
    return EksPlugin(
        name,
        options.get("--profile", env.get("AWS_PROFILE", "")),
        options.get("--region", env.get("AWS_REGION", env.get("AWS_DEFAULT_REGION", ""))),
    )


class EksTokens:
    """Makes tokens for one EKS cluster, with the wizard's AWS profile unless the kubeconfig names one."""

    def __init__(self, plugin: EksPlugin, endpoints: Endpoints, aws: Callable[[], "Aws"]) -> None:
        self._plugin = plugin
        self._endpoints = endpoints
        self._aws = aws
        self._own: Aws | None = None

    def obtain(self) -> Credential:
        """Raises CredentialsError where the profile has no usable credentials.

        Source of the token's form: "API authorization from outside a cluster" of aws-iam-authenticator.
        """
        expires_at = time.time() + EKS_TOKEN_LIFE_S
        url = self._session().presigned_identity_url(self._plugin.cluster_name)
        encoded = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
        return Credential(token=f"k8s-aws-v1.{encoded}", expires_at=expires_at)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    def _session(self) -> "Aws":
        if not self._plugin.aws_profile:
            return self._aws()
        if self._own is None:
            from wizard.services.aws import Aws

            self._own = Aws(self._plugin.aws_profile, self._plugin.aws_region, self._endpoints)
        return self._own


def run_plugin(chosen: Chosen) -> Credential:
    """Runs the context's exec plugin without a terminal, for at most 20 s; raises CredentialsError.

    Source: Kubernetes documentation, "client-go credential plugins" (ExecCredential v1).
    """
    plugin = chosen.user["exec"]
    command = [str(plugin.get("command", "")), *(str(arg) for arg in plugin.get("args") or [])]
    # The wizard's own secrets are no business of a plugin; AWS variables are.
    own = secret_variables.without(os.environ, secret_variables.OWN)
    environment = {**own, **_environment(plugin), "KUBERNETES_EXEC_INFO": _exec_info(chosen, plugin)}
    try:
        # A session of its own keeps it off the terminal, /dev/tty included, and lets all of it be stopped.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(chosen, command[0], plugin, error) from error
    with process:
        try:
            out, err = process.communicate(timeout=PLUGIN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise _plugin_failed(
                chosen, command, f"It gave no token within {PLUGIN_TIMEOUT_S:.0f} s; it may ask for a login."
            ) from None
    said = err.decode(errors="replace").strip()
    if process.returncode != 0:
        raise _plugin_failed(chosen, command, f"It ended with status {process.returncode}.", said)
    return _parse(chosen, command, out)


def _parse(chosen: Chosen, command: list[str], out: bytes) -> Credential:
    try:
        status = json.loads(out)["status"]
        expires = status.get("expirationTimestamp")
        found = Credential(
            str(status.get("token") or ""),
            str(status.get("clientCertificateData") or ""),
            str(status.get("clientKeyData") or ""),
            _posix(str(expires)) if expires else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _plugin_failed(chosen, command, "What it printed is not an ExecCredential.") from None
    if not found.token and not (found.certificate_pem and found.key_pem):
        raise _plugin_failed(chosen, command, "It printed neither a token nor a certificate with its key.")
    return found


def _posix(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _exec_info(chosen: Chosen, plugin: Mapping[str, Any]) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {
            key: chosen.cluster[key]
            for key in ("server", "certificate-authority-data", "tls-server-name", "proxy-url")
            if key in chosen.cluster
        }
    version = str(plugin.get("apiVersion") or "client.authentication.k8s.io/v1")
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})


def _environment(plugin: Mapping[str, Any]) -> dict[str, str]:
    entries = plugin.get("env") or []
    return {
        str(entry["name"]): str(entry.get("value", ""))
        for entry in entries
        if isinstance(entry, dict) and "name" in entry
    }


def _options(args: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, arg in enumerate(args):
        name, is_joined, value = arg.partition("=")
        if name.startswith("-"):
            found[name] = value if is_joined else next(iter(args[number + 1 : number + 2]), "")
    return found


def _not_started(chosen: Chosen, program: str, plugin: Mapping[str, Any], error: OSError) -> CredentialsError:
    hint = str(plugin.get("installHint") or "").strip()
    return CredentialsError(
        Problem(
            "plugin-missing",
            f"The context {chosen.name} logs in by the program {program}, which cannot be started.",
            f"{error.strerror}.",
            hint or f"Install {program}, or choose another context.",
            str(error),
        )
    )


def _plugin_failed(chosen: Chosen, command: list[str], why: str, raw: str = "") -> CredentialsError:
    return CredentialsError(
        Problem(
            "plugin-failed",
            f"The login program {command[0]} of the context {chosen.name} failed.",
            why,
            f"Run `kubectl --context {chosen.name} version` in a terminal and mend what it says.",
            raw[:4000],
        )
    )
