"""The table of types against the official client's models, and its uses: protobuf, quantities, paths."""

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from kubernetes.client import models

from wizard.practice.kubernetes import fieldsets, kinds, protobuf, schema
from wizard.practice.kubernetes.rules import quantities

RENAMED = {
    "Event": "CoreV1Event",
    "EventSeries": "CoreV1EventSeries",
    "EventsEvent": "EventsV1Event",
    "EventsEventSeries": "EventsV1EventSeries",
    "EndpointPort": "CoreV1EndpointPort",
    "SliceEndpointPort": "DiscoveryV1EndpointPort",
}
WHOLE = {resource.schema_name for resource in kinds.RESOURCES} | {"Scale", "Binding"}


def known_fields(name: str) -> set[str] | None:
    model: Any = getattr(models, RENAMED.get(name, f"V1{name}"), None)
    if model is None:
        return None
    found = {field.serialization_alias or key for key, field in model.model_fields.items()}
    return found - {"apiVersion", "kind"} if name in WHOLE else found


def test_fields_are_those_of_the_official_client() -> None:
    compared = 0
    for name in schema.type_names():
        wanted = known_fields(name)
        if wanted is not None:
            compared += 1
            assert set(schema.struct(name).fields) == wanted, name
    assert compared > 200


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def test_protobuf_of_a_secret() -> None:
    meta = field(1, b"name") + field(11, field(1, b"k") + field(2, b"v"))
    body = field(1, meta) + field(2, field(1, b"a") + field(2, b"\x00\xff")) + field(3, b"Opaque")
    envelope = b"k8s\x00" + field(1, field(1, b"v1") + field(2, b"Secret")) + field(2, body)
    assert protobuf.decode(envelope, kinds.SECRETS) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "name", "labels": {"k": "v"}},
        "data": {"a": base64.b64encode(b"\x00\xff").decode()},
        "type": "Opaque",
    }


def test_protobuf_of_inline_structs() -> None:
    """Of a Volume JSON shows what protobuf holds in a message of its own."""
    outer, inner = schema.struct("Volume").fields["secret"].numbers
    volume = field(1, b"v") + field(outer, field(inner, field(1, b"s")))
    body = field(2, field(1, volume))
    envelope = b"k8s\x00" + field(2, body)
    spec = protobuf.decode(envelope, kinds.PODS)["spec"]
    assert spec == {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}


@given(some.binary(max_size=200))
def test_garbled_protobuf_is_refused_or_read(data: bytes) -> None:
    with contextlib.suppress(protobuf.NotDecodable):
        assert protobuf.decode(b"k8s\x00" + data, kinds.DEPLOYMENTS)["kind"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("1.5Gi", "1536Mi"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1e3", "1e3"),
        ("2000", "2k"),
        ("0.5Ki", "512"),
        ("128974848", "128974848"),
    ],
)
def test_quantities_become_canonical(sent: str, stored: str) -> None:
    assert quantities.canonical(sent) == stored
    assert quantities.amount(sent) == quantities.amount(stored)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1x", "1e999", "--1"])
def test_what_is_no_quantity(text: str) -> None:
    assert not quantities.is_valid(text)


def test_fields_of_keyed_lists() -> None:
    spec = schema.parse("PodSpec")
    path = ("f:containers", 'k:{"name":"a"}', "f:image")
    owned = fieldsets.of_value({"containers": [{"name": "a", "image": "x"}]}, spec)
    assert path in owned
    assert fieldsets.dotted(path) == '.containers[name="a"].image'
    assert fieldsets.decode(fieldsets.encode(owned)) == owned
    both = fieldsets.merged(
        {"containers": [{"name": "z"}, {"name": "a", "image": "x"}]},
        {"containers": [{"name": "a", "image": "y"}, {"name": "b"}]},
        spec,
    )
    assert both == {"containers": [{"name": "z"}, {"name": "a", "image": "y"}, {"name": "b"}]}
