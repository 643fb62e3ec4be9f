"""The registry's Pod, as the guide has it, with what the guide leaves out. Pure."""

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from wizard import _manifest_images as images
from wizard import names
from wizard.answers import Answers

Manifest = dict[str, Any]

PORT = 5000
DEBUG_ADDRESS = "127.0.0.1:5001"
CERTIFICATES, PASSWORDS = "/certs", "/auth"
RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
# The "nonroot" user of many images; the registry's image runs as root unless it is told otherwise.
USER = 65532
REALM = "kube-registry"
# Numbers to Go's YAML, of which some are text to ours (1e5, 0o17).
GO_NUMBER = re.compile(r"[-+]?(\.?\d[\d_]*\.?[\d_]*([eE][-+]?\d+)?|0[xXoObB][0-9a-fA-F_]+)")
HTPASSWD_MODE = CERTIFICATE_MODE = 0o440


def pod_spec(answers: Answers, *, aws_region: str, s3_endpoint: str) -> Manifest:
    """Passes Pod Security `restricted` (kubernetes.io, "Pod Security Standards")."""
    return {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(answers, aws_region=aws_region, s3_endpoint=s3_endpoint)],
        "volumes": [
            _secret_volume(
                "certificate",
                names.CERTIFICATE_SECRET,
                (names.CERTIFICATE_KEY, names.PRIVATE_KEY),
                CERTIFICATE_MODE,
            ),
            _secret_volume("htpasswd", names.HTPASSWD_SECRET, (names.HTPASSWD_KEY,), HTPASSWD_MODE),
        ],
    }


def environment(answers: Answers, *, aws_region: str, s3_endpoint: str) -> list[Manifest]:
    """The registry's settings; REGISTRY_STORAGE replaces the image's whole storage block, so all is set."""
    bucket, deploy = answers.bucket, answers.deploy
    endpoint = s3_endpoint
    if not endpoint and not images.knows_region(deploy.image, aws_region):
        endpoint = images.region_endpoint(aws_region)
    # With a KMS default the driver must not ask for AES256; other S3 servers may not know either.
    encrypts = bucket.encryption == "AES256" and not s3_endpoint
    plain = {
        "REGISTRY_LOG_LEVEL": "info",
        "REGISTRY_STORAGE": "s3",
        "REGISTRY_STORAGE_S3_REGION": aws_region,
        "REGISTRY_STORAGE_S3_BUCKET": bucket.name,
        "REGISTRY_STORAGE_S3_ENCRYPT": encrypts,
        "REGISTRY_STORAGE_DELETE_ENABLED": True,
        "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "inmemory",
        "REGISTRY_HTTP_ADDR": f":{PORT}",
        "REGISTRY_HTTP_DRAINTIMEOUT": "25s",
        "REGISTRY_HTTP_TLS_CERTIFICATE": f"{CERTIFICATES}/{names.CERTIFICATE_KEY}",
        "REGISTRY_HTTP_TLS_KEY": f"{CERTIFICATES}/{names.PRIVATE_KEY}",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": REALM,
        "REGISTRY_AUTH_HTPASSWD_PATH": f"{PASSWORDS}/{names.HTPASSWD_KEY}",
        "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED": True,
        "REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL": "10s",
        "REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD": 3,
        "OTEL_TRACES_EXPORTER": "none",
        **_endpoint(endpoint, is_elsewhere=bool(s3_endpoint)),
    }
    if images.major_version(deploy.image) >= 3:
        # Version 3's own configuration opens it to the whole cluster, pprof included.
        plain["REGISTRY_HTTP_DEBUG_ADDR"] = DEBUG_ADDRESS
    key = answers.user.secret_name
    return [
        *({"name": name, "value": yaml_safe(value)} for name, value in plain.items()),
        _from_secret("REGISTRY_STORAGE_S3_ACCESSKEY", key, names.S3_ACCESS_KEY_ID),
        _from_secret("REGISTRY_STORAGE_S3_SECRETKEY", key, names.S3_SECRET_ACCESS_KEY),
        _from_secret("REGISTRY_HTTP_SECRET", names.HTTP_SECRET, names.HTTP_SECRET_KEY),
    ]


def yaml_safe(value: object) -> str:
    """The value as the registry reads it back: it parses each variable as YAML, so `123` is quoted.

    Source: distribution, configuration/parser.go.
    """
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        is_itself = yaml.safe_load(value) == value
    except yaml.YAMLError:
        is_itself = False
    return value if is_itself and not GO_NUMBER.fullmatch(value) else json.dumps(value)


def _container(answers: Answers, *, aws_region: str, s3_endpoint: str) -> Manifest:
    return {
        "name": "registry",
        "image": answers.deploy.image,
        "env": environment(answers, aws_region=aws_region, s3_endpoint=s3_endpoint),
        "ports": [{"name": "https", "containerPort": PORT, "protocol": "TCP"}],
        "volumeMounts": [
            {"name": "certificate", "mountPath": CERTIFICATES, "readOnly": True},
            {"name": "htpasswd", "mountPath": PASSWORDS, "readOnly": True},
        ],
        "resources": copy.deepcopy(RESOURCES),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 60},
        # The registry answers / without a login, and with 503 while its storage fails: such a Pod gets no
        # traffic, but it is not restarted, for a restart cures no outage of S3.
        "readinessProbe": {
            "httpGet": {"path": "/", "port": PORT, "scheme": "HTTPS"},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            "tcpSocket": {"port": PORT},
            "periodSeconds": 20,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }


def _endpoint(endpoint: str, *, is_elsewhere: bool) -> Mapping[str, object]:
    if not endpoint:
        return {}
    more: dict[str, object] = {
        "REGISTRY_STORAGE_S3_REGIONENDPOINT": endpoint,
        "REGISTRY_STORAGE_S3_FORCEPATHSTYLE": True,
    }
    if endpoint.startswith("http://"):
        more["REGISTRY_STORAGE_S3_SECURE"] = False
    if is_elsewhere:
        # Clients may not reach an S3 of one's own, so they get the bytes from the registry itself.
        more["REGISTRY_STORAGE_REDIRECT_DISABLE"] = True
    return more


def _from_secret(name: str, secret: str, key: str) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _secret_volume(name: str, secret: str, keys: tuple[str, ...], mode: int) -> Manifest:
    """By `items`, so that a key which is being renewed beside the current one stays out of the Pod."""
    items = [{"key": key, "path": key} for key in keys]
    return {"name": name, "secret": {"secretName": secret, "defaultMode": mode, "items": items}}
