"""What the wizard made, as `aws` and `kubectl` see it; after `undo` they see nothing of it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.program import Program
from tests.peers.eyes.conftest import Run
from wizard.names import REGISTRY

pytestmark = pytest.mark.peers
BUCKET, USER, POLICY = "practice-registry-images", "registry-access", "registry-access-policy"
DOMAIN, TAG = "registry.practice.test", {"Key": "kube-registry:setup", "Value": "practice-registry"}
ALL_OBJECTS = f"arn:aws:s3:::{BUCKET}/*"
CLASSIC_ZONE = "Z32O12XQLNTSW2"
SECRETS = {
    "htpasswd-file": ("Opaque", {"htpasswd"}),
    "registry-acme-account": ("Opaque", {"account.key", "account.json"}),
    "registry-check-credentials": ("kubernetes.io/dockerconfigjson", {".dockerconfigjson"}),
    "registry-http-secret": ("Opaque", {"http-secret"}),
    "registry-s3-credentials": ("Opaque", {"access-key-id", "secret-access-key"}),
    "registry-ssl-certs": ("Opaque", {"domain.crt", "domain.key", "issued-by"}),
}
Ask = Callable[..., Any]
Read = Callable[..., str]


def secret_values(get: Ask) -> dict[str, dict[str, str]]:
    return {
        item["metadata"]["name"]: {
            key: base64.b64decode(value).decode() for key, value in item["data"].items()
        }
        for item in get("secrets")["items"]
    }


class TestAws:
    def test_the_bucket_is_where_it_should_be_and_marked(self, aws: Ask) -> None:
        place = ("--bucket", BUCKET)
        assert aws("s3api", "get-bucket-location", *place)["LocationConstraint"] == "eu-west-1"
        assert aws("s3api", "get-bucket-tagging", *place)["TagSet"] == [TAG]

    def test_it_is_encrypted_and_shut(self, aws: Ask) -> None:
        found = aws("s3api", "get-bucket-encryption", "--bucket", BUCKET)["ServerSideEncryptionConfiguration"]
        default = found["Rules"][0]["ApplyServerSideEncryptionByDefault"]
        assert default == {"SSEAlgorithm": "AES256"}
        block = aws("s3api", "get-public-access-block", "--bucket", BUCKET)["PublicAccessBlockConfiguration"]
        assert (len(block), set(block.values())) == (4, {True})

    def test_broken_uploads_are_cleared_away(self, aws: Ask) -> None:
        (rule,) = aws("s3api", "get-bucket-lifecycle-configuration", "--bucket", BUCKET)["Rules"]
        assert (rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": ""})
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}

    def test_the_proof_left_nothing(self, run: Run) -> None:
        listed = run("aws", "s3", "ls", f"s3://{BUCKET}", "--recursive")
        assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "")

    def test_the_policy_allows_the_bucket_and_no_more(self, aws: Ask) -> None:
        (attached,) = aws("iam", "list-attached-user-policies", "--user-name", USER)["AttachedPolicies"]
        assert attached["PolicyName"] == POLICY
        which = ("--policy-arn", attached["PolicyArn"])
        version = aws("iam", "get-policy", *which)["Policy"]["DefaultVersionId"]
        found = aws("iam", "get-policy-version", *which, "--version-id", version)
        statements = found["PolicyVersion"]["Document"]["Statement"]
        granted = {
            (action, resource)
            for each in statements
            for action in listed(each["Action"])
            for resource in listed(each["Resource"])
        }
        assert {each["Effect"] for each in statements} == {"Allow"}
        assert granted == {
            ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
            ("s3:GetBucketLocation", f"arn:aws:s3:::{BUCKET}"),
            ("s3:ListBucketMultipartUploads", f"arn:aws:s3:::{BUCKET}"),
            ("s3:PutObject", ALL_OBJECTS),
            ("s3:GetObject", ALL_OBJECTS),
            ("s3:DeleteObject", ALL_OBJECTS),
            ("s3:ListMultipartUploadParts", ALL_OBJECTS),
            ("s3:AbortMultipartUpload", ALL_OBJECTS),
        }

    def test_the_user_is_marked_and_has_the_key_of_the_secret(self, aws: Ask, get: Ask) -> None:
        assert TAG in aws("iam", "list-user-tags", "--user-name", USER)["Tags"]
        (key,) = aws("iam", "list-access-keys", "--user-name", USER)["AccessKeyMetadata"]
        held = secret_values(get)["registry-s3-credentials"]["access-key-id"]
        assert (key["AccessKeyId"], key["Status"]) == (held, "Active")

    def test_the_name_leads_to_the_balancer(self, aws: Ask, get: Ask) -> None:
        (balancer,) = aws("elb", "describe-load-balancers")["LoadBalancerDescriptions"]
        (ingress,) = get("service", REGISTRY)["status"]["loadBalancer"]["ingress"]
        assert ingress["hostname"] == balancer["DNSName"]
        (zone,) = aws("route53", "list-hosted-zones")["HostedZones"]
        records = aws("route53", "list-resource-record-sets", "--hosted-zone-id", zone["Id"])
        found = [each for each in records["ResourceRecordSets"] if each["Name"] == f"{DOMAIN}."]
        assert [each["Type"] for each in found] == ["A"]
        target = found[0]["AliasTarget"]
        assert target["HostedZoneId"] == CLASSIC_ZONE
        assert target["DNSName"].rstrip(".").removeprefix("dualstack.") == balancer["DNSName"].lower()

    def test_the_balancer_passes_tcp_and_waits_long(self, aws: Ask) -> None:
        (balancer,) = aws("elb", "describe-load-balancers")["LoadBalancerDescriptions"]
        (listener,) = [each["Listener"] for each in balancer["ListenerDescriptions"]]
        ports = (listener["Protocol"], listener["LoadBalancerPort"], listener["InstanceProtocol"])
        assert ports == ("TCP", 443, "TCP")
        which = ("--load-balancer-name", balancer["LoadBalancerName"])
        found = aws("elb", "describe-load-balancer-attributes", *which)["LoadBalancerAttributes"]
        assert found["ConnectionSettings"] == {"IdleTimeout": 3600}


class TestKubectl:
    def test_the_secrets_have_their_names_types_and_keys(self, get: Ask) -> None:
        found = {
            item["metadata"]["name"]: (item["type"], set(item["data"])) for item in get("secrets")["items"]
        }
        assert found == SECRETS

    def test_the_service_has_its_port_and_its_pod(self, get: Ask, kubectl: Read) -> None:
        service = get("service", REGISTRY)
        assert service["spec"]["type"] == "LoadBalancer"
        assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(443, 5000)]
        (pod,) = get("pods", "-l", f"app.kubernetes.io/name={REGISTRY}")["items"]
        told = kubectl("describe", "service", REGISTRY)
        assert f"{pod['status']['podIP']}:5000" in told
        assert "EnsuredLoadBalancer" in told

    def test_the_rollout_is_done(self, kubectl: Read) -> None:
        told = kubectl("rollout", "status", f"deployment/{REGISTRY}", "--timeout=120s")
        assert "successfully rolled out" in told
        assert kubectl("get", "deployment", REGISTRY, "--no-headers").split()[:4] == [
            REGISTRY,
            "1/1",
            "1",
            "1",
        ]

    def test_nothing_went_wrong_on_the_way(self, get: Ask) -> None:
        pods = get("pods")["items"]
        assert [each["restartCount"] for pod in pods for each in pod["status"]["containerStatuses"]] == [0]
        assert {pod["status"]["phase"] for pod in pods} == {"Running"}
        warnings = {event["reason"] for event in get("events", "--field-selector", "type=Warning")["items"]}
        assert warnings <= {"Unhealthy"}, "the startup probe may come too early, and nothing else"

    def test_what_is_described_names_secrets_and_shows_none(self, kubectl: Read, get: Ask) -> None:
        told = "".join(kubectl("describe", kind) for kind in ("deployments", "pods", "services", "secrets"))
        told += kubectl("get", "events", "-o", "yaml") + kubectl(
            "get", "deployments,pods,services", "-o", "yaml"
        )
        assert "<set to the key 'secret-access-key' in secret 'registry-s3-credentials'>" in told
        assert "secret-access-key:  40 bytes" in told
        values = secret_values(get)
        for name, key in [
            ("registry-s3-credentials", "secret-access-key"),
            ("registry-http-secret", "http-secret"),
            ("registry-ssl-certs", "domain.key"),
            ("htpasswd-file", "htpasswd"),
        ]:
            assert values[name][key].strip()
            assert values[name][key].strip() not in told
        login = json.loads(values["registry-check-credentials"][".dockerconfigjson"])["auths"][DOMAIN]
        assert login["password"] not in told

    def test_the_registry_speaks_in_its_log(self, kubectl: Read, get: Ask) -> None:
        told = kubectl("logs", f"deployment/{REGISTRY}")
        assert "/v2/" in told
        assert secret_values(get)["registry-s3-credentials"]["secret-access-key"] not in told
        assert len(kubectl("logs", f"deployment/{REGISTRY}", "--tail=2").splitlines()) == 2

    def test_what_is_there_would_be_taken_again_unchanged(
        self, kubectl: Read, program: Program, get: Ask
    ) -> None:
        """Server-side, as it would be written into a file and applied by hand."""
        for kind in ("service", "deployment"):
            found = get(kind, REGISTRY)
            before = found["metadata"]["generation"] if kind == "deployment" else found["spec"]
            del found["metadata"]["resourceVersion"]
            path = program.home / f"{kind}.json"
            path.write_text(json.dumps(found))
            assert "replaced" in kubectl("replace", "--dry-run=server", "-f", str(path))
            after = get(kind, REGISTRY)
            assert before == (after["metadata"]["generation"] if kind == "deployment" else after["spec"])


def test_after_undo_they_see_nothing_of_it(program: Program, run: Run, aws: Ask, kubectl: Read) -> None:
    undone = program.run("undo", "--practice", "--yes", "--delete-bucket", BUCKET, "--json")
    assert undone.code == 0, undone.out[-2000:]
    gone = {
        "Not Found": ("aws", "s3api", "head-bucket", "--bucket", BUCKET),
        "NoSuchEntity": ("aws", "iam", "get-user", "--user-name", USER),
        f'services "{REGISTRY}" not found': ("kubectl", "get", "service", REGISTRY),
        f'deployments.apps "{REGISTRY}" not found': ("kubectl", "get", "deployment", REGISTRY),
    }
    for words, command in gone.items():
        done = run(*command)
        assert done.returncode != 0
        assert words in done.stderr
    assert aws("iam", "list-policies", "--scope", "Local")["Policies"] == []
    assert aws("elb", "describe-load-balancers")["LoadBalancerDescriptions"] == []
    assert kubectl("get", "secrets,pods,replicasets", "-o", "name") == ""
    (zone,) = aws("route53", "list-hosted-zones")["HostedZones"]
    records = aws("route53", "list-resource-record-sets", "--hosted-zone-id", zone["Id"])[
        "ResourceRecordSets"
    ]
    (former,) = [each for each in records if each["Name"] == f"{DOMAIN}."]
    assert former["ResourceRecords"] == [{"Value": "127.80.0.1"}]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
