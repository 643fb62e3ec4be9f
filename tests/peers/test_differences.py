"""How far practice and the real things may be apart: ten listed cases, each shown to be harmless."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.peers import contract as kubernetes
from tests.peers.acme import contract as acme
from tests.peers.differences import Difference, Differences
from tests.peers.registry import contract as registry
from tests.peers.s3 import contract as s3

PEERS = Path(__file__).parent
MOST = 10
# Of practice, by the directory of the tests that they are listed for.
OF_PRACTICE: dict[str, Differences] = {
    ".": kubernetes.DIFFERENCES,
    "acme": acme.DIFFERENCES,
    "registry": registry.DIFFERENCES,
    "s3": s3.DIFFERENCES,
}
# What the other S3 server lacks, or does otherwise than Amazon documents: there practice does as documented.
OF_THE_OTHER: dict[str, Differences] = {"s3": {**s3.NOT_OFFERED, **s3.DEPARTURES}}
LISTED = [
    pytest.param(directory, test, found, id=test)
    for lists in (OF_PRACTICE, OF_THE_OTHER)
    for directory, listed in lists.items()
    for test, found in listed.items()
]
# Words that would branch on a side.
SIDES = {"practice", "real", "debian", "current", "stand-in", "2.8", "other"}


@cache
def there_are(directory: str) -> dict[str, ast.FunctionDef]:
    """The tests of the files right there, by name."""
    return {
        node.name: node
        for path in sorted((PEERS / directory).glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def compared(test: ast.FunctionDef) -> Iterator[object]:
    """Constants that something is compared to."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare):
            yield from (
                each.value for each in [node.left, *node.comparators] if isinstance(each, ast.Constant)
            )


def test_practice_differs_in_ten_things_at_most() -> None:
    listed = [test for differences in OF_PRACTICE.values() for test in differences]
    assert len(listed) <= MOST, listed


@pytest.mark.parametrize(("directory", "test", "found"), LISTED)
def test_each_names_a_test_that_shows_it_harmless(directory: str, test: str, found: Difference) -> None:
    known = there_are(directory)
    assert test in known
    assert found.why.endswith(".")
    assert found.sides
    assert found.harmless in known, "there is no such test"
    for lists in (OF_PRACTICE, OF_THE_OTHER):
        assert found.harmless not in lists.get(directory, {}), "it may fail itself"


@pytest.mark.parametrize("test", [*s3.NOT_OFFERED, *s3.DEPARTURES])
def test_what_the_other_s3_server_does_otherwise_is_documented(test: str) -> None:
    found = {**s3.NOT_OFFERED, **s3.DEPARTURES}[test]
    assert found.documented.isalpha(), "a page of Amazon's API reference"
    assert found.sides == s3.OTHER, "practice has to pass it"


def test_the_stand_in_holds_with_one_release_where_they_differ() -> None:
    asked = {
        name
        for name, test in there_are("registry").items()
        if any(argument.arg == "released" for argument in test.args.args)
    }
    assert asked == set(registry.RELEASES)


@pytest.mark.parametrize("directory", OF_PRACTICE)
def test_nothing_is_told_apart_but_in_the_lists(directory: str) -> None:
    """Neither by a branch on the side, nor by a mark of its own."""
    branching = [name for name, test in there_are(directory).items() if SIDES & set(compared(test))]
    assert branching == []
    for path in (PEERS / directory).glob("*.py"):
        if path.name not in {"differences.py", Path(__file__).name}:
            assert "xfail" not in path.read_text(), path.name
