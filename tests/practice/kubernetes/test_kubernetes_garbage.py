"""Whatever a client sends, it gets an answer: objects of every kind, a good part of them nonsense."""

import json
import random
from typing import Any

import pytest

from wizard.practice.kubernetes import kinds, schema
from wizard.practice.kubernetes.api import Api
from wizard.practice.kubernetes.controllers.base import SYSTEM
from wizard.practice.kubernetes.front import Front
from wizard.practice.kubernetes.request import Answer, Request
from wizard.practice.kubernetes.status import ApiError
from wizard.practice.kubernetes.store import Store
from wizard.practice.ledger import Ledger

REQUESTS = 150
WORDS = (
    "a",
    "A_b",
    "",
    "TCP",
    "x/y",
    "LoadBalancer",
    "NodePort",
    "Always",
    "1Gi",
    "50%",
    "10.0.0.0/8",
    "YQ==",
)
NUMBERS = (0, 1, 80, -1, 99999, 2**40)
JUNK: tuple[Any, ...] = (None, True, 0, 1.5, "", "x", [], {}, [None], [[]], [{}], {"a": "b"}, {"": 1})
MEDIA = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


class Maker:
    """Makes values, mostly of the type asked for; the same ones for the same seed."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)  # noqa: S311  # no secret is made of it

    def value(self, of: schema.Type, depth: int = 0) -> Any:
        pick = self.random
        if pick.random() < 0.08:
            return pick.choice(JUNK)
        if of.shape == "scalar":
            if of.name == "bool":
                return pick.choice((True, False))
            if of.name in ("int32", "int64"):
                return pick.choice(NUMBERS)
            return pick.choice(
                (*WORDS, "2026-01-01T00:00:00Z", *NUMBERS) if of.name == "intorstring" else WORDS
            )
        if of.shape == "list":
            return [self.value(of.item, depth + 1) for _ in range(pick.randrange(3))]
        if of.shape == "map":
            return {pick.choice(WORDS): self.value(of.item, depth + 1) for _ in range(pick.randrange(3))}
        share = 0.5 if depth < 3 else 0.25
        return {
            name: self.value(field.type, depth + 1)
            for name, field in of.fields.items()
            if pick.random() < share
        }

    def request(self, resource: kinds.Resource) -> Request:
        root = f"/apis/{resource.group}/v1" if resource.group else "/api/v1"
        path = f"{root}{'/namespaces/default' if resource.is_namespaced else ''}/{resource.plural}"
        method = self.random.choice(("POST", "POST", "PUT", "PATCH", "PATCH", "DELETE"))
        if method != "POST":
            under = self.random.choice(("", "", *(f"/{name}" for name in resource.subresources)))
            path = f"{path}/a{under}?fieldManager=m&force=true"
        body = self.value(schema.kind_type(resource.schema_name))
        if isinstance(body, dict):
            meta = body.get("metadata")
            kept = dict(meta) if isinstance(meta, dict) else {}
            for key in ("namespace", "resourceVersion", "uid"):
                kept.pop(key, None)
            kept["name"] = "a"
            body |= {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": kept}
        kind = self.random.choice(MEDIA) if method == "PATCH" else "application/json"
        headers = {"authorization": "Bearer t", "content-type": kind}
        return Request(method, path, headers, json.dumps(body).encode())


def answered(front: Front, request: Request) -> Any:
    try:
        answer: Answer = front.answer(request)
    except ApiError as error:
        return error.status()["message"]
    return json.dumps(answer.body)


@pytest.mark.parametrize("resource", kinds.STORED, ids=lambda resource: resource.full_name)
def test_every_request_is_answered(resource: kinds.Resource) -> None:
    api = Api(Store())
    api.create(SYSTEM, kinds.NAMESPACES, "", {"metadata": {"name": "default"}})
    front = Front(api, Ledger(), {"t": "me"}, set(), None)
    maker = Maker(resource.full_name)
    for _ in range(REQUESTS):
        assert answered(front, maker.request(resource))


def test_a_service_without_ports_is_refused() -> None:
    api = Api(Store())
    api.create(SYSTEM, kinds.NAMESPACES, "", {"metadata": {"name": "default"}})
    body = {"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer"}}
    with pytest.raises(ApiError, match=r"spec\.ports: Required value"):
        api.create(SYSTEM, kinds.SERVICES, "default", body)
