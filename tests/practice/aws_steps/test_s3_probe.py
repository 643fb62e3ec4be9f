"""The probe notices each single action that the registry needs and does not have."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wizard import rules
from wizard.errors import AccessDenied, WizardError
from wizard.names import PROBE_PREFIX
from wizard.services.aws import Aws
from wizard.steps._s3_probe import S3Probe

BUCKET = "probed-bucket"
ACTIONS = (*rules.REGISTRY_BUCKET_ACTIONS, *rules.REGISTRY_OBJECT_ACTIONS)


@pytest.fixture
def probe_without(operator: Aws) -> Iterator[Callable[[str], S3Probe]]:
    """A probe by a user who may do all that the guide's policy grants, but for one action."""
    s3, iam = operator.client("s3"), operator.client("iam")
    place: Any = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    iam.create_user(UserName="prober")
    key = iam.create_access_key(UserName="prober")["AccessKey"]
    client = operator.client_with_key(key["AccessKeyId"], key["SecretAccessKey"])

    def make(action: str) -> S3Probe:
        text = json.dumps(rules.registry_policy(BUCKET)).replace(action, '"s3:Nothing"')
        iam.put_user_policy(UserName="prober", PolicyName="all-but-one", PolicyDocument=text)
        return S3Probe(client, BUCKET, "test", operator=s3)

    yield make
    client.close()
    iam.delete_user_policy(UserName="prober", PolicyName="all-but-one")
    iam.delete_access_key(UserName="prober", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="prober")
    s3.delete_bucket(Bucket=BUCKET)


def run(probe: S3Probe) -> None:
    with probe:
        probe.knock()
        probe.objects()
        probe.multipart()


def is_clean(operator: Aws) -> bool:
    s3 = operator.client("s3")
    uploads = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    return not s3.list_objects_v2(Bucket=BUCKET).get("Contents") and not uploads


@pytest.mark.parametrize("action", ACTIONS)
def test_a_missing_action_is_named_and_nothing_is_left(
    probe_without: Callable[[str], S3Probe], operator: Aws, action: str
) -> None:
    with pytest.raises(AccessDenied) as caught:
        run(probe_without(f'"{action}"'))
    assert caught.value.action == action
    assert is_clean(operator)


def test_the_guides_policy_is_enough(probe_without: Callable[[str], S3Probe], operator: Aws) -> None:
    run(probe_without("nothing at all"))
    assert is_clean(operator)


def test_a_bucket_that_is_gone_is_said_by_its_name(operator: Aws) -> None:
    client = operator.client("s3")
    with pytest.raises(WizardError) as caught:
        run(S3Probe(client, "nowhere-to-be-found", "test", operator=client))
    assert caught.value.problem.what == "The bucket nowhere-to-be-found is not there."


def test_what_a_probe_that_was_cut_off_left_is_removed(
    probe_without: Callable[[str], S3Probe], operator: Aws
) -> None:
    s3 = operator.client("s3")
    for purpose in ("test", "other"):
        place = f"{PROBE_PREFIX}{purpose}/0123456789abcdef"
        s3.put_object(Bucket=BUCKET, Key=f"{place}/object", Body=b"left")
        s3.create_multipart_upload(Bucket=BUCKET, Key=f"{place}/multipart")
    probe = probe_without("nothing at all")
    run(probe)
    left = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert left == [f"{PROBE_PREFIX}other/0123456789abcdef/object"], "another probe may be at work there"
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [found["Key"] for found in uploads] == [f"{PROBE_PREFIX}other/0123456789abcdef/multipart"]
    run(S3Probe(s3, BUCKET, "other", operator=s3))
    assert is_clean(operator)
