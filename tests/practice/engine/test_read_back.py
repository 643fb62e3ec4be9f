"""What was changed is read back until it is seen: IAM and S3 are eventually consistent."""

from collections.abc import Callable
from typing import Any

import pytest

from wizard import engine as engine_module
from wizard.errors import WizardError
from wizard.events import Event, StepId, WaitProgress, WaitStarted
from wizard.practice.world import World

NewRun = Callable[..., Any]
STALE = {
    StepId.BUCKET: ("GetBucketTagging", "NoSuchTagSet"),
    StepId.USER: ("ListAttachedUserPolicies", "NoSuchEntity"),
}


class Stale(list[Event]):
    """One read answers as before the change, from its last change on until somebody is seen to wait."""

    def __init__(self, world: World, operation: str, code: str, *, is_for_good: bool = False) -> None:
        super().__init__()
        self._world, self._is_for_good = world, is_for_good
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        if code == "NoSuchTagSet":
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        world.aws.settings.fault = lambda _service, asked: (
            (404, {}, body.encode()) if asked == operation else None
        )

    def append(self, event: Event) -> None:
        super().append(event)
        if isinstance(event, WaitProgress) and not self._is_for_good:
            self._world.aws.settings.fault = None


@pytest.fixture
def emptied(new_run: NewRun, world: World) -> Any:
    yield
    world.aws.settings.fault = None
    assert new_run().engine.undo() == []


@pytest.mark.usefixtures("emptied")
@pytest.mark.parametrize("step", STALE)
def test_a_stale_read_is_waited_for(step: StepId, new_run: NewRun, world: World) -> None:
    run = new_run()
    for earlier in (StepId.CONNECT, StepId.BUCKET, StepId.USER):
        if earlier is step:
            break
        run.engine.apply_step(earlier)
    run.events = Stale(world, *STALE[step])
    run.engine._emit_to = run.events.append
    run.engine.apply_step(step)
    waits = [event.what for event in run.events if isinstance(event, WaitStarted)]
    assert "what was done to be seen" in waits


@pytest.mark.usefixtures("emptied")
def test_what_is_never_seen_fails_its_check(
    new_run: NewRun, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SEEN_WITHIN_S", 0.1)
    run = new_run()
    for earlier in (StepId.CONNECT, StepId.BUCKET):
        run.engine.apply_step(earlier)
    run.engine._emit_to = Stale(world, *STALE[StepId.USER], is_for_good=True).append
    with pytest.raises(WizardError) as caught:
        run.engine.apply_step(StepId.USER)
    assert caught.value.problem.code == "policy-wrong"
