"""Turns what botocore raises into sentences: what happened, why, and the one thing to do."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from botocore import exceptions as boto
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from wizard.errors import (
    AccessDenied,
    Conflict,
    CredentialsError,
    NotFound,
    Problem,
    Remedy,
    Unreachable,
    WizardError,
)
from wizard.services.aws.denials import denial
from wizard.services.aws.offers import not_offered

# GetBucketLocation is read by a parser of its own, whose error botocore lets pass.
FOREIGN = (ClientError, boto.BotoCoreError, ResponseParserError, ParseError)
PASSING, PASSES_IN_S = frozenset({"aws-throttled", "aws-unwell"}), 60
SKEWED = re.compile(r"signature (?:expired|not yet current)|request time and the current time", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Seen:
    """A foreign error taken apart; `action` is what was asked, `profile` "" for the default credentials."""

    error: Exception
    action: str
    profile: str
    code: str = ""
    message: str = ""
    status: int = 0

    @classmethod
    def of(cls, error: Exception, action: str, profile: str) -> "Seen":
        if not isinstance(error, ClientError):
            return cls(error, action, profile, message=_text_of(error))
        told = error.response.get("Error", {})
        metadata = error.response.get("ResponseMetadata", {})
        operation = action or error.operation_name
        status = int(metadata.get("HTTPStatusCode", 0))
        return cls(error, operation, profile, str(told.get("Code", "")), str(told.get("Message", "")), status)

    @property
    def whose(self) -> str:
        return f"profile {self.profile}" if self.profile else "the default credentials"

    def problem(self, code: str, what: str, why: str, fix: str) -> Problem:
        remedy = Remedy("wait", wait_s=PASSES_IN_S) if code in PASSING else None
        return Problem(code, what, why, fix, _text_of(self.error), remedy)


def _text_of(error: Exception) -> str:
    """Without the body that a parser's error quotes: CreateAccessKey's answer holds the secret access key."""
    return type(error).__name__ if isinstance(error, ResponseParserError) else str(error)


Explain = Callable[[Seen], WizardError]


def aws_error(error: Exception, action: str = "", *, profile: str = "") -> WizardError:
    """The sentence for any error of botocore; a WizardError is handed back as it is."""
    if isinstance(error, WizardError):
        return error
    seen = Seen.of(error, action, profile)
    if isinstance(error, ClientError):
        return _client_error(seen)
    for kinds, explain in _LOCAL:
        if isinstance(error, kinds):
            return explain(seen)
    return WizardError(
        seen.problem(
            "aws-failed",
            f"AWS could not be asked ({action or type(error).__name__}).",
            seen.message,
            "Read the raw error below, then run the same command again.",
        )
    )


def _client_error(seen: Seen) -> WizardError:
    if SKEWED.search(seen.message) or seen.code in {"RequestTimeTooSkewed", "RequestExpired"}:
        return _clock(seen)
    if explain := _CODES.get(seen.code):
        return explain(seen)
    if seen.status == 403 or "AccessDenied" in seen.code or seen.code.startswith("Unauthorized"):
        return denial(seen)
    if seen.status == 404 or seen.code.startswith("NoSuch") or "NotFound" in seen.code:
        return _absent(seen)
    if seen.code.startswith("KMS.") or "KMS" in seen.message:
        return _kms(seen)
    if seen.status >= 500:
        return _unwell(seen)
    conflict = seen.status == 409 or seen.code in {"DeleteConflict", "EntityAlreadyExists"}
    kind = Conflict if conflict else WizardError
    return kind(
        seen.problem(
            "aws-conflict" if conflict else "aws-refused",
            f"AWS refused {seen.action}: {seen.message or seen.code}",
            f"Its code is {seen.code}.",
            "Correct what the message names, then run the same command again.",
        )
    )


def _login_command(seen: Seen) -> str:
    return f"aws sso login --profile {seen.profile}" if seen.profile else "aws sso login"


def _no_credentials(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "no-aws-credentials",
            f"There are no AWS credentials in {seen.whose}.",
            "Neither the environment nor the AWS configuration files hold any.",
            "Run `aws configure`, then the same command again; or set connect.aws_profile to a profile "
            "that has credentials.",
        )
    )


def _no_profile(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "no-aws-profile",
            f"There is no AWS profile called {seen.profile}."
            if seen.profile
            else "The AWS profile named by the environment does not exist.",
            "The AWS configuration files do not name it.",
            "Set connect.aws_profile to one that `aws configure list-profiles` prints.",
        )
    )


def _bad_configuration(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "aws-configuration-broken",
            "The AWS configuration cannot be used.",
            f"{seen.message}",
            "Mend the AWS configuration file; `aws configure list` shows what is read from where.",
        )
    )


def _sign_in_again(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "aws-sign-in-over",
            f"The AWS sign-in of {seen.whose} has ended.",
            "Sign-ins last some hours at most.",
            f"Run `{_login_command(seen)}`, then the same command again.",
        )
    )


def _login_again(seen: Seen) -> WizardError:
    name = f" --profile {seen.profile}" if seen.profile else ""
    return CredentialsError(
        seen.problem(
            "aws-sign-in-over",
            f"The AWS sign-in of {seen.whose} has ended.",
            "A sign-in by `aws login` lasts at most 12 hours.",
            f"Run `aws login{name}`, then the same command again.",
        )
    )


def _needs_crt(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "aws-crt-missing",
            f"A Python library for {seen.whose} is not installed.",
            "Profiles made by `aws login` are signed by the AWS Common Runtime.",
            'Install it with `pip install "botocore[crt]"`.',
        )
    )


def _expired(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "aws-token-expired",
            f"The temporary AWS credentials of {seen.whose} have expired.",
            "AWS refused their session token.",
            f"Sign in again (for SSO: `{_login_command(seen)}`), then run the same command again.",
        )
    )


def _bad_key(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "aws-key-refused",
            f"AWS does not accept the access key of {seen.whose}.",
            "The key was deleted, is inactive, or belongs to another partition.",
            "Put an active access key in, with `aws configure` or in the environment.",
        )
    )


def _bad_signature(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "aws-signature-refused",
            f"AWS does not accept the signature of {seen.whose}.",
            "The secret access key does not belong to this access key ID.",
            "Enter both again with `aws configure`.",
        )
    )


def _clock(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "clock-skew",
            "The clock of this machine differs from AWS's by more than 15 minutes.",
            "AWS refuses every request that is signed at another time than its own.",
            "Set the clock (for example `sudo timedatectl set-ntp true`), then run the same command again.",
        )
    )


def _no_region(seen: Seen) -> WizardError:
    return CredentialsError(
        seen.problem(
            "no-region",
            "No AWS region is set.",
            "Neither the answers nor the AWS configuration name one.",
            "Set connect.aws_region to the region of the cluster, such as eu-west-1.",
        )
    )


def _unreachable(seen: Seen) -> WizardError:
    where = re.search(r'"(https?://[^/"]+)', seen.message)
    host = where[1] if where else "AWS"
    return Unreachable(
        seen.problem(
            "aws-unreachable",
            f"{host} does not answer.",
            "The connection could not be made, or no answer came in time.",
            "Check the region, the network and the proxy settings, then run the same command again.",
        )
    )


def _not_aws(seen: Seen) -> WizardError:
    return Unreachable(
        seen.problem(
            "not-aws",
            f"Something that is not AWS answered {seen.action or 'the request'}.",
            "The answer cannot be read; a proxy's page or a captive portal would look like this.",
            "Check HTTPS_PROXY, AWS_ENDPOINT_URL and the network.",
        )
    )


def _proxy(seen: Seen) -> WizardError:
    return Unreachable(
        seen.problem(
            "proxy-failed",
            "The proxy does not lead to AWS.",
            "It refused the connection or does not answer.",
            "Check HTTPS_PROXY, NO_PROXY and endpoints.proxy.",
        )
    )


def _tls(seen: Seen) -> WizardError:
    return Unreachable(
        seen.problem(
            "aws-tls-failed",
            "The certificate that AWS's address shows is not trusted.",
            "Something between this machine and AWS reads the traffic, as corporate proxies do.",
            "Set endpoints.ca_file to the PEM file of your organisation's CA.",
        )
    )


def _throttled(seen: Seen) -> WizardError:
    return WizardError(
        seen.problem(
            "aws-throttled",
            f"AWS is asked too often at the moment ({seen.action}).",
            "Other programs in the account share its limits.",
            "Run the same command again in a minute.",
        )
    )


def _unwell(seen: Seen) -> WizardError:
    return Unreachable(
        seen.problem(
            "aws-unwell",
            f"AWS answered {seen.action} with an error of its own.",
            f"HTTP {seen.status}, {seen.code or 'no code'}.",
            "Run the same command again in a minute.",
        )
    )


def _absent(seen: Seen) -> WizardError:
    return NotFound(
        seen.problem(
            "aws-not-found",
            f"AWS does not know what {seen.action} asked for.",
            seen.message or seen.code,
            "Run the same command again; it looks at everything anew.",
        )
    )


def _kms(seen: Seen) -> WizardError:
    return AccessDenied(
        seen.problem(
            "kms-refused",
            f"The KMS key that encrypts the bucket cannot be used ({seen.action}).",
            "A bucket with a KMS key needs kms:GenerateDataKey and kms:Decrypt besides the S3 actions.",
            "Allow both actions in the key's policy, or set bucket.encryption to AES256.",
        ),
        action="kms:GenerateDataKey",
    )


def _no_acls(seen: Seen) -> WizardError:
    return WizardError(
        seen.problem(
            "acls-disabled",
            "The bucket refuses the header that the registry sends with every object.",
            "The registry's S3 driver sends the ACL private, and this store takes no ACL at all.",
            "Set the bucket's object ownership to BucketOwnerPreferred.",
        )
    )


def _limit(seen: Seen) -> WizardError:
    return WizardError(
        seen.problem(
            "aws-limit",
            f"A limit of the AWS account is reached ({seen.action}).",
            seen.message,
            "Delete what is no longer needed, or ask for a higher limit in Service Quotas.",
        )
    )


def _not_signed_up(seen: Seen) -> WizardError:
    return AccessDenied(
        seen.problem(
            "aws-not-enabled",
            f"The AWS account may not use this service or region ({seen.action}).",
            seen.message,
            "Enable the region in the account's settings, or choose another region.",
        ),
        action=seen.action,
    )


_CODES: Mapping[str, Explain] = {
    "NotImplemented": not_offered,
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), _expired),
    **dict.fromkeys(
        (
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "UnrecognizedClientException",
            "AuthFailure",
            "InvalidToken",
        ),
        _bad_key,
    ),
    **dict.fromkeys(("SignatureDoesNotMatch", "IncompleteSignature"), _bad_signature),
    **dict.fromkeys(
        (
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "SlowDown",
            "TooManyRequestsException",
            "PriorRequestNotComplete",
        ),
        _throttled,
    ),
    **dict.fromkeys(
        ("LimitExceeded", "LimitExceededException", "TooManyBuckets", "ServiceQuotaExceededException"), _limit
    ),
    **dict.fromkeys(("OptInRequired", "SubscriptionRequiredException", "NotSignedUp"), _not_signed_up),
    "AccessControlListNotSupported": _no_acls,
}
_LOCAL: tuple[tuple[tuple[type[Exception], ...], Explain], ...] = (
    ((boto.NoCredentialsError, boto.NoAuthTokenError), _no_credentials),
    ((boto.ProfileNotFound,), _no_profile),
    ((boto.LoginError, boto.LoginRefreshRequired, boto.LoginTokenLoadError), _login_again),
    (
        (boto.SSOError, boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError),
        _sign_in_again,
    ),
    ((boto.MissingDependencyException,), _needs_crt),
    ((boto.NoRegionError,), _no_region),
    ((boto.ProxyConnectionError, boto.InvalidProxiesConfigError), _proxy),
    ((boto.SSLError,), _tls),
    ((ResponseParserError, ParseError), _not_aws),
    (
        (boto.EndpointConnectionError, boto.ConnectionError, boto.ReadTimeoutError, boto.HTTPClientError),
        _unreachable,
    ),
    (
        (
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.RefreshWithMFAUnsupportedError,
            boto.ConfigParseError,
            boto.ConfigNotFound,
            boto.InvalidConfigError,
            boto.InfiniteLoopConfigError,
            boto.UnknownCredentialError,
        ),
        _bad_configuration,
    ),
)
