"""Makes, changes and deletes load balancers in AWS as the cloud controllers do."""

import contextlib
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from wizard.practice.cloud_wish import BadService, Port, Wish

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_elb import ElasticLoadBalancingClient
    from mypy_boto3_elb.type_defs import ListenerTypeDef
    from mypy_boto3_elb.type_defs import TagTypeDef as ClassicTag
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import TagTypeDef as NetworkTag

SUBNET_ROLES = {"internet-facing": "kubernetes.io/role/elb", "internal": "kubernetes.io/role/internal-elb"}


class Keys(Protocol):
    @property
    def access_key_id(self) -> str: ...
    @property
    def secret_access_key(self) -> str: ...


class Elastic:
    """The two balancer APIs of one region. boto3's errors pass through; for one thread."""

    def __init__(self, url: str, keys: Keys, region: str) -> None:
        self._url, self._keys, self._region = url, keys, region

    def ensure(self, wish: Wish, instances: Sequence[str]) -> str:
        """Makes the balancer or brings it up to the wish; returns its host name."""
        if wish.kind == "classic":
            return self._ensure_classic(wish, instances)
        return self._ensure_network(wish, instances)

    def remove(self, wish: Wish) -> None:
        """Deletes the balancer and what belongs to it; one that is gone is no error."""
        if wish.kind == "classic":
            self._elb.delete_load_balancer(LoadBalancerName=wish.name)
            return
        elbv2 = self._elbv2
        with contextlib.suppress(elbv2.exceptions.LoadBalancerNotFoundException):
            arn = elbv2.describe_load_balancers(Names=[wish.name])["LoadBalancers"][0]["LoadBalancerArn"]
            for listener in elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
                elbv2.delete_listener(ListenerArn=listener["ListenerArn"])
            elbv2.delete_load_balancer(LoadBalancerArn=arn)
            for port in wish.ports:
                self._remove_group(_group_name(wish, port.number))

    def _ensure_classic(self, wish: Wish, instances: Sequence[str]) -> str:
        elb = self._elb
        tags: list[ClassicTag] = [{"Key": key, "Value": value} for key, value in wish.tags]
        listeners: list[ListenerTypeDef] = [
            {
                "Protocol": "TCP",
                "LoadBalancerPort": port.number,
                "InstanceProtocol": "TCP",
                "InstancePort": port.node_port,
            }
            for port in wish.ports
        ]
        try:
            found = elb.describe_load_balancers(LoadBalancerNames=[wish.name])["LoadBalancerDescriptions"]
            host = found[0]["DNSName"]
            present = [entry["Listener"]["LoadBalancerPort"] for entry in found[0]["ListenerDescriptions"]]
            elb.delete_load_balancer_listeners(LoadBalancerName=wish.name, LoadBalancerPorts=present)
            elb.create_load_balancer_listeners(LoadBalancerName=wish.name, Listeners=listeners)
        except elb.exceptions.AccessPointNotFoundException:
            host = elb.create_load_balancer(
                LoadBalancerName=wish.name,
                Listeners=listeners,
                AvailabilityZones=[f"{self._region}a"],
                Scheme=wish.scheme,
                Tags=tags,
            )["DNSName"]
        else:
            elb.add_tags(LoadBalancerNames=[wish.name], Tags=tags)
        elb.modify_load_balancer_attributes(
            LoadBalancerName=wish.name,
            LoadBalancerAttributes={"ConnectionSettings": {"IdleTimeout": wish.ports[0].idle_timeout_s}},
        )
        elb.register_instances_with_load_balancer(
            LoadBalancerName=wish.name, Instances=[{"InstanceId": instance} for instance in instances]
        )
        return host

    def _ensure_network(self, wish: Wish, instances: Sequence[str]) -> str:
        elbv2 = self._elbv2
        tags: list[NetworkTag] = [{"Key": key, "Value": value} for key, value in wish.tags]
        try:
            balancer = elbv2.describe_load_balancers(Names=[wish.name])["LoadBalancers"][0]
            elbv2.add_tags(ResourceArns=[balancer["LoadBalancerArn"]], Tags=tags)
        except elbv2.exceptions.LoadBalancerNotFoundException:
            balancer = elbv2.create_load_balancer(
                Name=wish.name,
                Type="network",
                Scheme=wish.scheme,
                Subnets=self._subnets(wish.scheme),
                Tags=tags,
            )["LoadBalancers"][0]
        arn = balancer["LoadBalancerArn"]
        present = {
            listener["Port"]: listener["ListenerArn"]
            for listener in elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]
        }
        wanted = {port.number for port in wish.ports}
        for number in present.keys() - wanted:
            elbv2.delete_listener(ListenerArn=present[number])
            self._remove_group(_group_name(wish, number))
        for port in wish.ports:
            listener_arn = present.get(port.number) or self._listener(
                wish, port, arn, balancer["VpcId"], instances
            )
            elbv2.modify_listener_attributes(
                ListenerArn=listener_arn,
                Attributes=[{"Key": "tcp.idle_timeout.seconds", "Value": str(port.idle_timeout_s)}],
            )
        return balancer["DNSName"]

    def _listener(self, wish: Wish, port: Port, arn: str, vpc: str, instances: Sequence[str]) -> str:
        elbv2 = self._elbv2
        group = elbv2.create_target_group(
            Name=_group_name(wish, port.number),
            Protocol="TCP",
            Port=port.node_port or port.number,
            VpcId=vpc,
            TargetType="instance",
            Tags=[{"Key": key, "Value": value} for key, value in wish.tags],
        )["TargetGroups"][0]["TargetGroupArn"]
        elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": instance} for instance in instances])
        listener = elbv2.create_listener(
            LoadBalancerArn=arn,
            Protocol="TCP",
            Port=port.number,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return listener["Listeners"][0]["ListenerArn"]

    def _remove_group(self, name: str) -> None:
        with contextlib.suppress(self._elbv2.exceptions.TargetGroupNotFoundException):
            group = self._elbv2.describe_target_groups(Names=[name])["TargetGroups"][0]
            self._elbv2.delete_target_group(TargetGroupArn=group["TargetGroupArn"])

    def _subnets(self, scheme: str) -> list[str]:
        # Its own session: what EC2's API description takes, 15 MiB, goes with it.
        ec2 = self._new_session().client("ec2", **self._where())
        found = ec2.describe_subnets(Filters=[{"Name": f"tag:{SUBNET_ROLES[scheme]}", "Values": ["1", ""]}])
        # Without subnets of the right role the controllers take those that the cluster has.
        chosen = found["Subnets"] or (ec2.describe_subnets()["Subnets"] if scheme == "internal" else [])
        if not chosen:
            raise BadService("could not find any suitable subnets for creating the ELB")
        return [subnet["SubnetId"] for subnet in chosen]

    @functools.cached_property
    def _session(self) -> "boto3.Session":
        return self._new_session()

    @functools.cached_property
    def _elb(self) -> "ElasticLoadBalancingClient":
        return self._session.client("elb", **self._where())

    @functools.cached_property
    def _elbv2(self) -> "ElasticLoadBalancingv2Client":
        return self._session.client("elbv2", **self._where())

    def _new_session(self) -> "boto3.Session":
        import boto3

        return boto3.Session(self._keys.access_key_id, self._keys.secret_access_key, region_name=self._region)

    def _where(self) -> dict[str, Any]:
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=15, proxies={}, retries={"total_max_attempts": 2})
        return {"endpoint_url": self._url, "config": config}


def _group_name(wish: Wish, port: int) -> str:
    return f"{wish.name[:26]}-{port}"
