"""The ledger of attempts: what is counted, for how long, and what a damaged file costs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wizard import attempts
from wizard.attempts import Attempts

HERE, THERE = "https://ca.test/directory", "https://other.test/directory"


@pytest.fixture
def ledger(tmp_path: Path) -> Attempts:
    return Attempts(tmp_path / "journal.jsonl")


def test_nothing_is_counted_where_nothing_was_tried(ledger: Attempts) -> None:
    assert ledger.count(attempts.ORDER, HERE) == 0
    assert ledger.limited_until(HERE) is None
    assert all(" 5 of 5 " in each or " 10 of 10 " in each for each in _left(ledger))


def _left(ledger: Attempts) -> tuple[str, ...]:
    return tuple(f"{each} " for each in ledger.left(HERE, ["a.test"], attempts.PRODUCTION))


def test_names_are_a_set_and_authorities_are_apart(ledger: Attempts) -> None:
    ledger.note(attempts.ORDER, HERE, ["b.test", "a.test"])
    ledger.note(attempts.ORDER, THERE, ["a.test", "b.test"])
    assert ledger.count(attempts.ORDER, HERE, ["a.test", "b.test"]) == 1
    assert ledger.count(attempts.ORDER, HERE, ["a.test"]) == 0
    assert ledger.count(attempts.ORDER, HERE) == 1


def test_a_certificate_is_counted_once_an_order(ledger: Attempts) -> None:
    for order in ("1", "1", "2"):
        ledger.came_of(order, attempts.ISSUED, HERE, ["a.test"])
    assert ledger.count(attempts.ISSUED, HERE, ["a.test"]) == 2
    assert "certificates for these names: 3 of 5 left this week" in ledger.left(
        HERE, ["a.test"], attempts.PRODUCTION
    )


def test_what_is_long_ago_does_not_count(ledger: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(attempts, "_now", lambda: now - timedelta(hours=2))
    ledger.note(attempts.FAILED, HERE, ["a.test"])
    ledger.note(attempts.LIMITED, HERE, until=(now - timedelta(hours=1)).isoformat())
    assert ledger.limited_until(HERE) == now - timedelta(hours=1)
    monkeypatch.setattr(attempts, "_now", lambda: now)
    assert ledger.count(attempts.FAILED, HERE, within=attempts.HOUR) == 0
    assert ledger.count(attempts.FAILED, HERE, within=attempts.WEEK) == 1
    assert ledger.limited_until(HERE) is None


def test_a_damaged_line_counts_for_nothing(ledger: Attempts, tmp_path: Path) -> None:
    ledger.note(attempts.ORDER, HERE, ["a.test"])
    with (tmp_path / "attempts.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "order"\n[]\n{"kind": "order", "directory": "x", "time": "then"}\n')
    ledger.note(attempts.ORDER, HERE, ["a.test"])
    assert ledger.count(attempts.ORDER, HERE) == 2
