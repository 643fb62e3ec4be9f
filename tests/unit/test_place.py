"""A setup does not move: its things would be left behind, and undo would take them for gone."""

from pathlib import Path

import pytest

from wizard.events import StepId, Verb
from wizard.journal import Journal
from wizard.place import Place, Side, homes
from wizard.step import Change

HERE = Place("default", "111122223333", "prod", "https://one")
CHANGE = Change("create-bucket", Verb.CREATE, "S3 bucket", "x", "Create the bucket x")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Place("second", "111122223333", "prod", "https://one"), "connect.namespace"),
        (Place("second"), "connect.namespace"),
        (Place("default", "444455556666", "prod", "https://one"), "connect.aws_profile"),
        (Place("default", "111122223333", "test", "https://two"), "connect.kube_context"),
        (Place("default", "111122223333", "prod", "https://two"), "connect.kube_context"),
        (Place("default", "", "prod", "https://two"), "connect.kube_context"),
    ],
)
def test_another_place_is_told(other: Place, named: str) -> None:
    problem = HERE.moved_to(other, "team")
    assert problem is not None
    assert named in problem.fix


@pytest.mark.parametrize(
    "other",
    [
        HERE,
        Place("default"),
        Place("default", "111122223333", "renamed", "https://one"),
        Place("default", "111122223333", "prod", "https://one", "uid-1"),
    ],
)
def test_a_new_name_or_what_is_not_seen_is_no_move(other: Place) -> None:
    assert HERE.moved_to(other, "team") is None


def test_the_uid_tells_clusters_apart_whatever_they_are_called() -> None:
    here = Place("default", "111122223333", "default", "https://127.0.0.1:6443", "uid-1")
    assert here.moved_to(Place("default", "", "tunnel", "https://10.0.0.1", "uid-1"), "team") is None
    problem = here.moved_to(Place("default", "", "default", "https://127.0.0.1:6443", "uid-2"), "team")
    assert problem is not None
    assert "cluster" in problem.what


def test_what_was_not_recorded_is_filled_in_and_nothing_else() -> None:
    seen = Place("default", "111122223333", "other", "https://new", "uid-1", "444455556666")
    assert HERE.filled(seen) == Place(
        "default", "111122223333", "prod", "https://one", "uid-1", "444455556666"
    )


def test_the_zone_may_lie_in_an_account_of_its_own() -> None:
    here = Place("default", "1", zone_account_id="2")
    assert here.zone_moved_to(Place("default", "1", zone_account_id="2"), "team") is None
    problem = here.zone_moved_to(Place("default", "1", zone_account_id="1"), "team")
    assert problem is not None
    assert "dns.aws_profile" in problem.fix


def test_every_change_has_its_sides() -> None:
    assert homes(StepId.USER, "create-user") == (Side.AWS,)
    assert homes(StepId.USER, "create-access-key") == (Side.AWS, Side.CLUSTER)
    assert homes(StepId.DNS, "set-record") == (Side.ZONE,)
    assert homes(StepId.DNS, "await-record") == ()
    assert homes(StepId.CERTIFICATE, "issue") == (Side.CLUSTER,)


def test_the_place_is_kept_while_something_stands(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.placed(HERE)
    assert journal.place() is None
    with journal.intend(StepId.BUCKET, CHANGE) as entry:
        entry.done({})
    assert Journal(tmp_path / "journal.jsonl").place() == HERE
    entry.undone()
    assert Journal(tmp_path / "journal.jsonl").place() is None
