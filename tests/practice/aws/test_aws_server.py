"""Life, ledger and inventory of the AWS practice server."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from wizard.practice.aws import AwsServer
from wizard.practice.ledger import Ledger

PLACE = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
OTHER = "555555555555"


@pytest.fixture
def second() -> Iterator[AwsServer]:
    server = AwsServer(Ledger(), account=OTHER)
    server.start()
    yield server
    server.stop()


def test_start_and_stop_may_be_called_twice_and_free_the_port() -> None:
    server = AwsServer(Ledger(), account="444444444444")
    server.start()
    server.start()
    port = int(server.url.rpartition(":")[2])
    idle = socket.create_connection(("127.0.0.1", port), timeout=60)
    assert requests.get(server.url, timeout=60).status_code == 403, "so the idle one was accepted before"
    threads = {thread.name for thread in threading.enumerate()}
    assert "practice-aws" in threads
    began = time.monotonic()
    server.stop()
    server.stop()
    assert time.monotonic() - began < 30
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=60)


def test_a_second_server_needs_an_account_of_its_own(aws: AwsServer, second: AwsServer) -> None:
    assert second.url != aws.url
    with pytest.raises(RuntimeError, match="123456789012"):
        AwsServer(Ledger()).start()
    assert second.dump()["zones"] == {}
    assert aws.dump()["zones"] != {}


def test_nothing_is_left_when_it_starts_again(second: AwsServer) -> None:
    second.add_zone("left.example")
    assert second.dump()["zones"]
    second.stop()
    second.start()
    assert second.dump()["zones"] == {}
    assert list(second.dump()["users"]) == ["practice-admin"]


def test_only_loopback_is_listened_on(aws: AwsServer) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", aws.url)


def test_the_ledger_tells_reading_from_changing_and_who_it_was(
    aws: AwsServer,
    ledger: Ledger,
    client: Callable[..., Any],
    new_user: Callable[..., Any],
    refused: Callable[..., Any],
) -> None:
    keys = new_user("busy", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    before: Any = ledger.snapshot()
    client("s3").create_bucket(Bucket="ledger", **PLACE)
    client("s3").head_bucket(Bucket="ledger")
    client("s3").list_objects_v2(Bucket="ledger")
    client("sts").get_caller_identity()
    client("iam").get_account_summary()
    client("iam").simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::123456789012:user/practice-admin", ActionNames=["s3:GetObject"]
    )
    client("s3", keys).put_object(Bucket="ledger", Key="k", Body=b"")
    client("s3", keys).get_object(Bucket="ledger", Key="k")
    client("s3", aws.internal).delete_object(Bucket="ledger", Key="k")
    client("iam", aws.internal).create_user(UserName="by-the-world")
    refused("AccessDenied", client("iam", keys).create_user, UserName="x")
    after: Any = ledger.snapshot()
    assert after["mutating"][len(before["mutating"]) :] == [
        "aws PUT s3:CreateBucket",
        "aws-as-busy PUT s3:PutObject",
        "aws-as-busy POST iam:CreateUser",
    ]
    assert after["total"]["aws"] - before["total"]["aws"] == 8
    assert after["total"]["aws-as-busy"] - before["total"].get("aws-as-busy", 0) == 3


def test_the_worlds_own_key_may_do_anything_and_is_seen_nowhere(
    aws: AwsServer, client: Callable[..., Any]
) -> None:
    assert client("ec2", aws.internal).describe_instances()["Reservations"]
    text = json.dumps(aws.dump())
    assert aws.internal.access_key_id not in text
    assert aws.admin.secret_access_key not in text


def test_two_dumps_are_equal_and_a_change_anywhere_shows(aws: AwsServer, client: Callable[..., Any]) -> None:
    s3, iam, route53, elb = (client(service) for service in ("s3", "iam", "route53", "elb"))
    zone = route53.list_hosted_zones()["HostedZones"][0]["Id"].rpartition("/")[2]
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    arn = "arn:aws:iam::123456789012:policy/dumped"
    block = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False
    )
    rule = {
        "ID": "r",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    record = {
        "Name": "new.practice.test",
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "192.0.2.1"}],
    }
    listener = {"Protocol": "TCP", "LoadBalancerPort": 443, "InstancePort": 31234}
    idle = {"ConnectionSettings": {"IdleTimeout": 3600}}
    steps: list[Callable[[], Any]] = [
        lambda: s3.create_bucket(Bucket="dumped", **PLACE),
        lambda: s3.put_object(Bucket="dumped", Key="k", Body=b"1"),
        lambda: s3.put_object(Bucket="dumped", Key="k", Body=b"2"),
        lambda: s3.create_multipart_upload(Bucket="dumped", Key="u"),
        lambda: s3.put_bucket_tagging(Bucket="dumped", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]}),
        lambda: s3.put_public_access_block(Bucket="dumped", PublicAccessBlockConfiguration=block),
        lambda: s3.put_bucket_lifecycle_configuration(
            Bucket="dumped", LifecycleConfiguration={"Rules": [rule]}
        ),
        lambda: s3.put_bucket_versioning(Bucket="dumped", VersioningConfiguration={"Status": "Enabled"}),
        lambda: iam.create_user(UserName="dumped"),
        lambda: iam.tag_user(UserName="dumped", Tags=[{"Key": "k", "Value": "v"}]),
        lambda: iam.create_access_key(UserName="dumped"),
        lambda: iam.create_policy(PolicyName="dumped", PolicyDocument=document),
        lambda: iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "k", "Value": "v"}]),
        lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True),
        lambda: iam.attach_user_policy(UserName="dumped", PolicyArn=arn),
        lambda: iam.put_user_policy(UserName="dumped", PolicyName="i", PolicyDocument=document),
        lambda: iam.put_user_permissions_boundary(UserName="dumped", PermissionsBoundary=arn),
        lambda: route53.change_tags_for_resource(
            ResourceType="hostedzone", ResourceId=zone, AddTags=[{"Key": "k", "Value": "v"}]
        ),
        lambda: route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        ),
        lambda: elb.create_load_balancer(
            LoadBalancerName="d", Listeners=[listener], AvailabilityZones=["eu-west-1a"]
        ),
        lambda: elb.modify_load_balancer_attributes(LoadBalancerName="d", LoadBalancerAttributes=idle),
        lambda: elb.add_tags(LoadBalancerNames=["d"], Tags=[{"Key": "k", "Value": "v"}]),
    ]
    seen = [json.dumps(aws.dump(), sort_keys=True)]
    for step in steps:
        step()
        seen.append(json.dumps(aws.dump(), sort_keys=True))
        assert json.dumps(aws.dump(), sort_keys=True) == seen[-1]
    assert len(set(seen)) == len(seen)


def test_a_setup_and_its_undoing_leave_the_same_dump(aws: AwsServer, client: Callable[..., Any]) -> None:
    before = aws.dump()
    s3, iam = client("s3"), client("iam")
    s3.create_bucket(Bucket="undone", **PLACE)
    s3.put_object(Bucket="undone", Key="k", Body=b"")
    iam.create_user(UserName="undone", Tags=[{"Key": "k", "Value": "v"}])
    key = iam.create_access_key(UserName="undone")["AccessKey"]["AccessKeyId"]
    assert aws.dump() != before
    iam.delete_access_key(UserName="undone", AccessKeyId=key)
    iam.delete_user(UserName="undone")
    s3.delete_object(Bucket="undone", Key="k")
    s3.delete_bucket(Bucket="undone")
    assert aws.dump() == before


def test_many_clients_at_once_are_served(client: Callable[..., Any]) -> None:
    s3, failures = client("s3"), []
    s3.create_bucket(Bucket="parallel", **PLACE)

    def work(number: int) -> None:
        try:
            for turn in range(5):
                s3.put_object(Bucket="parallel", Key=f"{number}/{turn}", Body=bytes(1000))
        except Exception as error:  # noqa: BLE001 # whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert s3.list_objects_v2(Bucket="parallel")["KeyCount"] == 40


@pytest.mark.parametrize(
    "scraps",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT /a/b HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n",
        b"PUT /a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"PUT /a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\nContent-Length: 3\nContent-Type: application/x-www-form-urlencoded\n\n\xff=\xfe",
        b"GET /\xff HTTP/1.1\r\nHost: \xff\r\n\r\n",
    ],
)
def test_scraps_do_not_hurt(scraps: bytes, aws: AwsServer) -> None:
    host, port = aws.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(scraps)
        connection.shutdown(socket.SHUT_WR)
        reply = connection.makefile("rb").read(200)
    assert b" 5" not in reply[:13]
    assert requests.get(aws.url, timeout=60).status_code == 403
