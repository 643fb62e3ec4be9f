"""The API through the official Python client."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from kubernetes import client as kube
from kubernetes import watch
from kubernetes.dynamic import DynamicClient

from wizard.practice.kubernetes import Fault

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
WaitFor = Callable[[Callable[[], Any], str], Any]


@pytest.fixture
def core(api_client: kube.ApiClient) -> Any:
    """Its stubs know models only; bodies here are plain JSON."""
    return kube.CoreV1Api(api_client)


@pytest.fixture
def config_maps(dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="v1", kind="ConfigMap")


@pytest.fixture
def denied(cluster: Any) -> Iterator[set[tuple[str, str]]]:
    yield cluster.denied
    cluster.denied.clear()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@contextlib.contextmanager
def refused(code: int, reason: str, message: str) -> Iterator[dict[str, Any]]:
    """The Status of the refusal, filled in when the block ends."""
    status: dict[str, Any] = {}
    with pytest.raises(kube.ApiException) as caught:
        yield status
    status.update(json.loads(caught.value.body or ""))
    assert (caught.value.status, status["reason"], status["message"]) == (code, reason, message)
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)


def test_discovery_knows_every_kind(dynamic: DynamicClient, api_client: kube.ApiClient) -> None:
    assert dynamic.resources.get(api_version="apps/v1", kind="Deployment").name == "deployments"
    assert dynamic.resources.get(api_version="discovery.k8s.io/v1", kind="EndpointSlice").namespaced
    assert kube.VersionApi(api_client).get_code().minor == "37"


def test_write_verbs_count_versions(config_maps: Any, namespace: str) -> None:
    made = config_maps.create(body=config_map("a", x="1"), namespace=namespace)
    assert made.metadata.uid
    assert made.metadata.creationTimestamp
    changed = {**made.to_dict(), "data": {"x": "1", "y": "2"}}
    put = config_maps.replace(body=changed, namespace=namespace)
    assert put.data.to_dict() == {"x": "1", "y": "2"}
    assert int(put.metadata.resourceVersion) > int(made.metadata.resourceVersion)
    stale = 'Operation cannot be fulfilled on configmaps "a": '
    stale += "the object has been modified; please apply your changes to the latest version and try again"
    with refused(409, "Conflict", stale):
        config_maps.replace(body=changed, namespace=namespace)
    gone = config_maps.delete(name="a", namespace=namespace)
    assert (gone.status, gone.details.uid) == ("Success", made.metadata.uid)
    with refused(404, "NotFound", 'configmaps "a" not found') as status:
        config_maps.get(name="a", namespace=namespace)
    assert status["details"] == {"name": "a", "kind": "configmaps"}


def test_three_patches(config_maps: Any, namespace: str) -> None:
    config_maps.create(body=config_map("a", x="1", y="2"), namespace=namespace)
    asked = {"name": "a", "namespace": namespace}
    config_maps.patch(body={"data": {"x": None}}, content_type=MERGE, **asked)
    config_maps.patch(body={"data": {"z": "3"}}, content_type=STRATEGIC, **asked)
    steps = [{"op": "replace", "path": "/data/y", "value": "9"}]
    found = config_maps.patch(body=steps, content_type=JSON_PATCH, **asked)
    assert found.data.to_dict() == {"y": "9", "z": "3"}


def test_apply_owns_fields(config_maps: Any, namespace: str) -> None:
    asked = {"namespace": namespace, "content_type": APPLY}
    config_maps.patch(body=config_map("a", x="1", y="1"), field_manager="one", **asked)
    message = 'Apply failed with 1 conflict: conflict with "one": .data.x'
    with refused(409, "Conflict", message) as status:
        config_maps.patch(body=config_map("a", x="2"), field_manager="two", **asked)
    assert status["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    forced = config_maps.patch(
        body=config_map("a", x="2"), field_manager="two", force_conflicts=True, **asked
    )
    assert forced.data.to_dict() == {"x": "2", "y": "1"}
    dropped = config_maps.patch(body=config_map("a"), field_manager="one", **asked)
    assert dropped.data.to_dict() == {"x": "2"}


def test_dry_run_stores_nothing(config_maps: Any, namespace: str, cluster: Any) -> None:
    before = cluster.ledger.snapshot()["mutating_total"]
    config_maps.create(body=config_map("a"), namespace=namespace, dry_run="All")
    with refused(404, "NotFound", 'configmaps "a" not found'):
        config_maps.get(name="a", namespace=namespace)
    assert cluster.ledger.snapshot()["mutating_total"] == before


def test_selectors_and_pages(core: Any, namespace: str) -> None:
    for number in range(5):
        labels = {"odd": str(number % 2)}
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"c{number}", "labels": labels}})
    odd = core.list_namespaced_config_map(namespace, label_selector="odd=1").items
    assert [one.metadata.name for one in odd] == ["c1", "c3"]
    one = core.list_namespaced_config_map(namespace, field_selector="metadata.name=c2").items
    assert [found.metadata.name for found in one] == ["c2"]
    page = core.list_namespaced_config_map(namespace, limit=3)
    assert page.metadata.remaining_item_count == 2
    rest = core.list_namespaced_config_map(namespace, limit=3, _continue=page.metadata._continue)
    assert [found.metadata.name for found in rest.items] == ["c3", "c4"]
    core.delete_collection_namespaced_config_map(namespace, label_selector="odd=0")
    left = core.list_namespaced_config_map(namespace).items
    assert [found.metadata.name for found in left] == ["c1", "c3"]


def test_watch_tells_what_happens(core: Any, namespace: str) -> None:
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    seen: list[tuple[str, str]] = []
    untyped: Any = watch
    watcher = untyped.Watch()

    def follow() -> None:
        for event in watcher.stream(
            core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=60
        ):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                watcher.stop()

    thread = threading.Thread(target=follow)
    thread.start()
    core.create_namespaced_config_map(namespace, config_map("a"))
    core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
    core.delete_namespaced_config_map("a", namespace)
    thread.join(60)
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_validation_names_the_field(core: Any, namespace: str) -> None:
    body = {"metadata": {"name": "Bad_Name"}}
    with pytest.raises(kube.ApiException) as caught:
        core.create_namespaced_secret(namespace, body)
    status = json.loads(caught.value.body or "")
    assert caught.value.status == 422
    assert status["details"]["causes"][0]["field"] == "metadata.name"
    assert status["message"].startswith(
        'Secret "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"'
    )


def test_strict_validation_refuses_unknown_fields(config_maps: Any, namespace: str) -> None:
    message = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
    with refused(400, "BadRequest", message + 'unknown field "dta"'):
        config_maps.create(
            body={**config_map("a"), "dta": {}},
            namespace=namespace,
            query_params=[("fieldValidation", "Strict")],
        )


def test_denied_verbs_and_reviews(
    api_client: kube.ApiClient, core: Any, namespace: str, denied: set[tuple[str, str]]
) -> None:
    denied.add(("create", "secrets"))
    message = (
        'secrets is forbidden: User "practice-admin" cannot create resource "secrets" in API group "" '
        f'in the namespace "{namespace}"'
    )
    with refused(403, "Forbidden", message):
        core.create_namespaced_secret(namespace, {"metadata": {"name": "s"}})
    reviews: Any = kube.AuthorizationV1Api(api_client)

    def may(verb: str) -> bool:
        asked = {"resource": "secrets", "verb": verb, "namespace": namespace}
        review = reviews.create_self_subject_access_review({"spec": {"resourceAttributes": asked}})
        return bool(review.status.allowed)

    assert (may("create"), may("get")) == (False, True)
    rules = reviews.create_self_subject_rules_review({"spec": {"namespace": namespace}}).status.resource_rules
    allowed = next(rule for rule in rules if rule.resources == ["secrets"]).verbs
    assert "create" not in allowed
    assert "get" in allowed
    identity: Any = kube.AuthenticationV1Api(api_client)
    assert identity.create_self_subject_review({}).status.user_info.username == "practice-admin"


def test_token_is_needed(cluster: Any) -> None:
    with urllib3.PoolManager(ca_certs=str(cluster.ca_file)) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = http.request("GET", f"{cluster.url}/api/v1/namespaces", headers=headers)
            assert (answer.status, answer.json()["reason"]) == (401, "Unauthorized")
        assert http.request("GET", f"{cluster.url}/healthz").data == b"ok"


@pytest.mark.usefixtures("runner")
def test_ledger_counts_people_not_agents(cluster: Any, core: Any, namespace: str) -> None:
    before = cluster.ledger.snapshot()["mutating_total"]
    core.create_namespaced_config_map(namespace, config_map("a"))
    after = cluster.ledger.snapshot()
    assert after["mutating_total"] == before + 1
    assert after["mutating"][-1] == f"kubernetes POST /api/v1/namespaces/{namespace}/configmaps"


@pytest.mark.usefixtures("runner")
def test_deployment_rolls_out(api_client: kube.ApiClient, namespace: str, wait_for: WaitFor) -> None:
    apps: Any = kube.AppsV1Api(api_client)
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "registry:3"}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    apps.create_namespaced_deployment(namespace, {"metadata": {"name": "web"}, "spec": spec})

    def available(count: int) -> bool:
        status = apps.read_namespaced_deployment_status("web", namespace).status
        return (status.available_replicas or 0) == count

    wait_for(lambda: available(2), "two available Pods")
    scale = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 1}})
    assert (scale.spec.replicas, scale.status.selector) == (1, "app=web")
    wait_for(lambda: available(1), "one Pod to go")


def test_namespace_goes_with_what_is_in_it(
    core: Any, config_maps: Any, namespace: str, wait_for: WaitFor
) -> None:
    config_maps.create(body=config_map("a"), namespace=namespace)
    core.delete_namespace(namespace)

    def names() -> list[str]:
        return [one.metadata.name for one in core.list_namespace().items]

    wait_for(lambda: namespace not in names(), "the namespace to go")


def test_fault_comes_instead_of_an_answer(cluster: Any, core: Any, namespace: str) -> None:
    cluster.server.fault = lambda _, path: Fault(429, "slow down", 3) if path.endswith("/secrets") else None
    with pytest.raises(kube.ApiException) as caught:
        core.list_namespaced_secret(namespace)
    cluster.server.fault = None
    assert caught.value.status == 429
    assert caught.value.headers is not None
    assert caught.value.headers["Retry-After"] == "3"
    assert core.list_namespaced_secret(namespace).items == []


def test_dump_is_the_same_before_and_after(cluster: Any, core: Any, namespace: str) -> None:
    """Of the Secrets: namespaces of other tests may still be on their way out."""

    def secrets() -> Any:
        return cluster.server.dump().get("secrets", {})

    before = secrets()
    body = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    core.create_namespaced_secret(namespace, body)
    during = secrets()
    assert during != before
    assert "aHVudGVyMg==" not in json.dumps(during)
    core.delete_namespaced_secret("s", namespace)
    assert secrets() == before


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type"),
    [
        ("POST", "/api/v1/namespaces/default/secrets", b"{", "application/json"),
        ("POST", "/api/v1/namespaces/default/secrets", b"[]", "application/json"),
        ("POST", "/api/v1/namespaces/default/secrets", b'{"metadata": 1}', "application/json"),
        ("POST", "/api/v1/namespaces/default/secrets", b'{"metadata": {"labels": []}}', "application/json"),
        (
            "POST",
            "/api/v1/namespaces/default/secrets",
            b"k8s\x00\xff\xff",
            "application/vnd.kubernetes.protobuf",
        ),
        ("POST", "/api/v1/namespaces/default/secrets", b"a", "text/plain"),
        ("POST", "/api/v1/secrets", b"{}", "application/json"),
        ("PATCH", "/api/v1/namespaces/default", b"[1]", JSON_PATCH),
        ("PATCH", "/api/v1/namespaces/default", b"[1]", MERGE),
        ("PATCH", "/api/v1/namespaces/default", b"{}", "application/json"),
        ("PATCH", "/api/v1/namespaces/default?fieldManager=m", b"- a: [", APPLY),
        ("DELETE", "/api/v1/namespaces/default", b"[]", "application/json"),
        ("DELETE", "/api/v1/namespaces", b"", ""),
        ("PUT", "/apis/apps/v1/namespaces/default/deployments/x/scale", b"{}", "application/json"),
        ("GET", "/api/v1/pods?limit=x", b"", ""),
        ("GET", "/api/v1/pods?labelSelector=a%20b%20c", b"", ""),
        ("GET", "/apis/nothing/v1/here", b"", ""),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            b'{"spec": []}',
            "application/json",
        ),
        ("OPTIONS", "/api/v1/pods", b"", ""),
    ],
)
def test_garbage_gets_a_status(cluster: Any, method: str, path: str, body: bytes, content_type: str) -> None:
    headers = {"Authorization": f"Bearer {cluster.token}", "Content-Type": content_type}
    with urllib3.PoolManager(ca_certs=str(cluster.ca_file)) as http:
        answer = http.request(method, cluster.url + path, body=body, headers=headers)
    assert 400 <= answer.status < 500
    assert answer.json()["kind"] == "Status"


def test_silent_connection_blocks_nobody(cluster: Any, core: Any) -> None:
    """TLS hands are shaken apart from the loop that accepts."""
    port = int(cluster.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 60):
        assert core.list_namespace(_request_timeout=60).items


def test_other_authority_is_refused_by_the_client(cluster: Any) -> None:
    port = int(cluster.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")
