"""S3 behind the registry: redirects to it, what lies in it, and what is said while it fails."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from tests.peers.registry.conftest import REGION, Start
from tests.peers.registry.running import OCI, Running, digest_of, said
from wizard.practice.aws import AwsServer

pytestmark = pytest.mark.peers
WaitFor = Callable[[Callable[[], Any], str], Any]
WATCHED = {
    "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED": "true",
    "REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL": "0.2s",
    "REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD": "2",
}
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def keys(aws: AwsServer, settings: dict[str, str]) -> Iterator[Callable[[], list[str]]]:
    """Tells what lies in the bucket."""
    s3 = boto3.Session(aws.admin.access_key_id, aws.admin.secret_access_key, region_name=REGION).client(
        "s3", endpoint_url=aws.url
    )

    def look() -> list[str]:
        found = s3.list_objects_v2(Bucket=settings["REGISTRY_STORAGE_S3_BUCKET"])
        return [item["Key"] for item in found.get("Contents", ())]

    yield look
    s3.close()


def test_blobs_lie_where_the_proof_looks_for_them(
    registry: Running, name: str, keys: Callable[[], list[str]]
) -> None:
    manifest = registry.image(name, "v1")
    digest = digest_of(manifest).removeprefix("sha256:")
    root = "docker/registry/v2"
    found = keys()
    assert f"{root}/blobs/sha256/{digest[:2]}/{digest}/data" in found
    repository = f"{root}/repositories/{name}"
    own = {key.removeprefix(repository) for key in found if key.startswith(f"{repository}/_manifests")}
    assert own == {
        f"/_manifests/revisions/sha256/{digest}/link",
        "/_manifests/tags/v1/current/link",
        f"/_manifests/tags/v1/index/sha256/{digest}/link",
    }
    assert not [key for key in found if key.startswith(f"{repository}/_uploads")]


def test_what_one_release_has_stored_the_next_replica_serves(
    registry: Running, replica: Running, name: str
) -> None:
    manifest = registry.image(name, "v1")
    assert replica.get(name, "v1", OCI).content == manifest


def test_pulls_are_redirected_to_s3_unless_that_is_disabled(launch: Start, name: str) -> None:
    registry = launch(REGISTRY_STORAGE_REDIRECT_DISABLE="false")
    path = f"/v2/{name}/blobs/{registry.push(name, b'in S3')}"
    for method, body in (("GET", b"in S3"), ("HEAD", b"")):
        sent_on = registry(method, path)
        assert sent_on.status_code == 307
        assert "X-Amz-Signature=" in sent_on.headers["Location"]
        there = registry(method, sent_on.headers["Location"], auth=None)
        assert (there.status_code, there.content) == (200, body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"REGISTRY_STORAGE_S3_SECRETKEY": "wrong"},
        {"REGISTRY_STORAGE_S3_ACCESSKEY": "AKIAUNKNOWN000000000"},
        {"REGISTRY_STORAGE_S3_BUCKET": "there-is-no-such-bucket"},
        {"REGISTRY_STORAGE_S3_REGIONENDPOINT": NOWHERE},
    ],
    ids=["wrong key", "unknown key", "no bucket", "no S3"],
)
def test_it_starts_and_says_that_its_storage_fails(
    launch: Start, name: str, wrong: dict[str, str], wait_for: WaitFor
) -> None:
    """It listens at once; what needs S3 fails, and once the health check has seen it, everything does."""
    registry = launch(**wrong, REGISTRY_HEALTH_STORAGEDRIVER_ENABLED="false")
    assert registry("GET", "/v2/").status_code == 200
    for method, path in (
        ("GET", f"/v2/{name}/manifests/v1"),
        ("GET", f"/v2/{name}/blobs/{digest_of(b'none')}"),
        ("POST", f"/v2/{name}/blobs/uploads/"),
    ):
        failed = registry(method, path)
        assert said(failed) == (500, "UNKNOWN"), path
        assert "s3aws" in failed.text
    watched = launch(**wrong, **WATCHED)
    wait_for(lambda: watched("GET", "/", auth=None).status_code == 503, "the failure to be seen")
    for path in ("/v2/", f"/v2/{name}/manifests/v1"):
        assert said(watched("GET", path, auth=None)) == (503, "UNAVAILABLE")
    health = watched.session.get(f"{watched.debug_url}/debug/health", timeout=60)
    assert health.status_code == 503
    assert [each for each in health.json() if "s3" in each]


def test_a_registry_that_is_well_says_so(launch: Start) -> None:
    registry = launch(**WATCHED)
    assert registry("GET", "/", auth=None).status_code == 200
    health = registry.session.get(f"{registry.debug_url}/debug/health", timeout=60)
    assert (health.status_code, health.json()) == (200, {})
