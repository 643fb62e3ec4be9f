"""The stand-in, Debian's registry 2.8 and the current release, with one S3 behind each."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import boto3
import pytest

from tests.peers.differences import expect
from tests.peers.registry.contract import DIFFERENCES, RELEASES
from tests.peers.registry.running import ALICE, REALM, STAND_IN, Kind, Running, start
from wizard.practice.aws import AwsServer
from wizard.practice.ledger import Ledger

REGION = "eu-west-1"
IS_CI = bool(os.environ.get("CI"))
Start = Callable[..., Running]
Released = Callable[[Any, Any], Any]


def needed(*programs: str | Path) -> None:
    """Skips what needs a program that is not there; in CI that is a failure."""
    if missing := [str(program) for program in programs if not shutil.which(program)]:
        why = f"not there: {', '.join(missing)}; run tests/peers/install"
        if IS_CI:
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(autouse=True)
def _differences_of_the_stand_in(request: pytest.FixtureRequest) -> None:
    expect(request, DIFFERENCES, "kind")


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    """Gone with its module: a process has one server for an account at a time."""
    server = AwsServer(Ledger(), region=REGION)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["stand-in", "2.8", "3"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def released(request: pytest.FixtureRequest, kind: Kind) -> Released:
    """`released(what 2.8 says, what 3 says)` gives what is right here."""
    followed = RELEASES[request.node.originalname]
    return lambda old, new: {"2.8": old, "3": new, "stand-in": old if followed == "2.8" else new}[kind]


@pytest.fixture(scope="module")
def program(kind: Kind, go_tools: Path) -> tuple[str, ...]:
    programs = {"stand-in": STAND_IN, "2.8": ("docker-registry",), "3": (str(go_tools / "registry"),)}
    needed(programs[kind][0])
    return programs[kind]


@pytest.fixture(scope="module")
def settings(kind: Kind, aws: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a registry with a bucket of the module's own."""
    bucket = f"contract-{kind.replace('.', '-')}-{os.urandom(4).hex()}"
    keys = aws.admin
    s3 = boto3.Session(keys.access_key_id, keys.secret_access_key, region_name=REGION).client(
        "s3", endpoint_url=aws.url
    )
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.close()
    htpasswd = tmp_path_factory.mktemp("auth") / "htpasswd"
    hashed = bcrypt.hashpw(ALICE[1].encode(), bcrypt.gensalt(4)).replace(b"$2b$", b"$2y$", 1)
    htpasswd.write_bytes(ALICE[0].encode() + b":" + hashed + b"\n")
    return {
        "REGISTRY_STORAGE": "s3",
        "REGISTRY_STORAGE_S3_ACCESSKEY": keys.access_key_id,
        "REGISTRY_STORAGE_S3_SECRETKEY": keys.secret_access_key,
        "REGISTRY_STORAGE_S3_REGION": REGION,
        "REGISTRY_STORAGE_S3_REGIONENDPOINT": aws.url,
        "REGISTRY_STORAGE_S3_FORCEPATHSTYLE": "true",
        "REGISTRY_STORAGE_S3_SECURE": "false",
        "REGISTRY_STORAGE_S3_ENCRYPT": "false",
        "REGISTRY_STORAGE_S3_BUCKET": bucket,
        "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "inmemory",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
        "REGISTRY_HTTP_SECRET": "shared by all replicas",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": REALM,
        "REGISTRY_AUTH_HTPASSWD_PATH": str(htpasswd),
    }


@pytest.fixture(scope="module")
def launch(
    kind: Kind, program: tuple[str, ...], settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """`launch(NAME=value, ...)` starts one more with these settings over the common ones."""
    made: list[Running] = []

    def one_more(**more: str) -> Running:
        directory = tmp_path_factory.mktemp("registry") / "of its own"
        made.append(start(kind, program, settings | more, directory))
        return made[-1]

    yield one_more
    for running in made:
        running.stop()


@pytest.fixture(scope="module")
def registry(launch: Start) -> Running:
    return launch()


@pytest.fixture(scope="module")
def replica(launch: Start) -> Running:
    """Of the same bucket, with the same HTTP secret."""
    return launch()


@pytest.fixture
def name() -> str:
    """A repository of the test's own."""
    return f"team-{os.urandom(4).hex()}/app"
