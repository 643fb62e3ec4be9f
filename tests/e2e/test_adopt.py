"""What was there before is taken over only with consent, and has its former values after undo."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import ANSWERS, Program

pytestmark = pytest.mark.e2e
THERE_BEFORE = """
import boto3, json
s3, iam = boto3.client("s3"), boto3.client("iam")
bucket = "practice-registry-images"
s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "images"}]})
s3.delete_public_access_block(Bucket=bucket)
rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 30}}
s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
s3.put_object(Bucket=bucket, Key="tmp/keep-me", Body=b"theirs")
iam.create_user(UserName="registry-access", Tags=[{"Key": "team", "Value": "images"}])
document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
iam.create_policy(PolicyName="registry-access-policy", PolicyDocument=json.dumps(document))
"""


def test_adopted_things_get_their_former_values_back(program: Program, tmp_path: Path) -> None:
    environment = {**program.environment, **program.world_environment()}
    subprocess.run(
        [program.command()[0], "-c", THERE_BEFORE],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    before = json.dumps(program.dump(), sort_keys=True, indent=1)
    refused = program.run("apply", "--practice", "-a", str(ANSWERS), "--json")
    assert refused.code == 1
    assert refused.finish["problem"]["code"] == "consent-needed"
    assert '[consent] adopt = ["bucket", "user", "policy"]' in refused.finish["problem"]["fix"]
    assert json.dumps(program.dump(), sort_keys=True, indent=1) == before
    answers = tmp_path / "answers.toml"
    answers.write_text(
        ANSWERS.read_text().replace("[consent]", '[consent]\nadopt = ["bucket", "user", "policy"]')
    )
    applied = program.run("apply", "--practice", "-a", str(answers), "--json")
    assert applied.code == 0, applied.out[-3000:]
    assert "keep-me" in json.dumps(program.dump())
    again = program.run("plan", "--practice", "-a", str(answers), "--json")
    changes = [event["changes"] for event in again.events if event["event"] == "plan_made"]
    assert changes == [[]] * 8
    undone = program.run("undo", "--practice", "--yes", "--json")
    assert undone.code == 0, undone.out[-3000:]
    assert json.dumps(program.dump(), sort_keys=True, indent=1) == before
