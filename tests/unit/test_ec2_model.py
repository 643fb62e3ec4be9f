"""Our small EC2 model says nothing that botocore's whole one does not say."""

import json
from typing import Any

import botocore.loaders
import pytest

from wizard.resources import read_asset

OURS = json.loads(read_asset("aws/ec2/2016-11-15/service-2.json"))
WHOLE: dict[str, Any] = botocore.loaders.create_loader().load_service_model("ec2", "service-2", "2016-11-15")


def wire(model: Any, shape: str, ours: Any) -> Any:
    """The shape as it goes over the wire, cut down to the members that `ours` has."""
    found, like = model["shapes"][shape], ours
    members = found.get("members", {})
    kept = {
        name: (
            members[name].get("locationName", name),
            wire(model, members[name]["shape"], OURS["shapes"][member["shape"]]),
        )
        for name, member in like.get("members", {}).items()
    }
    item = found.get("member")
    inner = (
        (item.get("locationName"), wire(model, item["shape"], OURS["shapes"][like["member"]["shape"]]))
        if item
        else None
    )
    return found["type"], kept, inner


@pytest.mark.parametrize("operation", sorted(OURS["operations"]))
@pytest.mark.parametrize("direction", ["input", "output"])
def test_what_goes_over_the_wire_is_the_same(operation: str, direction: str) -> None:
    ours = OURS["operations"][operation]
    whole = WHOLE["operations"][operation]
    assert ours["http"] == {key: whole["http"][key] for key in ours["http"]}
    shape = ours[direction]["shape"]
    assert wire(OURS, shape, OURS["shapes"][shape]) == wire(
        WHOLE, whole[direction]["shape"], OURS["shapes"][shape]
    )


def test_the_service_is_addressed_and_signed_the_same_way() -> None:
    named = (
        "apiVersion",
        "endpointPrefix",
        "protocol",
        "serviceId",
        "signatureVersion",
        "auth",
        "xmlNamespace",
    )
    assert [OURS["metadata"][name] for name in named] == [WHOLE["metadata"][name] for name in named]
