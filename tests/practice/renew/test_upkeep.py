"""What `check` says of the next renewal, by the dry run of the way that the answers name."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.practice.renew.conftest import Finished
from wizard.errors import Remedy
from wizard.events import CheckFinished, CheckStatus
from wizard.steps._acme_renew import when_due


def said(finished: Finished, **certificate: object) -> CheckFinished:
    run = finished.run(**certificate)
    run.check()
    return next(e for e in finished.events if isinstance(e, CheckFinished) and e.check == "renewal")


def test_the_day_and_a_way_that_works_are_told(finished: Finished) -> None:
    orders = finished.count("order")
    found = said(finished)
    when = (datetime.now(UTC) + timedelta(days=40)).replace(hour=12)
    finished.world.acme.settings.renewal_window = (when, when + timedelta(hours=1))
    found = said(finished)
    assert found.status is CheckStatus.PASSED, found
    assert f"next on {when:%Y-%m-%d} (by the CA's word), by dns-route53, which works now" in found.detail
    assert finished.count("order") == orders


@pytest.mark.parametrize("way", ["webroot", "standalone"])
def test_a_way_that_ended_with_the_dns_step_is_a_warning(finished: Finished, way: str) -> None:
    found = said(finished, renew_by=way, webroot=finished.world.environment()["KUBE_REGISTRY_WEBROOT"])
    assert found.status is CheckStatus.WARNING, found
    assert found.problem
    assert f"by {way}, would not work now" in found.problem.what
    assert 'renew_by = "dns-route53"' in found.problem.fix
    assert found.problem.remedy == Remedy("set", "certificate", "renew_by", "dns-route53")


def test_a_wrong_clock_is_a_warning(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard.services._acme_directory._skew_s", lambda _date: 900.0)
    found = said(finished)
    assert found.status is CheckStatus.WARNING
    assert found.problem
    assert (found.problem.code, found.problem.fix) == ("clock-wrong", "Set the clock, best by NTP.")


def test_an_imported_one_is_renewed_by_hand(finished: Finished) -> None:
    found = said(finished, method="import", cert_file="absent", key_file="absent")
    assert (found.status, found.detail.split(":")[0]) == (CheckStatus.PASSED, "by hand")


def test_the_moment_in_the_window_is_the_same_in_every_run(finished: Finished) -> None:
    from wizard.events import StepId

    now = datetime.now(UTC)
    window = (now + timedelta(days=1), now + timedelta(days=3))
    finished.world.acme.settings.renewal_window = window
    moments = {when_due(finished.run()._context(StepId.CERTIFICATE)).at for _ in range(3)}
    assert len(moments) == 1
    assert window[0] - timedelta(seconds=1) <= moments.pop() <= window[1]
