"""The Kubernetes objects that answers turn into."""

import json

import pytest
import yaml

from wizard import manifests
from wizard._manifest_pods import yaml_safe
from wizard.answers import Answers, from_mapping
from wizard.manifests import AWS, Inputs

INPUTS = Inputs("eu-west-1", certificate_serial="abc123", access_key_id="AKIAIOSFODNN7EXAMPLE")


def answers(**deploy: object) -> Answers:
    return from_mapping({"setup": "team", "bucket": {"name": "reg-prod"}, "deploy": deploy})


def env(made: Answers, inputs: Inputs = INPUTS) -> dict[str, str]:
    found = manifests.environment(made, aws_region=inputs.aws_region, s3_endpoint=inputs.s3_endpoint)
    return {entry["name"]: entry.get("value", "from a Secret") for entry in found}


def annotations(**deploy: object) -> dict[str, str]:
    found = manifests.service(answers(**deploy), "in-tree")["metadata"]["annotations"]
    return {name.removeprefix(AWS): value for name, value in found.items() if name.startswith(AWS)}


def test_the_service_passes_443_through_to_5000() -> None:
    made = manifests.service(answers(source_ranges=["203.0.113.0/24"]))
    assert made["spec"]["type"] == "LoadBalancer"
    assert made["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": 5000, "protocol": "TCP"}]
    assert made["spec"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]


def test_auto_takes_what_the_cluster_gives_and_sets_both_time_outs() -> None:
    assert annotations() == {
        "scheme": "internet-facing",
        "additional-resource-tags": "kube-registry:setup=team",
        "connection-idle-timeout": "3600",
        "listener-attributes.TCP-443": "tcp.idle_timeout.seconds=3600",
    }


@pytest.mark.parametrize("controller", ["auto-mode", ""])
def test_a_controller_that_may_not_tag_is_not_asked_to(controller: str) -> None:
    """EKS Auto Mode fails to make the balancer (AccessDenied) where the Service asks for tags."""
    found = manifests.service(answers(), controller)["metadata"]["annotations"]
    assert AWS + "additional-resource-tags" not in found


def test_each_balancer_kind_has_its_own_annotations() -> None:
    classic, network = annotations(load_balancer="classic"), annotations(load_balancer="nlb")
    assert "connection-idle-timeout" in classic
    assert not {"type", "listener-attributes.TCP-443"} & set(classic)
    assert network["type"] == "nlb"
    assert "connection-idle-timeout" not in network


def test_an_internal_balancer_is_told_to_both_controllers() -> None:
    found = annotations(scheme="internal")
    assert (found["scheme"], found["internal"]) == ("internal", "true")


@pytest.mark.parametrize("kind", ["Deployment", "ReplicationController"])
def test_service_and_workload_fit_together(kind: str) -> None:
    made = answers(workload=kind, replicas=2)
    workload = manifests.workload(made, INPUTS)
    pod = workload["spec"]["template"]
    selector = workload["spec"]["selector"]
    assert (workload["kind"], workload["spec"]["replicas"]) == (kind, 2)
    labels = pod["metadata"]["labels"].items()
    assert manifests.service(made)["spec"]["selector"].items() <= labels
    assert selector.get("matchLabels", selector).items() <= labels


def test_the_template_changes_with_certificate_and_key() -> None:
    def digest(**changed: str) -> str:
        values = {"certificate_serial": "abc", "access_key_id": "AKIA", **changed}
        return manifests.template_digest(manifests.workload(answers(), Inputs("eu-west-1", **values)))

    assert len({digest(), digest(certificate_serial="def"), digest(access_key_id="AKIB")}) == 3
    assert digest() == digest()


def test_keys_and_http_secret_come_from_secrets_only() -> None:
    entries = manifests.environment(answers(), aws_region="eu-west-1", s3_endpoint="")
    taken = {
        entry["name"]: (entry["valueFrom"]["secretKeyRef"]["name"], entry["valueFrom"]["secretKeyRef"]["key"])
        for entry in entries
        if "valueFrom" in entry
    }
    assert taken == {
        "REGISTRY_STORAGE_S3_ACCESSKEY": ("registry-s3-credentials", "access-key-id"),
        "REGISTRY_STORAGE_S3_SECRETKEY": ("registry-s3-credentials", "secret-access-key"),
        "REGISTRY_HTTP_SECRET": ("registry-http-secret", "http-secret"),
    }


def test_on_aws_the_endpoint_is_left_to_the_driver() -> None:
    found = env(answers())
    assert found["REGISTRY_STORAGE_S3_REGION"] == "eu-west-1"
    assert found["REGISTRY_STORAGE_S3_ENCRYPT"] == "true"
    assert not {"REGISTRY_STORAGE_S3_REGIONENDPOINT", "REGISTRY_STORAGE_REDIRECT_DISABLE"} & set(found)


def test_an_s3_elsewhere_is_spoken_to_as_it_wants() -> None:
    found = env(answers(), Inputs("eu-west-1", s3_endpoint="http://127.0.0.1:9000"))
    assert found["REGISTRY_STORAGE_S3_REGIONENDPOINT"] == "http://127.0.0.1:9000"
    assert found["REGISTRY_STORAGE_S3_FORCEPATHSTYLE"] == "true"
    assert found["REGISTRY_STORAGE_S3_SECURE"] == "false"
    assert found["REGISTRY_STORAGE_S3_ENCRYPT"] == "false"
    assert found["REGISTRY_STORAGE_REDIRECT_DISABLE"] == "true"


@pytest.mark.parametrize(
    ("image", "aws_region", "knows"),
    [
        ("registry:3.1.1", "eu-north-1", True),
        ("registry:3.1.1", "ap-southeast-7", False),
        ("registry:3.1.1", "mx-central-1", False),
        ("registry:2.8.3", "eu-west-1", True),
        ("registry:2.8.3", "eu-north-1", False),
        ("registry:2", "il-central-1", False),
        ("localhost:5000/mirror/registry:2.8.3@sha256:" + "0" * 64, "ap-east-1", False),
        ("registry@sha256:" + "0" * 64, "ap-east-1", True),
    ],
)
def test_a_region_unknown_to_the_image_gets_an_endpoint(image: str, aws_region: str, knows: bool) -> None:
    found = env(answers(image=image), Inputs(aws_region))
    endpoint = found.get("REGISTRY_STORAGE_S3_REGIONENDPOINT")
    assert endpoint == (None if knows else f"https://s3.{aws_region}.amazonaws.com")


def test_the_debug_listener_of_version_3_is_fenced() -> None:
    assert env(answers(image="registry:3.1.1"))["REGISTRY_HTTP_DEBUG_ADDR"] == "127.0.0.1:5001"
    assert "REGISTRY_HTTP_DEBUG_ADDR" not in env(answers(image="registry:2.8.3"))


def test_kms_is_left_to_the_bucket() -> None:
    made = from_mapping({"bucket": {"name": "reg-prod", "encryption": "aws:kms"}})
    assert env(made)["REGISTRY_STORAGE_S3_ENCRYPT"] == "false"


@pytest.mark.parametrize(
    "value", ["123", "yes", "1e5", "0o17", "null", "2024-01-01", "a: b", "plain", "10s", ":5000"]
)
def test_every_value_is_read_back_as_text(value: str) -> None:
    assert yaml.safe_load(yaml_safe(value)) == value


@pytest.mark.parametrize("value", ["1e5", "0o17", "0x1F", "-1_000", ".5", "12"])
def test_what_is_a_number_to_go_is_quoted(value: str) -> None:
    assert yaml_safe(value) == f'"{value}"'


def test_every_variable_is_text() -> None:
    assert all(isinstance(value, str) for value in env(answers()).values())


def test_the_pod_passes_pod_security_restricted() -> None:
    spec = manifests.workload(answers(), INPUTS)["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, False)


def test_readiness_asks_the_storage_and_liveness_does_not() -> None:
    container = manifests.workload(answers(), INPUTS)["spec"]["template"]["spec"]["containers"][0]
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": 5000, "scheme": "HTTPS"}
    assert set(container["livenessProbe"]) & {"tcpSocket", "httpGet"} == {"tcpSocket"}


def test_only_the_named_keys_are_mounted() -> None:
    volumes = manifests.workload(answers(), INPUTS)["spec"]["template"]["spec"]["volumes"]
    paths = {
        volume["secret"]["secretName"]: [i["path"] for i in volume["secret"]["items"]] for volume in volumes
    }
    assert paths == {"registry-ssl-certs": ["domain.crt", "domain.key"], "htpasswd-file": ["htpasswd"]}


def test_manifests_are_json_all_through() -> None:
    made = manifests.workload(answers(), INPUTS)
    assert json.loads(json.dumps(made)) == made
