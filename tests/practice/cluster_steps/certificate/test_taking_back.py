"""What was there before, what undo leaves, and what the checks tell."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    MakeRig,
    chain_of,
    codes,
    crash_at,
    data_of,
    pair,
    put_foreign,
)
from wizard import names
from wizard.events import CheckStatus
from wizard.practice.dns import DnsServer
from wizard.practice.network import Network
from wizard.practice.pki import Authority
from wizard.services import certificates
from wizard.services.cluster import Cluster
from wizard.step import Change, Plan


def test_undo_takes_everything_back(rig_for: MakeRig, cluster: Cluster) -> None:
    rig = rig_for()
    rig.run(STEP)
    told = rig.undo(STEP)
    assert cluster.read_secret(names.CERTIFICATE_SECRET) is None
    assert cluster.read_secret(names.ACME_ACCOUNT_SECRET) is None
    assert "not revoked" in told[0]


def test_undo_takes_back_what_a_killed_run_began(
    rig_for: MakeRig, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rig_for()
    crash_at(monkeypatch, rig, "wizard.services.acme.Acme.finalize")
    rig.undo(STEP)
    assert cluster.read_secret(names.CERTIFICATE_SECRET) is None


def test_a_good_certificate_that_was_there_is_used_as_it_is(
    rig_for: MakeRig, cluster: Cluster, authority: Authority, mutations: Callable[[], Any]
) -> None:
    """As `kubectl create secret generic` made it after the guide."""
    cert_pem, key_pem = pair(authority, DOMAIN)
    put_foreign(
        cluster,
        names.CERTIFICATE_SECRET,
        {names.CERTIFICATE_KEY: cert_pem, names.PRIVATE_KEY: key_pem},
    )
    before = mutations()
    assert rig_for().run(STEP) == Plan()
    assert mutations() == before


def test_a_foreign_secret_is_changed_on_consent_only_and_put_back(
    rig_for: MakeRig, cluster: Cluster, authority: Authority, network: Network, name_server: DnsServer
) -> None:
    """After two certificates too it is the first contents that come back."""
    cert_pem, key_pem = pair(authority, "old.practice.test")
    before = {
        names.CERTIFICATE_KEY: cert_pem,
        names.PRIVATE_KEY: key_pem,
        "notes": b"mine",
    }
    put_foreign(cluster, names.CERTIFICATE_SECRET, before)
    labels = cluster.secret_facts(names.CERTIFICATE_SECRET).owner
    asked = rig_for().plan(STEP).consents
    assert [(each.key, each.value) for each in asked] == [("adopt", "secrets")]
    rig = rig_for(consent={"adopt": ["secrets"]})
    rig.run(STEP)
    assert chain_of(cluster).names == (DOMAIN,)
    assert data_of(cluster)["notes"] == b"mine"
    network.name("registry.elsewhere.test", name_server.resolve(DOMAIN))
    rig = rig_for(consent={"adopt": ["secrets"]}, domain="registry.elsewhere.test")
    assert rig.run(STEP).changes
    rig.undo(STEP)
    assert data_of(cluster) == before
    assert cluster.secret_facts(names.CERTIFICATE_SECRET).owner == labels == ""


def test_undo_leaves_what_was_changed_since(rig_for: MakeRig, cluster: Cluster, authority: Authority) -> None:
    put_foreign(cluster, names.CERTIFICATE_SECRET, {"notes": b"mine"})
    rig = rig_for(consent={"adopt": ["secrets"]})
    rig.run(STEP)
    cert_pem, key_pem = pair(authority, DOMAIN)
    changed = {**data_of(cluster), names.CERTIFICATE_KEY: cert_pem, names.PRIVATE_KEY: key_pem}
    cluster.write_secret(names.CERTIFICATE_SECRET, changed, setup="x")
    told = rig.undo(STEP)
    assert "Left the Secret" in told[0]
    assert data_of(cluster) == changed


def test_another_setups_secret_is_left_alone(rig_for: MakeRig, cluster: Cluster) -> None:
    put_foreign(cluster, names.CERTIFICATE_SECRET, {"notes": b"x"}, owner="elder")
    plan = rig_for().plan(STEP)
    assert codes(plan) == ["other-setup"]
    assert "elder" in plan.blockers[0].what


def test_checks_tell_what_is_wrong_with_the_secret(
    rig_for: MakeRig, cluster: Cluster, authority: Authority
) -> None:
    cert_pem, _ = pair(authority, "old.practice.test")
    put_foreign(
        cluster,
        names.CERTIFICATE_SECRET,
        {names.CERTIFICATE_KEY: cert_pem, names.PRIVATE_KEY: certificates.new_key("ecdsa-p256")},
    )
    rig = rig_for()
    rig.plan(STEP)
    found = {name: result.status for name, result in rig.verify(STEP).items()}
    failed, passed = CheckStatus.FAILED, CheckStatus.PASSED
    assert found.pop("renewal-way") is CheckStatus.WARNING
    assert found == {"stored": passed, "key": failed, "names": failed, "chain": passed, "days": passed}


def test_an_empty_cluster_fails_the_first_check(rig_for: MakeRig) -> None:
    rig = rig_for()
    rig.plan(STEP)
    results = rig.verify(STEP)
    assert [(name, result.status) for name, result in results.items()] == [("stored", CheckStatus.FAILED)]


def test_changes_survive_the_journal(rig_for: MakeRig) -> None:
    for change in rig_for().plan(STEP).changes:
        assert Change.from_json(json.loads(json.dumps(asdict(change)))) == change
