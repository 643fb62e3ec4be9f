"""A class in one practice world: setups applied at once from processes of their own stay apart.

`make workshop` does it with fifty, and writes the figures down.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import workshop
from bench.workshop import Outcome
from tests.e2e.program import LIMIT_S, Program

pytestmark = pytest.mark.e2e
TEAMS = range(1, 9)
LEAVING = 4  # made its record itself; others get the one back that the teacher had made


@dataclass
class Class:
    """First runs, second ones, what they changed, and the world before and after one team left."""

    first: list[Outcome]
    second: list[Outcome]
    requests: tuple[list[str], list[str]]
    before: dict[str, Any]
    left: Outcome
    after: dict[str, Any]


@pytest.fixture(scope="module")
def held(program: Program) -> Class:
    directory = program.home / "answers"
    directory.mkdir()
    workshop.lead_to_the_web_server(program.world_environment(), TEAMS)
    commands = {
        team: ("apply", "--practice", "-a", str(workshop.write_answers(directory, team)), "--json")
        for team in TEAMS
    }
    first = workshop.all_at_once(program.environment, commands, limit_s=LIMIT_S)
    asked = program.mutations()
    second = workshop.all_at_once(program.environment, commands, limit_s=LIMIT_S)
    asked_again = program.mutations()
    before = program.dump()
    undo = (
        "undo",
        "--practice",
        "--yes",
        workshop.setup_name(LEAVING),
        "--delete-bucket",
        f"workshop-team-{LEAVING}",
    )
    [left] = workshop.all_at_once(program.environment, {LEAVING: undo}, limit_s=LIMIT_S)
    return Class(first, second, (asked, asked_again), before, left, program.dump())


def leaves(found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value of a dump with the way to it."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from leaves(value, f"{path}/{key}")
    elif isinstance(found, list):
        for value in found:
            yield from leaves(value, f"{path}/-")
    else:
        yield path, str(found)


def of_team(dump: dict[str, Any], team: int) -> list[tuple[str, str]]:
    """All of the world that names the team."""
    named = re.compile(rf"\bteam-{team}\b")
    return sorted(leaf for leaf in leaves(dump) if named.search(leaf[0]) or named.search(leaf[1]))


def test_all_of_them_have_a_proven_registry(held: Class) -> None:
    assert {each.team: each.told for each in held.first if each.code} == {}


def test_again_all_at_once_nothing_is_changed(held: Class) -> None:
    assert {each.team: each.told for each in held.second if each.code} == {}
    assert held.requests[0] == held.requests[1]


def test_each_has_things_of_its_own(held: Class) -> None:
    for team in TEAMS:
        paths = {path for path, _ in of_team(held.before, team)}
        for part in (f"workshop-team-{team}", f"team-{team}-policy", f"team-{team}.practice.test"):
            assert any(part in path for path in paths) or any(
                part in value for _, value in of_team(held.before, team)
            )


def test_who_leaves_takes_nothing_of_the_others_away(held: Class) -> None:
    assert held.left.code == 0, held.left.told
    for team in TEAMS:
        if team != LEAVING:
            assert of_team(held.after, team) == of_team(held.before, team)
    assert len(of_team(held.before, LEAVING)) > 50
    assert not [leaf for leaf in of_team(held.after, LEAVING) if "Event" not in leaf[0]], (
        "nothing of theirs is left"
    )


def test_the_figures_of_fifty_are_written_down() -> None:
    text = (Path(workshop.RESULTS)).read_text(encoding="utf-8")
    assert f"| setups applied at once, a process each | {workshop.MANY} |" in text
    assert f"| of them with all checks passed | {workshop.MANY} |" in text
