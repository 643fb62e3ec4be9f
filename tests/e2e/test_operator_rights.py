"""The rights that the README asks for are enough: a whole setup and its undo as a user who has no others."""

import json
import re
import subprocess

import pytest

from tests.e2e.program import ANSWERS, ROOT, Program

pytestmark = pytest.mark.e2e


def _policy(zone_id: str) -> dict[str, object]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found is not None
    filled = found.group(1).replace("BUCKET", "practice-registry-images").replace("ZONE", zone_id)
    policy: dict[str, object] = json.loads(filled.replace(":ACCOUNT:", ":123456789012:"))
    return policy


def test_the_rights_in_the_readme_are_enough(program: Program) -> None:
    environment = program.world_environment()
    everybody = {**program.environment, **environment}

    def python(code: str) -> str:
        done = subprocess.run(
            [program.command()[0], "-c", code],
            env=everybody,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    zone = python(
        "import boto3\n"
        "zones = boto3.client('route53').list_hosted_zones()['HostedZones']\n"
        "print(zones[0]['Id'].rpartition('/')[2])"
    )
    policy = json.dumps(_policy(zone.strip()))
    key_id, secret = python(
        f"""
import boto3
iam = boto3.client("iam")
iam.create_user(UserName="operator")
made = iam.create_policy(PolicyName="operator", PolicyDocument={policy!r})
iam.attach_user_policy(UserName="operator", PolicyArn=made["Policy"]["Arn"])
key = iam.create_access_key(UserName="operator")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
"""
    ).split()
    operator = {**environment, "AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
    applied = program.run("apply", "-a", str(ANSWERS), "--json", environment=operator)
    assert applied.code == 0, applied.out[-3000:]
    bucket = ("--delete-bucket", "practice-registry-images")
    undone = program.run("undo", "--yes", *bucket, "--json", environment=operator)
    assert undone.code == 0, undone.out[-3000:]
