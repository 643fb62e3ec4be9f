"""Both sides of the S3 contract: the practice world's own, and the one that no one here wrote."""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.differences import expect
from tests.peers.s3.contract import DEPARTURES, DIFFERENCES, FOREIGN_BUCKET, NOT_OFFERED, PLACE, Side
from tests.peers.s3.server import OtherS3
from wizard.practice.aws import AwsKeys, AwsServer
from wizard.practice.ledger import Ledger

SERVER = Path(__file__).parent.parent / "s3server"
# Read now: no test sees the real home.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube-registry" / "peers"
IS_CI = bool(os.environ.get("CI"))


@pytest.fixture(scope="session")
def other_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherS3]:
    """The other server, for all tests of the session."""
    key = hashlib.sha256((SERVER / "go.sum").read_bytes()).hexdigest()[:16]
    binaries = CACHE / f"s3-{key}" / "bin"
    if not shutil.which(binaries / "versitygw"):
        why = f"not there: {binaries / 'versitygw'}; run tests/peers/install"
        if IS_CI:
            pytest.fail(why)
        pytest.skip(why)
    server = OtherS3(binaries, tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def other_side(other_s3: OtherS3) -> Side:
    somebody = AwsKeys("somebody-else", secrets.token_urlsafe(24))
    other_s3.add_account(somebody)
    theirs = Side("other", other_s3.url, somebody)
    with contextlib.closing(theirs.client()) as client:
        client.create_bucket(Bucket=FOREIGN_BUCKET, **PLACE)
    ours = AwsKeys("our-account", secrets.token_urlsafe(24))
    other_s3.add_account(ours)
    return Side("other", other_s3.url, ours)


@pytest.fixture(scope="module", params=["practice", "other"])
def s3_side(request: pytest.FixtureRequest) -> Iterator[Side]:
    if request.param == "other":
        yield request.getfixturevalue("other_side")
        return
    server = AwsServer(Ledger())
    server.start()
    try:
        yield Side("practice", server.url, server.admin)
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _s3_differences(request: pytest.FixtureRequest) -> None:
    expect(request, {**DIFFERENCES, **NOT_OFFERED, **DEPARTURES}, "s3_side")


@pytest.fixture(scope="module")
def s3(s3_side: Side) -> Iterator[Any]:
    with contextlib.closing(s3_side.client()) as client:
        yield client


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new one, of the test's own."""
    name = f"t-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=name, **PLACE)
    return name
