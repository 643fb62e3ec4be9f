"""What the certificate step's tests share: the world around it, and short ways to look into it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from wizard import names, ownership
from wizard.endpoints import Endpoints
from wizard.errors import WizardError
from wizard.practice.acme import AcmeServer
from wizard.practice.aws import AwsServer
from wizard.practice.network import Network
from wizard.practice.pki import Authority
from wizard.practice.web import WebServer
from wizard.services import certificates
from wizard.services.cluster import Cluster
from wizard.step import Plan
from wizard.steps.certificate import CertificateStep

STEP = CertificateStep()
DOMAIN = "registry.practice.test"
Rig = Any
MakeRig = Callable[..., Rig]


@dataclass
class World:
    acme: AcmeServer
    web: WebServer
    webroot: Path
    endpoints: Endpoints
    network: Network

    def issued(self) -> int:
        return sum(entry.kind == "issued" for entry in self.acme.log)

    def ordered(self) -> int:
        return sum(entry.kind == "order" for entry in self.acme.log)


class HostedZone:
    """A zone of Route53 as somebody else than the wizard sees and changes it."""

    def __init__(self, aws: AwsServer, name: str) -> None:
        keys = aws.admin
        self._client: Any = boto3.client(
            "route53",
            endpoint_url=aws.url,
            region_name="eu-west-1",
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
        )
        found = self._client.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
        if not found or found[0]["Name"] != f"{name}.":
            found = [self._client.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]]
        self._id = found[0]["Id"]

    def records(self) -> list[dict[str, Any]]:
        page = self._client.list_resource_record_sets(HostedZoneId=self._id)
        return sorted(page["ResourceRecordSets"], key=lambda each: (each["Name"], each["Type"]))

    def values(self, name: str, kind: str = "TXT") -> list[str]:
        """Of one name and type, as they stand in the zone."""
        found = [each for each in self.records() if (each["Name"], each["Type"]) == (f"{name}.", kind)]
        return [value["Value"] for each in found for value in each["ResourceRecords"]]

    def put(self, name: str, kind: str, *values: str) -> None:
        records = [{"Value": value} for value in values]
        self._change("UPSERT", {"Name": f"{name}.", "Type": kind, "TTL": 120, "ResourceRecords": records})

    def put_back(self, before: list[dict[str, Any]]) -> None:
        """Everything is again as `records` said."""
        for each in self.records():
            if each not in before:
                self._change("DELETE", each)
        for each in before:
            if each not in self.records():
                self._change("CREATE", each)

    def _change(self, action: str, record_set: dict[str, Any]) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record_set}]}
        self._client.change_resource_record_sets(HostedZoneId=self._id, ChangeBatch=batch)


def data_of(cluster: Cluster, name: str = names.CERTIFICATE_SECRET) -> dict[str, bytes]:
    found = cluster.read_secret(name)
    assert found is not None
    return dict(found.data)


def chain_of(cluster: Cluster) -> Any:
    data = data_of(cluster)
    return certificates.read_chain(data[names.CERTIFICATE_KEY], data[names.PRIVATE_KEY])


def codes(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.blockers]


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(WizardError) as caught:
        work()
    return caught.value.problem.code


def issue(rig: Rig) -> None:
    """Carries out what is planned, up to the first error."""
    for change in rig.plan(STEP).changes:
        rig.apply(STEP, change)


def put_foreign(cluster: Cluster, name: str, data: dict[str, bytes], owner: str = "") -> None:
    """A Secret as somebody made it by hand."""
    labels = ownership.labels(owner) if owner else {}
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels},
            "stringData": {key: value.decode() for key, value in data.items()},
        }
    )


def pair(
    authority: Authority, *domains: str, lifetime: timedelta = timedelta(days=90)
) -> tuple[bytes, bytes]:
    key_pem = certificates.new_key("ecdsa-p256")
    public = certificates.read_key(key_pem).public_key()
    return authority.chain(authority.issue(public, domains, lifetime=lifetime)), key_pem


@dataclass
class Crash(BaseException):
    """As kill -9 would: nothing of ours catches it."""


def crash_at(monkeypatch: pytest.MonkeyPatch, rig: Rig, target: str) -> None:
    """The run ends when `target` (module.function or Class.method of the ACME client) is called."""

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(target, crash)
        with pytest.raises(Crash):
            issue(rig)


def files(tmp_path: Path, cert_pem: bytes, key_pem: bytes) -> dict[str, str]:
    (tmp_path / "cert.pem").write_bytes(cert_pem)
    (tmp_path / "key.pem").write_bytes(key_pem)
    return {
        "method": "import",
        "cert_file": str(tmp_path / "cert.pem"),
        "key_file": str(tmp_path / "key.pem"),
        "webroot": "",
    }


def reversed_chain(cert_pem: bytes) -> bytes:
    end = b"-----END CERTIFICATE-----\n"
    return b"".join(reversed([block + end for block in cert_pem.split(end) if block]))
