"""Pure: answers and a few facts -> the Kubernetes objects of the registry, and how live ones differ."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wizard import names, ownership
from wizard._manifest_compare import conflicts, differences
from wizard._manifest_images import knows_region, major_version
from wizard._manifest_pods import PORT, environment, pod_spec
from wizard.answers import Answers

__all__ = [
    "ACCESS_KEY",
    "DIGEST",
    "HTTP_SECRET",
    "SERIAL",
    "Inputs",
    "conflicts",
    "differences",
    "environment",
    "knows_region",
    "major_version",
    "service",
    "template_digest",
    "workload",
]

Manifest = dict[str, Any]

PREFIX = "kube-registry/"
SERIAL, ACCESS_KEY = PREFIX + "certificate-serial", PREFIX + "access-key-id"
# On the HTTP secret and on the Pods that were started with it: all of them have to share one.
HTTP_SECRET = PREFIX + "http-secret"
# On an object: of all that the wizard asked for in it, so that what is no longer asked for is noticed too.
DIGEST = PREFIX + "digest"
TAGGERS = frozenset({"in-tree", "aws-load-balancer-controller"})
"""EKS Auto Mode's managed policy permits no tags of one's own: it would make no balancer at all."""
AWS = "service.beta.kubernetes.io/aws-load-balancer-"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the answers do not say: `s3_endpoint` is "" on AWS itself."""

    aws_region: str
    certificate_serial: str = ""
    access_key_id: str = ""
    http_secret_mark: str = ""
    s3_endpoint: str = ""


def service(answers: Answers, controller: str = "") -> Manifest:
    """A Service of type LoadBalancer: 443 is passed as TCP to 5000, where the registry ends TLS itself.

    `controller` is what makes the balancer: in-tree, aws-load-balancer-controller, auto-mode, "" unknown.

    Annotations: cloud-provider-aws ("Service annotations") and AWS Load Balancer Controller ("Service
    annotations"); each ignores those of the other.
    """
    deploy = answers.deploy
    made = _object("v1", "Service", answers.setup)
    made["metadata"]["annotations"] = _balancer_annotations(answers, controller)
    made["spec"] = {
        "type": "LoadBalancer",
        "selector": pod_labels(answers.setup),
        "ports": [{"name": "https", "port": 443, "targetPort": PORT, "protocol": "TCP"}],
        "loadBalancerSourceRanges": list(deploy.source_ranges),
    }
    return _signed(made)


def workload(answers: Answers, inputs: Inputs) -> Manifest:
    """The Deployment or ReplicationController."""
    annotations = {SERIAL: inputs.certificate_serial, ACCESS_KEY: inputs.access_key_id}
    if inputs.http_secret_mark:
        annotations[HTTP_SECRET] = inputs.http_secret_mark
    template: Manifest = {
        "metadata": {
            "labels": {**pod_labels(answers.setup), **ownership.labels(answers.setup)},
            "annotations": annotations,
        },
        "spec": pod_spec(answers, aws_region=inputs.aws_region, s3_endpoint=inputs.s3_endpoint),
    }
    template["metadata"]["annotations"][DIGEST] = _digest(template)
    selector = pod_labels(answers.setup)
    if answers.deploy.workload == "ReplicationController":
        made = _object("v1", "ReplicationController", answers.setup)
        made["spec"] = {"replicas": answers.deploy.replicas, "selector": selector, "template": template}
        return _signed(made)
    made = _object("apps/v1", "Deployment", answers.setup)
    made["spec"] = {
        "replicas": answers.deploy.replicas,
        "selector": {"matchLabels": selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "revisionHistoryLimit": 3,
        "template": template,
    }
    return _signed(made)


def pod_labels(setup: str) -> dict[str, str]:
    """By these the Service finds the Pods."""
    return {"app.kubernetes.io/name": names.REGISTRY, ownership.INSTANCE: setup}


def template_digest(made: Manifest) -> str:
    """Stands in an annotation of each Pod that this workload makes."""
    return str(made["spec"]["template"]["metadata"]["annotations"][DIGEST])


def _balancer_annotations(answers: Answers, controller: str) -> dict[str, str]:
    deploy, seconds = answers.deploy, str(answers.deploy.idle_timeout_s)
    # Left out, the scheme is internal with the AWS Load Balancer Controller and public without it.
    found: dict[str, str] = {AWS + "scheme": deploy.scheme}
    if controller in TAGGERS:
        found[AWS + "additional-resource-tags"] = f"{ownership.TAG}={answers.setup}"
    if deploy.scheme == "internal":
        found[AWS + "internal"] = "true"
    if deploy.load_balancer in {"auto", "classic"}:
        found[AWS + "connection-idle-timeout"] = seconds
    if deploy.load_balancer in {"auto", "nlb"}:
        found[AWS + "listener-attributes.TCP-443"] = f"tcp.idle_timeout.seconds={seconds}"
    if deploy.load_balancer == "nlb":
        found[AWS + "type"] = "nlb"
    return found


def _object(api_version: str, kind: str, setup: str) -> Manifest:
    labels = {"app.kubernetes.io/name": names.REGISTRY, **ownership.labels(setup)}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": names.REGISTRY, "labels": labels, "annotations": {}},
        "spec": {},
    }


def _signed(made: Manifest) -> Manifest:
    made["metadata"]["annotations"][DIGEST] = _digest(made)
    return made


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
