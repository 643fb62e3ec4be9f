"""The Kubernetes API as wizard and node agent rely on it: the practice server and the real one alike."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.peers.contract import APPLY, JSON, STRATEGIC, Api, Obj, Side, balancer, config_map, pod, secret
from wizard import ownership
from wizard.errors import AccessDenied, Conflict, CredentialsError, NotFound, WizardError
from wizard.practice.kubeclient import KubeClient
from wizard.services.cluster import Cluster, FieldConflict

pytestmark = pytest.mark.peers
WaitFor = Callable[[Callable[[], Any], str], Any]
STALE = "the object has been modified; please apply your changes to the latest version and try again"


# Who we are, and what we may do


def test_version_and_user(cluster: Cluster) -> None:
    assert cluster.version().startswith("v1.37.")
    assert cluster.user() == "admin"


def test_access_reviews(cluster: Cluster, connect: Callable[[str], Cluster], side: Side) -> None:
    assert cluster.can("create", "secrets")
    assert cluster.can("patch", "deployments", group="apps", subresource="status", namespace="")
    side.deny("create", "secrets")
    assert not connect("bob").can("create", "secrets")


def test_access_review_answers_201(api: Api) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": api.namespace}},
    }
    answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (answer.code, answer.body["status"]["allowed"]) == (201, True)


def test_an_unknown_token_is_refused(api: Api) -> None:
    answer = api("GET", api.at("pods"), token="nobody-knows-it")
    assert answer.refusal == (401, "Unauthorized", "Unauthorized")


def test_a_lacking_right_is_named(api: Api, side: Side, connect: Callable[[str], Cluster]) -> None:
    side.deny("list", "secrets")
    side.deny("create", "deployments")
    answer = api("GET", api.at("secrets"), token=side.powerless_token)
    message = (
        'secrets is forbidden: User "bob" cannot list resource "secrets" in API group "" in the namespace '
    )
    assert answer.refusal == (403, "Forbidden", f'{message}"{api.namespace}"')
    assert answer.body["details"] == {"kind": "secrets"}
    with pytest.raises(AccessDenied, match="bob may not list secrets in namespace t-"):
        connect("bob").list("v1", "Secret")
    answer = api("POST", api.at("deployments", group="apis/apps/v1"), {}, token=side.powerless_token)
    assert 'cannot create resource "deployments" in API group "apps" in the namespace' in answer.refusal[2]


def test_no_credentials_is_anonymous(api: Api, side: Side) -> None:
    found = api.session.get(side.url + api.at("secrets"), timeout=60)
    assert found.json()["reason"] in {"Unauthorized", "Forbidden"}
    assert found.status_code in {401, 403}


# Refusals: code, reason, message


def test_absent_things(api: Api) -> None:
    answer = api.get(api.at("secrets", "none"))
    assert answer.refusal == (404, "NotFound", 'secrets "none" not found')
    assert answer.body["details"] == {"name": "none", "kind": "secrets"}
    answer = api.get(api.at("deployments", "none", "apis/apps/v1"))
    assert answer.refusal == (404, "NotFound", 'deployments.apps "none" not found')
    assert answer.body["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    answer = api.get(api.at("nothings"))
    assert answer.refusal == (404, "NotFound", "the server could not find the requested resource")
    assert api.get("/apis/nothing.example/v1/things").code == 404


def test_absent_namespace(api: Api, cluster: Cluster) -> None:
    answer = api.post("/api/v1/namespaces/none/secrets", secret("a"))
    assert answer.refusal == (404, "NotFound", 'namespaces "none" not found')
    assert api.get("/api/v1/namespaces/none/secrets").ok()["items"] == []
    assert cluster.get("v1", "Namespace", "none", namespaced=False) is None


def test_names_are_taken_once(api: Api, cluster: Cluster) -> None:
    api.post(api.at("secrets"), secret("a")).ok()
    answer = api.post(api.at("secrets"), secret("a"))
    assert answer.refusal == (409, "AlreadyExists", 'secrets "a" already exists')
    with pytest.raises(Conflict) as caught:
        cluster.create(secret("a"))
    assert caught.value.problem.code == "already-exists"


def test_old_versions_are_refused(api: Api) -> None:
    made = api.post(api.at("configmaps"), config_map("a", x="1")).ok()
    put = api.put(api.at("configmaps", "a"), {**made, "data": {"x": "2"}})
    assert put.code == 200
    stale = f'Operation cannot be fulfilled on configmaps "a": {STALE}'
    assert api.put(api.at("configmaps", "a"), made).refusal == (409, "Conflict", stale)
    patch = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"x": "3"}}
    assert api.merge(api.at("configmaps", "a"), patch).refusal == (409, "Conflict", stale)
    assert api.get(api.at("configmaps", "a")).body["data"] == {"x": "2"}


def test_another_uid_is_refused(api: Api, cluster: Cluster) -> None:
    uid = api.post(api.at("secrets"), secret("a")).ok()["metadata"]["uid"]
    answer = api.delete(api.at("secrets", "a"), preconditions={"uid": "other"})
    why = f"the UID in the precondition (other) does not match the UID in record ({uid}). "
    why += "The object might have been deleted and then recreated"
    assert answer.refusal == (409, "Conflict", f'Operation cannot be fulfilled on Secret "a": {why}')
    with pytest.raises(Conflict):
        cluster.delete("v1", "Secret", "a", uid="other")
    assert cluster.delete("v1", "Secret", "a", uid=uid)
    assert not cluster.delete("v1", "Secret", "a")


@pytest.mark.parametrize(
    ("resource", "body", "field", "reason"),
    [
        ("secrets", secret("Bad_Name"), "metadata.name", "FieldValueInvalid"),
        ("secrets", secret("a", "kubernetes.io/tls"), "data[tls.crt]", "FieldValueRequired"),
        ("secrets", secret("a", **{"no/key": "YQ=="}), "data[no/key]", "FieldValueInvalid"),
        ("configmaps", config_map("a", {"l": "no value"}), "metadata.labels", "FieldValueInvalid"),
        ("pods", {**pod("a"), "spec": {"containers": []}}, "spec.containers", "FieldValueRequired"),
        (
            "services",
            {**balancer("a"), "spec": {"ports": [{"port": 70000}]}},
            "spec.ports[0].port",
            "FieldValueInvalid",
        ),
    ],
    ids=["name", "tls", "key", "label", "containers", "port"],
)
def test_invalid_fields_are_named(api: Api, resource: str, body: Obj, field: str, reason: str) -> None:
    answer = api.post(api.at(resource), body)
    assert answer.refusal[:2] == (422, "Invalid")
    assert (field, reason) in [(each["field"], each["reason"]) for each in answer.body["details"]["causes"]]
    assert f'{body["kind"]} "{body["metadata"]["name"]}" is invalid: ' in answer.refusal[2]


@pytest.mark.parametrize(
    ("body", "kind", "code", "reason"),
    [
        (b"{", JSON, 400, "BadRequest"),
        (b"[]", JSON, 400, "BadRequest"),
        (
            b'{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": 1}',
            JSON,
            400,
            "BadRequest",
        ),
        (json.dumps(secret("a", x="no base64!")).encode(), JSON, 400, "BadRequest"),
        (json.dumps({**secret("a"), "kind": "ConfigMap"}).encode(), JSON, 400, "BadRequest"),
        (b"a", "text/plain", 415, "UnsupportedMediaType"),
        (b"{}", JSON, 422, "Invalid"),
    ],
    ids=["half", "list", "number", "base64", "kind", "media", "nameless"],
)
def test_bodies_that_are_no_secret(api: Api, body: bytes, kind: str, code: int, reason: str) -> None:
    assert api("POST", api.at("secrets"), body, kind).refusal[:2] == (code, reason)


def test_a_name_must_be_the_paths(api: Api) -> None:
    api.post(api.at("configmaps"), config_map("a")).ok()
    answer = api.put(api.at("configmaps", "a"), config_map("b"))
    why = "the name of the object (b) does not match the name on the URL (a)"
    assert answer.refusal == (400, "BadRequest", why)
    elsewhere = {**config_map("c"), "metadata": {"name": "c", "namespace": "default"}}
    why = "the namespace of the provided object does not match the namespace sent on the request"
    assert api.post(api.at("configmaps"), elsewhere).refusal == (400, "BadRequest", why)


def test_put_wants_what_is_there(api: Api) -> None:
    assert api.put(api.at("secrets", "a"), secret("a")).refusal == (404, "NotFound", 'secrets "a" not found')
    made = api.post(api.at("secrets"), secret("a")).ok()
    answer = api.post(api.at("secrets"), {**made, "metadata": {**made["metadata"], "name": "b"}})
    assert answer.refusal == (500, "", "resourceVersion should not be set on objects to be created")
    # Without a version it is not asked whether somebody else was there.
    assert api.put(api.at("secrets", "a"), secret("a", k="dg==")).ok()["data"] == {"k": "dg=="}
    other = {**secret("a"), "metadata": {"name": "a", "uid": "00000000-0000-0000-0000-000000000000"}}
    assert api.put(api.at("secrets", "a"), other).refusal[:2] == (409, "Conflict")


def test_unknown_fields_are_told(api: Api) -> None:
    body = {**config_map("a"), "nothing": 1}
    answer = api.post(api.at("configmaps"), body, fieldValidation="Strict")
    assert answer.refusal[:2] == (400, "BadRequest")
    assert 'strict decoding error: unknown field "nothing"' in answer.refusal[2]
    answer = api.post(api.at("configmaps"), body)
    assert (answer.code, answer.warning) == (201, '299 - "unknown field \\"nothing\\""')
    assert "nothing" not in answer.body


def test_a_quota_is_named(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}}
    cluster.create({**quota, "spec": {"hard": {"services.loadbalancers": "0"}}})
    path = api.at("resourcequotas", "q")
    wait_for(lambda: api.get(path).ok()["status"].get("used"), "the quota to count")
    wait_for(
        lambda: api.post(api.at("services"), balancer("a"), dryRun="All").code == 403, "the quota to hold"
    )
    answer = api.post(api.at("services"), balancer("a"))
    what = ", ".join(
        f"{w}: services.loadbalancers={n}" for w, n in (("requested", 1), ("used", 0), ("limited", 0))
    )
    assert answer.refusal == (403, "Forbidden", f'services "a" is forbidden: exceeded quota: q, {what}')
    with pytest.raises(WizardError) as caught:
        cluster.apply(balancer("a"), dry_run=True)
    assert caught.value.problem.code == "quota-exceeded"


# Secrets


def test_secrets_are_written_and_replaced(cluster: Cluster, api: Api) -> None:
    made = cluster.write_secret("a", {"k": b"\x00v"}, setup="team", annotations={"kept": "1", "gone": "1"})
    assert (made.owner, made.type, made.keys) == ("team", "Opaque", ("k",))
    same = cluster.write_secret("a", {"k": b"\x00v"}, setup="team", expected_version=made.resource_version)
    assert same.resource_version == made.resource_version
    changed = cluster.write_secret("a", {"m": b"2"}, setup="team", annotations={"gone": None})
    assert (changed.keys, changed.owner) == (("m",), "team")
    with pytest.raises(Conflict) as caught:
        cluster.write_secret("a", {"k": b"3"}, setup="team", expected_version=made.resource_version)
    assert caught.value.problem.code == "changed-meanwhile"
    found = cluster.read_secret("a")
    assert found is not None
    assert (dict(found.data), dict(found.annotations)) == ({"m": b"2"}, {"kept": "1"})
    fields = api.get(api.at("secrets", "a")).ok()["metadata"]["managedFields"]
    assert {each["manager"] for each in fields} == {ownership.FIELD_MANAGER}


def test_a_secrets_type_stays(api: Api) -> None:
    made = api.post(api.at("secrets"), secret("a")).ok()
    answer = api.put(api.at("secrets", "a"), {**made, "type": "kubernetes.io/tls"})
    assert answer.refusal[:2] == (422, "Invalid")
    cause = {
        "reason": "FieldValueInvalid",
        "message": 'Invalid value: "kubernetes.io/tls": field is immutable',
    }
    assert {**cause, "field": "type"} in answer.body["details"]["causes"]


def test_string_data_becomes_data(api: Api) -> None:
    made = api.post(api.at("secrets"), {**secret("a"), "stringData": {"k": "v"}}).ok()
    assert made["data"] == {"k": "dg=="}
    assert "stringData" not in made


def test_an_immutable_secret_stays(api: Api) -> None:
    made = api.post(api.at("secrets"), {**secret("a", k="dg=="), "immutable": True}).ok()
    answer = api.put(api.at("secrets", "a"), {**made, "data": {}})
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "data"


def test_deleting_a_secret_says_which(api: Api) -> None:
    uid = api.post(api.at("secrets"), secret("a")).ok()["metadata"]["uid"]
    gone = api.delete(api.at("secrets", "a"))
    assert (gone.code, gone.body["status"]) == (200, "Success")
    assert gone.body["details"] == {"name": "a", "kind": "secrets", "uid": uid}


# Server-side apply


def test_apply_makes_and_changes(api: Api) -> None:
    first = api.apply(api.at("configmaps", "a"), config_map("a", x="1"))
    assert first.code == 201
    entry = first.body["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("one", "Apply", "v1")
    assert entry["fieldsV1"] == {"f:data": {"f:x": {}}}
    same = api.apply(api.at("configmaps", "a"), config_map("a", x="1"))
    assert (same.code, same.version) == (200, first.version)
    other = api.apply(api.at("configmaps", "a"), config_map("a", x="2"))
    assert int(other.version) > int(first.version)
    assert other.body["metadata"]["uid"] == first.body["metadata"]["uid"]


def test_apply_names_one_conflict(api: Api) -> None:
    api.apply(api.at("configmaps", "a"), config_map("a", x="1", y="1")).ok()
    answer = api.apply(api.at("configmaps", "a"), config_map("a", x="2"), "two")
    assert answer.refusal == (409, "Conflict", 'Apply failed with 1 conflict: conflict with "one": .data.x')
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
    assert answer.body["details"] == {"causes": [cause]}
    # What both want is no conflict.
    assert api.apply(api.at("configmaps", "a"), config_map("a", x="1"), "two").code == 200


def test_apply_names_many_conflicts(api: Api) -> None:
    api.apply(api.at("configmaps", "a"), config_map("a", x="1", y="1")).ok()
    api.merge(api.at("configmaps", "a"), {"data": {"z": "1"}}, fieldManager="three").ok()
    answer = api.apply(api.at("configmaps", "a"), config_map("a", x="2", y="2", z="2"), "two")
    assert answer.refusal[2] == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .data.x\n- .data.y\n'
        'conflicts with "three" using v1:\n- .data.z'
    )
    # Of the managers, a real server names now this one first, now that.
    causes = sorted((each["message"], each["field"]) for each in answer.body["details"]["causes"])
    held = 'conflict with "one"'
    assert causes == [(held, ".data.x"), (held, ".data.y"), ('conflict with "three" using v1', ".data.z")]


def test_apply_forces_and_lets_go(api: Api) -> None:
    api.apply(api.at("configmaps", "a"), config_map("a", x="1", y="1")).ok()
    forced = api.apply(api.at("configmaps", "a"), config_map("a", x="2"), "two", force="true")
    assert forced.ok()["data"] == {"x": "2", "y": "1"}
    dropped = api.apply(api.at("configmaps", "a"), config_map("a"))
    assert dropped.ok()["data"] == {"x": "2"}
    assert [each["manager"] for each in dropped.body["metadata"]["managedFields"]] == ["two"]


def test_apply_drops_what_nobody_else_wants(api: Api) -> None:
    api.apply(api.at("configmaps", "a"), config_map("a", {"l": "1"}, x="1", y="1")).ok()
    api.apply(api.at("configmaps", "a"), config_map("a", y="1"), "two").ok()
    answer = api.apply(api.at("configmaps", "a"), config_map("a"))
    assert answer.ok()["data"] == {"y": "1"}
    assert "labels" not in answer.body["metadata"]


def test_apply_meets_what_update_wrote(cluster: Cluster, api: Api) -> None:
    api.post(api.at("configmaps"), config_map("a", x="1"), fieldManager="kubectl-edit").ok()
    with pytest.raises(FieldConflict) as caught:
        cluster.apply(config_map("a", x="2"))
    assert caught.value.managers == (("kubectl-edit", ".data.x"),)
    assert cluster.apply(config_map("a", x="2"), force=True)["data"] == {"x": "2"}


def test_apply_meets_what_it_made_itself(cluster: Cluster) -> None:
    """Who creates and who applies are two, even by one name."""
    cluster.create(config_map("a", x="1"))
    with pytest.raises(FieldConflict) as caught:
        cluster.apply(config_map("a", x="2"))
    assert caught.value.managers == ((ownership.FIELD_MANAGER, ".data.x"),)


def test_dry_run_is_not_kept(cluster: Cluster, api: Api) -> None:
    made = cluster.apply(config_map("a", x="1"), dry_run=True)
    assert made["data"] == {"x": "1"}
    assert made["metadata"]["uid"]
    assert cluster.get("v1", "ConfigMap", "a") is None
    cluster.create(config_map("a", x="1"))
    assert cluster.apply(config_map("a", x="2"), dry_run=True, force=True)["data"] == {"x": "2"}
    assert api.get(api.at("configmaps", "a")).ok()["data"] == {"x": "1"}
    dry = api("DELETE", api.at("configmaps", "a"), dryRun="All")
    assert dry.code == 200
    assert cluster.get("v1", "ConfigMap", "a") is not None


def test_apply_merges_ports_by_number(api: Api) -> None:
    path = api.at("services", "a")
    first = api.apply(path, balancer("a")).ok()["spec"]["ports"]
    more = balancer("a")
    more["spec"]["ports"].append({"name": "http", "port": 80})
    second = api.apply(path, more).ok()["spec"]["ports"]
    assert [each["port"] for each in second] == [443, 80]
    assert second[0] == first[0]
    third = api.apply(path, balancer("a")).ok()["spec"]["ports"]
    assert third == first


def test_apply_wants_a_manager(api: Api) -> None:
    answer = api("PATCH", api.at("configmaps", "a"), config_map("a"), APPLY)
    assert answer.code in {400, 422}
    assert "fieldManager: Required value: is required for apply patch" in answer.refusal[2]


def test_apply_knows_the_fields(api: Api) -> None:
    answer = api.apply(api.at("configmaps", "a"), {**config_map("a"), "nothing": 1})
    assert answer.refusal[:2] == (500, "")
    assert ".nothing: field not declared in schema" in answer.refusal[2]


def test_apply_validates(api: Api, cluster: Cluster) -> None:
    bad = balancer("a")
    bad["spec"]["ports"][0]["port"] = 70000
    answer = api.apply(api.at("services", "a"), bad)
    assert answer.refusal[:2] == (422, "Invalid")
    with pytest.raises(WizardError) as caught:
        cluster.apply(bad, dry_run=True)
    assert caught.value.problem.code == "api-server-refused"


# Patches


def test_merge_patch_removes_with_null(api: Api) -> None:
    api.post(api.at("configmaps"), config_map("a", {"l": "1"}, x="1", y="1")).ok()
    changed = api.merge(
        api.at("configmaps", "a"), {"metadata": {"labels": None}, "data": {"x": None, "z": "3"}}
    )
    assert changed.ok()["data"] == {"y": "1", "z": "3"}
    assert "labels" not in changed.body["metadata"]


def test_strategic_patch_merges_by_key(api: Api) -> None:
    api.post(api.at("services"), balancer("a")).ok()
    patch = {"spec": {"ports": [{"port": 80, "name": "http"}]}}
    found = api("PATCH", api.at("services", "a"), patch, STRATEGIC).ok()
    assert sorted(each["port"] for each in found["spec"]["ports"]) == [80, 443]


def test_json_patch_and_its_failures(api: Api, cluster: Cluster) -> None:
    api.post(api.at("configmaps"), config_map("a", x="1")).ok()
    steps = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "2"},
    ]
    assert cluster.patch("v1", "ConfigMap", "a", steps, patch_type="json")["data"] == {"x": "2"}
    answer = api("PATCH", api.at("configmaps", "a"), steps, "application/json-patch+json")
    assert answer.refusal[:2] == (422, "Invalid")
    answer = api("PATCH", api.at("configmaps", "a"), {}, JSON)
    assert answer.refusal[:2] == (415, "UnsupportedMediaType")
    with pytest.raises(NotFound):
        cluster.patch("v1", "ConfigMap", "none", {"data": {}})


def test_status_and_the_rest_are_apart(api: Api, node: KubeClient) -> None:
    api.post(api.at("services"), balancer("a")).ok()
    path = api.at("services", "a")
    address = {"loadBalancer": {"ingress": [{"hostname": "x.elb.test"}]}}
    assert api.merge(path, {"status": address}).ok()["status"] == {"loadBalancer": {}}
    found = node.patch(f"{path}/status", {"status": address, "spec": {"sessionAffinity": "ClientIP"}})
    assert found["status"]["loadBalancer"]["ingress"][0]["hostname"] == "x.elb.test"
    assert found["spec"]["sessionAffinity"] == "None"
    cleared = node.patch(f"{path}/status", {"status": {"loadBalancer": {"ingress": None}}})
    assert cleared["status"] == {"loadBalancer": {}}


# Lists and watches


def test_label_selectors(api: Api, cluster: Cluster) -> None:
    for name, labels in (("a", {"app": "x", "t": "1"}), ("b", {"app": "x"}), ("c", {"app": "y"})):
        api.post(api.at("configmaps"), config_map(name, labels)).ok()
    expected = {
        "app=x": "ab",
        "app==x,t=1": "a",
        "app!=x": "c",
        "app in (x,y),!t": "bc",
        "t": "a",
        "app notin (x)": "c",
    }
    for selector, names in expected.items():
        found = cluster.list("v1", "ConfigMap", label_selector=selector)
        assert "".join(each["metadata"]["name"] for each in found).replace("kube-root-ca.crt", "") == names, (
            selector
        )
    assert api.get(api.at("configmaps"), labelSelector="a b c").refusal[:2] == (400, "BadRequest")


def test_field_selectors(api: Api, cluster: Cluster) -> None:
    for name in ("a", "b"):
        api.post(api.at("configmaps"), config_map(name)).ok()
        api.post(api.at("pods"), pod(name)).ok()
    found = cluster.list("v1", "ConfigMap", field_selector="metadata.name=b")
    assert [each["metadata"]["name"] for each in found] == ["b"]
    assert len(cluster.list("v1", "Pod", field_selector="spec.nodeName=")) == 2
    assert cluster.list("v1", "Pod", field_selector="spec.nodeName=n1") == []
    assert len(cluster.list("v1", "Pod", field_selector="status.phase=Pending,metadata.name!=a")) == 1
    answer = api.get(api.at("pods"), fieldSelector="spec.nothing=1")
    assert answer.refusal[:2] == (400, "BadRequest")
    assert "field label not supported: spec.nothing" in answer.refusal[2]


def test_pages(api: Api, cluster: Cluster) -> None:
    for number in range(5):
        api.post(api.at("secrets"), secret(f"s{number}")).ok()
    page = api.get(api.at("secrets"), limit="3").ok()
    assert page["metadata"]["remainingItemCount"] == 2
    rest = api.get(api.at("secrets"), limit="3", **{"continue": page["metadata"]["continue"]}).ok()
    assert [each["metadata"]["name"] for each in rest["items"]] == ["s3", "s4"]
    assert "continue" not in rest["metadata"]
    assert [each["metadata"]["name"] for each in cluster.list("v1", "Secret", limit=2)] == ["s0", "s1"]
    assert "kind" not in page["items"][0]
    assert api.get(api.at("secrets"), limit="1", **{"continue": "nonsense"}).refusal[:2] == (
        400,
        "BadRequest",
    )


def watch(
    api: Api, resource: str, until: Callable[[str, Obj], bool], **query: str
) -> Iterator[tuple[str, Obj]]:
    asked = {"watch": "true", "timeoutSeconds": "50", **query}
    headers = {"Authorization": f"Bearer {api.side.token}"}
    path = api.side.url + api.at(resource)
    with api.session.get(path, params=asked, headers=headers, stream=True, timeout=60) as answer:
        for line in answer.iter_lines():
            event = json.loads(line)
            if event["type"] == "ERROR" and event["object"]["code"] == 504:
                break  # the cache of a busy server is not there yet: clients begin anew
            yield event["type"], event["object"]
            if until(event["type"], event["object"]):
                return
        else:
            return
    yield from watch(api, resource, until, **query)


def test_watch_tells_all_since_a_version(api: Api) -> None:
    start = api.get(api.at("configmaps")).ok()["metadata"]["resourceVersion"]
    api.post(api.at("configmaps"), config_map("a")).ok()
    api.merge(api.at("configmaps", "a"), {"data": {"x": "1"}}).ok()
    api.delete(api.at("configmaps", "a")).ok()
    found = list(
        watch(
            api,
            "configmaps",
            lambda kind, _: kind == "DELETED",
            resourceVersion=start,
            fieldSelector="metadata.name=a",
        )
    )
    assert [kind for kind, _ in found] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in found]
    assert versions == sorted(set(versions))
    assert found[-1][1]["data"] == {"x": "1"}


def test_watch_by_label_says_what_left(api: Api) -> None:
    api.post(api.at("configmaps"), config_map("a", {"app": "x"})).ok()
    start = api.get(api.at("configmaps")).ok()["metadata"]["resourceVersion"]
    api.merge(api.at("configmaps", "a"), {"metadata": {"labels": {"app": "y"}}}).ok()
    api.merge(api.at("configmaps", "a"), {"metadata": {"labels": {"app": "x"}}}).ok()
    kinds: list[str] = []
    for kind, _ in watch(
        api, "configmaps", lambda kind, _: kind == "ADDED", resourceVersion=start, labelSelector="app=x"
    ):
        kinds.append(kind)
    assert kinds == ["DELETED", "ADDED"]


def test_watch_from_nothing_begins_with_what_is_there(api: Api) -> None:
    api.post(api.at("secrets"), secret("a")).ok()
    found: list[tuple[str, str]] = []
    for kind, obj in watch(api, "secrets", lambda _, obj: bool(obj["metadata"]["name"] == "b")):
        if not found:
            api.post(api.at("secrets"), secret("b")).ok()
        found.append((kind, obj["metadata"]["name"]))
    assert found == [("ADDED", "a"), ("ADDED", "b")]


def test_bookmarks_carry_a_version(api: Api, wait_for: WaitFor) -> None:
    """Of what happened to others of the kind; when one comes, if at all, is up to the server."""
    start = api.get(api.at("secrets")).ok()["metadata"]["resourceVersion"]
    other = api.post(api.at("secrets"), secret("b")).version
    query = {"resourceVersion": start, "fieldSelector": "metadata.name=a", "allowWatchBookmarks": "true"}

    def come() -> list[tuple[str, Obj]]:
        return list(watch(api, "secrets", lambda *_: True, timeoutSeconds="4", **query))

    ((kind, obj),) = wait_for(come, "a bookmark")
    assert (kind, obj["kind"]) == ("BOOKMARK", "Secret")
    assert int(obj["metadata"]["resourceVersion"]) >= int(other)


def of_a_pod_that_comes_and_goes(api: Api, node: KubeClient) -> list[tuple[str, str]]:
    path = api.at("pods")
    _, version = node.list(path, {"fieldSelector": "spec.nodeName="})
    seen: list[tuple[str, str]] = []

    def follow() -> None:
        with node.watch(path, {"fieldSelector": "spec.nodeName=", "resourceVersion": version}) as found:
            for kind, obj in found.events():
                seen.append((kind, obj["metadata"]["name"]))
                if kind == "DELETED":
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    node.create(path, pod("a"))
    node.delete(f"{path}/a", grace_period_s=0)
    thread.join(60)
    return seen


def test_the_agents_client_watches(api: Api, node: KubeClient) -> None:
    seen = of_a_pod_that_comes_and_goes(api, node)
    assert [each for each in seen if each[0] != "MODIFIED"] == [("ADDED", "a"), ("DELETED", "a")]


def test_a_pod_says_that_it_goes(api: Api, node: KubeClient) -> None:
    assert of_a_pod_that_comes_and_goes(api, node) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


# Namespaces, Services, Events


def test_a_namespace_ends_with_its_contents(api: Api, cluster: Cluster, wait_for: WaitFor) -> None:
    path = f"/api/v1/namespaces/{api.namespace}"
    assert api.get(path).ok()["metadata"]["labels"]["kubernetes.io/metadata.name"] == api.namespace
    held = config_map("held")
    held["metadata"]["finalizers"] = ["test.example/held"]
    api.post(api.at("configmaps"), held).ok()
    answer = api.delete(path)
    assert (answer.code, answer.body["status"]["phase"]) == (200, "Terminating")
    answer = api.post(api.at("secrets"), secret("a"))
    why = f"unable to create new content in namespace {api.namespace} because it is being terminated"
    assert answer.refusal == (403, "Forbidden", f'secrets "a" is forbidden: {why}')
    assert answer.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    with pytest.raises(WizardError) as caught:
        cluster.create(secret("a"))
    assert caught.value.problem.code == "namespace-terminating"

    def finalizers_remain() -> bool:
        conditions = api.get(path).ok()["status"].get("conditions") or []
        return ("NamespaceFinalizersRemaining", "True") in [
            (each["type"], each["status"]) for each in conditions
        ]

    wait_for(finalizers_remain, "the condition")
    api.merge(api.at("configmaps", "held"), {"metadata": {"finalizers": None}}).ok()
    wait_for(lambda: api.get(path).code == 404, "the end of the namespace")


def test_service_defaults(cluster: Cluster) -> None:
    spec = cluster.create(balancer("a"))["spec"]
    port = spec["ports"][0]
    assert 30000 <= port.pop("nodePort") <= 32767
    assert port == {"name": "https", "protocol": "TCP", "port": 443, "targetPort": 443}
    assert spec["clusterIP"].startswith("10.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    rest = {key: spec[key] for key in spec if key not in {"ports", "clusterIP", "clusterIPs", "selector"}}
    assert rest == {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": True,
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None",
    }


def test_a_services_address_stays(api: Api, cluster: Cluster) -> None:
    made = cluster.create(balancer("a"))
    other = {**made, "spec": {**made["spec"], "clusterIP": "10.96.0.99", "clusterIPs": ["10.96.0.99"]}}
    answer = api.put(api.at("services", "a"), other)
    assert answer.refusal[:2] == (422, "Invalid")
    assert 'spec.clusterIPs[0]: Invalid value: ["10.96.0.99"]: may not change once set' in answer.refusal[2]
    changed = cluster.replace({**made, "spec": {**made["spec"], "loadBalancerSourceRanges": ["10.0.0.0/8"]}})
    assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert changed["spec"]["ports"] == made["spec"]["ports"]


def test_a_balancers_finalizer_holds_the_service(api: Api, cluster: Cluster, node: KubeClient) -> None:
    made = cluster.create(balancer("a"))
    path = api.at("services", "a")
    news = {
        "resourceVersion": made["metadata"]["resourceVersion"],
        "finalizers": ["service.kubernetes.io/load-balancer-cleanup"],
    }
    node.patch(path, {"metadata": news})
    assert cluster.delete("v1", "Service", "a", uid=made["metadata"]["uid"])
    found = cluster.get("v1", "Service", "a")
    assert found is not None
    assert found["metadata"]["deletionTimestamp"]
    node.patch(path, {"metadata": {"finalizers": None}})
    assert cluster.get("v1", "Service", "a") is None


def test_finalizers_need_a_domain(api: Api) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["held"]
    assert api.post(api.at("configmaps"), held).refusal[:2] == (422, "Invalid")


def test_logs_of_nothing(cluster: Cluster, api: Api) -> None:
    assert cluster.logs("none") == ""
    api.post(api.at("pods"), pod("unscheduled")).ok()
    assert cluster.logs("unscheduled") == ""


def test_bad_logins_are_the_credentials_fault(
    kubeconfig: Any, api: Api, side: Side, connect: Callable[[str], Cluster]
) -> None:
    kubeconfig.write_text(kubeconfig.read_text().replace(side.token, "nobody-knows-it"))
    with pytest.raises(CredentialsError):
        connect("admin").get("v1", "Secret", "a", namespace=api.namespace)
