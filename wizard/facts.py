"""What the steps saw of the world: plain values, so that planning is a pure function of answers and facts.

A field is None where the thing is absent or could not be seen; what stands in the way is in `problems`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wizard import names
from wizard.errors import Problem
from wizard.events import StepId


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`problems` block the step; `warnings` are only shown."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFacts:
    """A Kubernetes Secret without its contents: `owner` is the setup in its label, "" if nobody's."""

    name: str
    exists: bool = False
    owner: str = ""
    type: str = ""
    keys: tuple[str, ...] = ()
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectFacts(Facts):
    """`balancer_controller`: in-tree, aws-load-balancer-controller, auto-mode, "" unknown.

    `blame` leads from a problem's code to the check that it fails; `denied` are AWS actions.
    """

    account_id: str = ""
    caller_arn: str = ""
    partition: str = "aws"
    aws_region: str = ""
    clock_skew_s: float | None = None
    kube_context: str = ""
    kube_server: str = ""
    kube_version: str = ""
    kube_user: str = ""
    namespace: str = "default"
    namespace_exists: bool = False
    node_regions: tuple[str, ...] = ()
    node_architectures: tuple[str, ...] = ()
    balancer_controller: str = ""
    other_setup: str = ""
    denied: tuple[str, ...] = ()
    is_aws_asked: bool = False
    node_count: int = 0
    pod_security: str = ""
    blame: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFacts(Facts):
    """`state`: absent, mine, mine-elsewhere, taken (somebody else's), forbidden (not to be seen)."""

    name: str = ""
    state: str = "absent"
    aws_region: str = ""
    owner: str = ""
    encryption: str = ""
    kms_key_id: str = ""
    blocks_public_access: bool = False
    abort_incomplete_days: int | None = None
    lifecycle_rules: tuple[Mapping[str, object], ...] = ()
    public_access_block: Mapping[str, bool] | None = None
    encryption_rules: tuple[Mapping[str, object], ...] | None = None
    object_ownership: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeyFacts:
    access_key_id: str
    is_active: bool
    created: datetime
    last_used: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersionFacts:
    version_id: str
    is_default: bool
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFacts(Facts):
    """`secret_access_key_id` is the key ID that the cluster's Secret holds, "" if it holds none.

    `lost_access_key_ids`: made by a run that ended before the Secret was written; nobody has their secrets.
    `user_elsewhere`, `policy_elsewhere` say why a thing that carries this setup's name may be another one's.
    `quotas_used_up` are IAM's names of what there may be no more of, of things that are not there yet.
    `home` is what the tag ownership.PLACE_TAG says of this setup's cluster and namespace.
    """

    user_exists: bool = False
    user_arn: str = ""
    user_owner: str = ""
    user_boundary: str = ""
    user_tags: Mapping[str, str] = field(default_factory=dict)
    user_elsewhere: str = ""
    policy_tags: Mapping[str, str] = field(default_factory=dict)
    policy_elsewhere: str = ""
    home: str = ""
    policy_arn: str = ""
    policy_exists: bool = False
    policy_owner: str = ""
    policy_document: Mapping[str, object] | None = None
    policy_versions: tuple[PolicyVersionFacts, ...] = ()
    policy_is_attached: bool = False
    access_keys: tuple[AccessKeyFacts, ...] = ()
    access_keys_quota: int = 2
    quotas_used_up: tuple[str, ...] = ()
    lost_access_key_ids: tuple[str, ...] = ()
    secret: SecretFacts | None = None
    secret_access_key_id: str = ""
    secret_is_complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """A certificate as found; `serial` is lower-case hex without separators."""

    serial: str
    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    key_matches: bool
    chain_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts(Facts):
    """`chain` is what the Secret holds, `imported` what the files of the answers hold.

    `directory` is the URL that the answers mean, `issued_by` and `account_directory` those that the Secrets
    name. What the CA says of itself is asked only where a certificate is needed: None or () otherwise.
    `found_zone` is the Route53 zone that the domain lies in, "" for none where `is_route53_seen`;
    `found_webroot` is a directory of a web server here, `limits` says what is left of the CA's.
    """

    secret: SecretFacts | None = None
    chain: ChainFacts | None = None
    is_due: bool = False
    is_expired: bool = False
    issued_by: str = ""
    imported: ChainFacts | None = None
    directory: str = ""
    account_secret: SecretFacts | None = None
    account_uri: str = ""
    account_directory: str = ""
    terms: str = ""
    needs_external_account: bool = False
    profiles: tuple[str, ...] = ()
    account_terms: str = ""
    staging_directory: str = ""
    is_rehearsed: bool = False
    found_zone: str = ""
    is_route53_seen: bool = False
    found_webroot: str = ""
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLineFacts:
    """A line of an htpasswd file that the registry cannot use; `user` is "" where it names none."""

    number: int
    user: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HtpasswdFacts(Facts):
    """`users` stand in the file with a bcrypt hash; `bad_lines` are the numbers of useless lines.

    `added` are the users whom this setup put in; `passwords_changed` of those known do not fit their line.
    """

    secret: SecretFacts | None = None
    check_secret: SecretFacts | None = None
    users: tuple[str, ...] = ()
    bad_lines: tuple[int, ...] = ()
    bad: tuple[BadLineFacts, ...] = ()
    added: tuple[str, ...] = ()
    check_secret_is_right: bool = False
    passwords_known: tuple[str, ...] = ()
    passwords_changed: tuple[str, ...] = ()
    check_user_is_right: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerFacts:
    """A balancer as AWS describes it: `kind` is classic or nlb, `dns_zone_id` its own hosted zone's id."""

    name: str
    kind: str
    scheme: str
    dns_name: str
    dns_zone_id: str
    idle_timeout_s: int | None = None
    is_dualstack: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployFacts(Facts):
    """Live objects as the API gives them (JSON, secret values blotted out), None where absent.

    `s3_endpoint` is what the Pods need to reach the bucket, "" on AWS itself; `pod_digests` is the digest
    of the template that each Pod of the setup was made from, by the Pod's name. `http_secret_mark` counts how
    often the HTTP secret was made; it says nothing of its value.
    """

    http_secret: SecretFacts | None = None
    http_secret_mark: str = ""
    service: Mapping[str, object] | None = None
    deployment: Mapping[str, object] | None = None
    replication_controller: Mapping[str, object] | None = None
    ready_pods: int = 0
    balancer_hostname: str = ""
    balancer: BalancerFacts | None = None
    s3_endpoint: str = ""
    pod_digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneFacts:
    """`zone_id` without the /hostedzone/ prefix; name without the final dot."""

    zone_id: str
    name: str
    name_servers: tuple[str, ...] = ()
    delegated_to: tuple[str, ...] = ()
    is_delegated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """`text` is the one-line form shown to people and given as consent; `record_set` is Route53's JSON."""

    record_type: str
    text: str
    record_set: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFacts(Facts):
    """`records` are the zone's A, AAAA and CNAME records of the domain; `candidates` all zones above it.

    `is_right` is set for the manual provider only: the name leads to the balancer already. `own` are the
    texts of records that this setup made; `target` is the balancer's name, for the manual provider.
    """

    zone: ZoneFacts | None = None
    candidates: tuple[ZoneFacts, ...] = ()
    records: tuple[RecordFacts, ...] = ()
    is_right: bool = False
    own: tuple[str, ...] = ()
    target: str = ""


NO_PULL_SECRET = SecretFacts(name=names.PULL_SECRET)


@dataclass(frozen=True, slots=True)
class PullSecretFacts:
    """The pull Secret of one namespace; `is_right`: it holds the login that the check user has now."""

    namespace: str
    namespace_exists: bool = True
    secret: SecretFacts = NO_PULL_SECRET
    is_right: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFacts(Facts):
    """`proven_for` is the fingerprint of what was last proven: certificate serial, access key ID, address."""

    proven_at: datetime | None = None
    proven_for: str = ""
    pull_secrets: tuple[PullSecretFacts, ...] = ()


@dataclass(slots=True)
class FactBook:
    """What is known of all steps; a step that was not looked at is None."""

    connect: ConnectFacts | None = None
    bucket: BucketFacts | None = None
    user: UserFacts | None = None
    certificate: CertificateFacts | None = None
    htpasswd: HtpasswdFacts | None = None
    deploy: DeployFacts | None = None
    dns: DnsFacts | None = None
    proof: ProofFacts | None = None

    def put(self, step: StepId, facts: Facts) -> None:
        setattr(self, step.value, facts)

    def get(self, step: StepId) -> Facts | None:
        found: Facts | None = getattr(self, step.value)
        return found
