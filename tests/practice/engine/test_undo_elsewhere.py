"""Undo where one side is away or another: nothing is taken for gone that only cannot be seen."""

from collections.abc import Callable
from typing import Any

import pytest

from wizard.errors import Refused, WizardError, wizard_error
from wizard.events import STEPS, StepId, Verb
from wizard.step import Change
from wizard.steps import all_steps

NewRun = Callable[..., Any]
IN_CLUSTER, IN_AWS = StepId.HTPASSWD, StepId.BUCKET


@pytest.fixture
def stands(new_run: NewRun) -> Any:
    """A setup with something in AWS, something in the cluster, and something in both; it is taken back."""
    run = new_run()
    for step in (StepId.CONNECT, StepId.BUCKET, StepId.USER, StepId.HTPASSWD):
        run.engine.apply_step(step)
    yield run
    assert new_run().engine.undo() == []


def standing(run: Any, step: StepId) -> list[str]:
    return [entry.change.action for entry in run.engine.journal.standing(step)]


def expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "expired")


def test_an_expired_sign_in_does_not_hide_another_cluster(
    stands: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch, other_cluster: Callable[[], str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("KUBECONFIG", other_cluster())
        expire(patch)
        with pytest.raises(Refused) as refused:
            new_run().engine.undo()
    assert refused.value.problem.code == "setup-elsewhere"
    assert standing(new_run(), IN_CLUSTER) == standing(stands, IN_CLUSTER) != []


def test_a_cluster_that_is_away_does_not_hide_another_account(
    stands: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch, no_cluster: str
) -> None:
    journal = stands.engine.journal
    journal.placed(type(journal.place())(**{**journal.place().to_json(), "account_id": "999999999999"}))
    with monkeypatch.context() as patch:
        patch.setenv("KUBECONFIG", no_cluster)
        with pytest.raises(Refused) as refused:
            new_run().engine.undo()
    assert "999999999999" in refused.value.problem.what
    journal.placed(type(journal.place())(**{**journal.place().to_json(), "account_id": ""}))


def test_what_is_in_aws_is_left_while_the_sign_in_is_expired(
    stands: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        expire(patch)
        run = new_run()
        left = run.engine.undo()
    assert len(left) == len(standing(run, StepId.BUCKET)) + len(standing(run, StepId.USER)) > 0
    assert standing(run, IN_CLUSTER) == []
    assert stands.engine.services.aws.client("s3").head_bucket(Bucket="engine-images")


def test_what_is_in_the_cluster_is_left_while_that_is_away(
    stands: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch, no_cluster: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("KUBECONFIG", no_cluster)
        run = new_run()
        run.engine.undo()
    assert standing(run, StepId.USER) == ["create-access-key"]
    assert standing(run, IN_CLUSTER) == standing(stands, IN_CLUSTER) != []
    assert standing(run, IN_AWS) == standing(stands, IN_AWS) != []
    assert "bucket-in-use" in run.left
    iam = stands.engine.services.aws.client("iam")
    assert not [user for user in iam.list_users()["Users"] if user["UserName"] == "registry-access"]


def test_apply_does_not_go_on_in_another_cluster(
    stands: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch, other_cluster: Callable[[], str]
) -> None:
    assert stands
    with monkeypatch.context() as patch:
        patch.setenv("KUBECONFIG", other_cluster())
        run = new_run()
        with pytest.raises(WizardError) as refused:
            run.engine.apply_step(StepId.HTPASSWD)
    assert refused.value.problem.code == "setup-elsewhere"


@pytest.mark.parametrize("step", [StepId.USER, StepId.DEPLOY])
def test_a_bucket_is_kept_while_the_registry_may_run(
    step: StepId, stands: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if it is named: whatever runs would lose its images, and go on writing."""
    run = new_run()
    change = Change(
        "create-user" if step is StepId.USER else "apply-service", Verb.CREATE, "x", "x", "Make x"
    )
    with run.engine.journal.intend(step, change) as entry:
        entry.done({})

    def fail(*_arguments: object, **_more: object) -> str:
        raise wizard_error("refused", "The server refuses.")

    with monkeypatch.context() as patch:
        patch.setattr(type(all_steps()[step]), "undo", fail)
        left = run.engine.undo(delete_bucket="engine-images")
    assert [problem.code for problem in left if problem.code == "bucket-in-use"]
    assert "registry may still run" in left[-1].what
    assert stands.engine.services.aws.client("s3").head_bucket(Bucket="engine-images")
    entry.undone()


def test_undo_goes_by_the_steps_and_within_them_by_age(stands: Any) -> None:
    journal = stands.engine.journal
    with journal.intend(StepId.CONNECT, Change("x", Verb.CREATE, "x", "late", "late")) as late:
        late.done({})
    order = [(entry.step, entry.number) for entry in stands.engine.to_undo()]
    late.undone()
    assert order == sorted(order, key=lambda pair: (STEPS.index(pair[0]), pair[1]), reverse=True)
    assert order[-1] == (StepId.CONNECT, late.number)


def test_undo_is_refused_where_nothing_can_be_reached(
    stands: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch, no_cluster: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("KUBECONFIG", no_cluster)
        expire(patch)
        run = new_run()
        with pytest.raises(Refused):
            run.engine.undo()
    assert not run.engine.has_changed_anything
    assert len(run.engine.journal.standing()) == len(stands.engine.journal.standing())
