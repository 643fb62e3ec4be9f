"""An answer that is no XML, as proxies give it, is told in a sentence wherever it comes, and never quoted."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from wizard.answers import UserAnswers
from wizard.errors import AccessDenied, WizardError
from wizard.services.aws import Aws
from wizard.steps._user_look import _find_elsewhere, _Look
from wizard.steps.user import UserStep


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


def test_a_garbled_location_is_told(operator: Aws) -> None:
    """The SDK reads it by a parser of its own."""

    def answer(**_: Any) -> AWSResponse:
        return AWSResponse("http://127.0.0.1/", 200, HTTPHeaders(), _Raw(b"\x00<{]"))

    s3: Any = operator.client("s3")
    s3.meta.events.register("before-send.s3.GetBucketLocation", answer)
    try:
        with pytest.raises(WizardError) as caught, operator.explained("s3:GetBucketLocation"):
            s3.get_bucket_location(Bucket="any")
    finally:
        s3.meta.events.unregister("before-send.s3.GetBucketLocation", answer)
    assert caught.value.problem.code == "not-aws"


@pytest.mark.parametrize(("status", "content"), [(200, b"<html><p>hello"), (200, b""), (503, b"not now")])
def test_a_garbled_list_of_policies_is_told(operator: Aws, status: int, content: bytes) -> None:
    def answer(**_: Any) -> Any:
        return AWSResponse("http://127.0.0.1/", status, HTTPHeaders(), _Raw(content))

    iam: Any = operator.client("iam")
    iam.meta.events.register("before-send.iam.ListPolicies", answer)
    try:
        with pytest.raises(WizardError) as caught:
            _find_elsewhere(_Look(operator), UserAnswers())
    finally:
        iam.meta.events.unregister("before-send.iam.ListPolicies", answer)
    assert not isinstance(caught.value, AccessDenied)
    assert caught.value.problem.fix


@pytest.mark.usefixtures("kube_server")
def test_a_garbled_answer_with_a_secret_is_not_quoted(make_rig: Callable[..., Any], operator: Aws) -> None:
    """Cut off in the middle, CreateAccessKey's answer still holds the secret access key."""
    secret = b"plantedSecretAccessKey/0123456789abcdef0"
    body = b"<CreateAccessKeyResponse><AccessKey><SecretAccessKey>" + secret + b"</SecretAcc"

    def answer(**_: Any) -> Any:
        return AWSResponse("http://127.0.0.1/", 200, HTTPHeaders(), _Raw(body))

    iam: Any = operator.iam_once()
    rig, step = (
        make_rig({"bucket": {"name": "garbled"}, "user": {"name": "garbled", "policy": "garbled"}}),
        UserStep(),
    )
    iam.meta.events.register("before-send.iam.CreateAccessKey", answer)
    try:
        with pytest.raises(WizardError) as caught:
            rig.carry_out(step)
    finally:
        iam.meta.events.unregister("before-send.iam.CreateAccessKey", answer)
        rig.undo(step)
    assert caught.value.problem.raw == "ResponseParserError"
    assert secret.decode() not in repr((caught.value, caught.value.problem, rig.events))
    assert secret not in rig.journal.path.read_bytes()
