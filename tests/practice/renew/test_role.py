"""What a timer needs: credentials without a person, and no more rights than are printed."""

import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.practice.renew.conftest import Finished
from wizard import renewal_role
from wizard.answers import from_mapping
from wizard.endpoints import Endpoints
from wizard.practice.world import DOMAIN
from wizard.services import Services
from wizard.services.aws.lasting import why_not_lasting

SSO = """[profile through-a-browser]
sso_start_url = https://login.practice.test/
sso_region = eu-west-1
[profile a-role]
role_arn = arn:aws:iam::123456789012:role/operator
source_profile = through-a-browser
[profile with-a-code]
role_arn = arn:aws:iam::123456789012:role/operator
source_profile = lasting
mfa_serial = arn:aws:iam::123456789012:mfa/me
[profile lasting]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = not used
"""


def test_the_printed_policy_is_enough_and_no_more(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = finished.services.aws.client("iam")
    iam.create_user(UserName="timer")
    policy = json.dumps(renewal_role.policy(finished.answers))
    iam.put_user_policy(UserName="timer", PolicyName="timer", PolicyDocument=policy)
    key = iam.create_access_key(UserName="timer")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    former, full = finished.stored(), finished.services
    finished.services = Services(finished.answers, Endpoints.gather(finished.answers.endpoints, os.environ))
    try:
        finished.run().renew()
        assert finished.served() == finished.stored() != former
        with pytest.raises(ClientError, match="AccessDenied"):
            finished.services.aws.client("s3").list_objects_v2(Bucket=finished.answers.bucket.name)
    finally:
        finished.services.close()
        finished.services = full


def test_credentials_that_need_a_person_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(SSO)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for profile, word in (("through-a-browser", "SSO"), ("a-role", "SSO"), ("with-a-code", "MFA")):
        assert word in why_not_lasting(profile)
    assert why_not_lasting("lasting") == ""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not used")
    assert "environment variables" in why_not_lasting("")


def test_what_a_timer_cannot_do_is_told_with_the_least_role(finished: Finished) -> None:
    answers = from_mapping({"certificate": {"domain": DOMAIN, "webroot": "/srv"}})
    codes = [each.code for each in renewal_role.doubts(answers, finished.services, {})]
    assert "timer-needs-port-80" in codes
    text = "\n".join(renewal_role.least(answers))
    assert f'"_acme-challenge.{DOMAIN}"' in text
    assert "- registry-ssl-certs" in text
