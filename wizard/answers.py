"""What the operator decides: one model a step, read from answers.toml, checked key by key.

Every key has a default; what has none that could be right (a bucket's name, a domain) is empty and asked
for. `missing` names what a run without a screen cannot do without.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

import tomli_w
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from wizard import rules
from wizard.errors import Problem, Refused
from wizard.events import StepId

Preflight = Literal["address", "stale-aaaa", "port-80", "redirects", "probe", "caa", "delegation"]
LARGEST_FILE_BYTES = 256 * 1024
MOST_DOTS = 500
"""Before an equals sign: the reader's time grows with their square, and no name here has any."""


def _ruled(rule: rules.Rule) -> AfterValidator:
    def check(value: str) -> str:
        if value and (problem := rule(value)):
            raise ValueError(problem)
        return value

    return AfterValidator(check)


def _rehearsal(value: object) -> object:
    """Yes and no are understood too."""
    return ("never", "always")[value] if isinstance(value, bool) else value


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, strict=True)


class ConnectAnswers(Table):
    aws_profile: str = Field("", description="AWS profile; empty: the default credentials.")
    aws_region: Annotated[str, _ruled(rules.aws_region)] = Field(
        "", description="Region of bucket and cluster; empty: the profile's, else the nodes'."
    )
    kube_context: str = Field("", description="Context of the kubeconfig; empty: the current one.")
    namespace: Annotated[str, _ruled(rules.namespace)] = Field(
        "default", description="Namespace that the registry lives in."
    )
    create_namespace: bool = Field(default=False, description="Make the namespace if it is not there.")


class BucketAnswers(Table):
    name: Annotated[str, _ruled(rules.bucket_name)] = Field("", description="Name of the S3 bucket.")
    create: bool = Field(default=True, description="false: the bucket must be there already.")
    encryption: Literal["AES256", "aws:kms", "keep"] = Field(
        "AES256", description="Default encryption; keep: as it is."
    )
    block_public_access: bool = Field(default=True, description="Block all public access.")
    abort_incomplete_days: int = Field(
        7, ge=0, le=365, description="Days after which broken uploads are cleared away; 0: no such rule."
    )


class UserAnswers(Table):
    kind: Literal["iam-user", "existing-secret"] = Field(
        "iam-user", description="existing-secret: a Secret with a key brought along."
    )
    name: Annotated[str, _ruled(rules.iam_user_name)] = Field(
        "registry-access", description="Name of the IAM user."
    )
    create: bool = Field(default=True, description="false: the user must be there already.")
    policy: Annotated[str, _ruled(rules.iam_policy_name)] = Field(
        "registry-access-policy", description="Name of the IAM policy."
    )
    path: Annotated[str, _ruled(rules.iam_path)] = Field("/", description="IAM path of user and policy.")
    permissions_boundary: Annotated[str, _ruled(rules.policy_arn)] = Field(
        "", description="ARN of the boundary that your organisation demands, if any."
    )
    secret_name: Annotated[str, _ruled(rules.kubernetes_name)] = Field(
        "registry-s3-credentials", description="Secret that holds the key."
    )


class CertificateAnswers(Table):
    method: Literal["webroot", "standalone", "dns-route53", "import"] = Field(
        "webroot", description="How the certificate is got."
    )
    domain: Annotated[str, _ruled(rules.domain_name)] = Field(
        "", description="The registry's name, such as registry.example.com."
    )
    other_names: list[Annotated[str, _ruled(rules.domain_name)]] = Field(
        default_factory=list, max_length=99, description="More names that the certificate shall hold for."
    )
    email: Annotated[str, _ruled(rules.email)] = Field("", description="Contact for the CA; may be empty.")
    agree_tos: bool = Field(default=False, description="You agree to the CA's terms of service.")
    directory: Annotated[str, _ruled(rules.acme_directory)] = Field(
        "production", description="production, staging, or the URL of another ACME directory."
    )
    ca_file: str = Field("", description="PEM file of the CA that the ACME server itself uses.")
    staging_first: Annotated[Literal["auto", "always", "never"], BeforeValidator(_rehearsal)] = Field(
        "auto", description="Rehearse with the CA's staging directory; auto: with that of Let's Encrypt."
    )
    webroot: str = Field("", description='Directory of the web server; "manual": the file is shown.')
    http_port: int = Field(
        80, ge=1, le=65535, description="standalone: the port that port 80 of the domain leads to."
    )
    renew_by: Literal["", "dns-route53", "webroot", "standalone"] = Field(
        "", description="How it will be renewed; empty: by the same method."
    )
    preflight: bool = Field(
        default=True, description="false: ask the CA even if the file cannot be fetched from here."
    )
    overridden: list[Preflight] = Field(
        default_factory=list, description="Checks before the CA is asked whose failure shall not stop it."
    )
    key_type: Literal["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"] = "ecdsa-p256"
    profile: str = Field("", description="The CA's certificate profile; empty: its default.")
    preferred_chain: str = Field(
        "", description="Name of the root, where the CA offers several chains; empty: the CA's choice."
    )
    eab_kid: str = Field("", description="Key ID of an external account binding, if the CA demands one.")
    cert_file: str = Field("", description="import: PEM file of certificate and chain.")
    key_file: str = Field("", description="import: PEM file of the key.")
    pkcs12_file: str = Field("", description="import: a PKCS#12 file in place of the two.")

    @property
    def names(self) -> tuple[str, ...]:
        """All that the certificate has to hold for, the registry's own name first."""
        return tuple(dict.fromkeys((self.domain, *self.other_names)))


class HtpasswdAnswers(Table):
    users: list[Annotated[str, _ruled(rules.htpasswd_user)]] = Field(
        default_factory=list, max_length=200, description="People who may push and pull."
    )


class DeployAnswers(Table):
    workload: Literal["Deployment", "ReplicationController"] = "Deployment"
    image: Annotated[str, _ruled(rules.image)] = Field(
        "registry:3.1.1", description="The registry's image, by a full version."
    )
    replicas: int = Field(1, ge=1, le=20)
    load_balancer: Literal["auto", "classic", "nlb"] = Field(
        "auto", description="auto: what the cluster gives."
    )
    scheme: Literal["internet-facing", "internal"] = "internet-facing"
    source_ranges: list[Annotated[str, _ruled(rules.cidr)]] = Field(
        default_factory=list, description="CIDR ranges that may connect; empty: all."
    )
    idle_timeout_s: int = Field(3600, ge=60, le=4000, description="Idle time-out of the balancer.")


class DnsAnswers(Table):
    provider: Literal["route53", "manual"] = Field(
        "route53", description="manual: the record to create is shown and waited for."
    )
    hosted_zone_id: Annotated[str, _ruled(rules.hosted_zone_id)] = Field(
        "", description="Route53 hosted zone; empty: found by name."
    )
    aws_profile: str = Field("", description="AWS profile of the zone's account; empty: as in connect.")


class ProofAnswers(Table):
    pull_secret_namespaces: list[Annotated[str, _ruled(rules.namespace)]] = Field(
        default_factory=list, max_length=50, description="Namespaces whose Pods may pull; each gets a Secret."
    )


class ConsentAnswers(Table):
    replace_record: str = Field("", description="The present value of the DNS record to be replaced.")
    adopt: list[Literal["bucket", "user", "policy", "secrets", "service", "workload"]] = Field(
        default_factory=list, description="Things found there that the setup may change."
    )
    delete_access_key: Annotated[str, _ruled(rules.access_key_id)] = Field(
        "", description="Access key ID to delete where the user has two."
    )
    take_over_fields: bool = Field(default=False, description="Take over fields other managers hold.")


class EndpointAnswers(Table):
    nameservers: list[Annotated[str, _ruled(rules.nameserver)]] = Field(
        default_factory=list, description="Name servers to ask instead of the internet's, ip or ip:port."
    )
    proxy: Annotated[str, _ruled(rules.proxy_url)] = Field("", description="HTTP proxy.")
    ca_file: str = Field("", description="PEM file of a CA to trust besides the system's.")


class Answers(Table):
    version: Literal[1] = 1
    setup: Annotated[str, _ruled(rules.setup_name)] = Field(
        "registry", description="Name of this setup; it is written on everything it makes."
    )
    connect: ConnectAnswers = Field(default_factory=ConnectAnswers)
    bucket: BucketAnswers = Field(default_factory=BucketAnswers)
    user: UserAnswers = Field(default_factory=UserAnswers)
    certificate: CertificateAnswers = Field(default_factory=CertificateAnswers)
    htpasswd: HtpasswdAnswers = Field(default_factory=HtpasswdAnswers)
    deploy: DeployAnswers = Field(default_factory=DeployAnswers)
    dns: DnsAnswers = Field(default_factory=DnsAnswers)
    proof: ProofAnswers = Field(default_factory=ProofAnswers)
    consent: ConsentAnswers = Field(default_factory=ConsentAnswers)
    endpoints: EndpointAnswers = Field(default_factory=EndpointAnswers)


def parse(text: str, *, source: str = "answers") -> Answers:
    """Answers from TOML text; raises Refused with table and key, the reason and the nearest valid name."""
    try:
        if max((line.partition("=")[0].count(".") for line in text.split("\n")), default=0) > MOST_DOTS:
            raise ValueError("a key has too many dots")  # noqa: TRY301 - told as what else is wrong with it
        found = tomllib.loads(text)
    except RecursionError as error:
        raise _not_toml(source, "It is nested too deep.") from error
    except ValueError as error:
        raise _not_toml(source, f"{error}.") from error
    return from_mapping(found, source=source)


def _not_toml(source: str, why: str) -> Refused:
    return Refused(
        Problem(
            "answers-not-toml",
            f"{source} is not valid TOML.",
            why,
            "Mend that line; `kube-registry answers example` prints a file to start from.",
        )
    )


def from_mapping(found: Mapping[str, object], *, source: str = "answers") -> Answers:
    """Answers from a decoded document; raises Refused for the first wrong key."""
    try:
        return Answers.model_validate(found)
    except ValidationError as error:
        raise Refused(_explain(error.errors()[0], source)) from error


def load(path: Path) -> Answers:
    """Answers from a file; raises Refused where it cannot be read, is too large, or is wrong."""
    try:
        with path.open("rb") as file:  # a pipe or a device tells no size
            found = file.read(LARGEST_FILE_BYTES + 1)
        if len(found) > LARGEST_FILE_BYTES:
            raise Refused(
                Problem(
                    "answers-too-large",
                    f"{path} is larger than {LARGEST_FILE_BYTES // 1024} KiB.",
                    "An answers file is a page of text; this is something else.",
                    "Name the right file after -a.",
                )
            )
        text = found.decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            Problem(
                "answers-unreadable",
                f"The answers file {path} cannot be read.",
                getattr(error, "strerror", "") or "It is not UTF-8 text.",
                "Name a readable file after -a; `kube-registry answers example` prints one.",
            )
        ) from error
    return parse(text, source=str(path))


def dump(answers: Answers) -> str:
    """The TOML text of what differs from the defaults; `parse` gives the same answers back."""
    document = {"version": 1, "setup": answers.setup, **answers.model_dump(exclude_defaults=True)}
    return tomli_w.dumps(document)


def with_environment(answers: Answers, environ: Mapping[str, str]) -> Answers:
    """Fills empty answers from KUBE_REGISTRY_DOMAIN and KUBE_REGISTRY_WEBROOT; never saved."""
    certificate = answers.certificate.model_copy()
    certificate.domain = certificate.domain or environ.get("KUBE_REGISTRY_DOMAIN", "")
    certificate.webroot = certificate.webroot or environ.get("KUBE_REGISTRY_WEBROOT", "")
    return answers.model_copy(update={"certificate": certificate})


def missing(answers: Answers) -> Iterator[tuple[StepId, str]]:
    """Keys (step, "table.key") that have no usable default and are not given."""
    certificate = answers.certificate
    if not answers.bucket.name:
        yield StepId.BUCKET, "bucket.name"
    if not certificate.domain:
        yield StepId.CERTIFICATE, "certificate.domain"
    if certificate.method == "webroot" and not certificate.webroot:
        yield StepId.CERTIFICATE, "certificate.webroot"
    if certificate.method == "import" and not certificate.pkcs12_file:
        for key in ("cert_file", "key_file"):
            if not getattr(certificate, key):
                yield StepId.CERTIFICATE, f"certificate.{key}"
    elif certificate.method != "import" and not certificate.agree_tos:
        yield StepId.CERTIFICATE, "certificate.agree_tos"


def _explain(error: ErrorDetails, source: str) -> Problem:
    where = [str(part) for part in error["loc"]]
    key = ".".join(where) or "the document"
    if error["type"] == "extra_forbidden":
        known = _known_keys(where[:-1])
        near = difflib.get_close_matches(where[-1], known, n=1)
        fix = f"Did you mean {near[0]}?" if near else f"Valid here: {', '.join(sorted(known))}."
        return Problem("answers-unknown-key", f"{source}: there is no key {key}.", "", fix)
    given = error.get("input")
    reason = str(error.get("ctx", {}).get("error", "")) or f"{error['msg']}."
    # A URL may have a password in it, which would go into the log with what is shown.
    is_open = isinstance(given, str | int | float) and "@" not in str(given)
    shown = f" ({given!r})" if is_open else ""
    fix = f"Correct {key} in {source}."
    if error["type"] == "literal_error" and isinstance(given, str):
        valid = _literals(where)
        near = difflib.get_close_matches(given, valid, n=1)
        reason = f"Valid: {', '.join(valid)}." if valid else reason
        fix = f"Did you mean {near[0]}?" if near else fix
    return Problem("answers-wrong-value", f"{source}: {key}{shown} cannot be used.", reason, fix)


def _known_keys(path: list[str]) -> list[str]:
    model = _model_at(path)
    return list(model.model_fields) if model else []


def _model_at(path: list[str]) -> type[BaseModel] | None:
    model: type[BaseModel] = Answers
    for name in path:
        field = model.model_fields.get(name)
        kind = field.annotation if field else None
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return None
        model = kind
    return model


def _literals(path: list[str]) -> list[str]:
    model = _model_at([part for part in path[:-1] if not part.isdigit()])
    field = model.model_fields.get(path[-1]) if model else None
    return [str(value) for value in get_args(field.annotation)] if field else []
