"""Pains with AWS: each provoked in the practice world, told by its sentence and the one thing to do."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pains.support import failed, only, told
from tests.practice.aws_steps.conftest import (
    administrator,
    aws_environment,
    aws_server,
    kube_server,
    ledger,
    make_rig,
    operator,
)
from tests.practice.aws_steps.test_user_step import SpreadOnceTold, clean_account, only_on, wishes
from wizard import names, rules
from wizard.endpoints import Endpoints
from wizard.events import WaitProgress
from wizard.practice.aws import AwsServer
from wizard.practice.listener import Listener
from wizard.practice.pki import Authority
from wizard.renewal_role import doubts
from wizard.services.aws import Aws
from wizard.steps import _user_proof
from wizard.steps.bucket import BucketStep
from wizard.steps.connect import ConnectStep
from wizard.steps.user import UserStep

__all__ = [
    "administrator",
    "aws_environment",
    "aws_server",
    "clean_account",
    "kube_server",
    "ledger",
    "make_rig",
    "operator",
]
BUCKETS, USERS = BucketStep(), UserStep()
BUCKET = "images-of-the-user-tests"
SECRET = "registry-s3-credentials"
MakeRig = Callable[..., Any]
ME = "arn:aws:iam::1:user/me"
BROUGHT = "arn:aws:iam::123456789012:user/brought"

pytestmark = pytest.mark.usefixtures("kube_server")


@pytest.fixture(autouse=True)
def _no_faults(aws_environment: None, clean_account: None, aws_server: AwsServer) -> Iterator[None]:
    """Ends before the account is cleaned, which a fault would hinder."""
    assert aws_environment is clean_account is None
    yield
    settings = aws_server.settings
    settings.fault, settings.key_delay_s, settings.clock_offset_s = None, 0.0, 0.0


def bucket(name: str, **more: Any) -> dict[str, Any]:
    return {"bucket": {"name": name}, **more}


def bring(rig: Any, operator: Aws, policy: str, **data: str) -> None:
    """A key that somebody else made, in the Secret; `data` is written in its place."""
    iam = operator.client("iam")
    iam.create_user(UserName="brought")
    iam.put_user_policy(UserName="brought", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="brought")["AccessKey"]
    own = {
        names.S3_ACCESS_KEY_ID: key["AccessKeyId"],
        names.S3_SECRET_ACCESS_KEY: key["SecretAccessKey"],
    }
    rig.services.cluster.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": own | data}
    )


def test_1_access_denied_on_large_pushes(make_rig: MakeRig, operator: Aws) -> None:
    rig = make_rig(wishes(kind="existing-secret"))
    policy = json.dumps(rules.registry_policy(BUCKET)).replace("s3:AbortMultipartUpload", "s3:Nothing")
    bring(rig, operator, policy)
    rig.carry_out(USERS)
    problem = failed(rig.verify(USERS))
    assert problem.what.startswith(f"AWS refused s3:AbortMultipartUpload on arn:aws:s3:::{BUCKET}/")
    assert problem.fix == f"Add s3:AbortMultipartUpload to the policy of {BROUGHT}."


def test_2_a_new_key_is_not_live_yet(
    make_rig: MakeRig, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_server.settings.key_delay_s = 600
    rig = make_rig(wishes())
    rig.events = SpreadOnceTold(aws_server)
    rig.run(USERS)
    seen = {event.detail for event in rig.events if isinstance(event, WaitProgress)}
    assert _user_proof.SPREADING in seen
    assert _user_proof.SPREADING.endswith("this is normal and takes under a minute.")
    monkeypatch.setattr(_user_proof, "SPREAD_WITHIN_S", 0.2)
    aws_server.settings.key_delay_s = 600
    problem = failed(rig.verify(USERS))
    assert problem.what.startswith("AWS does not know the access key AKIA")
    assert problem.fix == f"Delete the Secret {SECRET} and run `kube-registry apply`: it makes a new key."


def test_3_wrong_region(make_rig: MakeRig) -> None:
    make_rig(bucket("in-ohio", connect={"aws_region": "us-east-2"}), journal="ohio.jsonl").run(BUCKETS)
    problem = only(make_rig(bucket("in-ohio")).plan(BUCKETS).blockers)
    assert problem.what == "The bucket lives in us-east-2."
    assert problem.fix == "Set connect.aws_region to us-east-2, or choose another bucket.name."


def test_4_clock_skew(aws_server: AwsServer) -> None:
    aws_server.settings.clock_offset_s = 7200
    aws = Aws("", "eu-west-1", Endpoints())
    problem = told(aws.identity)
    aws.close()
    assert problem.what == "The clock of this machine differs from AWS's by more than 15 minutes."
    assert problem.fix.startswith("Set the clock (for example `sudo timedatectl set-ntp true`)")


def test_5_a_kms_bucket(make_rig: MakeRig, aws_server: AwsServer) -> None:
    message = (
        "User: arn:aws:iam::123456789012:user/me is not authorized to perform: kms:GenerateDataKey on "
        "resource: arn:aws:kms:eu-west-1:123456789012:key/1 because no identity-based policy allows it"
    )
    rig = make_rig(bucket("kms-bucket"))
    rig.carry_out(BUCKETS)
    aws_server.settings.fault = only_on("PutObject", message=message)
    problem = failed(rig.verify(BUCKETS))
    assert problem.what.startswith("AWS refused kms:GenerateDataKey on arn:aws:kms:")
    assert problem.why == "The bucket's KMS key may not be used."
    assert "Allow kms:GenerateDataKey to arn:aws:iam::123456789012:user/me in the key's policy" in problem.fix
    assert "bucket.encryption to AES256" in problem.fix


def test_6_a_store_without_acls(make_rig: MakeRig, aws_server: AwsServer) -> None:
    rig = make_rig(bucket("acl-bucket"))
    rig.carry_out(BUCKETS)
    code, message = "AccessControlListNotSupported", "The bucket does not allow ACLs"
    aws_server.settings.fault = only_on("PutObject", code=code, message=message, status=400)
    problem = failed(rig.verify(BUCKETS))
    assert problem.what == "The bucket refuses the header that the registry sends with every object."
    assert problem.fix == "Set the bucket's object ownership to BucketOwnerPreferred."


def test_8_a_secrets_name_in_place_of_a_key(make_rig: MakeRig, operator: Aws) -> None:
    rig = make_rig(wishes(kind="existing-secret"))
    bring(
        rig,
        operator,
        json.dumps(rules.registry_policy(BUCKET)),
        **{names.S3_ACCESS_KEY_ID: "my-registry-secret"},
    )
    rig.carry_out(USERS)
    problem = failed(rig.verify(USERS))
    assert problem.what == f"The Secret {SECRET} does not hold an access key ID."
    assert "looks like a name" in problem.why
    assert problem.fix == f"Put the key's own two values there: kubectl edit secret {SECRET}."


@pytest.mark.parametrize(
    ("reason", "why", "fix"),
    [
        (
            "with an explicit deny in a service control policy",
            "A policy of your organisation forbids it to the whole account; no grant inside can lift that.",
            "Ask the administrator of your AWS organisation to allow iam:CreateUser in this account.",
        ),
        (
            "because no permissions boundary allows the iam:CreateUser action",
            f"The permissions boundary of {ME} does not allow it, whatever its policies grant.",
            "Ask the administrator who set the boundary to allow iam:CreateUser in it.",
        ),
    ],
    ids=["organisation", "boundary"],
)
def test_8_5_users_that_may_not_be_made(
    make_rig: MakeRig, aws_server: AwsServer, reason: str, why: str, fix: str
) -> None:
    sentence = f"User: {ME} is not authorized to perform: iam:CreateUser on resource: x "
    aws_server.settings.fault = only_on("CreateUser", message=sentence + reason)
    problem = told(lambda: make_rig(wishes()).carry_out(USERS))
    assert problem.what == "AWS refused iam:CreateUser on x."
    assert (problem.why, problem.fix) == (why, fix)


def test_8_5_it_is_known_before_the_bucket_exists(make_rig: MakeRig, operator: Aws) -> None:
    allow = {"Effect": "Allow", "NotAction": "iam:CreateUser", "Resource": "*"}
    iam = operator.client("iam")
    iam.create_user(UserName="limited")
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName="limited", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="limited")["AccessKey"]
    rig = make_rig(bucket("never-made", certificate={"domain": "registry.practice.test"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        limited = Aws("", "eu-west-1", Endpoints())
        rig.services._aws = limited
        problems = [each for each in rig.plan(ConnectStep()).blockers if each.code == "aws-denied"]
        limited.close()
    problem = only(problems)
    assert "user/limited may not do all that is needed: iam:CreateUser" in problem.what
    assert problem.fix.startswith("Have these actions added to its policy")


def test_8_6_a_sign_in_that_ends_in_the_middle(
    make_rig: MakeRig, aws_server: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = aws_server.admin
    (tmp_path / "config").write_text(
        f"[profile work]\nregion = eu-west-1\naws_access_key_id = {keys.access_key_id}\n"
        f"aws_secret_access_key = {keys.secret_access_key}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    rig = make_rig(wishes())
    work = Aws("work", "eu-west-1", Endpoints())
    rig.services._aws = work
    aws_server.settings.fault = only_on("CreatePolicy", code="ExpiredToken", message="it has expired")
    problem = told(lambda: rig.carry_out(USERS))
    assert problem.what == "The temporary AWS credentials of profile work have expired."
    assert problem.fix.startswith("Sign in again (for SSO: `aws sso login --profile work`), then run")
    aws_server.settings.fault = None
    rig.run(USERS)
    work.close()


def test_8_7_a_proxy_that_does_not_lead_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://sts.eu-west-1.amazonaws.test")
    aws = Aws("", "eu-west-1", Endpoints(proxy="http://127.0.0.1:1"))
    problem = told(aws.identity)
    aws.close()
    assert problem.what == "The proxy does not lead to AWS."
    assert problem.fix == "Check HTTPS_PROXY, NO_PROXY and endpoints.proxy."


def test_8_7_tls_that_is_read_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    between = Listener("between", lambda _: None, context=Authority().server_context(["127.0.0.1"]))
    between.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{between.port}")
    aws = Aws("", "eu-west-1", Endpoints())
    problem = told(aws.identity)
    aws.close()
    between.stop()
    assert problem.what == "The certificate that AWS's address shows is not trusted."
    assert problem.fix == "Set endpoints.ca_file to the PEM file of your organisation's CA."


def test_8_13_a_cluster_restored_from_a_backup(make_rig: MakeRig, operator: Aws) -> None:
    """Its Secret holds a key that was replaced meanwhile."""
    rig = make_rig(wishes())
    rig.run(USERS)
    held = rig.facts.user.secret_access_key_id
    operator.client("iam").delete_access_key(UserName="registry-access", AccessKeyId=held)
    plan = rig.plan(USERS)
    assert any(held in note and note.endswith("A new one is made.") for note in plan.notes)
    problem = failed(rig.verify(USERS))
    assert held in problem.what
    assert problem.fix == "Run `kube-registry apply`."
    rig.run(USERS)


def test_8_15_a_renewal_timer_with_a_sign_in(
    make_rig: MakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(
        "[profile work]\nregion = eu-west-1\nsso_session = corp\nsso_account_id = 123456789012\n"
        "sso_role_name = admin\n[sso-session corp]\nsso_region = eu-west-1\n"
        "sso_start_url = https://corp.awsapps.com/start\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    rig = make_rig({"connect": {"aws_profile": "work"}, "dns": {"aws_profile": "work"}})
    (problem, *_) = doubts(rig.answers, rig.services, {})
    assert problem.what == "A timer cannot renew with the AWS credentials of the profile work."
    assert problem.fix == "Give it a key or a role that holds by itself; the least that it needs follows."
