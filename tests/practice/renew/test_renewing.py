"""Renewals in the practice world: when they are due, what they change, and what they leave as it was."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.practice.renew.conftest import Finished
from wizard import names
from wizard.errors import Refused, WizardError, wizard_error
from wizard.events import CheckFinished, CheckStatus, StepId
from wizard.journal import Entry
from wizard.practice.acme.faults import Refuse
from wizard.services import certificates
from wizard.services.acme import Acme
from wizard.step import Receipt
from wizard.steps import _deploy_renew
from wizard.steps._acme_renew import when_due


def due_now(finished: Finished) -> None:
    now = datetime.now(UTC)
    finished.world.acme.settings.renewal_window = (now - timedelta(hours=2), now - timedelta(hours=1))


def crash(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_nothing_is_said_or_asked_as_long_as_nothing_is_due(finished: Finished) -> None:
    before, orders = finished.contents(), finished.count("order")
    assert finished.run().renew(if_due=True) is False
    assert finished.events == []
    assert (finished.contents(), finished.count("order")) == (before, orders)


def test_what_the_ca_wants_renewed_is_renewed_and_served(finished: Finished) -> None:
    before, former = finished.contents(), finished.stored()
    due_now(finished)
    assert finished.run().renew(if_due=True) is True
    after = finished.contents()
    assert finished.stored() != former
    assert finished.served() == finished.stored()
    assert after[names.PREVIOUS_CERTIFICATE] == before[names.CERTIFICATE_KEY]
    assert after[names.PREVIOUS_PRIVATE_KEY] == before[names.PRIVATE_KEY]
    assert after[names.PRIVATE_KEY] != before[names.PRIVATE_KEY]
    assert not {names.NEXT_PRIVATE_KEY, names.NEXT_REQUEST, "next.crt"} & set(after)
    assert any(f"serves the certificate {finished.stored()}" in text for text in finished.told)
    finished.world.acme.settings.renewal_window = None
    assert finished.run().renew(if_due=True) is False


def test_apply_finds_nothing_to_change_after_a_renewal(finished: Finished) -> None:
    finished.run().renew()
    run = finished.run()
    assert [plan.changes for plan in run.survey().values()] == [()] * 8


def test_without_the_cas_word_a_third_of_the_life_left_counts(finished: Finished) -> None:
    leaf = finished.leaf()
    third = (leaf.not_valid_after_utc - leaf.not_valid_before_utc) / 3
    data = finished.contents()
    finished.cluster.write_secret(
        names.CERTIFICATE_SECRET, {**data, names.ISSUED_BY: b""}, setup=finished.answers.setup
    )
    due = when_due(finished.run()._context(StepId.CERTIFICATE))
    assert not due.is_by_ca
    assert due.at == leaf.not_valid_after_utc - third
    finished.cluster.write_secret(names.CERTIFICATE_SECRET, data, setup=finished.answers.setup)


def test_a_way_that_does_not_work_now_is_told_before_the_ca_is_asked(finished: Finished) -> None:
    """The name leads to the balancer now, so nothing that is put into the webroot can be seen."""
    before, orders = finished.contents(), finished.count("order")
    run = finished.run(renew_by="webroot", webroot=finished.world.environment()["KUBE_REGISTRY_WEBROOT"])
    with pytest.raises(Refused) as refused:
        run.renew()
    assert "port 80" in str(refused.value.problem).lower(), refused.value.problem
    assert finished.count("order") == orders
    assert finished.contents() == before


def test_an_imported_certificate_is_nobodys_to_renew(finished: Finished) -> None:
    with pytest.raises(Refused, match="imported"):
        finished.run(method="import").renew()


@pytest.mark.parametrize("point", ["installed", "rolled"])
def test_a_renewal_that_was_cut_off_is_gone_on_with(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    due_now(finished)
    issued = finished.count("issued")
    with monkeypatch.context() as patched:
        if point == "installed":
            patched.setattr(_deploy_renew, "roll", crash)
        else:
            done = Entry.done

            def cut(entry: Entry, receipt: Receipt) -> None:
                if entry.change.action == _deploy_renew.ROLL:
                    raise KeyboardInterrupt
                done(entry, receipt)

            patched.setattr(Entry, "done", cut)
        with pytest.raises(KeyboardInterrupt):
            finished.run().renew(if_due=True)
    finished.world.acme.settings.renewal_window = None
    assert finished.run().renew(if_due=True) is True
    assert finished.served() == finished.stored()
    assert finished.count("issued") == issued + 1
    assert finished.run().renew(if_due=True) is False


def test_a_renewal_that_was_killed_after_its_order_gets_another_one(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA has heard of a successor, the journal has not: the CA takes no second one for it."""
    former, issued = finished.stored(), finished.count("issued")
    order = Acme.new_order

    def then_killed(acme: Acme, *given: Any, **more: Any) -> None:
        order(acme, *given, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Acme, "new_order", then_killed)
        with pytest.raises(KeyboardInterrupt):
            finished.run().renew()
    orders = finished.count("order")
    finished.run().renew()
    assert finished.served() == finished.stored() != former
    assert (finished.count("order"), finished.count("issued")) == (orders + 1, issued + 1)


def test_rollouts_that_fail_again_and_again_do_not_end_the_renewals(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pair that did not get into service is tried once more, then the CA is asked for the next."""
    former, issued = finished.stored(), finished.count("issued")

    def fail(*given: Any) -> None:
        if given[2] != former:
            raise wizard_error("not-served", "It is not served.")

    with monkeypatch.context() as patched:
        patched.setattr("wizard.steps._deploy_balancer.await_serial", fail)
        for got in (1, 1, 2):
            with pytest.raises(WizardError) as caught:
                finished.run().renew()
            assert caught.value.problem.code == "renewal-taken-back"
            assert finished.count("issued") == issued + got
    assert finished.served() == finished.stored() == former
    finished.run().renew()
    assert finished.served() == finished.stored() != former
    assert finished.count("issued") == issued + 2


def test_a_ca_that_stumbles_over_what_is_replaced_gets_an_order_without(finished: Finished) -> None:
    """Pebble does, where a serial number begins with a zero octet."""
    former, issued = finished.stored(), finished.count("issued")
    finished.world.acme.faults = [Refuse(problem="serverInternal")]
    finished.run().renew()
    assert finished.world.acme.faults == []
    assert finished.served() == finished.stored() != former
    assert finished.count("issued") == issued + 1


@pytest.mark.parametrize("is_forgotten_by_ca", [False, True])
def test_a_lost_account_is_made_anew(finished: Finished, *, is_forgotten_by_ca: bool) -> None:
    """The certificate is the former account's: the CA takes no successor of it from the new one."""
    former, accounts = finished.stored(), finished.count("account")
    data = finished.contents(names.ACME_ACCOUNT_SECRET)
    finished.cluster.delete("v1", "Secret", names.ACME_ACCOUNT_SECRET)
    if is_forgotten_by_ca:
        told = json.loads(data[names.ACME_ACCOUNT_FILE])
        told["uri"] += "-forgotten"
        key_pem = certificates.new_key("ecdsa-p256")
        lost = {names.ACME_ACCOUNT_KEY: key_pem, names.ACME_ACCOUNT_FILE: json.dumps(told).encode()}
        finished.cluster.write_secret(names.ACME_ACCOUNT_SECRET, lost, setup=finished.answers.setup)
    finished.run().renew()
    assert finished.count("account") == accounts + 1
    account = json.loads(finished.contents(names.ACME_ACCOUNT_SECRET)[names.ACME_ACCOUNT_FILE])
    assert account["terms"].startswith("https://")
    assert finished.served() == finished.stored() != former
    finished.run().renew()
    assert finished.count("account") == accounts + 1


def test_changed_terms_are_told_once_by_a_renewal(finished: Finished) -> None:
    """Nobody is asked there: who has set agree_tos is told what it stands for now."""
    account = finished.contents(names.ACME_ACCOUNT_SECRET)
    told = json.loads(account[names.ACME_ACCOUNT_FILE])
    assert told["terms"].startswith("https://")
    old = {names.ACME_ACCOUNT_FILE: json.dumps(told | {"terms": "https://ca.practice.test/old"}).encode()}
    finished.cluster.write_secret(names.ACME_ACCOUNT_SECRET, account | old, setup=finished.answers.setup)
    for times in (1, 0):
        finished.run().renew()
        said = [text for text in finished.told if "terms of service have changed" in text]
        assert len(said) == times
        assert all(told["terms"] in text for text in said)
    assert finished.contents(names.ACME_ACCOUNT_SECRET) == account


def test_a_wrong_clock_is_told_by_a_renewal(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard.services._acme_directory._skew_s", lambda _date: -900.0)
    finished.run().renew()
    found = [e for e in finished.events if isinstance(e, CheckFinished) and e.check == "before-clock"]
    assert [each.status for each in found] == [CheckStatus.WARNING]
    assert "15 minutes behind" in found[0].detail


def test_the_account_goes_on_with_another_key(finished: Finished) -> None:
    before = finished.contents(names.ACME_ACCOUNT_SECRET)
    finished.run().change_account_key()
    after = finished.contents(names.ACME_ACCOUNT_SECRET)
    assert after[names.ACME_ACCOUNT_KEY] != before[names.ACME_ACCOUNT_KEY]
    assert after[names.ACME_ACCOUNT_FILE] == before[names.ACME_ACCOUNT_FILE]
    assert set(after) == set(before)
    finished.run().renew()
    assert finished.served() == finished.stored()


@pytest.mark.parametrize("is_told", [False, True])
def test_a_key_change_that_was_cut_off_ends_with_one_key(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, *, is_told: bool
) -> None:
    """Before the CA was told of the new key, or after it was."""
    change = Acme.change_key

    def cut(acme: Acme, key_pem: bytes) -> None:
        if is_told:
            change(acme, key_pem)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Acme, "change_key", cut)
        with pytest.raises(KeyboardInterrupt):
            finished.run().change_account_key()
    kept = finished.contents(names.ACME_ACCOUNT_SECRET)["next-account.key"]
    finished.run().change_account_key()
    after = finished.contents(names.ACME_ACCOUNT_SECRET)
    assert after[names.ACME_ACCOUNT_KEY] == kept
    assert "next-account.key" not in after
    finished.run().renew()


def test_a_renewal_by_hand_without_need_is_done_all_the_same(finished: Finished) -> None:
    former = finished.stored()
    assert finished.run().renew() is True
    assert finished.served() != former
    assert any("not due before" in text for text in finished.told)
