"""Which fields each step asks for, in order; the words of their help stand in assets/help."""

from dataclasses import dataclass

from wizard.events import StepId


@dataclass(frozen=True, slots=True)
class Field:
    """One answer: `kind` is text, switch, choice, number, names (a list, separated by commas) or secret.

    A secret is no answer: it is kept in memory, under the environment variable that `key` names.
    `only_if`: (key, values...) of the same table; the field is shown only while that answer is one of them.
    """

    table: str
    key: str
    label: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    hint: str = ""
    is_advanced: bool = False
    only_if: tuple[str, ...] | None = None

    @property
    def widget_id(self) -> str:
        return f"field-{self.table}-{self.key}".replace("_", "-")


@dataclass(frozen=True, slots=True)
class Form:
    """`why` is the one sentence that stands under the title."""

    step: StepId
    title: str
    why: str
    fields: tuple[Field, ...]


IAM = ("kind", "iam-user")
WEBROOT, STANDALONE, IMPORT = ("method", "webroot"), ("method", "standalone"), ("method", "import")
HTTP = ("method", "webroot", "standalone")
ACME = (*HTTP, "dns-route53")
ROUTE53 = ("provider", "route53")
FORMS = {
    form.step: form
    for form in (
        Form(
            StepId.CONNECT,
            "Connect",
            "Which AWS account and which cluster the registry will live in.",
            (
                Field("connect", "aws_profile", "AWS profile", hint="empty: your default credentials"),
                Field("connect", "aws_region", "AWS region", hint="empty: the profile's region"),
                Field("connect", "kube_context", "Kube context", hint="empty: the current context"),
                Field("connect", "namespace", "Namespace"),
                Field("connect", "create_namespace", "Make the namespace", "switch"),
            ),
        ),
        Form(
            StepId.BUCKET,
            "Bucket",
            "The images are kept in an S3 bucket, encrypted and closed to the public.",
            (
                Field("bucket", "name", "Bucket name", hint="such as acme-registry-images"),
                Field("bucket", "create", "Make it if absent", "switch"),
                Field(
                    "bucket",
                    "encryption",
                    "Encryption",
                    "choice",
                    ("AES256", "aws:kms", "keep"),
                    is_advanced=True,
                ),
                Field("bucket", "block_public_access", "Block public access", "switch", is_advanced=True),
                Field(
                    "bucket",
                    "abort_incomplete_days",
                    "Clear broken uploads after days",
                    "number",
                    is_advanced=True,
                ),
            ),
        ),
        Form(
            StepId.USER,
            "User",
            "The registry gets a key of its own that can use this bucket and nothing else.",
            (
                Field("user", "kind", "Key comes from", "choice", ("iam-user", "existing-secret")),
                Field("user", "name", "IAM user", only_if=IAM),
                Field("user", "policy", "IAM policy", only_if=IAM),
                Field("user", "create", "Make it if absent", "switch", is_advanced=True, only_if=IAM),
                Field("user", "path", "IAM path", is_advanced=True, only_if=IAM),
                Field(
                    "user",
                    "permissions_boundary",
                    "Permissions boundary",
                    hint="ARN; usually empty",
                    is_advanced=True,
                    only_if=IAM,
                ),
                Field("user", "secret_name", "Secret"),
            ),
        ),
        Form(
            StepId.CERTIFICATE,
            "Certificate",
            "Docker talks to a registry only by TLS, under a name that a CA vouches for.",
            (
                Field(
                    "certificate",
                    "method",
                    "Method",
                    "choice",
                    ("dns-route53", "webroot", "standalone", "import"),
                ),
                Field("certificate", "domain", "Domain", hint="such as registry.example.com"),
                Field(
                    "certificate",
                    "webroot",
                    "Webroot",
                    hint="the web server's directory, or manual",
                    only_if=WEBROOT,
                ),
                Field("certificate", "http_port", "Port here", "number", only_if=STANDALONE),
                Field("certificate", "email", "E-mail", hint="may be empty", only_if=ACME),
                Field("certificate", "agree_tos", "I agree to the CA's terms", "switch", only_if=ACME),
                Field(
                    "certificate",
                    "renew_by",
                    "Renew it by",
                    "choice",
                    ("", "dns-route53", "webroot", "standalone"),
                    only_if=HTTP,
                ),
                Field(
                    "certificate", "cert_file", "Certificate file", hint="PEM, chain included", only_if=IMPORT
                ),
                Field("certificate", "key_file", "Key file", hint="PEM, not encrypted", only_if=IMPORT),
                Field(
                    "certificate", "pkcs12_file", "PKCS#12 file", hint="in place of the two", only_if=IMPORT
                ),
                Field(
                    "certificate",
                    "KUBE_REGISTRY_PKCS12_PASSWORD",
                    "Its password",
                    "secret",
                    hint="never stored",
                    only_if=IMPORT,
                ),
                Field(
                    "certificate",
                    "other_names",
                    "More names",
                    "names",
                    hint="usually empty",
                    is_advanced=True,
                ),
                Field(
                    "certificate",
                    "directory",
                    "ACME directory",
                    hint="production, staging or a URL",
                    is_advanced=True,
                    only_if=ACME,
                ),
                Field(
                    "certificate",
                    "staging_first",
                    "Rehearse with staging",
                    "choice",
                    ("auto", "always", "never"),
                    is_advanced=True,
                    only_if=ACME,
                ),
                Field(
                    "certificate",
                    "key_type",
                    "Key type",
                    "choice",
                    ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"),
                    is_advanced=True,
                    only_if=ACME,
                ),
                Field(
                    "certificate", "preflight", "Check beforehand", "switch", is_advanced=True, only_if=ACME
                ),
                Field(
                    "certificate",
                    "overridden",
                    "Checks to override",
                    "names",
                    hint="such as caa, stale-aaaa",
                    is_advanced=True,
                    only_if=ACME,
                ),
                Field(
                    "certificate", "profile", "Profile", hint="usually empty", is_advanced=True, only_if=ACME
                ),
                Field(
                    "certificate",
                    "preferred_chain",
                    "Preferred root",
                    hint="usually empty",
                    is_advanced=True,
                    only_if=ACME,
                ),
                Field(
                    "certificate",
                    "eab_kid",
                    "EAB key ID",
                    hint="usually empty",
                    is_advanced=True,
                    only_if=ACME,
                ),
                Field(
                    "certificate",
                    "KUBE_REGISTRY_EAB_HMAC",
                    "EAB HMAC key",
                    "secret",
                    hint="never stored",
                    is_advanced=True,
                    only_if=ACME,
                ),
            ),
        ),
        Form(
            StepId.HTPASSWD,
            "Users and passwords",
            "Who may push and pull. The wizard adds a user of its own for its proofs.",
            (),
        ),
        Form(
            StepId.DEPLOY,
            "Deploy",
            "The registry runs in the cluster, behind a load balancer on port 443.",
            (
                Field("deploy", "image", "Image"),
                Field("deploy", "replicas", "Replicas", "number"),
                Field("deploy", "load_balancer", "Load balancer", "choice", ("auto", "classic", "nlb")),
                Field("deploy", "scheme", "Scheme", "choice", ("internet-facing", "internal")),
                Field(
                    "deploy",
                    "workload",
                    "Workload",
                    "choice",
                    ("Deployment", "ReplicationController"),
                    is_advanced=True,
                ),
                Field(
                    "deploy",
                    "source_ranges",
                    "Source ranges",
                    "names",
                    hint="empty: everybody",
                    is_advanced=True,
                ),
                Field("deploy", "idle_timeout_s", "Idle time-out (s)", "number", is_advanced=True),
            ),
        ),
        Form(
            StepId.DNS,
            "DNS",
            "The registry's name must lead to the load balancer.",
            (
                Field("dns", "provider", "DNS host", "choice", ("route53", "manual")),
                Field(
                    "dns",
                    "hosted_zone_id",
                    "Hosted zone ID",
                    hint="empty: found by name",
                    is_advanced=True,
                    only_if=ROUTE53,
                ),
                Field(
                    "dns",
                    "aws_profile",
                    "AWS profile of the zone",
                    hint="empty: as in Connect",
                    is_advanced=True,
                    only_if=ROUTE53,
                ),
            ),
        ),
        Form(
            StepId.PROOF,
            "Proof",
            "Log in, push an image, pull it back, and compare: then it works.",
            (
                Field(
                    "proof",
                    "pull_secret_namespaces",
                    "Namespaces to pull from",
                    "names",
                    hint="such as default, shop: their Pods may pull",
                ),
            ),
        ),
    )
}
