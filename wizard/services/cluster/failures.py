"""Turns what can go wrong on the way to an API server, and what it refuses, into sentences.

Status objects: Kubernetes API conventions, "Response Status Kind". Contents of Secrets never get into
`raw`: for those only the server's one-word reason is kept.
"""

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from wizard.errors import (
    AccessDenied,
    Conflict,
    CredentialsError,
    NotFound,
    Problem,
    Remedy,
    Unreachable,
    WizardError,
)


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked of the API server; `namespace` is "" for things outside namespaces."""

    verb: str
    resource: str
    name: str = ""
    namespace: str = ""

    @property
    def action(self) -> str:
        """Such as "create secrets"."""
        return f"{self.verb} {self.resource}"

    @property
    def place(self) -> str:
        return f"in namespace {self.namespace}" if self.namespace else "in the whole cluster"

    @property
    def thing(self) -> str:
        return f"{self.resource}/{self.name}" if self.name else self.resource

    @property
    def is_secret(self) -> bool:
        return self.resource == "secrets"


@dataclass(frozen=True, slots=True)
class Target:
    """Which server, for sentences; `is_eks` changes the advice."""

    context: str
    server: str
    is_eks: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """The server's own words; empty where it did not speak as an API server does."""

    code: int
    reason: str = ""
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, code: int, body: str | None) -> "Status":
        try:
            found = json.loads(body or "")
            details = found.get("details")
            return cls(
                code,
                str(found.get("reason") or ""),
                str(found.get("message") or ""),
                details if isinstance(details, dict) else {},
            )
        except (ValueError, AttributeError):
            return cls(code)

    @property
    def causes(self) -> list[dict[str, Any]]:
        found = self.details.get("causes")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


class FieldConflict(Conflict):
    """Server-side apply met fields that others hold; `managers` are pairs of manager and field."""

    def __init__(self, problem: Problem, managers: tuple[tuple[str, str], ...]) -> None:
        super().__init__(problem)
        self.managers = managers


def refused(status: Status, call: Call, target: Target) -> WizardError:
    """The error for an answer other than 2xx."""
    raw = status.reason if call.is_secret else status.message
    if not status.reason and not status.message:
        return _not_an_api_server(status, target)
    if status.code == 401:
        return _unauthorized(target, raw)
    if status.code == 403:
        return _forbidden(status, call, target, raw)
    if status.code == 404:
        return _absent(status, call, target, raw)
    if status.code == 409:
        return _conflict(status, call, raw)
    if status.code in {429, 500, 503, 504}:
        return _unwell(status, call, target, raw)
    return WizardError(
        Problem(
            "api-server-refused",
            f"The API server of {target.context} did not accept {call.thing} ({status.code}).",
            "" if call.is_secret else _first_sentence(status.message),
            f"Correct what it names; try `kubectl --context {target.context} explain {call.resource}`.",
            raw,
        )
    )


def _unwell(status: Status, call: Call, target: Target, raw: str) -> Unreachable:
    """A webhook that does not answer comes as 500 too; its name is quoted, its words may hold the object."""
    what = f"The API server of {target.context} could not {call.action} just now ({status.code})."
    if webhook := _WEBHOOK.search(status.message):
        return Unreachable(
            Problem(
                "webhook-failed",
                f"The API server of {target.context} could not {call.action}: the admission webhook "
                f"{webhook[1]} does not answer.",
                "The cluster asks it before it accepts such a thing; its program is down or misset.",
                f"Mend it, or ask its owner; look for it in: kubectl --context {target.context} get "
                "mutatingwebhookconfigurations,validatingwebhookconfigurations",
                raw,
            )
        )
    is_own_error = status.code == HTTPStatus.INTERNAL_SERVER_ERROR and bool(status.message)
    why = "It is overloaded or restarting."
    if is_own_error:
        why = (
            "It has an error of its own." if call.is_secret else f"It says: {_first_sentence(status.message)}"
        )
    passes = Remedy("wait", wait_s=60)
    return Unreachable(Problem("api-server-busy", what, why, "Try again in a minute.", raw, passes))


_WEBHOOK = re.compile(r'failed calling webhook "([^"\s]+)"')


def bad_answer(target: Target) -> WizardError:
    """For an answer that is no JSON object."""
    return _not_an_api_server(Status(200), target)


def unreached(error: BaseException, target: Target) -> Unreachable:
    """The error for a request that got no answer; takes urllib3's errors and the client's status 0."""
    text = str(getattr(error, "reason", "") or error)
    what = f"The API server {target.server} of the context {target.context} cannot be reached."
    for matches, code, why, fix in _TRANSPORT:
        if matches(error, text):
            return Unreachable(Problem(code, what, why, fix, text))
    return Unreachable(
        Problem(
            "api-server-unreachable",
            what,
            "The connection failed.",
            "Check that the cluster runs and that this machine may reach it (VPN, private endpoint).",
            text,
        )
    )


def _is(error: object, *names: str) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


_NETWORK_FIX = "Check that the cluster runs and that this machine may reach it (VPN, private endpoint)."
_TRANSPORT = (
    (
        lambda e, _: _is(e, "NameResolutionError"),
        "api-server-name",
        "Its name is not found.",
        "Check the server address in the kubeconfig; a deleted cluster leaves its name behind.",
    ),
    (
        lambda e, t: _is(e, "ProxyError") or "Tunnel connection failed" in t,
        "api-server-proxy",
        "The proxy in between refused or did not answer.",
        "Check HTTPS_PROXY, and add the server's host to NO_PROXY if it needs no proxy.",
    ),
    (
        lambda _, t: "CERTIFICATE_VERIFY_FAILED" in t and "self" in t and "signed" in t,
        "api-server-untrusted",
        "Its certificate comes from a CA that the kubeconfig does not name; a proxy may open the TLS here.",
        "Get the kubeconfig anew, or name the proxy's CA as ca_file in [endpoints].",
    ),
    (
        lambda _, t: "CERTIFICATE_VERIFY_FAILED" in t and "expired" in t,
        "api-server-certificate-expired",
        "Its certificate has expired.",
        "Renew the cluster's certificates, and check this machine's clock.",
    ),
    (
        lambda _, t: "CERTIFICATE_VERIFY_FAILED" in t and "match" in t,
        "api-server-certificate-name",
        "Its certificate is for another name.",
        "Correct the server address in the kubeconfig, or set tls-server-name there.",
    ),
    (
        lambda _, t: "CERTIFICATE_VERIFY_FAILED" in t,
        "api-server-untrusted",
        "Its certificate does not lead to a CA that the kubeconfig names; a proxy may open the TLS here.",
        "Get the kubeconfig anew, or name the proxy's CA as ca_file in [endpoints].",
    ),
    (
        lambda _, t: "WRONG_VERSION_NUMBER" in t or "RECORD_LAYER_FAILURE" in t,
        "api-server-not-tls",
        "It answers, but not with TLS.",
        "Correct the server address in the kubeconfig: its port is another service's.",
    ),
    (
        lambda e, _: _is(e, "TimeoutError") and not _is(e, "NewConnectionError"),
        "api-server-timeout",
        "It does not answer in time.",
        _NETWORK_FIX,
    ),
    (
        lambda _, t: "refused" in t.lower(),
        "api-server-refused-connection",
        "It refuses the connection: nothing listens there.",
        "Check that the cluster runs, and the port of the server address in the kubeconfig.",
    ),
    (
        lambda e, _: _is(e, "LocationParseError", "LocationValueError"),
        "api-server-address",
        "The server address in the kubeconfig is not a URL.",
        "Correct it; it looks like https://ABCDEF.gr7.eu-west-1.eks.amazonaws.com.",
    ),
)


def _not_an_api_server(status: Status, target: Target) -> Unreachable:
    return Unreachable(
        Problem(
            "not-an-api-server",
            f"{target.server} of the context {target.context} does not answer as a Kubernetes API server.",
            f"It gave status {status.code}, and not in the words of an API server; a proxy may do so.",
            "Check the server address in the kubeconfig, and the proxy settings.",
        )
    )


def _unauthorized(target: Target, raw: str) -> CredentialsError:
    fix = (
        "Give the AWS user or role an access entry: aws eks create-access-entry --cluster-name CLUSTER "
        "--principal-arn ARN"
        if target.is_eks
        else f"Log in again so that `kubectl --context {target.context} get pods` works."
    )
    return CredentialsError(
        Problem(
            "not-logged-in",
            f"The API server of the context {target.context} does not accept your credentials.",
            "It does not know them, or they have expired.",
            fix,
            raw,
        )
    )


def _forbidden(status: Status, call: Call, target: Target, raw: str) -> WizardError:
    message = status.message
    if 'User "system:anonymous"' in message:
        return CredentialsError(
            Problem(
                "context-without-credentials",
                f"The context {target.context} carries no credentials: the server sees an anonymous caller.",
                "kops leaves such a context behind when its administrator's key is not exported.",
                "Run `kops export kubeconfig --admin`, or choose a context that logs in.",
                raw,
            )
        )
    for pattern, code, what, fix in _ADMISSION:
        if re.search(pattern, message):
            sentence = what.format(thing=call.thing, place=call.place)
            return WizardError(
                Problem(code, sentence, "" if call.is_secret else _first_sentence(message), fix, raw)
            )
    found = re.search(r'User "([^"]+)"', message)
    who = found.group(1) if found else f"The user of context {target.context}"
    return AccessDenied(
        Problem(
            "kubernetes-denied",
            f"{who} may not {call.action} {call.place} (context {target.context}).",
            "The cluster's access rules (RBAC) do not allow it.",
            f"Ask for a role that allows to {call.action} {call.place}.",
            raw,
        ),
        action=call.action,
    )


_ADMISSION = (
    (
        r"exceeded quota|insufficient quota",
        "quota-exceeded",
        "A ResourceQuota leaves no room for {thing} {place}.",
        "Raise the quota, or choose another namespace.",
    ),
    (
        r"violates PodSecurity",
        "pod-security",
        "The namespace's Pod Security level does not admit {thing}.",
        "Choose another namespace, or have its level changed.",
    ),
    (
        r"is being terminated",
        "namespace-terminating",
        "The namespace is being deleted, so {thing} cannot be made there.",
        "Wait until it is gone, then run this again.",
    ),
    (
        r"admission webhook|ValidatingAdmissionPolicy",
        "admission-denied",
        "A policy of the cluster refused {thing} {place}.",
        "Show the policy's owner the message, or choose another namespace.",
    ),
)


def _absent(status: Status, call: Call, target: Target, raw: str) -> NotFound:
    if call.namespace and f'namespaces "{call.namespace}" not found' in status.message:
        return NotFound(
            Problem(
                "namespace-missing",
                f"The namespace {call.namespace} is not in the cluster of {target.context}.",
                fix="Set create_namespace = true in [connect], or name one that is there.",
                raw=raw,
            )
        )
    return NotFound(
        Problem(
            "not-found",
            f"{call.thing} is not there {call.place} (context {target.context}).",
            fix="Check that the cluster is the right one; this kind of thing may be unknown to it.",
            raw=raw,
        )
    )


def _conflict(status: Status, call: Call, raw: str) -> Conflict:
    held = tuple(
        (_manager(str(cause.get("message", ""))), str(cause.get("field", "")))
        for cause in status.causes
        if cause.get("reason") == "FieldManagerConflict"
    )
    if held:
        names = ", ".join(sorted({manager for manager, _ in held}))
        fields = ", ".join(field for _, field in held)
        return FieldConflict(
            Problem(
                "fields-held",
                f"{names} holds fields of {call.thing} that the wizard would set: {fields}.",
                "Server-side apply leaves another manager's fields alone.",
                "Set take_over_fields = true in [consent] to take them over.",
                raw,
            ),
            held,
        )
    if status.reason == "AlreadyExists":
        return Conflict(
            Problem(
                "already-exists",
                f"{call.thing} was made by somebody else in the same moment.",
                fix="Run the same command again; it will look at what is there.",
                raw=raw,
            )
        )
    return Conflict(
        Problem(
            "changed-meanwhile",
            f"{call.thing} was changed by somebody else in the same moment.",
            fix="Run the same command again; it will look at what is there.",
            raw=raw,
        )
    )


def _manager(message: str) -> str:
    found = re.search(r'conflict with "([^"]*)"', message)
    return found.group(1) if found else "another manager"


def _first_sentence(message: str) -> str:
    return message.strip()[:400]
