"""A setup whose journal is lost, in the cluster too: apply finds all as wanted, and undo takes it back."""

from collections.abc import Callable
from typing import Any

import pytest

from wizard import names
from wizard.errors import Refused
from wizard.events import StepId

NewRun = Callable[..., Any]
Dumped = Callable[[], str]
MADE = (StepId.BUCKET, StepId.USER, StepId.HTPASSWD)


def apply(run: Any) -> None:
    for step in (StepId.CONNECT, *MADE):
        run.engine.apply_step(step)


def lose_the_record(run: Any) -> None:
    assert run.engine.services.cluster.delete("v1", "ConfigMap", names.RECORD)


def test_another_machine_applies_and_takes_back(new_run: NewRun, dumped: Dumped) -> None:
    before = dumped()
    first = new_run()
    apply(first)
    lose_the_record(first)
    with_all = dumped()
    other = new_run(state="other")
    apply(other)
    assert dumped() == with_all
    for step in MADE:
        ours = [(e.change.action, e.change.name) for e in first.engine.journal.standing(step)]
        theirs = [(e.change.action, e.change.name) for e in other.engine.journal.standing(step)]
        goes_with_the_bucket = {"set-encryption", "block-public-access", "set-abort-rule"}
        assert theirs == [each for each in ours if each[0] not in goes_with_the_bucket]
    apply(other)
    count = len(other.engine.journal.entries())
    apply(new_run(state="other"))
    assert len(new_run(state="other").engine.journal.entries()) == count
    assert new_run(state="other").engine.undo() == []
    assert dumped() == before
    assert new_run().engine.undo() == []


def test_undo_itself_finds_what_the_journal_never_knew(new_run: NewRun, dumped: Dumped) -> None:
    before = dumped()
    run = new_run()
    apply(run)
    lose_the_record(run)
    assert new_run(state="other").engine.undo(delete_bucket="engine-images") == []
    assert dumped() == before
    assert new_run().engine.undo() == []


def test_what_was_adopted_is_not_deleted(new_run: NewRun, dumped: Dumped) -> None:
    run = new_run(consent={"adopt": ["bucket", "user"]})
    run.engine.services.aws.client("s3").create_bucket(
        Bucket="engine-images", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    run.engine.services.aws.client("iam").create_user(UserName="registry-access")
    apply(run)
    lose_the_record(run)
    other = new_run(state="other", consent={"adopt": ["bucket", "user"]})
    assert other.engine.undo() == []
    s3 = other.engine.services.aws.client("s3")
    assert s3.head_bucket(Bucket="engine-images")
    user = other.engine.services.aws.client("iam").get_user(UserName="registry-access")["User"]
    assert not user.get("Tags")
    assert run.engine.undo() == []
    s3.delete_bucket(Bucket="engine-images")
    other.engine.services.aws.client("iam").delete_user(UserName="registry-access")
    assert "engine" not in dumped()


def test_without_a_journal_and_a_sight_undo_is_refused(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, no_cluster: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", no_cluster)
    with pytest.raises(Refused):
        new_run(state="other").engine.undo()
