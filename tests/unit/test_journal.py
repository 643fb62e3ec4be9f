"""The write-ahead record: order, replay, and what a pulled plug leaves behind."""

import json
import resource
from pathlib import Path

import pytest

from wizard.events import StepId, Verb
from wizard.journal import Journal
from wizard.step import Change

CHANGE = Change(
    "create-bucket", Verb.CREATE, "s3-bucket", "x", "Create the bucket x", {"region": "eu-west-1"}
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_the_intent_is_on_disk_before_the_act(path: Path) -> None:
    with Journal(path).intend(StepId.BUCKET, CHANGE) as entry:
        written = json.loads(path.read_text())
        assert written["state"] == "intended"
        assert written["change"]["name"] == "x"
        entry.done({"arn": "a"})
    assert [json.loads(line)["state"] for line in path.read_text().splitlines()] == ["intended", "done"]


def test_replay_gives_the_same_entries(path: Path) -> None:
    journal = Journal(path)
    with journal.intend(StepId.BUCKET, CHANGE) as entry:
        entry.note(order="https://ca/order/1")
        entry.done({"arn": "a"})
    with journal.intend(StepId.USER, CHANGE) as second:
        second.done({})
        second.undone()
    journal.verified(StepId.BUCKET, probed="x")
    again = Journal(path)
    first, last = again.entries()
    assert (first.change, first.state, first.receipt) == (CHANGE, "done", {"arn": "a"})
    assert first.notes == {"order": "https://ca/order/1"}
    assert last.state == "undone"
    assert again.standing() == [first]
    verified = again.last_verified(StepId.BUCKET)
    assert verified is not None
    assert verified["probed"] == "x"


def test_what_failed_stays_intended(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(RuntimeError), journal.intend(StepId.BUCKET, CHANGE):
        raise RuntimeError
    assert [entry.state for entry in Journal(path).entries()] == ["intended"]


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_torn_tail_is_ignored_and_not_written_upon(path: Path, cut: int) -> None:
    journal = Journal(path)
    with journal.intend(StepId.BUCKET, CHANGE) as entry:
        entry.done({})
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = Journal(path)
    assert [entry.state for entry in again.entries()] == ["intended"]
    with again.intend(StepId.USER, CHANGE) as later:
        later.done({})
    assert [entry.state for entry in Journal(path).entries()] == ["intended", "done"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\n",
        b"[]\n",
        b'{"state":"done","id":99}\n',
        b"{}\n",
        b'{"state":"intended","id":1,"step":"nope","change":{},"time":"x"}\n',
    ],
)
def test_damaged_records_say_nothing(path: Path, garbage: bytes) -> None:
    journal = Journal(path)
    with journal.intend(StepId.BUCKET, CHANGE) as entry:
        entry.done({})
    path.write_bytes(garbage + path.read_bytes() + garbage)
    assert [entry.state for entry in Journal(path).entries()] == ["done"]


def test_a_duplicated_tail_makes_no_second_entry(path: Path) -> None:
    with Journal(path).intend(StepId.BUCKET, CHANGE) as entry:
        entry.done({})
    path.write_bytes(path.read_bytes() * 2)
    again = Journal(path)
    assert [entry.state for entry in again.entries()] == ["done"]
    with again.intend(StepId.USER, CHANGE) as later:
        assert later.number == 2


def test_the_file_is_private_whatever_the_umask(path: Path) -> None:
    import os

    former = os.umask(0)
    try:
        Journal(path).verified(StepId.BUCKET)
    finally:
        os.umask(former)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_takes_only_a_part_is_noticed_and_tears_nothing_else(path: Path) -> None:
    """RLIMIT_FSIZE stands in for a disk that is nearly full: it takes what fits, as a disk does."""
    journal = Journal(path)
    with journal.intend(StepId.BUCKET, CHANGE) as entry:
        entry.done({})
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, former[1]))
    try:
        with pytest.raises(OSError), journal.intend(StepId.USER, CHANGE):
            pytest.fail("nothing may begin that is not recorded")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert len(journal.entries()) == 1
    with journal.intend(StepId.DNS, CHANGE) as later:
        later.done({})
    assert [entry.step for entry in Journal(path).entries()] == [StepId.BUCKET, StepId.DNS]


def test_what_was_verified_does_not_outlive_what_it_was_verified_of(path: Path) -> None:
    journal = Journal(path)
    for step in (StepId.BUCKET, StepId.DEPLOY):
        with journal.intend(step, CHANGE) as entry:
            entry.done({})
    for step in StepId:
        journal.verified(step, probed="x")
    entry.undone()
    for known in (journal, Journal(path)):
        assert [step for step in StepId if known.last_verified(step)] == [
            StepId.CONNECT,
            StepId.BUCKET,
            StepId.USER,
            StepId.CERTIFICATE,
            StepId.HTPASSWD,
        ]
    journal.standing()[0].undone()
    assert not [step for step in StepId if journal.last_verified(step)]
    with journal.intend(StepId.BUCKET, CHANGE) as entry:
        entry.done({})
    journal.verified(StepId.CONNECT, probed="")
    again = Journal(path)
    assert [step for step in StepId if again.last_verified(step)] == [StepId.CONNECT]
