"""The step proof against a registry that runs: what it proves, what it finds out, what it leaves."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wizard import names, rules
from wizard.events import CheckStatus
from wizard.practice.world import DOMAIN, HOSTED_ZONE
from wizard.services.registry import Registry
from wizard.steps import _proof_image, proof
from wizard.steps._proof_blobs import LAYER_BYTES, blob_key
from wizard.steps._proof_image import ProofImage, remove_all
from wizard.steps.deploy import DeployStep
from wizard.steps.proof import ProofStep

STEP = ProofStep()
MakeRig = Callable[..., Any]


@pytest.fixture
def rig(make_rig: MakeRig) -> Iterator[Any]:
    """Deployed, and the domain leads to its balancer."""
    rig = make_rig()
    rig.run(DeployStep())
    assert rig.facts.deploy is not None
    assert rig.facts.deploy.balancer is not None
    balancer = rig.facts.deploy.balancer
    route53 = rig.services.aws.client("route53")
    zone = route53.list_hosted_zones_by_name(DNSName=HOSTED_ZONE)["HostedZones"][0]["Id"]
    target = {
        "HostedZoneId": balancer.dns_zone_id,
        "DNSName": balancer.dns_name,
        "EvaluateTargetHealth": False,
    }
    record = {"Name": DOMAIN, "Type": "A", "AliasTarget": target | {"EvaluateTargetHealth": False}}
    route53.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
    )
    yield rig
    rig.undo(DeployStep())


def keys(rig: Any) -> list[str]:
    found = rig.services.aws.client("s3").list_objects_v2(Bucket=rig.answers.bucket.name)
    return [each["Key"] for each in found.get("Contents", [])]


def test_an_image_is_pushed_pulled_found_and_gone(rig: Any) -> None:
    assert LAYER_BYTES > 10 * 1024 * 1024
    results = rig.verify(STEP)
    assert {name: result.status for name, result in results.items()} == dict.fromkeys(
        ("anonymous", "wrong-password", "login", "push", "pull", "stored", "removed"), CheckStatus.PASSED
    )
    assert keys(rig) == []
    assert "basic realm" in results["anonymous"].detail.lower()


def test_what_an_interrupted_proof_left_is_removed_and_nothing_else(rig: Any) -> None:
    context = rig.context(STEP)
    login = proof._login(context)
    with Registry(DOMAIN, rig.services.endpoints, login=login) as registry:
        other = registry.push_blob("team/app", b"of somebody else")
        ProofImage().push(registry)
        assert remove_all(rig.services.aws, rig.answers.bucket.name) > 4
        assert registry.has_blob("team/app", other)
    assert [key for key in keys(rig) if names.PROOF_REPOSITORY in key] == []
    assert [key for key in keys(rig) if "/blobs/" in key] == [blob_key(other)]
    assert STEP.verify(context)[-1].run().status is CheckStatus.PASSED


def test_what_a_person_put_beside_it_stays(rig: Any) -> None:
    """Their blobs may be those of other repositories: a mounted layer is linked, not copied."""
    s3, bucket = rig.services.aws.client("s3"), rig.answers.bucket.name
    login = proof._login(rig.context(STEP))
    with Registry(DOMAIN, rig.services.endpoints, login=login) as registry:
        layer = registry.push_blob("people/tool", b"\x1f\x8b" + b"x" * (LAYER_BYTES - 2))
        settings = registry.push_blob("people/tool", b'{"architecture": "amd64"}')
        before, theirs = keys(rig), []
        for digest in (layer, settings):
            hexadecimal = digest.removeprefix("sha256:")
            theirs.append(f"{_proof_image.REPOSITORY}_layers/sha256/{hexadecimal}/link")
            s3.put_object(Bucket=bucket, Key=theirs[-1], Body=digest.encode())
        ProofImage().push(registry)
        remove_all(rig.services.aws, bucket)
    assert set(keys(rig)) == {*before, *theirs}
    for key in keys(rig):
        s3.delete_object(Bucket=bucket, Key=key)


def test_a_failed_pull_leaves_nothing_behind(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProofImage, "pull", lambda *_: pytest.fail("the line went dead"))
    for check in STEP.verify(rig.context(STEP))[2:4]:
        check.run()
    assert keys(rig)
    with pytest.raises(BaseException, match="went dead"):
        STEP.verify(rig.context(STEP))[4].run()
    assert keys(rig) == []


def test_a_wrong_password_in_the_secret_is_told(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "LOGIN_DEADLINE_S", 0.5)
    login = {"username": rules.CHECK_USER, "password": "another one"}
    document = json.dumps({"auths": {DOMAIN: login}}).encode()
    kind = "kubernetes.io/dockerconfigjson"
    rig.cluster.write_secret(
        names.CHECK_SECRET, {names.DOCKER_CONFIG_KEY: document}, setup=rig.answers.setup, type=kind
    )
    rig.facts.htpasswd = None
    results = rig.verify(STEP)
    assert results["login"].status is CheckStatus.FAILED
    assert results["login"].problem is not None
    assert results["login"].problem.code == "login-refused"
    assert results["push"].status is CheckStatus.SKIPPED
    assert "another one" not in repr(rig.events)


def test_a_registry_that_writes_elsewhere_is_found_out(rig: Any) -> None:
    image = ProofImage()
    context = rig.context(STEP)
    with Registry(DOMAIN, rig.services.endpoints, login=proof._login(context)) as registry:
        image.push(registry)
    bucket = rig.answers.bucket.name
    assert image.find_in(rig.services.aws, bucket) in keys(rig)
    remove_all(rig.services.aws, bucket)
    with pytest.raises(Exception, match="not in the bucket"):
        image.find_in(rig.services.aws, bucket)


def test_what_was_proven_is_remembered(rig: Any) -> None:
    probed = STEP.probed(rig.answers, rig.facts)
    rig.journal.verified(STEP.id, probed=probed)
    facts = STEP.inspect(rig.context(STEP))
    assert facts.proven_for == probed
    assert facts.proven_at is not None
