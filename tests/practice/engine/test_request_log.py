"""The log tells each request: of which step, by which id, how long it took, how often it was tried."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wizard.errors import Unreachable
from wizard.events import StepId
from wizard.practice.world import World

NewRun = Callable[..., Any]
THROTTLED = (
    b"<ErrorResponse><Error><Code>Throttling</Code><Message>slow down</Message></Error></ErrorResponse>"
)


@pytest.fixture
def run(new_run: NewRun, world: World) -> Iterator[Any]:
    yield new_run()
    world.aws.settings.fault = None
    assert new_run().engine.undo() == []


def requests(run: Any) -> list[dict[str, Any]]:
    path = run.engine.directory.path / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["event"] == "request"]


def test_each_is_told_with_the_service_own_id(run: Any) -> None:
    for step in (StepId.CONNECT, StepId.BUCKET, StepId.USER, StepId.HTPASSWD):
        run.engine.apply_step(step)
    told = requests(run)
    [made] = [each for each in told if each["operation"] == "CreateBucket"]
    assert (made["step"], made["service"], made["status"]) == ("bucket", "s3", 200)
    [user] = [each for each in told if each["operation"] == "CreateUser"]
    assert (user["step"], user["service"], user["status"]) == ("user", "iam", 200)
    path = "POST /api/v1/namespaces/default/secrets"
    written = [each for each in told if each["operation"] == path and each["step"] == "htpasswd"]
    assert {(each["service"], each["status"]) for each in written} == {("kubernetes", 201)}
    for each in (made, user, *written):
        assert each["request_id"]
        assert each["elapsed_s"] > 0
        assert set(each) == {
            *("v", "event", "time", "step", "service", "operation", "status", "elapsed_s", "request_id")
        }
    probes = [each for each in told if each["operation"] == "PutObject"]
    assert {each["step"] for each in probes} == {"bucket", "user"}


def test_retries_and_refusals_are_told(run: Any, world: World) -> None:
    run.engine.apply_step(StepId.CONNECT)
    left = [2]

    def throttle(_service: str, asked: str) -> Any:
        if asked != "GetUser" or not left[0]:
            return None
        left[0] -= 1
        return 400, {}, THROTTLED

    world.aws.settings.fault = throttle
    run.engine.inspect([StepId.USER])
    [asked] = [each for each in requests(run) if each["operation"] == "GetUser" and each["step"] == "user"][
        :1
    ]
    assert asked["retries"] == 2
    assert (asked["status"], asked["error"]) == (404, "NoSuchEntity")


def test_a_server_that_is_away_is_told_by_the_error_type(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, no_cluster: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", no_cluster)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    run = new_run()
    with pytest.raises(Unreachable):
        run.engine.inspect([StepId.CONNECT])
    away = {each["service"]: each for each in requests(run)}
    assert away["kubernetes"]["error"] == "NewConnectionError"
    assert away["sts"]["error"] == "EndpointConnectionError"
    assert not any("status" in each or "127.0.0.1" in json.dumps(each) for each in away.values())
