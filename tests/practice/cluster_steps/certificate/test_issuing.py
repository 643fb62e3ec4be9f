"""The certificate step gets certificates, from the web server of the practice world."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    MakeRig,
    World,
    chain_of,
    codes,
    data_of,
    issue,
    pair,
    refusal,
)
from wizard import names
from wizard.errors import Remedy
from wizard.events import CheckFinished, CheckStatus, FileWanted, Noted, WaitStarted
from wizard.practice.acme import AcmeServer
from wizard.practice.dns import DnsServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import Network
from wizard.practice.pki import Authority
from wizard.practice.web import Fault
from wizard.services import certificates
from wizard.services.cluster import Cluster
from wizard.services.webroot import WELL_KNOWN
from wizard.step import Plan

# Getting one


def test_a_certificate_is_got_and_stored(rig_for: MakeRig, cluster: Cluster, world: World) -> None:
    rig = rig_for()
    before = sorted(world.webroot.rglob("*"))
    plan = rig.run(STEP)
    data = data_of(cluster)
    chain = chain_of(cluster)
    assert [change.action for change in plan.changes] == ["register-account", "issue-certificate"]
    assert (chain.names, chain.key_matches) == ((DOMAIN,), True)
    assert set(data) == {names.CERTIFICATE_KEY, names.PRIVATE_KEY, names.ISSUED_BY}
    assert cluster.secret_facts(names.CERTIFICATE_SECRET).owner == "registry"
    unwell = {k: v for k, v in rig.verify(STEP).items() if v.status is not CheckStatus.PASSED}
    assert set(unwell) == {"renewal-way"}
    assert sorted(world.webroot.rglob("*")) == before


@pytest.mark.parametrize("way", ["", "webroot", "dns-route53"])
def test_how_it_is_renewed_is_asked_once_it_is_there(rig_for: MakeRig, way: str) -> None:
    """Webroot ends with the DNS step: who means it all the same says so."""
    rig = rig_for(renew_by=way)
    rig.run(STEP)
    found = rig.verify(STEP)["renewal-way"]
    if way:
        assert found.status is CheckStatus.PASSED
        assert way in found.detail
        return
    assert found.status is CheckStatus.WARNING
    assert found.problem.code == "renewal-undecided"
    assert "only until the DNS step" in found.problem.why
    assert found.problem.remedy == Remedy("set", "certificate", "renew_by", "dns-route53")


def test_a_second_run_changes_nothing(
    rig_for: MakeRig, cluster: Cluster, mutations: Callable[[], Any]
) -> None:
    rig = rig_for()
    rig.run(STEP)
    before = mutations()
    assert rig.run(STEP) == Plan()
    assert mutations() == before
    assert cluster.read_secret(names.CERTIFICATE_SECRET)


def test_nothing_secret_is_written_down(rig_for: MakeRig, cluster: Cluster, tmp_path: Path) -> None:
    rig = rig_for()
    rig.run(STEP)
    written = (tmp_path / "journal.jsonl").read_text() + repr([asdict(event) for event in rig.events])
    keys = (
        data_of(cluster)[names.PRIVATE_KEY],
        data_of(cluster, names.ACME_ACCOUNT_SECRET)[names.ACME_ACCOUNT_KEY],
    )
    for key in keys:
        body = key.decode().splitlines()[1]
        assert body not in written
        assert body in written + key.decode()
    assert repr(rig.facts).count("PRIVATE KEY") == 0


@pytest.mark.parametrize("key_type", ["ecdsa-p384", "rsa-2048"])
def test_other_keys_and_profiles_are_ordered(rig_for: MakeRig, cluster: Cluster, key_type: str) -> None:
    rig_for(key_type=key_type, profile="shortlived").run(STEP)
    assert certificates.key_type(data_of(cluster)[names.PRIVATE_KEY]) == key_type
    chain = chain_of(cluster)
    assert chain.not_after - chain.not_before < timedelta(days=8)


def test_another_domain_gets_the_next_and_keeps_the_last(
    rig_for: MakeRig, cluster: Cluster, world: World, network: Network, name_server: DnsServer
) -> None:
    rig_for().run(STEP)
    first = data_of(cluster)
    account = data_of(cluster, names.ACME_ACCOUNT_SECRET)
    network.name("registry.elsewhere.test", name_server.resolve(DOMAIN))
    plan = rig_for(domain="registry.elsewhere.test").run(STEP)
    assert [change.action for change in plan.changes] == ["issue-certificate"]
    assert DOMAIN in plan.changes[0].summary
    assert data_of(cluster)[names.PREVIOUS_CERTIFICATE] == first[names.CERTIFICATE_KEY]
    assert data_of(cluster)[names.PREVIOUS_PRIVATE_KEY] == first[names.PRIVATE_KEY]
    assert data_of(cluster, names.ACME_ACCOUNT_SECRET) == account
    assert world.issued() == 2


def test_another_ca_gets_an_account_of_its_own(
    rig_for: MakeRig, cluster: Cluster, world: World, authority: Authority, name_server: DnsServer
) -> None:
    rig_for().run(STEP)
    account = data_of(cluster, names.ACME_ACCOUNT_SECRET)
    network = world.network
    other = AcmeServer(authority, name_server.resolve, network, Ledger())
    other.start()
    try:
        plan = rig_for(directory=other.directory_url).run(STEP)
        assert [change.action for change in plan.changes] == ["register-account", "issue-certificate"]
        now = data_of(cluster, names.ACME_ACCOUNT_SECRET)
        assert now[names.ACME_ACCOUNT_KEY] != account[names.ACME_ACCOUNT_KEY]
        assert json.loads(now[names.ACME_ACCOUNT_FILE])["directory"] == other.directory_url
    finally:
        other.stop()


def test_an_external_account_is_bound(
    rig_for: MakeRig, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.acme.settings.external_accounts = {"kid-1": "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I"}
    assert codes(rig_for().plan(STEP)) == ["external-account-needed"]
    assert codes(rig_for(eab_kid="kid-1").plan(STEP)) == ["eab-hmac-missing"]
    monkeypatch.setenv("KUBE_REGISTRY_EAB_HMAC", "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I")
    rig_for(eab_kid="kid-1").run(STEP)
    assert "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I" not in (tmp_path / "journal.jsonl").read_text()


def test_an_account_that_the_ca_forgot_is_made_again(
    rig_for: MakeRig, cluster: Cluster, world: World
) -> None:
    rig_for().run(STEP)
    account = data_of(cluster, names.ACME_ACCOUNT_SECRET)
    told = json.loads(account[names.ACME_ACCOUNT_FILE])
    told["uri"] = f"{told['uri'].rpartition('/')[0]}/forgotten"
    lost = {**account, names.ACME_ACCOUNT_FILE: json.dumps(told).encode()}
    cluster.write_secret(names.ACME_ACCOUNT_SECRET, lost, setup="registry")
    cluster.delete("v1", "Secret", names.CERTIFICATE_SECRET)
    rig_for().run(STEP)
    assert data_of(cluster, names.ACME_ACCOUNT_SECRET) == account
    assert world.issued() == 2


def test_a_file_can_be_put_there_by_hand(rig_for: MakeRig, cluster: Cluster, world: World) -> None:
    """The operator reads the note, and puts the file on the web server."""
    rig = rig_for(webroot="manual")
    place = world.webroot / ".well-known" / "acme-challenge"

    def operator(event: Any) -> None:
        rig.seen.append(event)
        if isinstance(event, FileWanted):
            place.mkdir(parents=True, exist_ok=True)
            (world.webroot / event.path).write_text(event.content + "\n")

    rig.seen = []
    made = rig.context

    def context(step: Any) -> Any:
        found = made(step)
        found.emit = operator
        return found

    rig.context = context
    rig.run(STEP)
    assert chain_of(cluster).names == (DOMAIN,)
    assert any(isinstance(event, Noted) and "may be removed" in event.text for event in rig.seen)
    assert any(isinstance(event, WaitStarted) and WELL_KNOWN in event.what for event in rig.seen)


# What stands in the way


def test_blockers_are_seen_before_anything_is_changed(
    rig_for: MakeRig, world: World, tmp_path: Path, mutations: Callable[[], Any]
) -> None:
    before = mutations()
    assert codes(rig_for(agree_tos=False).plan(STEP)) == ["terms-not-agreed"]
    assert codes(rig_for(webroot=str(tmp_path / "absent")).plan(STEP)) == ["webroot-absent"]
    assert codes(rig_for(domain="absent.practice.test").plan(STEP)) == ["domain-absent"]
    assert codes(rig_for(profile="nope").plan(STEP)) == ["profile-unknown"]
    assert codes(rig_for(directory="https://127.0.0.1:9/directory").plan(STEP)) == ["refused"]
    assert mutations() == before
    assert world.ordered() == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(404, b"no such file"), "probe-not-found"),
        (Fault(200, b"welcome"), "probe-wrong-content"),
        (Fault(302, location=f"http://{DOMAIN}/"), "probe-redirected"),
        (Fault(302, location=f"http://{DOMAIN}:8080/x"), "probe-redirected"),
        (Fault(503, b"out of order"), "probe-proxy"),
    ],
)
def test_the_preflight_spares_the_ca(rig_for: MakeRig, world: World, fault: Fault, code: str) -> None:
    rig = rig_for()
    before = sorted(world.webroot.rglob("*"))
    world.web.fail(fault)
    assert refusal(lambda: issue(rig)) == code
    assert world.ordered() == 0
    assert sorted(world.webroot.rglob("*")) == before
    world.web.heal()
    rig.run(STEP)


def test_a_web_server_that_is_down_is_told(rig_for: MakeRig, world: World) -> None:
    world.web.stop()
    assert refusal(lambda: issue(rig_for())) == "probe-proxy"


def test_without_preflight_the_ca_is_asked_all_the_same(
    rig_for: MakeRig, world: World, cluster: Cluster
) -> None:
    world.web.fail(Fault(404))
    rig = rig_for(preflight=False)
    assert refusal(lambda: issue(rig)) == "acme-unauthorized"
    assert world.ordered() == 1
    assert set(data_of(cluster)) == {names.NEXT_PRIVATE_KEY, names.NEXT_REQUEST}
    warned = [each for each in rig.events if isinstance(each, CheckFinished) and each.status == "warning"]
    assert [each.check for each in warned] == ["before-probe"]
    assert warned[0].problem
    assert "asked all the same" in warned[0].problem.fix


def test_a_rate_limit_is_told_with_its_end(rig_for: MakeRig, world: World) -> None:
    from wizard.practice.acme.settings import Limit

    world.acme.settings.limits.orders_per_account = Limit(0, timedelta(hours=3))
    assert refusal(lambda: issue(rig_for())) == "acme-rate-limited"


def test_a_busy_ca_is_survived(rig_for: MakeRig, world: World) -> None:
    world.acme.settings.bad_nonce_share = 0.5
    rig_for().run(STEP)


def test_a_domain_that_the_ca_rejects_is_told(rig_for: MakeRig, world: World) -> None:
    world.acme.settings.rejected_names = {DOMAIN}
    before = sorted(world.webroot.rglob("*"))
    assert refusal(lambda: issue(rig_for())) == "acme-rejected-identifier"
    assert sorted(world.webroot.rglob("*")) == before


def test_a_certificate_that_is_due_is_told_of_and_one_that_ran_out_is_followed(
    rig_for: MakeRig, cluster: Cluster, authority: Authority, world: World
) -> None:
    """The practice authority lets its certificates begin an hour ago."""

    def put(lifetime: timedelta) -> None:
        cert_pem, key_pem = pair(authority, DOMAIN, lifetime=lifetime)
        found = {names.CERTIFICATE_KEY: cert_pem, names.PRIVATE_KEY: key_pem}
        cluster.write_secret(names.CERTIFICATE_SECRET, found, setup="registry")

    put(timedelta(hours=1, minutes=5))
    rig = rig_for()
    plan = rig.plan(STEP)
    assert plan.changes == plan.blockers == ()
    assert "kube-registry renew" in plan.notes[0]
    assert rig.verify(STEP)["days"].status is CheckStatus.WARNING
    put(timedelta(minutes=30))
    rig = rig_for()
    plan = rig.plan(STEP)
    assert [change.action for change in plan.changes] == ["register-account", "issue-certificate"]
    assert rig.verify(STEP)["days"].status is CheckStatus.FAILED
    rig.run(STEP)
    assert names.PREVIOUS_CERTIFICATE in data_of(cluster)
    assert world.issued() == 1
