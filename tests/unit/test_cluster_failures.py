"""Errors of the API server and of the way to it, as sentences with one thing to do."""

import json
import socket

import pytest
import urllib3

from wizard.errors import AccessDenied, Conflict, CredentialsError, NotFound, Unreachable, WizardError
from wizard.services.cluster.failures import Call, FieldConflict, Status, Target, refused, unreached
from wizard.services.cluster.transport import path_of, plural

TARGET = Target("blue", "https://blue.test")
POOL = urllib3.connection.HTTPConnection("blue.test")
CREATE = Call("create", "secrets", "s", "registry")


def status(code: int, reason: str = "", message: str = "", **details: object) -> Status:
    return Status.parse(code, json.dumps({"reason": reason, "message": message, "details": details}))


def forbidden(message: str, call: Call = CREATE) -> WizardError:
    return refused(status(403, "Forbidden", message), call, TARGET)


def test_a_missing_verb_is_named_with_its_namespace() -> None:
    error = forbidden('secrets is forbidden: User "ann" cannot create resource "secrets"')
    assert isinstance(error, AccessDenied)
    assert error.action == "create secrets"
    assert error.problem.what == "ann may not create secrets in namespace registry (context blue)."


def test_an_anonymous_caller_has_a_context_without_credentials() -> None:
    error = forbidden('secrets is forbidden: User "system:anonymous" cannot create resource "secrets"')
    assert isinstance(error, CredentialsError)
    assert "kops export kubeconfig --admin" in error.problem.fix


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1', "quota-exceeded"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot', "pod-security"),
        (
            "unable to create new content in namespace a because it is being terminated",
            "namespace-terminating",
        ),
        ('admission webhook "policy.test" denied the request: no', "admission-denied"),
    ],
)
def test_admission_is_not_taken_for_missing_rights(message: str, code: str) -> None:
    error = forbidden(message, Call("create", "pods", "x", "registry"))
    assert not isinstance(error, AccessDenied)
    assert error.problem.code == code


def test_a_webhook_that_does_not_answer_is_named() -> None:
    """The usual 500 after an upgrade or while the AWS Load Balancer Controller is down."""
    message = (
        'Internal error occurred: failed calling webhook "mservice.elbv2.k8s.aws": failed to call: Post '
        '"https://aws-load-balancer-webhook-service.kube-system.svc:443/mutate": no endpoints available'
    )
    call = Call("create", "services", "kube-registry", "registry")
    error = refused(status(500, "InternalError", message), call, TARGET)
    assert isinstance(error, Unreachable)
    assert error.problem.code == "webhook-failed"
    assert "mservice.elbv2.k8s.aws" in error.problem.what
    assert "overloaded" not in error.problem.why


def test_what_the_server_says_of_its_own_error_is_quoted_but_for_secrets() -> None:
    broken = status(500, "InternalError", "etcdserver: mvcc: database space exceeded")
    assert "database space exceeded" in refused(broken, Call("create", "services", "s"), TARGET).problem.why
    assert "database" not in repr(refused(broken, Call("create", "secrets", "s"), TARGET).problem)
    busy = refused(status(503, "ServiceUnavailable", "no"), Call("get", "services", "s"), TARGET)
    assert busy.problem.why == "It is overloaded or restarting."


def test_eks_is_told_of_access_entries() -> None:
    eks = Target("blue", "https://blue.test", is_eks=True)
    error = refused(status(401, "Unauthorized", "Unauthorized"), CREATE, eks)
    assert isinstance(error, CredentialsError)
    assert "create-access-entry" in error.problem.fix
    assert "kubectl" in refused(status(401, "Unauthorized", "Unauthorized"), CREATE, TARGET).problem.fix


def test_a_missing_namespace_is_told_apart_from_a_missing_thing() -> None:
    gone = refused(status(404, "NotFound", 'namespaces "registry" not found'), CREATE, TARGET)
    assert isinstance(gone, NotFound)
    assert gone.problem.code == "namespace-missing"
    other = refused(status(404, "NotFound", 'secrets "s" not found'), CREATE, TARGET)
    assert other.problem.code == "not-found"


def test_a_field_conflict_names_managers_and_fields() -> None:
    cause = {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl-edit" using v1',
        "field": ".spec.type",
    }
    error = refused(status(409, "Conflict", "Apply failed", causes=[cause, "rubbish"]), CREATE, TARGET)
    assert isinstance(error, FieldConflict)
    assert error.managers == (("kubectl-edit", ".spec.type"),)
    assert "kubectl-edit" in error.problem.what


@pytest.mark.parametrize(
    ("reason", "code"), [("AlreadyExists", "already-exists"), ("Conflict", "changed-meanwhile")]
)
def test_other_conflicts(reason: str, code: str) -> None:
    error = refused(status(409, reason, "no"), CREATE, TARGET)
    assert isinstance(error, Conflict)
    assert error.problem.code == code


def test_what_the_server_says_of_a_secret_is_not_repeated() -> None:
    for code, reason in ((400, "BadRequest"), (422, "Invalid"), (403, "Forbidden"), (409, "Conflict")):
        error = refused(status(code, reason, "data: Invalid value: very-secret"), CREATE, TARGET)
        assert "very-secret" not in f"{error.problem} {error.problem.raw}"
        assert error.problem.raw == reason


def test_what_the_server_says_of_a_service_is_repeated() -> None:
    call = Call("patch", "services", "kube-registry", "registry")
    error = refused(status(422, "Invalid", "spec.ports: Required value"), call, TARGET)
    assert error.problem.why == "spec.ports: Required value"


@pytest.mark.parametrize("body", [None, "", "<html>Log in</html>", "[]", '"text"', "{}"])
@pytest.mark.parametrize("code", [302, 401, 403, 404, 500])
def test_an_answer_in_other_words_is_not_from_an_api_server(code: int, body: str | None) -> None:
    error = refused(Status.parse(code, body), CREATE, TARGET)
    assert isinstance(error, Unreachable)
    assert error.problem.code == "not-an-api-server"


def test_a_busy_server_may_be_asked_again() -> None:
    error = refused(status(429, "TooManyRequests", "slow down"), CREATE, TARGET)
    assert isinstance(error, Unreachable)
    assert error.problem.fix == "Try again in a minute."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (urllib3.exceptions.ConnectTimeoutError("timed out"), "api-server-timeout"),
        (TimeoutError("timed out"), "api-server-timeout"),
        (urllib3.exceptions.NewConnectionError(POOL, "Connection refused"), "api-server-refused-connection"),
        (urllib3.exceptions.NewConnectionError(POOL, "No route to host"), "api-server-unreachable"),
        (urllib3.exceptions.NameResolutionError("a", POOL, socket.gaierror()), "api-server-name"),
        (ConnectionRefusedError("[Errno 111] Connection refused"), "api-server-refused-connection"),
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), "api-server-proxy"),
        (
            OSError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate in certificate chain"),
            "api-server-untrusted",
        ),
        (OSError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer"), "api-server-untrusted"),
        (OSError("CERTIFICATE_VERIFY_FAILED: certificate has expired"), "api-server-certificate-expired"),
        (OSError("CERTIFICATE_VERIFY_FAILED: Hostname mismatch"), "api-server-certificate-name"),
        (OSError("[SSL: WRONG_VERSION_NUMBER] wrong version number"), "api-server-not-tls"),
        (urllib3.exceptions.LocationParseError("x"), "api-server-address"),
        (urllib3.exceptions.ProtocolError("Connection aborted."), "api-server-unreachable"),
    ],
)
def test_the_way_to_the_server_has_its_own_sentences(error: BaseException, code: str) -> None:
    found = unreached(error, TARGET)
    assert found.problem.code == code
    assert "https://blue.test" in found.problem.what
    assert found.problem.why
    assert found.problem.fix


def test_paths_of_kinds() -> None:
    assert path_of("v1", plural("Secret"), "a", "b") == "/api/v1/namespaces/a/secrets/b"
    assert path_of("apps/v1", plural("Deployment"), "a") == "/apis/apps/v1/namespaces/a/deployments"
    assert path_of("v1", plural("Namespace"), name="a/b") == "/api/v1/namespaces/a%2Fb"
    assert [plural(kind) for kind in ("NetworkPolicy", "Ingress", "Endpoints")] == [
        "networkpolicies",
        "ingresses",
        "endpoints",
    ]
