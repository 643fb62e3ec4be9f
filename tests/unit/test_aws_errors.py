"""Every error of botocore becomes a sentence with what, why and one thing to do."""

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from wizard.errors import AccessDenied, Conflict, CredentialsError, NotFound, Unreachable, WizardError
from wizard.services.aws import Identity, aws_error
from wizard.services.aws.balancers import plain

WHO = "arn:aws:iam::123456789012:user/me"
START = f'User: {WHO} is not authorized to perform: s3:CreateBucket on resource: "arn:aws:s3:::b" '


def client_error(code: str, message: str = "", status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "CreateBucket")


class TestDenials:
    @pytest.mark.parametrize(
        ("reason", "code", "who_helps"),
        [
            (
                "because no identity-based policy allows the s3:CreateBucket action",
                "denied",
                f"policy of {WHO}",
            ),
            ("with an explicit deny in a service control policy", "denied-by-organisation", "organisation"),
            ("with an explicit deny in a resource control policy", "denied-by-organisation", "organisation"),
            (
                "because no service control policy allows the s3:CreateBucket action",
                "denied-by-organisation",
                "organisation",
            ),
            (
                "because no permissions boundary allows the s3:CreateBucket action",
                "denied-by-boundary",
                "set the boundary",
            ),
            ("with an explicit deny in a permissions boundary", "denied-by-boundary", "set the boundary"),
            ("because no session policy allows the s3:CreateBucket action", "denied-by-session", "Sign in"),
            (
                "with an explicit deny in an identity-based policy",
                "denied-explicitly",
                "Remove the statement",
            ),
            ("with an explicit deny in a resource-based policy", "denied-explicitly", "Remove the statement"),
            ("because no VPC endpoint policy allows the action", "denied-by-endpoint", "endpoint's policy"),
        ],
    )
    def test_say_whose_help_is_needed(self, reason: str, code: str, who_helps: str) -> None:
        error = aws_error(client_error("AccessDenied", START + reason, 403))
        assert isinstance(error, AccessDenied)
        assert error.action == "s3:CreateBucket"
        assert error.problem.what == "AWS refused s3:CreateBucket on arn:aws:s3:::b."
        assert error.problem.code == code
        assert who_helps in error.problem.fix

    def test_without_a_message_the_asked_action_is_named(self) -> None:
        error = aws_error(client_error("403", "Forbidden", 403), "s3:ListBucket", profile="work")
        assert isinstance(error, AccessDenied)
        assert error.problem.fix == "Add s3:ListBucket to the policy of profile work."

    def test_kms_has_its_own_words(self) -> None:
        message = f"User: {WHO} is not authorized to perform: kms:GenerateDataKey on resource: k because no"
        error = aws_error(client_error("AccessDenied", message, 403))
        assert error.problem.code == "kms-refused"
        assert "key's policy" in error.problem.fix


@pytest.mark.parametrize(
    ("code", "status", "kind", "problem"),
    [
        ("ExpiredToken", 400, CredentialsError, "aws-token-expired"),
        ("InvalidClientTokenId", 403, CredentialsError, "aws-key-refused"),
        ("InvalidAccessKeyId", 403, CredentialsError, "aws-key-refused"),
        ("SignatureDoesNotMatch", 403, CredentialsError, "aws-signature-refused"),
        ("RequestTimeTooSkewed", 403, CredentialsError, "clock-skew"),
        ("Throttling", 400, WizardError, "aws-throttled"),
        ("PriorRequestNotComplete", 400, WizardError, "aws-throttled"),
        ("LimitExceeded", 409, WizardError, "aws-limit"),
        ("NoSuchBucket", 404, NotFound, "aws-not-found"),
        ("NoSuchEntity", 404, NotFound, "aws-not-found"),
        ("EntityAlreadyExists", 409, Conflict, "aws-conflict"),
        ("DeleteConflict", 409, Conflict, "aws-conflict"),
        ("InternalError", 500, Unreachable, "aws-unwell"),
        ("OptInRequired", 403, AccessDenied, "aws-not-enabled"),
        ("AccessControlListNotSupported", 400, WizardError, "acls-disabled"),
        ("KMS.DisabledException", 400, AccessDenied, "kms-refused"),
        ("MalformedPolicyDocument", 400, WizardError, "aws-refused"),
    ],
)
def test_answers_of_aws(code: str, status: int, kind: type[WizardError], problem: str) -> None:
    error = aws_error(client_error(code, "Something.", status))
    assert isinstance(error, kind)
    assert error.problem.code == problem
    assert error.problem.what
    assert error.problem.fix


def test_a_signature_that_expired_is_a_matter_of_the_clock() -> None:
    message = "Signature expired: 20261124T000000Z is now earlier than 20261124T010000Z"
    assert aws_error(client_error("SignatureDoesNotMatch", message, 403)).problem.code == "clock-skew"


@pytest.mark.parametrize(
    ("error", "code", "fix"),
    [
        (boto.NoCredentialsError(), "no-aws-credentials", "aws configure"),
        (boto.ProfileNotFound(profile="work"), "no-aws-profile", "list-profiles"),
        (boto.UnauthorizedSSOTokenError(), "aws-sign-in-over", "aws sso login --profile work"),
        (boto.SSOTokenLoadError(error_msg="gone"), "aws-sign-in-over", "aws sso login --profile work"),
        (boto.TokenRetrievalError(provider="sso", error_msg="x"), "aws-sign-in-over", "aws sso login"),
        (boto.LoginRefreshRequired(), "aws-sign-in-over", "aws login --profile work"),
        (boto.MissingDependencyException(msg="crt"), "aws-crt-missing", "botocore[crt]"),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), "aws-configuration-broken", "list"),
        (boto.EndpointConnectionError(endpoint_url="https://x.test/"), "aws-unreachable", "network"),
        (boto.ConnectTimeoutError(endpoint_url="https://x.test/"), "aws-unreachable", "network"),
        (boto.ReadTimeoutError(endpoint_url="https://x.test/"), "aws-unreachable", "network"),
        (boto.ProxyConnectionError(proxy_url="http://p:1"), "proxy-failed", "HTTPS_PROXY"),
        (
            boto.SSLError(endpoint_url="https://x.test/", error=ValueError("bad")),
            "aws-tls-failed",
            "endpoints.ca_file",
        ),
        (ResponseParserError("<html>"), "not-aws", "network"),
        (boto.NoRegionError(), "no-region", "connect.aws_region"),
        (boto.ParamValidationError(report="x"), "aws-failed", "raw error"),
    ],
)
def test_what_never_reached_aws(error: Exception, code: str, fix: str) -> None:
    problem = aws_error(error, "sts:GetCallerIdentity", profile="work").problem
    assert problem.code == code
    assert fix in problem.fix
    # A parser quotes the whole body, which may hold a secret.
    assert problem.raw == ("ResponseParserError" if isinstance(error, ResponseParserError) else str(error))


def test_our_own_errors_stay_what_they_are() -> None:
    error = aws_error(client_error("NoSuchBucket", status=404))
    assert aws_error(error) is error


@pytest.mark.parametrize(
    ("arn", "partition", "user", "role"),
    [
        ("arn:aws:iam::123456789012:user/me", "aws", "me", ""),
        ("arn:aws-cn:iam::123456789012:user/teams/web/me", "aws-cn", "me", ""),
        ("arn:aws-us-gov:sts::123456789012:assumed-role/admin/session", "aws-us-gov", "", "admin"),
        ("arn:aws:iam::123456789012:root", "aws", "", ""),
    ],
)
def test_identities(arn: str, partition: str, user: str, role: str) -> None:
    who = Identity.of("123456789012", arn)
    assert (who.partition, who.user_name, who.role) == (partition, user, role)


def test_balancer_names_are_compared_in_one_form() -> None:
    assert plain("dualstack.Name-1.EU-west-1.elb.amazonaws.com.") == "name-1.eu-west-1.elb.amazonaws.com"
