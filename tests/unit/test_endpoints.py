"""One factor lengthens or shortens every time-out of a request."""

import pytest

from wizard.answers import EndpointAnswers, from_mapping
from wizard.endpoints import PRODUCTION, STAGING, Endpoints
from wizard.errors import Refused


@pytest.mark.parametrize(("text", "factor"), [("1", 1.0), ("0.05", 0.05), ("20", 20.0)])
def test_patience_is_read_from_the_environment(text: str, factor: float) -> None:
    assert Endpoints.gather(EndpointAnswers(), {"KUBE_REGISTRY_PATIENCE": text}).patience == factor
    assert Endpoints.gather(EndpointAnswers(), {}).patience == 1.0


@pytest.mark.parametrize("text", ["", "much", "0", "-1", "nan", "inf", "1000"])
def test_what_is_no_factor_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="KUBE_REGISTRY_PATIENCE"):
        Endpoints.gather(EndpointAnswers(), {"KUBE_REGISTRY_PATIENCE": text})


@pytest.mark.parametrize(
    ("directory", "wish", "staging"),
    [
        (PRODUCTION, "auto", STAGING),
        (PRODUCTION, "always", STAGING),
        (PRODUCTION, "never", ""),
        ("https://ca.test/", "auto", ""),
        ("https://ca.test/", "always", "https://staging.test/"),
        ("https://ca.test/", "never", ""),
        ("https://other.test/", "always", ""),
    ],
)
def test_a_rehearsal_is_usual_with_the_real_directory_only(directory: str, wish: str, staging: str) -> None:
    endpoints = Endpoints(acme_directory="https://ca.test/", acme_staging="https://staging.test/")
    assert endpoints.staging_of(directory, wish) == staging


@pytest.mark.parametrize(("given", "meant"), [(True, "always"), (False, "never"), ("auto", "auto")])
def test_yes_and_no_say_whether_to_rehearse(given: object, meant: str) -> None:
    assert from_mapping({"certificate": {"staging_first": given}}).certificate.staging_first == meant
