"""Where the sides of a contract do not agree: each case listed, explained, and shown to be harmless."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Difference:
    """`sides` fail the test that it is listed under; `harmless` is the test that shows that they may.

    `documented` says where the owner of the protocol writes what the other sides hold with.
    """

    why: str
    harmless: str
    sides: tuple[str, ...]
    documented: str = ""


Differences = Mapping[str, Difference]


def expect(request: pytest.FixtureRequest, listed: Differences, parameter: str) -> None:
    """A listed test has to fail on its sides, told by `parameter`; one that passes is to be struck out."""
    call = getattr(request.node, "callspec", None)
    found = listed.get(getattr(request.node, "originalname", ""))
    if found and call and call.params.get(parameter) in found.sides:
        request.applymarker(pytest.mark.xfail(reason=found.why, strict=True))
