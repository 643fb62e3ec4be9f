"""The table of pains is whole, and what it names is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUMBERS = {*map(str, range(1, 23)), *(f"8.{number}" for number in range(1, 17))}
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "docs" / "pains.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [\d.]+ \|", line)
]
TESTS = {
    (path.name, found.name)
    for path in (ROOT / "tests").rglob("test_*.py")
    for found in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
}


def test_every_number_is_there() -> None:
    assert {row[0] for row in ROWS} == NUMBERS


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]}-{row[1][:30]}" for row in ROWS])
def test_what_a_row_names_exists(row: list[str]) -> None:
    _, _, modules, tests = row
    named = re.findall(r"`(\w+\.py)::(\w+)`", tests)
    assert all(pair in TESTS for pair in named), named
    assert all((ROOT / module).is_file() for module in re.findall(r"`([^`]+)`", modules))
    assert named or tests.startswith("No screen meets it: ")
