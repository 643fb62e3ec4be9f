"""The authority goes wrong as it is told, so many times, and then goes well again."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from acme import client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from wizard.practice import daemon, tuning
from wizard.practice.acme import AcmeServer
from wizard.practice.acme.faults import (
    AcmeFault,
    ExternalAccount,
    FailValidation,
    FaultScript,
    OtherProfiles,
    Refuse,
    RenewalWindow,
    ShortLife,
    Slow,
)
from wizard.practice.control import ControlServer

NAME = "registry.practice.test"
Csr = Callable[..., bytes]
Connect = Callable[..., client.ClientV2]
Issue = Callable[..., messages.OrderResource]
ONE_OF_EACH: list[AcmeFault] = [
    Refuse(problem="rateLimited", at="newOrder", retry_after_s=3600, times=2),
    FailValidation(problem="dns", after=1, times=2),
    Slow(at="issuance", delay_s=0.5),
    ShortLife(lifetime_s=600),
    ExternalAccount(key_id="kid-7"),
    OtherProfiles(lifetimes_s={"brief": 86400}),
    RenewalWindow(explanation="https://ca.practice.test/incident"),
]


def leaf_of(order: messages.OrderResource) -> x509.Certificate:
    return x509.load_pem_x509_certificate(order.fullchain_pem.encode())


@pytest.fixture
def tell(server: AcmeServer) -> Iterator[Callable[[Any], Any]]:
    """Tells the authority by the control server of a running world, and gives what holds then."""
    control = ControlServer(
        {("POST", "/settings"): lambda body: tuning.change({"acme": server}, body)}, "the token"
    )
    control.start()
    info = daemon.WorldInfo("x", 0, control.url, "the token", {})
    yield lambda wish: daemon.ask(info, "POST", "/settings", wish)["acme"]
    control.stop()


def test_a_sequence_goes_well_fails_and_goes_well_again() -> None:
    script = FaultScript()
    script.set([FailValidation(after=1, times=2), FailValidation(problem="dns"), Refuse()])
    happened = [script.take(FailValidation) for _ in range(6)]
    assert [each and each.problem for each in happened] == [
        None, "connection", "connection", "dns", None, None
    ]  # fmt: skip
    assert script.left == [Refuse()]


def test_what_holds_for_as_long_as_it_is_told_is_not_used_up() -> None:
    script = FaultScript()
    script.set([ShortLife()])
    assert all(script.take(ShortLife) for _ in range(10))
    script.set([])
    assert script.take(ShortLife) is None


def test_no_occasion_happens_twice_among_threads() -> None:
    script = FaultScript()
    script.set([Refuse(times=50)])
    seen: list[object] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(script.take(Refuse) for _ in range(20))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each is not None for each in seen) == 50


def test_the_list_goes_in_and_comes_out_as_json(tell: Callable[[Any], Any], server: AcmeServer) -> None:
    server.faults = ONE_OF_EACH
    listed = tell({})["faults"]
    assert [each["kind"] for each in listed] == [each.kind for each in ONE_OF_EACH]
    server.faults = []
    assert tell({"acme": {"faults": listed}})["faults"] == listed
    assert server.faults == ONE_OF_EACH


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "earthquake"}, "acme.faults.0: Input tag 'earthquake'"),
        ({"kind": "slow", "delay": 1}, "acme.faults.0.slow.delay: Unexpected keyword argument"),
        ({"kind": "refuse", "at": "lunch"}, "acme.faults.0.refuse.at: Input should be"),
        ({"kind": "refuse", "times": 0}, "times is 1 or more"),
    ],
)
def test_a_fault_that_it_does_not_know_is_refused(
    tell: Callable[[Any], Any], server: AcmeServer, fault: dict[str, object], told: str
) -> None:
    server.faults = [Slow()]
    with pytest.raises(daemon.WorldError) as caught:
        tell({"acme": {"faults": [fault]}})
    assert told in str(caught.value)
    assert server.faults == [Slow()]


def test_two_validations_fail_then_they_work(
    client_with_account: client.ClientV2, issue: Issue, tell: Callable[[Any], Any], server: AcmeServer
) -> None:
    tell({"acme": {"faults": [{"kind": "fail-validation", "times": 2, "problem": "dns", "detail": "lost"}]}})
    for _ in range(2):
        with pytest.raises((errors.IssuanceError, errors.ValidationError)):
            issue(client_with_account, NAME)
    assert [entry.detail for entry in server.log if entry.kind == "failed"] == ["lost", "lost"]
    assert leaf_of(issue(client_with_account, NAME))
    assert server.faults == []


def test_an_order_is_limited_once_and_says_when_to_come_again(
    client_with_account: client.ClientV2, csr: Csr, server: AcmeServer
) -> None:
    server.faults = [Refuse(problem="rateLimited", at="newOrder", retry_after_s=7200)]
    answers: list[Any] = []
    client_with_account.net.session.hooks["response"].append(lambda answer, **_: answers.append(answer))
    with pytest.raises(messages.Error, match="rateLimited"):
        client_with_account.new_order(csr(NAME))
    assert (answers[-1].status_code, answers[-1].headers["Retry-After"]) == (429, "7200")
    assert client_with_account.new_order(csr(NAME)).body.status == messages.STATUS_PENDING


@pytest.mark.parametrize(("times", "is_enough"), [(1, True), (2, False)])
def test_a_nonce_is_refused_as_often_as_told(
    client_with_account: client.ClientV2, csr: Csr, server: AcmeServer, times: int, is_enough: bool
) -> None:
    """The library tries once more, and no oftener."""
    server.faults = [Refuse(problem="badNonce", at="", times=times)]
    if is_enough:
        assert client_with_account.new_order(csr(NAME))
    else:
        with pytest.raises(messages.Error, match="badNonce"):
            client_with_account.new_order(csr(NAME))
    assert server.faults == []


def test_the_directory_is_away_for_a_while(connect: Connect, server: AcmeServer) -> None:
    server.faults = [Refuse(problem="serverInternal", at="directory", status=503)]
    with pytest.raises(messages.Error, match="serverInternal"):
        connect()
    assert connect()


def test_certificates_live_as_briefly_as_told(
    client_with_account: client.ClientV2, issue: Issue, server: AcmeServer
) -> None:
    server.faults = [ShortLife(lifetime_s=600, times=1)]
    left = leaf_of(issue(client_with_account, NAME)).not_valid_after_utc - datetime.now(UTC)
    assert timedelta(minutes=5) < left <= timedelta(minutes=10)
    assert leaf_of(issue(client_with_account, NAME)).not_valid_after_utc - datetime.now(UTC) > timedelta(
        days=80
    )


def test_accounts_have_to_be_bound_while_told(connect: Connect, server: AcmeServer) -> None:
    server.faults = [ExternalAccount(key_id="kid-7")]
    acme = connect()
    assert acme.external_account_required()
    with pytest.raises(messages.Error, match="externalAccountRequired"):
        acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))
    assert acme.net.key
    binding = messages.ExternalAccountBinding.from_data(
        acme.net.key.public_key(), "kid-7", ExternalAccount().hmac_key, acme.directory
    )
    bound = messages.NewRegistration(terms_of_service_agreed=True, external_account_binding=binding)
    assert acme.new_account(bound).body.status == "valid"
    server.faults = []
    assert not connect().external_account_required()


def test_other_profiles_are_offered_and_outlive_the_fault(
    client_with_account: client.ClientV2, connect: Connect, issue: Issue, csr: Csr, server: AcmeServer
) -> None:
    server.faults = [OtherProfiles(lifetimes_s={"brief": 86400}, times=2)]
    assert list(connect().directory.meta.profiles) == ["brief"]
    with pytest.raises(messages.Error, match="invalidProfile"):
        client_with_account.new_order(csr(NAME), profile="classic")
    leaf = leaf_of(issue(client_with_account, NAME))
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=1)
    assert "classic" in connect().directory.meta.profiles


def test_the_renewal_window_is_told_once(
    client_with_account: client.ClientV2, issue: Issue, server: AcmeServer
) -> None:
    pem = leaf_of(issue(client_with_account, NAME)).public_bytes(Encoding.PEM)
    server.faults = [RenewalWindow(start_s=-7200, end_s=-3600, times=1)]
    now = datetime.now(UTC)
    told, usual = (client_with_account.renewal_time(pem)[0] for _ in range(2))
    assert told is not None
    assert usual is not None
    assert told < now < usual


def test_an_order_is_worked_upon_for_as_long_as_told(
    client_with_account: client.ClientV2, csr: Csr, server: AcmeServer
) -> None:
    server.settings.reuse_authorizations = True
    server.faults = [Slow(at="validation", delay_s=3600)]
    order = client_with_account.new_order(csr(NAME))
    challenge = order.authorizations[0].body.challenges[0]
    answered = client_with_account.answer_challenge(
        challenge, challenge.response(client_with_account.net.key)
    )
    assert str(answered.body.status) == "Status(processing)"
    assert server.faults == []
