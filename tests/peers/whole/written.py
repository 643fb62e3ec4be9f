"""All manifests that the wizard writes into a namespace."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wizard import manifests, names, record
from wizard.answers import Answers, dump
from wizard.journal import Journal
from wizard.lease import LASTS_S, Lease
from wizard.services.cluster import secrets
from wizard.state import SetupDirectory
from wizard.steps import _proof_pod
from wizard.steps._proof_secrets import PULL_TYPE

# Of what stays there, by where it is listed.
KINDS = {
    "api/v1/configmaps": "ConfigMap",
    "api/v1/secrets": "Secret",
    "api/v1/services": "Service",
    "api/v1/replicationcontrollers": "ReplicationController",
    "apis/apps/v1/deployments": "Deployment",
}


def what_is_written(answers: Answers, s3_endpoint: str, directory: Path) -> list[dict[str, Any]]:
    """The pull check's Pod and the lock included; the Secrets hold no secret."""
    image = f"{answers.certificate.domain}/{names.PROOF_REPOSITORY}:v1"
    inputs = manifests.Inputs("eu-west-1", "serial", "AKIAEXAMPLE", s3_endpoint)
    return [
        *_secrets(answers),
        *_record_and_lock(answers, directory),
        manifests.service(answers),
        manifests.workload(answers, inputs),
        _proof_pod.manifest(answers.connect.namespace, image, answers.setup, "amd64"),
    ]


def _secrets(answers: Answers) -> list[dict[str, Any]]:
    opaque = (
        answers.user.secret_name,
        names.CERTIFICATE_SECRET,
        names.HTPASSWD_SECRET,
        names.HTTP_SECRET,
        names.ACME_ACCOUNT_SECRET,
        names.FORMER_SECRET,
    )
    kinds = dict.fromkeys(opaque, "Opaque")
    kinds |= dict.fromkeys((names.CHECK_SECRET, names.PULL_SECRET), PULL_TYPE)
    contents = {"Opaque": {"key": b"contents"}, PULL_TYPE: {names.DOCKER_CONFIG_KEY: b"{}"}}
    return [
        secrets.manifest(name, contents[kind], setup=answers.setup, kind=kind, annotations={"a": "b"})
        for name, kind in kinds.items()
    ]


def _record_and_lock(answers: Answers, directory: Path) -> list[dict[str, Any]]:
    now, state = datetime.now(UTC), SetupDirectory(directory / "state", answers.setup)
    state.make()
    nobody: Any = None  # no cluster is asked for it
    return [
        record.manifest(answers.setup, dump(answers), now, Journal(directory / "journal.jsonl")),
        Lease(nobody, state, LASTS_S, lambda: now)._manifest(),
    ]
