"""What the two sides of the contract have in common: a cluster, and somebody to ask it by plain HTTP."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.peers.differences import Difference, Differences

Obj = dict[str, Any]
JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

# Where the practice server answers otherwise: the test that shows it, and why it may stay so.
DIFFERENCES: Differences = {
    "test_a_pod_says_that_it_goes": Difference(
        "A watch tells of a Pod deleted without grace as DELETED only, the real one of a MODIFIED with a "
        "deletionTimestamp before it. The agent ends the Pod on either.",
        "test_the_agents_client_watches",
        ("practice",),
    ),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two clusters; `powerless_token` is bob's, who lacks what `deny(verb, resource)` names.

    On the practice side everybody lacks it then, until `allow()`.
    """

    name: str
    url: str
    ca_file: Path
    token: str
    node_token: str
    powerless_token: str
    deny: Callable[[str, str], None]
    allow: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    body: Obj
    text: str
    warning: str = ""

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Code, reason ("" where there is none) and message of a Status that says Failure."""
        assert (self.body["kind"], self.body["apiVersion"], self.body["status"]) == (
            "Status",
            "v1",
            "Failure",
        )
        assert self.body["code"] == self.code
        return self.code, self.body.get("reason", ""), self.body["message"]

    def ok(self) -> Obj:
        """The body of an answer that is no refusal."""
        assert self.code < 300, self.text
        return self.body

    @property
    def version(self) -> str:
        return str(self.ok()["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class Api:
    """Asks as the administrator unless another `token` is given."""

    side: Side
    session: requests.Session
    namespace: str = "default"

    def at(self, resource: str, name: str = "", group: str = "api/v1") -> str:
        """The path of what is in the test's namespace."""
        return f"/{group}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def __call__(
        self, method: str, path: str, body: object = None, kind: str = JSON, *, token: str = "", **query: str
    ) -> Answer:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        found = self.session.request(
            method,
            self.side.url + path,
            data=data,
            params=query,
            headers={"Content-Type": kind, "Authorization": f"Bearer {token or self.side.token}"},
            timeout=60,
        )
        is_json = found.headers.get("Content-Type", "").startswith(JSON)
        return Answer(
            found.status_code, found.json() if is_json else {}, found.text, found.headers.get("Warning", "")
        )

    def get(self, path: str, **query: str) -> Answer:
        return self("GET", path, **query)

    def post(self, path: str, body: object, **query: str) -> Answer:
        return self("POST", path, body, **query)

    def put(self, path: str, body: object, **query: str) -> Answer:
        return self("PUT", path, body, **query)

    def merge(self, path: str, body: object, **query: str) -> Answer:
        return self("PATCH", path, body, MERGE, **query)

    def apply(self, path: str, body: object, manager: str = "one", **query: str) -> Answer:
        return self("PATCH", path, body, APPLY, fieldManager=manager, **query)

    def delete(self, path: str, **options: object) -> Answer:
        return self("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})


def config_map(name: str, labels: Mapping[str, str] | None = None, **data: str) -> Obj:
    metadata = {"name": name, **({"labels": dict(labels)} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **({"data": data} if data else {})}


def secret(name: str, kind: str = "Opaque", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data}


def pod(name: str, labels: Mapping[str, str] | None = None) -> Obj:
    # Only one of the two clusters has a scheduler, so neither may meddle.
    spec = {"schedulerName": "nobody", "containers": [{"name": "app", "image": "registry:3"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": spec,
    }


def balancer(name: str) -> Obj:
    spec = {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"name": "https", "port": 443}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
