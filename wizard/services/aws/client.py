"""One profile's door to AWS: clients with time-outs, the caller's identity, and a few questions."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import urlsplit

import boto3
from botocore import exceptions as boto
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader, create_loader

from wizard.endpoints import Endpoints
from wizard.errors import CredentialsError, Problem, Refused, WizardError
from wizard.facts import BalancerFacts
from wizard.resources import assets
from wizard.services.aws import balancers, hooks, permissions
from wizard.services.aws.errors import FOREIGN, aws_error

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elb import ElasticLoadBalancingClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 15
AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws")
TOKEN_LIFE_S = 60


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks; `user_name` for an IAM user, `role` for an assumed role, both "" for the root user."""

    account_id: str
    arn: str
    partition: str
    user_name: str = ""
    role: str = ""

    @classmethod
    def of(cls, account_id: str, arn: str) -> "Identity":
        partition = arn.split(":")[1] if arn.count(":") >= 5 else "aws"
        user = re.search(r":user/(?:.*/)?([^/]+)$", arn)
        role = re.search(r":assumed-role/([^/]+)/", arn)
        return cls(account_id, arn, partition, user[1] if user else "", role[1] if role else "")


@cache
def _models(data_path: str | None) -> Loader:
    """What botocore knows of the services, read once for all clients: 20 MiB for each door otherwise.

    EC2's whole model takes 24 MiB; ours has the two operations that are called.
    """
    loader: Loader = create_loader(data_path)
    loader.search_paths.insert(0, str(assets() / "aws"))
    return loader


class Aws:
    """Thread-safe; clients are made once and shared. Raises CredentialsError for an unknown profile."""

    def __init__(self, profile: str, region: str, endpoints: Endpoints) -> None:
        self.profile = profile
        self._asked_region = region
        self._endpoints = endpoints
        self._lock = threading.RLock()
        self._clients: dict[str, Any] = {}
        self._region = ""
        self._identity: Identity | None = None
        self._skew_s: float | None = None
        try:
            self._session: Any = boto3.Session(profile_name=profile or None, region_name=region or None)
        except boto.BotoCoreError as error:
            raise self.explain(error) from error
        core = self._session._session  # noqa: SLF001 - no public way
        core.register_component("data_loader", _models(core.get_config_variable("data_path")))
        hooks.listen(self._session.events, endpoints.traffic)
        self._never_prompt()

    @property
    def region(self) -> str:
        """The answers' region, else the profile's; Refused (no-region, unknown-region) where it is no use."""
        with self._lock:
            if not self._region:
                found = self._asked_region or self._session.region_name or ""
                if not found:
                    raise Refused(
                        Problem(
                            "no-region",
                            "No AWS region is set.",
                            "Neither the answers nor the AWS configuration name one.",
                            "Set connect.aws_region to the region of the cluster, such as eu-west-1.",
                        )
                    )
                self._refuse_unknown(found)
                self._region = found
            return self._region

    @overload
    def client(self, service: Literal["s3"]) -> "S3Client": ...
    @overload
    def client(self, service: Literal["iam"]) -> "IAMClient": ...
    @overload
    def client(self, service: Literal["sts"]) -> "STSClient": ...
    @overload
    def client(self, service: Literal["route53"]) -> "Route53Client": ...
    @overload
    def client(self, service: Literal["elb"]) -> "ElasticLoadBalancingClient": ...
    @overload
    def client(self, service: Literal["elbv2"]) -> "ElasticLoadBalancingv2Client": ...
    @overload
    def client(self, service: Literal["ec2"]) -> "EC2Client": ...
    def client(self, service: str) -> Any:
        """A boto3 client, made when it is first asked for."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service, self.region)
            return self._clients[service]

    def client_with_key(self, access_key_id: str, secret_access_key: str) -> "S3Client":
        """A new S3 client that signs with another key, and never retries; its maker closes it."""
        client: S3Client = self._make("s3", self.region, attempts=1, key=(access_key_id, secret_access_key))
        return client

    def iam_with_key(self, access_key_id: str, secret_access_key: str) -> "IAMClient":
        """The same for IAM."""
        client: IAMClient = self._make("iam", self.region, attempts=1, key=(access_key_id, secret_access_key))
        return client

    def identity(self) -> Identity:
        """Who the credentials belong to (STS GetCallerIdentity); asked once."""
        with self._lock:
            if self._identity is None:
                try:
                    answer = self.client("sts").get_caller_identity()
                except FOREIGN as error:
                    if isinstance(error, ClientError):
                        self._learn_skew(error.response)
                    raise self.explain(error, "sts:GetCallerIdentity") from error
                self._learn_skew(answer)
                self._identity = Identity.of(answer["Account"], answer["Arn"])
            return self._identity

    def clock_skew_s(self) -> float:
        """Seconds by which this machine's clock is ahead of AWS's; 0 where AWS does not say."""
        if self._skew_s is None:
            try:
                self.identity()
            except WizardError:
                if self._skew_s is None:
                    raise
        return self._skew_s or 0.0

    @property
    def s3_endpoint(self) -> str:
        """The URL the registry needs as its REGIONENDPOINT; "" on AWS itself."""
        url: str = self.client("s3").meta.endpoint_url
        host = urlsplit(url).hostname or ""
        return "" if host.endswith(AWS_DOMAINS) else url

    def denied_actions(self, actions: Sequence[tuple[str, str]]) -> tuple[str, ...] | None:
        """Which of (action, resource ARN) the caller may not do; None where AWS will not say."""
        who = self.identity()
        return permissions.denied_actions(self.iam_once(), who.arn, who.partition, who.role, actions)

    def iam_once(self) -> "IAMClient":
        """IAM without retries: a repeated CreateAccessKey would make a second key."""
        with self._lock:
            if "iam-once" not in self._clients:
                self._clients["iam-once"] = self._make("iam", self.region, attempts=1)
            client: IAMClient = self._clients["iam-once"]
            return client

    def describe_balancer(self, dns_name: str) -> BalancerFacts | None:
        """The classic or v2 balancer of that DNS name, None where this account has none in the region."""
        try:
            return balancers.describe(self, dns_name)
        except FOREIGN as error:
            raise self.explain(error, "elasticloadbalancing:DescribeLoadBalancers") from error

    def describe_instance_exists(self, instance_id: str) -> bool | None:
        """Whether this account has the EC2 instance in the region; None where it may not be asked."""
        try:
            found = self.client("ec2").describe_instances(InstanceIds=[instance_id])
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            return False if code.startswith("InvalidInstanceID") else None
        except FOREIGN:
            return None
        return any(reservation.get("Instances") for reservation in found.get("Reservations", []))

    def presigned_identity_url(self, cluster_name: str) -> str:
        """The URL inside an EKS token: GetCallerIdentity, signed with the cluster's name in a header.

        Source: "API authorization from outside a cluster" of aws-iam-authenticator.
        """
        client = self._make("sts", self.region)

        def add_header(request: Any, **_: Any) -> None:
            request.headers["x-k8s-aws-id"] = cluster_name

        client.meta.events.register("before-sign.sts.GetCallerIdentity", add_header)
        try:
            url: str = client.generate_presigned_url(
                "get_caller_identity", ExpiresIn=TOKEN_LIFE_S, HttpMethod="GET"
            )
        except FOREIGN as error:
            raise self.explain(error, "sts:GetCallerIdentity") from error
        finally:
            client.close()
        return url

    def explain(self, error: Exception, action: str = "") -> WizardError:
        """`aws_error` that knows the profile."""
        return aws_error(error, action, profile=self.profile)

    @contextmanager
    def explained(self, action: str = "") -> Iterator[None]:
        """What botocore raises inside comes out as a WizardError; `action` such as s3:CreateBucket."""
        try:
            yield
        except FOREIGN as error:
            raise self.explain(error, action) from error

    def close(self) -> None:
        """Frees the connections; the object may be used again afterwards."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _make(
        self, service: str, region: str, *, attempts: int = 3, key: tuple[str, str] | None = None
    ) -> Any:
        proxy = self._endpoints.proxy
        chosen = {"http": proxy, "https": proxy} if proxy else None
        client = self._make_through(service, region, chosen, attempts, key)
        url = urlsplit(client.meta.endpoint_url)
        if chosen and not self._endpoints.proxy_for(url.scheme, url.netloc):
            client.close()
            client = self._make_through(service, region, {}, attempts, key)
        return client

    def _make_through(
        self,
        service: str,
        region: str,
        proxies: dict[str, str] | None,
        attempts: int,
        key: tuple[str, str] | None,
    ) -> Any:
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S * self._endpoints.patience,
            read_timeout=READ_TIMEOUT_S * self._endpoints.patience,
            retries={"mode": "standard", "total_max_attempts": attempts},
            proxies=proxies,
            user_agent_extra="kube-registry",
        )
        more: dict[str, Any] = {}
        if key:
            more = {"aws_access_key_id": key[0], "aws_secret_access_key": key[1]}
        try:
            with self._lock:
                return self._session.client(
                    service, region_name=region, config=config, verify=self._trusted(), **more
                )
        except (boto.BotoCoreError, ValueError) as error:
            raise self.explain(error) from error

    def _trusted(self) -> str | None:
        """None leaves the choice to botocore: AWS_CA_BUNDLE, the profile's ca_bundle, its own roots."""
        if not self._endpoints.ca_file:
            return None
        from wizard.services.web import trusted_bundle

        return trusted_bundle(self._endpoints)

    def _learn_skew(self, response: Any) -> None:
        told = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            theirs = parsedate_to_datetime(told)
        except (TypeError, ValueError):
            return
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=UTC)
        self._skew_s = (datetime.now(UTC) - theirs).total_seconds()

    def _refuse_unknown(self, region: str) -> None:
        """A region newer than this boto3 is accepted if AWS itself lists it."""
        session = self._session
        known = [
            name
            for partition in session.get_available_partitions()
            for name in session.get_available_regions("s3", partition)
        ]
        if region in known or self._endpoints_list(region):
            return
        raise Refused(
            Problem(
                "unknown-region",
                f"There is no AWS region {region}.",
                permissions.nearest(region, known),
                "Set connect.aws_region to the region of the cluster, such as eu-west-1.",
            )
        )

    def _endpoints_list(self, region: str) -> bool:
        client = self._make("ec2", "us-east-1", attempts=1)
        try:
            regions = client.describe_regions(AllRegions=True).get("Regions", [])
        except FOREIGN:
            return True
        finally:
            client.close()
        return region in {found["RegionName"] for found in regions}

    def _never_prompt(self) -> None:
        """The terminal belongs to the screen: a profile that asks for an MFA code is refused instead."""
        profile = self.profile

        def refuse(_prompt: str) -> str:
            name = f" --profile {profile}" if profile else ""
            raise CredentialsError(
                Problem(
                    "aws-mfa-needed",
                    f"The AWS profile {profile or 'in use'} asks for an MFA code.",
                    "The wizard cannot ask for it: the code would have to be typed again every hour.",
                    f'In a shell run `eval "$(aws configure export-credentials{name} --format env)"`, which '
                    "asks for the code; then start kube-registry anew from that shell, with "
                    "connect.aws_profile empty.",
                )
            )

        chain = self._session._session.get_component("credential_provider")  # noqa: SLF001 - no public way
        chain.get_provider("assume-role")._prompter = refuse  # noqa: SLF001 - no public way
