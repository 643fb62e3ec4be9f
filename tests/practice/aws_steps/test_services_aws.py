"""The door to AWS against the practice world: identity, clock, endpoints, permissions, errors."""

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests

from wizard.endpoints import Endpoints
from wizard.errors import CredentialsError, NotFound, Refused, Unreachable, WizardError
from wizard.practice.aws import AwsKeys, AwsServer
from wizard.services.aws import Aws

MakeAws = Callable[..., Aws]


@pytest.fixture
def make_aws() -> Iterator[MakeAws]:
    made: list[Aws] = []

    def make(profile: str = "", region: str = "", **endpoints: Any) -> Aws:
        made.append(Aws(profile, region, Endpoints(**endpoints)))
        return made[-1]

    yield make
    for aws in made:
        aws.close()


@pytest.fixture
def act_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[AwsKeys], None]:
    def act(keys: AwsKeys) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
        if keys.session_token:
            monkeypatch.setenv("AWS_SESSION_TOKEN", keys.session_token)

    return act


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Another AWS configuration file, and no keys in the environment."""

    def write(text: str) -> None:
        path = tmp_path / "config"
        path.write_text(text)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    return write


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda url: monkeypatch.setenv("AWS_ENDPOINT_URL", url)


class TestIdentity:
    def test_of_a_user(self, make_aws: MakeAws, aws_server: AwsServer) -> None:
        who = make_aws().identity()
        assert who.account_id == aws_server.account_number
        assert who.partition == "aws"
        assert who.user_name == "practice-admin"
        assert who.role == ""

    def test_the_clock_is_compared(self, make_aws: MakeAws, aws_server: AwsServer) -> None:
        aws = make_aws()
        assert abs(aws.clock_skew_s()) < 30
        aws_server.settings.clock_offset_s = 120
        try:
            assert -150 < make_aws().clock_skew_s() < -90
        finally:
            aws_server.settings.clock_offset_s = 0

    def test_a_clock_that_is_too_far_off_is_measured_and_explained(
        self, make_aws: MakeAws, aws_server: AwsServer
    ) -> None:
        aws_server.settings.clock_offset_s = timedelta(hours=2).total_seconds()
        try:
            aws = make_aws()
            with pytest.raises(CredentialsError) as caught:
                aws.identity()
            assert caught.value.problem.code == "clock-skew"
            assert aws.clock_skew_s() == pytest.approx(-7200, abs=60)
        finally:
            aws_server.settings.clock_offset_s = 0

    def test_wrong_keys(self, make_aws: MakeAws, aws_server: AwsServer, act_as: Callable[..., None]) -> None:
        act_as(AwsKeys("AKIAUNKNOWN000000000", "x" * 40))
        assert _refusal(make_aws()).code == "aws-key-refused"
        act_as(AwsKeys(aws_server.admin.access_key_id, "x" * 40))
        assert _refusal(make_aws()).code == "aws-signature-refused"

    def test_expired_session(
        self, make_aws: MakeAws, aws_server: AwsServer, act_as: Callable[..., None]
    ) -> None:
        act_as(aws_server.session(lasts_s=-1))
        assert _refusal(make_aws()).code == "aws-token-expired"


class TestConfiguration:
    def test_no_credentials(self, make_aws: MakeAws, configure: Callable[[str], None]) -> None:
        configure("[default]\nregion = eu-west-1\n")
        problem = _refusal(make_aws())
        assert problem.code == "no-aws-credentials"
        assert "connect.aws_profile" in problem.fix

    def test_no_such_profile(self, make_aws: MakeAws) -> None:
        with pytest.raises(CredentialsError) as caught:
            make_aws("nobody")
        assert "nobody" in caught.value.problem.what

    def test_a_broken_file(self, make_aws: MakeAws, configure: Callable[[str], None]) -> None:
        configure("[default\nregion")
        with pytest.raises(CredentialsError) as caught:
            make_aws()
        assert caught.value.problem.code == "aws-configuration-broken"

    def test_mfa_never_asks_the_terminal(self, make_aws: MakeAws, configure: Callable[[str], None]) -> None:
        configure(
            "[profile base]\naws_access_key_id = AKIABASE000000000000\naws_secret_access_key = x\n"
            "[profile admin]\nregion = eu-west-1\nsource_profile = base\n"
            "role_arn = arn:aws:iam::123456789012:role/admin\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"
        )
        problem = _refusal(make_aws("admin"))
        assert problem.code == "aws-mfa-needed"
        assert "--profile admin" in problem.fix

    def test_sso_names_the_command(self, make_aws: MakeAws, configure: Callable[[str], None]) -> None:
        configure(
            "[profile work]\nregion = eu-west-1\nsso_session = corp\nsso_account_id = 123456789012\n"
            "sso_role_name = admin\n[sso-session corp]\nsso_region = eu-west-1\n"
            "sso_start_url = https://corp.awsapps.com/start\n"
        )
        assert "aws sso login --profile work" in _refusal(make_aws("work")).fix

    def test_no_region(self, make_aws: MakeAws, configure: Callable[[str], None]) -> None:
        configure("[default]\n")
        with pytest.raises(Refused) as caught:
            _ = make_aws().region
        assert caught.value.problem.code == "no-region"

    def test_a_region_that_does_not_exist(self, make_aws: MakeAws) -> None:
        with pytest.raises(Refused) as caught:
            _ = make_aws(region="eu-wst-1").region
        assert "eu-west-1" in caught.value.problem.why

    def test_answers_win_over_the_profile(self, make_aws: MakeAws) -> None:
        assert make_aws().region == "eu-west-1"
        assert make_aws(region="us-east-2").region == "us-east-2"


class TestWays:
    def test_the_endpoint_is_told_where_it_is_not_amazons(
        self, make_aws: MakeAws, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert make_aws().s3_endpoint == aws_server.url
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        assert make_aws().s3_endpoint == ""

    def test_nobody_answers(self, make_aws: MakeAws, elsewhere: Callable[[str], None]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        elsewhere(f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable) as caught:
            make_aws().identity()
        assert f"127.0.0.1:{port}" in caught.value.problem.what

    def test_something_else_answers(self, make_aws: MakeAws, elsewhere: Callable[[str], None]) -> None:
        with _portal() as url:
            elsewhere(url)
            assert _refusal(make_aws()).code == "not-aws"

    def test_the_proxy_of_the_answers_is_used_but_not_for_no_proxy(
        self, make_aws: MakeAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with _portal() as proxy:
            assert _refusal(make_aws(proxy=proxy)).code == "not-aws"
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            assert make_aws(proxy=proxy).identity().user_name == "practice-admin"


class TestQuestions:
    def test_denied_actions(self, make_aws: MakeAws, act_as: Callable[..., None]) -> None:
        admin = make_aws()
        asked = [
            ("s3:CreateBucket", "arn:aws:s3:::x"),
            ("iam:CreateUser", "arn:aws:iam::123456789012:user/x"),
        ]
        assert admin.denied_actions(asked) == ()
        iam = admin.client("iam")
        iam.create_user(UserName="limited")
        allow = {"Effect": "Allow", "Action": ["s3:*", "iam:SimulatePrincipalPolicy"], "Resource": "*"}
        iam.put_user_policy(
            UserName="limited",
            PolicyName="p",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
        )
        key = iam.create_access_key(UserName="limited")["AccessKey"]
        act_as(AwsKeys(key["AccessKeyId"], key["SecretAccessKey"]))
        assert make_aws().denied_actions(asked) == ("iam:CreateUser",)
        allow["Action"] = ["s3:*"]
        iam.put_user_policy(
            UserName="limited",
            PolicyName="p",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
        )
        assert make_aws().denied_actions(asked) is None

    def test_an_eks_token_is_a_url_that_sts_accepts(self, make_aws: MakeAws) -> None:
        url = make_aws().presigned_identity_url("my-cluster")
        query = parse_qs(urlsplit(url).query)
        assert "x-k8s-aws-id" in query["X-Amz-SignedHeaders"][0]
        assert query["X-Amz-Expires"] == ["60"]
        accepted = requests.get(url, headers={"x-k8s-aws-id": "my-cluster"}, timeout=60)
        assert accepted.status_code == 200
        assert "practice-admin" in accepted.text
        assert requests.get(url, headers={"x-k8s-aws-id": "another"}, timeout=60).status_code == 403

    def test_instances(self, make_aws: MakeAws, aws_server: AwsServer) -> None:
        seed = aws_server.seed("instances.test")
        assert make_aws().describe_instance_exists(seed.instance_id) is True
        assert make_aws().describe_instance_exists("i-0123456789abcdef0") is False

    @pytest.mark.parametrize("kind", ["classic", "nlb"])
    def test_balancers_by_their_name(self, make_aws: MakeAws, kind: str) -> None:
        aws = make_aws()
        if kind == "classic":
            made = aws.client("elb").create_load_balancer(
                LoadBalancerName="old",
                Listeners=[{"Protocol": "TCP", "LoadBalancerPort": 443, "InstancePort": 30443}],
                AvailabilityZones=["eu-west-1a"],
            )
            name = made["DNSName"]
        else:
            ec2 = boto3.client("ec2", region_name=aws.region)
            subnet = ec2.describe_subnets()["Subnets"][0].get("SubnetId", "")
            ec2.close()
            made_v2 = aws.client("elbv2").create_load_balancer(
                Name="new", Type="network", Scheme="internal", Subnets=[subnet]
            )
            name = made_v2["LoadBalancers"][0].get("DNSName", "")
        found = aws.describe_balancer(f"dualstack.{name.upper()}.")
        assert found is not None
        assert (found.kind, found.name) == (kind, "old" if kind == "classic" else "new")
        assert found.scheme == ("internet-facing" if kind == "classic" else "internal")
        assert found.dns_zone_id
        assert aws.describe_balancer(f"no-{name}") is None

    def test_absent_things_are_not_found(self, make_aws: MakeAws) -> None:
        aws = make_aws()
        with pytest.raises(NotFound), aws.explained("iam:GetUser"):
            aws.client("iam").get_user(UserName="nobody")


def _refusal(aws: Aws) -> Any:
    with pytest.raises(WizardError) as caught:
        aws.identity()
    assert caught.value.problem.fix
    return caught.value.problem


class _Portal(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        page = b"<html>Please sign in"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


class _portal:  # noqa: N801 - used like a function
    """A web server that answers everything with a page, as captive portals and proxies do."""

    def __enter__(self) -> str:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Portal)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
