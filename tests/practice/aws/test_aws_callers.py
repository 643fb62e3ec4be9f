"""Who is let in: signatures, clocks, keys of every kind, and how each service refuses."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from wizard.practice.aws import AwsKeys, AwsServer

READS = {
    "s3": "list_buckets",
    "iam": "list_users",
    "sts": "get_caller_identity",
    "route53": "list_hosted_zones",
    "elb": "describe_load_balancers",
    "elbv2": "describe_load_balancers",
    "ec2": "describe_instances",
}
UNKNOWN = {"s3": ("InvalidAccessKeyId", 403), "ec2": ("AuthFailure", 401)}
MISMATCH = {"ec2": ("AuthFailure", 401)}


@pytest.fixture(autouse=True)
def quiet_settings(aws: AwsServer) -> Iterator[None]:
    yield
    aws.settings.key_delay_s = aws.settings.clock_offset_s = 0.0


@pytest.mark.parametrize("service", READS)
def test_the_operator_may_read_everywhere(service: str, client: Callable[..., Any]) -> None:
    assert getattr(client(service), READS[service])()


@pytest.mark.parametrize("service", READS)
def test_a_wrong_secret_is_a_signature_that_does_not_match(
    service: str, aws: AwsServer, client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    wrong = client(service, AwsKeys(aws.admin.access_key_id, "w" * 40))
    code, status = MISMATCH.get(service, ("SignatureDoesNotMatch", 403))
    assert refused(code, getattr(wrong, READS[service]))[1] == status


@pytest.mark.parametrize("service", READS)
def test_an_unknown_key_is_refused_as_each_service_words_it(
    service: str, client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    nobody = client(service, AwsKeys("AKIAUNKNOWNUNKNOWN22", "n" * 40))
    code, status = UNKNOWN.get(service, ("InvalidClientTokenId", 403))
    message, found = refused(code, getattr(nobody, READS[service]))
    assert found == status
    assert message in {
        "The AWS Access Key Id you provided does not exist in our records.",
        "The security token included in the request is invalid.",
        "AWS was not able to validate the provided access credentials",
    }


def test_an_anonymous_request_is_refused(aws: AwsServer) -> None:
    bucket = requests.get(f"{aws.url}/some-bucket", timeout=60)
    assert (bucket.status_code, "<Code>AccessDenied</Code>" in bucket.text) == (403, True)
    form = {"Action": "ListUsers", "Version": "2010-05-08"}
    users = requests.post(aws.url, data=form, timeout=60)
    assert (users.status_code, "MissingAuthenticationToken" in users.text) == (403, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "AWS4-HMAC-SHA256 nonsense"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0"},
        {"Authorization": "AWS AKIA:signature"},
        {"Authorization": "Bearer token"},
    ],
)
def test_garbage_for_a_signature_gets_a_4xx(headers: dict[str, str], aws: AwsServer) -> None:
    assert 400 <= requests.get(f"{aws.url}/bucket", headers=headers, timeout=60).status_code < 500


@pytest.mark.parametrize(
    "path",
    ["/%ff%fe", "//", "/a?uploadId", "/a/b?partNumber=x&uploadId=%00", "/2013-04-01/x"],
)
def test_a_strange_url_gets_a_4xx(path: str, aws: AwsServer) -> None:
    assert 400 <= requests.put(f"{aws.url}{path}", data=b"<", timeout=60).status_code < 500


def test_a_strange_service_gets_a_4xx(aws: AwsServer) -> None:
    keys = Credentials(aws.admin.access_key_id, aws.admin.secret_access_key)
    request = AWSRequest("POST", f"{aws.url}/", data=b"{}", headers={"X-Amz-Target": "Nothing"})
    SigV4Auth(keys, "kinesis", "eu-west-1").add_auth(request)
    reply = requests.post(aws.url, data=b"{}", headers=dict(request.headers), timeout=60)
    assert (reply.status_code, "UnknownService" in reply.text) == (400, True)


@pytest.mark.parametrize("service", READS)
def test_a_clock_that_is_off_by_more_than_15_minutes_is_refused(
    service: str, aws: AwsServer, client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    aws.settings.clock_offset_s = 950
    codes = {"s3": "RequestTimeTooSkewed", "ec2": "RequestExpired"}
    message, _ = refused(
        codes.get(service, "SignatureDoesNotMatch"), getattr(client(service), READS[service])
    )
    if service not in codes:
        assert message.startswith("Signature expired: ")
    aws.settings.clock_offset_s = -950
    refused(codes.get(service, "SignatureDoesNotMatch"), getattr(client(service), READS[service]))
    aws.settings.clock_offset_s = 850
    assert getattr(client(service), READS[service])()


def test_the_date_header_is_that_of_the_servers_clock(aws: AwsServer) -> None:
    from email.utils import parsedate_to_datetime

    aws.settings.clock_offset_s = 3600
    said = parsedate_to_datetime(requests.get(aws.url, timeout=60).headers["Date"])
    ahead = said - dt.datetime.now(dt.UTC)
    assert 3500 < ahead.total_seconds() < 3700


def test_a_new_key_is_not_live_at_once(
    aws: AwsServer, client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    keys = new_user("late")
    aws.settings.key_delay_s = 3600
    refused("InvalidClientTokenId", client("sts", keys).get_caller_identity)
    refused("InvalidAccessKeyId", client("s3", keys).list_buckets)
    assert client("sts").get_caller_identity()["Arn"].endswith(":user/practice-admin")
    aws.settings.key_delay_s = 0
    assert client("sts", keys).get_caller_identity()["Arn"].endswith(":user/late")


def test_an_inactive_or_deleted_key_is_refused(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys], refused: Callable[..., Any]
) -> None:
    keys, iam = new_user("idle"), client("iam")
    which = {"UserName": "idle", "AccessKeyId": keys.access_key_id}
    iam.update_access_key(**which, Status="Inactive")
    refused("InvalidClientTokenId", client("sts", keys).get_caller_identity)
    refused("InvalidAccessKeyId", client("s3", keys).list_buckets)
    iam.update_access_key(**which, Status="Active")
    assert client("sts", keys).get_caller_identity()
    iam.delete_access_key(**which)
    refused("InvalidClientTokenId", client("sts", keys).get_caller_identity)


def test_secrets_hold_characters_that_need_escaping(new_user: Callable[..., AwsKeys]) -> None:
    secret = new_user("escaped").secret_access_key
    assert len(secret) == 40
    assert {"/", "+"} <= set(secret)


def test_a_session_works_until_it_expires(
    aws: AwsServer, client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    live, over = aws.session(), aws.session(lasts_s=0)
    assert client("sts", live).get_caller_identity()["Arn"].endswith(":user/practice-admin")
    message, _ = refused("ExpiredToken", client("sts", over).get_caller_identity)
    assert message == "The security token included in the request is expired"
    refused("ExpiredToken", client("s3", over).list_buckets)
    other = AwsKeys(live.access_key_id, live.secret_access_key, "another-token")
    refused("InvalidClientTokenId", client("sts", other).get_caller_identity)
    refused("InvalidToken", client("s3", other).list_buckets)


def test_get_session_token_gives_keys_of_the_same_user(
    client: Callable[..., Any], new_user: Callable[..., AwsKeys]
) -> None:
    made = client("sts", new_user("tokenist")).get_session_token()["Credentials"]
    keys = AwsKeys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert client("sts", keys).get_caller_identity()["Arn"].endswith(":user/tokenist")


def test_an_assumed_role_acts_with_the_roles_policies(
    client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    listing = {"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}
    trust, allow = (json.dumps({"Version": "2012-10-17", "Statement": [s]}) for s in (anyone, listing))
    client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=trust)
    client("iam").put_role_policy(RoleName="reader", PolicyName="list", PolicyDocument=allow)
    role = "arn:aws:iam::123456789012:role/reader"
    made = client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    keys = AwsKeys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    identity = client("sts", keys).get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/reader/me"
    assert client("s3", keys).list_buckets()["Buckets"] == []
    refused("AccessDenied", client("iam", keys).list_users)


def test_presigned_urls_carry_their_own_signature_and_end(
    aws: AwsServer, client: Callable[..., Any], new_user: Callable[..., AwsKeys]
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="presigned", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="presigned", Key="a b/ü+c", Body=b"body")
    which = {"Bucket": "presigned", "Key": "a b/ü+c"}
    url = s3.generate_presigned_url("get_object", Params=which, ExpiresIn=60)
    assert requests.get(url, timeout=60).content == b"body"
    assert "SignatureDoesNotMatch" in requests.get(url.replace("presigned", "elsewhere", 1), timeout=60).text
    assert "SignatureDoesNotMatch" in requests.get(url + "0", timeout=60).text
    put = s3.generate_presigned_url("put_object", Params={"Bucket": "presigned", "Key": "put"})
    assert requests.put(put, data=b"new", timeout=60).status_code == 200
    stranger = client("s3", new_user("stranger"))
    assert (
        requests.get(stranger.generate_presigned_url("get_object", Params=which), timeout=60).status_code
        == 403
    )
    aws.settings.clock_offset_s = 120
    expired = requests.get(url, timeout=60)
    assert (expired.status_code, "Request has expired" in expired.text) == (403, True)


def test_a_cluster_token_is_a_presigned_identity_request(client: Callable[..., Any]) -> None:
    url = client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET", ExpiresIn=60)
    assert "user/practice-admin" in requests.get(url, timeout=60).text


def test_a_body_that_was_changed_on_the_way_is_refused(aws: AwsServer) -> None:
    keys = Credentials(aws.admin.access_key_id, aws.admin.secret_access_key)
    request = AWSRequest("POST", f"{aws.url}/", data=b"Action=ListUsers&Version=2010-05-08")
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(keys, "iam", "eu-west-1").add_auth(request)
    good = requests.post(aws.url, data=request.data, headers=dict(request.headers), timeout=60)
    bad = requests.post(
        aws.url, data=b"Action=ListRoles&Version=2010-05-08", headers=dict(request.headers), timeout=60
    )
    assert (good.status_code, bad.status_code) == (200, 403)


def test_a_declared_hash_must_be_that_of_the_body(aws: AwsServer) -> None:
    """The signature covers the declared hash only, so the body is checked against it."""
    keys = Credentials(aws.admin.access_key_id, aws.admin.secret_access_key)
    request = AWSRequest("PUT", f"{aws.url}/hashed", data=b"")
    S3SigV4Auth(keys, "s3", "eu-west-1").add_auth(request)
    reply = requests.put(f"{aws.url}/hashed", data=b"other", headers=dict(request.headers), timeout=60)
    assert (reply.status_code, "XAmzContentSHA256Mismatch" in reply.text) == (400, True)
