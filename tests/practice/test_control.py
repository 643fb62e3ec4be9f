"""A running world is told over its control server to do otherwise, and what it cannot do it refuses."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import boto3
import botocore.exceptions
import pytest
import requests

from wizard.practice import daemon
from wizard.practice.world import World

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), threading.Event())
    world.start()
    yield world
    world.stop()


@pytest.fixture
def info(world: World) -> Iterator[daemon.WorldInfo]:
    found = daemon.WorldInfo(world.identity, 0, world.control.url, world._token, {})
    before = daemon.ask(found, "GET", "/settings")
    yield found
    assert daemon.ask(found, "POST", "/settings", before) == before


def client(world: World, service: Literal["iam", "sts"]) -> Any:
    keys = world.aws.admin
    return boto3.client(
        service,
        endpoint_url=world.aws.url,
        region_name=world.aws.region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
    )


def test_settings_are_changed_one_by_one_and_read_back(info: daemon.WorldInfo) -> None:
    before = daemon.ask(info, "GET", "/settings")
    after = daemon.ask(info, "POST", "/settings", {"aws": {"clock_offset_s": 7200.0}})
    assert after["aws"] == before["aws"] | {"clock_offset_s": 7200.0}
    assert {part: after[part] for part in ("acme", "kubernetes")} == {
        part: before[part] for part in ("acme", "kubernetes")
    }
    assert daemon.ask(info, "GET", "/settings") == after


def test_the_clock_of_aws_is_set_while_it_runs(world: World, info: daemon.WorldInfo) -> None:
    daemon.ask(info, "POST", "/settings", {"aws": {"clock_offset_s": 7200}})
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client(world, "iam").list_users()
    told = caught.value.response["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds() > 7000


def test_new_keys_can_be_made_slow_while_it_runs(world: World, info: daemon.WorldInfo) -> None:
    daemon.ask(info, "POST", "/settings", {"aws": {"key_delay_s": 3600}})
    iam = client(world, "iam")
    iam.create_user(UserName="late")
    key = iam.create_access_key(UserName="late")["AccessKey"]
    late = boto3.client(
        "sts",
        endpoint_url=world.aws.url,
        region_name=world.aws.region,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidClientTokenId"):
        late.get_caller_identity()
    daemon.ask(info, "POST", "/settings", {"aws": {"key_delay_s": 0}})
    assert late.get_caller_identity()["Arn"].endswith("user/late")


@pytest.mark.parametrize("part", ["aws", "kubernetes", "acme"])
def test_answers_can_be_made_slow_while_it_runs(world: World, info: daemon.WorldInfo, part: str) -> None:
    """At least the latency passes; how much more is the machine's affair."""
    latency_s = 0.2
    daemon.ask(info, "POST", "/settings", {part: {"latency_s": latency_s}})
    ca_file = world.environment()["KUBE_REGISTRY_CA_FILE"]
    bearer = {"Authorization": f"Bearer {world.cluster.user_token}"}
    began = time.monotonic()
    if part == "aws":
        client(world, "sts").get_caller_identity()
    else:
        url = {"kubernetes": f"{world.cluster.url}/version", "acme": world.acme.directory_url}[part]
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(url, headers=bearer, verify=ca_file, timeout=TIMEOUT_S).ok
    assert time.monotonic() - began >= latency_s


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"aws": {"clock": 1}}, "aws.clock: Extra inputs are not permitted"),
        ({"weather": {}}, "weather: Extra inputs are not permitted"),
        ({"aws": {"key_delay_s": -1}}, "aws.key_delay_s: Input should be greater than or equal to 0"),
        ({"aws": {"key_delay_s": 1, "latency_s": "long"}}, "aws.latency_s: Input should be a valid number"),
        ({"aws": {"fault": None}}, "aws.fault: Extra inputs are not permitted"),
        ([], "the body: Input should be an object"),
    ],
)
def test_what_it_does_not_know_is_refused_whole(info: daemon.WorldInfo, wish: object, told: str) -> None:
    before = daemon.ask(info, "GET", "/settings")
    with pytest.raises(daemon.WorldError) as caught:
        daemon.ask(info, "POST", "/settings", wish)
    assert told in str(caught.value)
    assert daemon.ask(info, "GET", "/settings") == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({}, 401),
        ({"Content-Length": "65537"}, 400),
        ({"Content-Length": "-1"}, 400),
        ({"Transfer-Encoding": "chunked", "Content-Length": ""}, 400),
    ],
)
def test_a_stranger_and_a_body_without_measure_change_nothing(
    world: World, info: daemon.WorldInfo, headers: dict[str, str], status: int
) -> None:
    before = daemon.ask(info, "GET", "/settings")
    authorization = {} if status == 401 else {"Authorization": f"Bearer {info.token}"}
    with requests.Session() as session:
        session.trust_env = False
        asked = requests.Request("POST", f"{world.control.url}/settings", data=b'{"aws":{"latency_s":9}}')
        prepared = session.prepare_request(asked)
        prepared.headers.update(authorization | headers)
        assert session.send(prepared, timeout=TIMEOUT_S).status_code == status
    assert daemon.ask(info, "GET", "/settings") == before
