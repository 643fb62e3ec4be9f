"""One AWS practice server for each test module, and boto3 clients that know nothing of it but its address."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from wizard.practice.aws import AwsKeys, AwsServer
from wizard.practice.ledger import Ledger

Client = Callable[..., Any]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def aws(ledger: Ledger) -> Iterator[AwsServer]:
    server = AwsServer(ledger)
    server.start()
    server.seed("practice.test")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(aws: AwsServer) -> Iterator[Client]:
    """`client(service)` is the operator's; other keys and regions by name."""
    made: dict[tuple[Any, ...], Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, "/dev/null")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_PROFILE", raising=False)
        session = boto3.session.Session()

        def make(service: str, keys: AwsKeys | None = None, region: str = "eu-west-1") -> Any:
            keys = keys or aws.admin
            key = (service, keys.access_key_id, keys.secret_access_key, keys.session_token, region)
            if key not in made:
                made[key] = session.client(
                    service,  # type: ignore[call-overload] # the stubs want a literal
                    endpoint_url=aws.url,
                    region_name=region,
                    aws_access_key_id=keys.access_key_id,
                    aws_secret_access_key=keys.secret_access_key,
                    aws_session_token=keys.session_token,
                    config=Config(
                        retries={"total_max_attempts": 1},
                        signature_version="v4" if service != "s3" else "s3v4",
                    ),
                )
            return made[key]

        yield make
        for one in made.values():
            one.close()


@pytest.fixture(scope="module")
def new_user(client: Client) -> Callable[..., AwsKeys]:
    """`new_user(name, document, ...)` makes an IAM user with one inline policy and returns its key."""
    import json

    def make(name: str, *statements: dict[str, Any], path: str = "/") -> AwsKeys:
        iam = client("iam")
        iam.create_user(UserName=name, Path=path)
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return AwsKeys(key["AccessKeyId"], key["SecretAccessKey"])

    return make


@pytest.fixture
def refused() -> Callable[..., Any]:
    """`refused(code, call, **arguments)` returns the error's message and status."""
    from botocore.exceptions import ClientError

    def check(code: str, call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
        with pytest.raises(ClientError) as caught:
            call(**arguments)
        response: Any = caught.value.response
        assert response["Error"]["Code"] == code, response["Error"]
        return response["Error"].get("Message", ""), response["ResponseMetadata"]["HTTPStatusCode"]

    return check
