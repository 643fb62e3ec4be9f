"""A setup does not move: its things would be left behind, and undo would take them for gone."""

from pathlib import Path

import pytest

from wizard.answers import Answers
from wizard.errors import Refused
from wizard.events import StepId, Verb
from wizard.facts import ConnectFacts
from wizard.journal import Journal
from wizard.place import Place
from wizard.state import SetupDirectory
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
        Place("default", "111122223333", "prod", "https://127.0.0.1:6443"),
    ],
)
def test_a_new_name_or_address_of_the_same_place_is_none(other: Place) -> None:
    assert HERE.moved_to(other, "team") is None


def test_the_place_is_kept_while_something_stands(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.placed(HERE)
    assert journal.place() is None
    with journal.intend(StepId.BUCKET, CHANGE) as entry:
        entry.done({})
    assert Journal(tmp_path / "journal.jsonl").place() == HERE
    entry.undone()
    assert Journal(tmp_path / "journal.jsonl").place() is None


def test_the_place_comes_from_answers_and_facts() -> None:
    facts = ConnectFacts(account_id="111122223333", kube_context="prod", kube_server="https://one")
    answers = Answers(setup="team")
    assert Place.of(answers, facts) == HERE
    assert Place.of(answers, None) == Place("default")


def test_a_refused_run_leaves_the_former_answers(tmp_path: Path) -> None:
    directory = SetupDirectory(tmp_path, "team")
    directory.save_answers(Answers(setup="team"))
    other = Answers(setup="team")
    other.connect.namespace = "second"
    problem = HERE.moved_to(Place("second"), "team")
    assert problem is not None
    with pytest.raises(Refused), directory.answers_saved(other):
        raise Refused(problem)
    assert directory.load_answers().connect.namespace == "default"
    with directory.answers_saved(other):
        pass
    assert directory.load_answers().connect.namespace == "second"
