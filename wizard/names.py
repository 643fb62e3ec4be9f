"""The fixed names inside the cluster and the bucket; the guide's where it has one."""

CERTIFICATE_SECRET = "registry-ssl-certs"  # noqa: S105 - the name of a Secret, not its contents
CERTIFICATE_KEY, PRIVATE_KEY = "domain.crt", "domain.key"
NEXT_PRIVATE_KEY, NEXT_REQUEST = "next.key", "next.csr"
PREVIOUS_CERTIFICATE, PREVIOUS_PRIVATE_KEY = "previous.crt", "previous.key"
ISSUED_BY = "issued-by"
HTPASSWD_SECRET = "htpasswd-file"  # noqa: S105 - the name of a Secret, not its contents
HTPASSWD_KEY = "htpasswd"
HTTP_SECRET = "registry-http-secret"  # noqa: S105 - the name of a Secret, not its contents
HTTP_SECRET_KEY = "http-secret"  # noqa: S105 - a key's name in that Secret
ACME_ACCOUNT_SECRET = "registry-acme-account"  # noqa: S105 - the name of a Secret, not its contents
ACME_ACCOUNT_KEY, ACME_ACCOUNT_FILE = "account.key", "account.json"
STAGING_ACCOUNT_KEY, STAGING_ACCOUNT_FILE = "staging.key", "staging.json"
CHECK_SECRET = "registry-check-credentials"  # noqa: S105 - the name of a Secret, not its contents
PULL_SECRET = "registry-pull-credentials"  # noqa: S105 - the name of a Secret, not its contents
DOCKER_CONFIG_KEY = ".dockerconfigjson"
S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY = "access-key-id", "secret-access-key"
FORMER_SECRET = "registry-former-objects"  # noqa: S105 - the name of a Secret, not its contents
REGISTRY = "kube-registry"
RECORD, LOCK = "kube-registry-record", "kube-registry-lock"
PROBE_PREFIX = ".kube-registry-probe/"
PROOF_REPOSITORY = "kube-registry-proof"
PROOF_FOLDER = f"docker/registry/v2/repositories/{PROOF_REPOSITORY}/"
