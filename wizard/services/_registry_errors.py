"""What a registry's refusal means, in words."""

import json
from collections.abc import Mapping

from wizard.errors import AccessDenied, NotFound, Problem, Unreachable, WizardError

LONGEST_RAW = 2000


def refusal(doing: str, status: int, body: str, headers: Mapping[str, str]) -> WizardError:
    """The error for an answer that was not hoped for; `doing` completes "The registry refused to ...".

    Source of the codes: OCI Distribution Specification 1.1, "Error Codes".
    """
    code, detail = _first_error(body)
    raw = f"{status} {headers.get('Server', '')} {body[:LONGEST_RAW]}".strip()

    def problem(name: str, why: str, fix: str) -> Problem:
        return Problem(
            name, f"The registry refused to {doing} ({status}{code and ' ' + code}).", why, fix, raw
        )

    if status == 401:
        why = "The user is not in the htpasswd file with this password, or its hash is not bcrypt."
        return AccessDenied(problem("registry-login", why, "Check the step htpasswd."), action=doing)
    if status == 403:
        why = "Something in front of the registry forbids it."
        return AccessDenied(
            problem("registry-forbidden", why, "Look at what stands between here and the Pods."), action=doing
        )
    if storage := _of_storage(detail):
        return WizardError(problem("registry-storage", *storage))
    if code in {"BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN"}:
        why = "The Pods do not share one HTTP secret, so a Pod refuses what another one began."
        return WizardError(problem("registry-http-secret", why, "Check the step deploy."))
    if status in {502, 503, 504}:
        why = "No Pod is ready, or its storage does not answer."
        return Unreachable(problem("registry-unavailable", why, "Look at the Pods' log."))
    if status == 413:
        return WizardError(
            problem("registry-too-large", "A proxy in front limits the size.", "Pass 443 through as TCP.")
        )
    if status == 404:
        return NotFound(problem("registry-not-found", "It does not know that.", "Run the check again."))
    if status == 405 or code == "UNSUPPORTED":
        return WizardError(
            problem(
                "registry-unsupported", "Deleting is switched off.", "Set REGISTRY_STORAGE_DELETE_ENABLED."
            )
        )
    if status == 429:
        return WizardError(problem("registry-busy", "It has too much to do.", "Run the check again later."))
    return WizardError(problem("registry-error", detail, "Look at the Pods' log."))


def _of_storage(detail: str) -> tuple[str, str] | None:
    """Why and fix for an error of S3 that the registry passes on in `detail`."""
    if "AccessDenied" in detail:
        return "Its key may not do that in the bucket.", "Check the step user: policy and permissions."
    if "InvalidAccessKeyId" in detail or "SignatureDoesNotMatch" in detail:
        return "AWS does not know its key.", "Check the step user: the key in the Secret."
    if "NoSuchBucket" in detail:
        return "Its bucket is gone.", "Check the step bucket."
    if "KMS" in detail:
        return (
            "The bucket's KMS key is not open to it.",
            "Allow kms:GenerateDataKey and kms:Decrypt to its user.",
        )
    if "s3aws" in detail or "S3" in detail:
        return f"S3 refused: {detail[:200]}.", "Look at the Pods' log."
    return None


def _first_error(body: str) -> tuple[str, str]:
    """Code and detail of the first error in the body, "" for what is not there."""
    try:
        first = json.loads(body)["errors"][0]
        detail = first.get("detail") or first.get("message") or ""
        return str(first.get("code", "")), detail if isinstance(detail, str) else json.dumps(detail)
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", body[:200]
