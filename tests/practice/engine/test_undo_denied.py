"""Undo that loses rights half-way: it says what is left and why, and ends clean once it has them again."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wizard.events import StepId
from wizard.practice.world import World

NewRun = Callable[..., Any]
MADE = (StepId.CONNECT, StepId.BUCKET, StepId.USER, StepId.HTPASSWD)
REFUSED = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
    b"<Message>not authorized to perform: iam:DeletePolicy</Message></Error></ErrorResponse>"
)
Denied = set[tuple[str, str]]


@pytest.fixture
def denied(
    world: World, other_cluster: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Denied]:
    """What the cluster refuses; a test fills it."""
    found: Denied = set()
    monkeypatch.setenv("KUBECONFIG", other_cluster(found))
    yield found
    world.aws.settings.fault = None


def test_what_is_left_is_named_and_a_second_undo_takes_it(
    new_run: NewRun, world: World, denied: Denied
) -> None:
    before = world.aws.dump()
    run = new_run()
    for step in MADE:
        run.engine.apply_step(step)
    world.aws.settings.fault = lambda _service, asked: (403, {}, REFUSED) if asked == "DeletePolicy" else None
    denied.add(("delete", "secrets"))
    run = new_run()
    told = [str(problem) for problem in run.engine.undo()]
    assert any("iam:DeletePolicy" in text for text in told), told
    assert any("delete secrets" in text for text in told), told
    assert any("engine-images" in text and "registry-access-policy" in text for text in told), told
    standing = {entry.change.action for entry in run.engine.journal.standing()}
    assert "create-policy" in standing
    assert "create-bucket" in standing
    assert "create-user" not in standing
    secrets = run.engine.services.cluster.list("v1", "Secret")
    assert {each["metadata"]["name"] for each in secrets} >= {"htpasswd-file", "registry-s3-credentials"}
    world.aws.settings.fault = None
    denied.clear()
    again = new_run()
    assert again.engine.undo() == []
    assert again.engine.journal.standing() == []
    assert again.engine.services.cluster.list("v1", "Secret") == []
    assert world.aws.dump() == before
