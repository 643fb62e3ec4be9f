"""A journal after a power cut: whatever its tail is, it is read, and what was written whole is known."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.garbage import JSON_VALUES
from wizard import overview
from wizard.events import StepId, Verb
from wizard.journal import Journal
from wizard.step import Change

STATES = st.sampled_from(
    ["intended", "noted", "done", "undone", "verified", "doubted", "placed", "passwords", "", 7]
)
# Records whose keys are right and whose values are anybody's.
RECORDS = st.fixed_dictionaries(
    {"state": STATES | JSON_VALUES},
    optional={
        "id": st.integers(-2, 6) | JSON_VALUES | st.just("1" * 5000) | st.just(1e400),
        "step": st.sampled_from([*StepId, "x"]) | JSON_VALUES,
        "change": JSON_VALUES,
        "facts": JSON_VALUES,
        "place": JSON_VALUES,
        "path": JSON_VALUES,
        "note": JSON_VALUES,
        "receipt": JSON_VALUES,
        "time": JSON_VALUES,
    },
).map(lambda record: json.dumps(record).encode())
GARBAGE = st.one_of(
    st.binary(max_size=80),
    RECORDS,
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.just(b"\0" * 4096),
    st.integers(1, 200_000).map(lambda depth: b"[" * depth),
    st.integers(1, 50_000).map(lambda depth: b'{"state":' * depth),
    st.just(b"9" * 10_000),
)


@contextlib.contextmanager
def written(how_many: int) -> Iterator[Path]:
    """A journal with that many changes: of three, one is done, one noted, one only intended."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.jsonl"
        path.touch()
        journal = Journal(path)
        for number in range(how_many):
            step = list(StepId)[number % len(StepId)]
            with journal.intend(step, _change(number)) as entry:
                if number % 3 == 0:
                    entry.done({"made": number})
                elif number % 3 == 1:
                    entry.note(order=number)
        yield path


def _change(number: int) -> Change:
    return Change("make", Verb.CREATE, "bucket", f"thing-{number}", f"Make thing-{number}.", {"former": None})


def _known(path: Path) -> dict[str, str]:
    return {
        entry.change.name: entry.state
        for entry in Journal(path).entries()
        if entry.change.name[:6] == "thing-"
    }


@given(st.integers(0, 5), st.data())
def test_a_torn_tail_loses_nothing_that_was_written_whole(how_many: int, data: st.DataObject) -> None:
    with written(how_many) as path:
        whole = path.read_bytes()
        kept = whole[: data.draw(st.integers(0, len(whole)))]
        path.write_bytes(kept)
        intents = [
            json.loads(line)["change"]["name"] for line in kept.split(b"\n")[:-1] if b'"intended"' in line
        ]
        known = _known(path)
        assert set(intents) <= set(known)
        _goes_on(path, set(known))


@given(st.integers(1, 5), st.data())
def test_a_duplicated_tail_makes_no_second_thing(how_many: int, data: st.DataObject) -> None:
    with written(how_many) as path:
        whole = path.read_bytes()
        before = _known(path)
        path.write_bytes(whole + whole[data.draw(st.integers(0, len(whole))) :])
        assert _known(path) == before
        _goes_on(path, set(before))


@given(st.integers(0, 4), st.lists(GARBAGE, max_size=4), st.booleans())
def test_garbage_behind_the_journal_is_read_over(how_many: int, garbage: list[bytes], is_torn: bool) -> None:
    with written(how_many) as path:
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n".join(garbage) + (b"" if is_torn else b"\n"))
        assert {f"thing-{number}" for number in range(how_many)} <= set(_known(path))
        _is_usable(Journal(path))
        _goes_on(path, {f"thing-{number}" for number in range(how_many)})


@given(st.lists(RECORDS, max_size=12))
def test_records_with_anybodys_values_are_read_over(records: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.jsonl"
        path.write_bytes(b"\n".join(records) + b"\n")
        _is_usable(Journal(path))


def _is_usable(journal: Journal) -> None:
    """All that its readers ask of it."""
    for entry in journal.entries():
        assert entry.state in {"intended", "done", "undone"}
        assert isinstance(entry.number, int)
        assert entry.time.tzinfo is not None
        assert isinstance(entry.change.params, dict)
        assert isinstance(entry.change.summary, str)
    journal.place()
    for step in StepId:
        assert isinstance(journal.last_verified(step), dict | None)


def _goes_on(path: Path, known: set[str]) -> None:
    """The next run writes on, and the one after reads it with all that was known before."""
    with Journal(path).intend(StepId.DNS, _change(99)) as entry:
        entry.done({})
    again = _known(path)
    assert again["thing-99"] == "done"
    assert known <= set(again)


@pytest.mark.parametrize("name", ["answers.toml", "journal.jsonl"])
def test_the_list_of_setups_survives_what_lies_there(tmp_path: Path, name: str) -> None:
    for garbage in (
        b"",
        b"\0" * 4096,
        b"version = ",
        b"[" * 10_000,
        b"\xff\xfe",
        b'{"state": "verified"}\n[]\n',
    ):
        setup = tmp_path / "team"
        setup.mkdir(exist_ok=True)
        (setup / "answers.toml").write_bytes(b"version = 1\n")
        (setup / name).write_bytes(garbage)
        [seen] = overview.overview(tmp_path)
        assert seen.setup == "team"
