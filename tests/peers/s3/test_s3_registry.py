"""A real registry keeps its images on the other S3 server: deployed by the wizard, and proven by it."""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.peers.s3.conftest import IS_CI
from tests.peers.s3.server import OtherS3
from tests.practice.registry_steps import conftest as setups
from wizard import names
from wizard.answers import from_mapping
from wizard.endpoints import Endpoints
from wizard.events import CheckStatus
from wizard.journal import Journal
from wizard.practice.pki import Authority
from wizard.practice.world import DOMAIN, HOSTED_ZONE, World
from wizard.services import Services
from wizard.services.registry import Registry
from wizard.steps import proof
from wizard.steps._proof_blobs import LAYER_BYTES, blob_key
from wizard.steps._proof_image import ProofImage, remove_all
from wizard.steps.deploy import DeployStep
from wizard.steps.proof import ProofStep

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if not shutil.which("docker-registry"):
        why = "not there: docker-registry; install Debian's package of that name"
        if IS_CI:
            pytest.fail(why)
        pytest.skip(why)
    world = World(tmp_path_factory.mktemp("world"), threading.Event())
    world.start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def rig(world: World, other_s3: OtherS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[setups.Rig]:
    """Deployed, its domain led to its balancer; all of AWS is the practice world's but S3."""
    other_s3.add_account(world.aws.admin)
    directory, authority = tmp_path_factory.mktemp("setup"), Authority()
    (directory / "ca.pem").write_bytes(authority.root_pem)
    name = f"team-{os.urandom(4).hex()}"
    wishes = {"bucket": {"name": f"{name}-images"}, "certificate": {"domain": DOMAIN}}
    answers = from_mapping({"setup": name, "connect": {"namespace": name}, **wishes})
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {**world.environment(), "AWS_ENDPOINT_URL_S3": other_s3.url}.items():
            patch.setenv(variable, value)
        with contextlib.closing(Services(answers, Endpoints(ca_file=str(directory / "ca.pem")))) as services:
            rig = setups.Rig(answers, services, Journal(directory / "journal.jsonl"), authority)
            setups._prepare(rig, world)
            rig.run(DeployStep())
            _lead_the_name_there(rig)
            yield rig
            rig.undo(DeployStep())


@pytest.fixture(autouse=True)
def _environment(
    _own_surroundings: None, rig: setups.Rig, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the setup was made with: each test begins with an environment of its own."""
    assert rig.facts.deploy is not None
    for variable, value in world.environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", rig.facts.deploy.s3_endpoint)


def _lead_the_name_there(rig: setups.Rig) -> None:
    deployed = rig.facts.deploy
    assert deployed is not None
    assert deployed.balancer is not None
    route53 = rig.services.aws.client("route53")
    zone = route53.list_hosted_zones_by_name(DNSName=HOSTED_ZONE)["HostedZones"][0]["Id"]
    target = {"HostedZoneId": deployed.balancer.dns_zone_id, "DNSName": deployed.balancer.dns_name}
    record: Any = {"Name": DOMAIN, "Type": "A", "AliasTarget": {**target, "EvaluateTargetHealth": False}}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    )


def objects(rig: setups.Rig) -> dict[str, int]:
    """Sizes by key."""
    found = rig.services.aws.client("s3").list_objects_v2(Bucket=rig.answers.bucket.name)
    return {each["Key"]: each["Size"] for each in found.get("Contents", [])}


def test_the_registry_was_told_of_the_other_server(rig: setups.Rig, other_s3: OtherS3) -> None:
    deployed = rig.cluster.get("apps/v1", "Deployment", names.REGISTRY)
    assert deployed is not None
    container = deployed["spec"]["template"]["spec"]["containers"][0]
    told = {each["name"]: each.get("value") for each in container["env"]}
    assert told["REGISTRY_STORAGE_S3_REGIONENDPOINT"] == other_s3.url
    assert told["REGISTRY_STORAGE_S3_ENCRYPT"] == "false"


def test_the_wizard_proves_it(rig: setups.Rig) -> None:
    results = rig.verify(ProofStep())
    assert {name: result.status for name, result in results.items()} == dict.fromkeys(
        ("anonymous", "wrong-password", "login", "push", "pull", "stored", "removed"), CheckStatus.PASSED
    )
    assert objects(rig) == {}


def test_what_is_pushed_lies_in_its_bucket(rig: setups.Rig, world: World) -> None:
    """The layer goes up in parts; nothing of it reaches the practice world's own S3."""
    image, login = ProofImage(), proof._login(rig.context(ProofStep()))
    with Registry(DOMAIN, rig.services.endpoints, login=login) as registry:
        image.push(registry)
        assert image.pull(registry) == ""
        assert objects(rig)[blob_key(image.layer_digest)] == LAYER_BYTES
        assert rig.answers.bucket.name not in str(world.aws.dump())
        uploads = rig.services.aws.client("s3").list_multipart_uploads(Bucket=rig.answers.bucket.name)
        assert uploads.get("Uploads", []) == []
        assert remove_all(rig.services.aws, rig.answers.bucket.name) > 4
    assert objects(rig) == {}
