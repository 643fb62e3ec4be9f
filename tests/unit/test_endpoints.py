"""One factor lengthens or shortens every time-out of a request."""

import pytest

from wizard.answers import EndpointAnswers
from wizard.endpoints import Endpoints
from wizard.errors import Refused


@pytest.mark.parametrize(("text", "factor"), [("1", 1.0), ("0.05", 0.05), ("20", 20.0)])
def test_patience_is_read_from_the_environment(text: str, factor: float) -> None:
    assert Endpoints.gather(EndpointAnswers(), {"KUBE_REGISTRY_PATIENCE": text}).patience == factor
    assert Endpoints.gather(EndpointAnswers(), {}).patience == 1.0


@pytest.mark.parametrize("text", ["", "much", "0", "-1", "nan", "inf", "1000"])
def test_what_is_no_factor_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="KUBE_REGISTRY_PATIENCE"):
        Endpoints.gather(EndpointAnswers(), {"KUBE_REGISTRY_PATIENCE": text})
