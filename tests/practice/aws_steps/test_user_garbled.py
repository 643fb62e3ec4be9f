"""An answer that is no XML, as proxies give it, is told in a sentence wherever it comes."""

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from wizard.answers import UserAnswers
from wizard.errors import AccessDenied, WizardError
from wizard.services.aws import Aws
from wizard.steps._user_look import _find_elsewhere, _Look


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


@pytest.mark.parametrize(("status", "content"), [(200, b"<html><p>hello"), (200, b""), (503, b"not now")])
def test_a_garbled_list_of_policies_is_told(operator: Aws, status: int, content: bytes) -> None:
    def answer(**_: Any) -> AWSResponse:
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
