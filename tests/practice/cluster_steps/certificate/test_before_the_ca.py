"""What is known before the CA is asked: checks and their overriding, the rehearsal, the count of attempts."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    HostedZone,
    MakeRig,
    World,
    chain_of,
    codes,
    crash_at,
    data_of,
    files,
    issue,
    pair,
    refusal,
)
from wizard import attempts, names
from wizard.attempts import Attempts
from wizard.endpoints import Endpoints
from wizard.events import CheckFinished, CheckStatus, Noted, StepId
from wizard.polling import NotReady, wait_until
from wizard.practice.acme import AcmeServer
from wizard.practice.acme.settings import Limit
from wizard.practice.dns import DnsServer
from wizard.practice.ledger import Ledger
from wizard.practice.pki import Authority
from wizard.practice.web import Fault
from wizard.services.cluster import Cluster
from wizard.step import Plan


def before_checks(rig: Any) -> dict[str, CheckStatus]:
    """The checks that ran before the CA was asked, by name."""
    found = [event for event in rig.events if isinstance(event, CheckFinished)]
    return {
        each.check.removeprefix("before-"): each.status for each in found if each.check.startswith("before-")
    }


# Checks

HTTP_CHECKS = {"clock", "delegation", "address", "caa", "port-80", "redirects", "probe", "stale-aaaa"}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("webroot", HTTP_CHECKS),
        ("standalone", HTTP_CHECKS),
        ("dns-route53", {"clock", "delegation", "caa"}),
    ],
)
def test_each_is_told_on_its_own(rig_for: MakeRig, method: str, expected: set[str]) -> None:
    rig = rig_for(method=method)
    rig.run(STEP)
    assert before_checks(rig) == dict.fromkeys(expected, CheckStatus.PASSED)


@pytest.mark.parametrize(
    ("at", "record", "words"),
    [
        (DOMAIN, '0 issue "other-ca.test"', "names other-ca.test only"),
        ("practice.test", '0 issue ";"', "names nobody only"),
        (DOMAIN, '0 issue "ca.practice.test; validationmethods=dns-01"', "proves by http-01"),
        (DOMAIN, '0 issue "ca.practice.test; accounturi=https://ca.practice.test/1"', "another account"),
        (DOMAIN, '128 unheardof "x"', "critical tag unheardof"),
    ],
)
def test_a_caa_record_that_forbids_is_told(
    rig_for: MakeRig, zone: HostedZone, world: World, at: str, record: str, words: str
) -> None:
    """The CA would say the same: whoever overrides the check learns it there."""
    zone.put(at, "CAA", record)
    plan = rig_for().plan(STEP)
    assert codes(plan) == ["caa-forbids"]
    assert words in plan.blockers[0].why
    assert 'add "caa"' in plan.blockers[0].fix
    assert world.ordered() == 0
    assert refusal(lambda: issue(rig_for(overridden=["caa"]))) == "acme-caa"


@pytest.mark.parametrize(
    ("at", "record"),
    [
        ("practice.test", '0 issue "ca.practice.test"'),
        (DOMAIN, '0 issue "ca.practice.test; validationmethods=http-01,dns-01"'),
        (DOMAIN, '0 iodef "mailto:ops@practice.test"'),
    ],
)
def test_a_caa_record_that_permits_is_no_hindrance(
    rig_for: MakeRig, zone: HostedZone, at: str, record: str
) -> None:
    zone.put("practice.test", "CAA", '0 issue "other-ca.test"')
    zone.put(at, "CAA", record)
    rig_for().run(STEP)


def test_the_account_that_caa_names_may_order(rig_for: MakeRig, cluster: Cluster, zone: HostedZone) -> None:
    rig_for().run(STEP)
    account = json.loads(data_of(cluster, names.ACME_ACCOUNT_SECRET)[names.ACME_ACCOUNT_FILE])
    zone.put(DOMAIN, "CAA", f'0 issue "ca.practice.test; accounturi={account["uri"]}"')
    cluster.delete("v1", "Secret", names.CERTIFICATE_SECRET)
    rig_for().run(STEP)


def test_a_check_is_overridden_by_its_name_only(rig_for: MakeRig, world: World) -> None:
    world.web.fail(Fault(404))
    assert refusal(lambda: issue(rig_for(overridden=["caa"]))) == "probe-not-found"
    assert world.ordered() == 0
    rig = rig_for(overridden=["probe"])
    assert refusal(lambda: issue(rig)) == "acme-unauthorized"
    assert before_checks(rig)["probe"] is CheckStatus.WARNING
    assert world.ordered() == 1


def test_an_unreachable_port_hides_no_other_check(rig_for: MakeRig, world: World) -> None:
    world.web.refuse()
    rig = rig_for()
    assert refusal(lambda: issue(rig)) == "probe-proxy"
    found = before_checks(rig)
    assert found["port-80"] is CheckStatus.FAILED
    assert found["redirects"] is found["probe"] is CheckStatus.SKIPPED
    assert found["address"] is found["caa"] is CheckStatus.PASSED


def test_a_recommendation_is_made_from_what_was_found(rig_for: MakeRig) -> None:
    notes = " ".join(rig_for().plan(STEP).notes)
    assert "Recommended: dns-route53, for the zone practice.test" in notes
    assert 'renew_by = "dns-route53"' in notes
    decided = " ".join(rig_for(renew_by="dns-route53").plan(STEP).notes)
    assert "It will be renewed by dns-route53" in decided
    assert "Recommended" not in " ".join(rig_for(method="dns-route53").plan(STEP).notes)


def test_an_import_is_told_of_a_zone_too(rig_for: MakeRig, authority: Authority, tmp_path: Path) -> None:
    answers = files(tmp_path, *pair(authority, DOMAIN))
    assert "Recommended: dns-route53" in " ".join(rig_for(**answers).plan(STEP).notes)


# Rehearsal


@pytest.fixture
def staging(authority: Authority, name_server: DnsServer, world: World) -> Iterator[AcmeServer]:
    """A second CA that stands in for the first one's staging."""
    other = AcmeServer(authority, name_server.resolve, world.network, Ledger(), txt=name_server.txt)
    other.settings.validation_delay_s = 0.0
    other.start()
    found = world.endpoints
    world.endpoints = Endpoints(
        nameservers=found.nameservers,
        proxy=found.proxy,
        ca_file=found.ca_file,
        acme_directory=found.acme_directory,
        acme_staging=other.directory_url,
        http_listen=found.http_listen,
    )
    yield other
    other.stop()


def kinds(server: AcmeServer) -> list[str]:
    return [entry.kind for entry in server.log if entry.kind in {"account", "order", "issued"}]


@pytest.mark.parametrize("method", ["webroot", "dns-route53"])
def test_staging_comes_first(rig_for: MakeRig, world: World, staging: AcmeServer, method: str) -> None:
    rig = rig_for(method=method, staging_first="always")
    plan = rig.run(STEP)
    actions = [change.action for change in plan.changes]
    assert actions == ["rehearse-issuance", "register-account", "issue-certificate"]
    assert kinds(staging) == kinds(world.acme) == ["account", "order", "issued"]
    assert rig_for(method=method, staging_first="always").plan(STEP) == Plan()
    told = rig.undo(STEP)
    assert "nothing to take back" in told[2]


def test_a_rehearsal_that_fails_costs_nothing_that_counts(
    rig_for: MakeRig, world: World, staging: AcmeServer
) -> None:
    staging.settings.rejected_names = {DOMAIN}
    assert refusal(lambda: issue(rig_for(staging_first="always"))) == "acme-rejected-identifier"
    assert kinds(world.acme) == []
    staging.settings.rejected_names = set()
    rig_for(staging_first="always").run(STEP)
    assert kinds(world.acme) == ["account", "order", "issued"]


def test_a_rehearsal_that_was_killed_is_gone_on_with(
    rig_for: MakeRig, world: World, staging: AcmeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_at(monkeypatch, rig_for(staging_first="always"), "wizard.services.acme.Acme.finalize")
    rig_for(staging_first="always").run(STEP)
    assert kinds(staging) == kinds(world.acme) == ["account", "order", "issued"]


@pytest.mark.usefixtures("staging")
@pytest.mark.parametrize("wish", ["auto", "never", False])
def test_a_rehearsal_is_left_out_with_a_directory_that_stands_in(rig_for: MakeRig, wish: object) -> None:
    plan = rig_for(staging_first=wish).plan(STEP)
    assert [change.action for change in plan.changes] == ["register-account", "issue-certificate"]


# The ledger of attempts


def counted(tmp_path: Path, world: World) -> dict[str, int]:
    ledger, directory = Attempts(tmp_path / "journal.jsonl"), world.acme.directory_url
    kinds = (attempts.ACCOUNT, attempts.ORDER, attempts.FAILED, attempts.ISSUED)
    return {kind: ledger.count(kind, directory) for kind in kinds}


def test_what_is_left_is_shown_before_the_next(rig_for: MakeRig, tmp_path: Path, world: World) -> None:
    assert "certificates for these names: 5 of 5 left this week" in " ".join(rig_for().plan(STEP).notes)
    world.web.fail(Fault(404))
    refusal(lambda: issue(rig_for(overridden=["probe"])))
    world.web.heal()
    rig_for().run(STEP)
    assert counted(tmp_path, world) == {"account": 1, "order": 2, "failed": 1, "issued": 1}
    ledger = Attempts(tmp_path / "journal.jsonl")
    left = ledger.left(world.acme.directory_url, [DOMAIN], attempts.PRODUCTION)
    assert left == (
        "certificates for these names: 4 of 5 left this week",
        "failed tries: 4 of 5 left this hour",
        "accounts: 9 of 10 left in these three hours",
    )
    assert ledger.left("https://other.test/directory", [DOMAIN], attempts.PRODUCTION)[0].count("5 of 5")


@pytest.mark.parametrize("target", ["new_order", "answer", "finalize", "certificate"])
def test_a_run_that_is_killed_is_counted_as_the_ca_counts_it(
    rig_for: MakeRig, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """After the request was made: the CA has heard of it, the wizard of nothing."""
    from wizard.services.acme import Acme

    original: Callable[..., object] = getattr(Acme, target)

    def then_killed(self: Acme, *given: object, **more: object) -> None:
        original(self, *given, **more)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Acme, target, then_killed)
        patch.setattr("wizard.steps._acme_http.InWebroot.cleanup", lambda _: None)
        patch.setattr("wizard.steps._acme_issue.clean_up", lambda _: None)
        with pytest.raises(SystemExit):
            issue(rig_for())
    rig_for().run(STEP)
    orders = 2 if target == "new_order" else 1
    assert (world.ordered(), world.issued()) == (orders, 1)
    assert counted(tmp_path, world) == {"account": 1, "order": orders, "failed": 0, "issued": 1}


def test_the_ca_is_left_alone_until_its_limit_is_over(rig_for: MakeRig, world: World) -> None:
    world.acme.settings.limits.orders_per_account = Limit(0, timedelta(hours=3))
    assert refusal(lambda: issue(rig_for())) == "acme-rate-limited"
    world.acme.settings.limits.orders_per_account = None
    plan = rig_for().plan(STEP)
    assert codes(plan) == ["rate-limited"]
    assert " UTC" in plan.blockers[0].what
    assert refusal(lambda: issue(rig_for())) == "rate-limited"
    assert world.ordered() == 0


def test_the_ledger_holds_no_secret(rig_for: MakeRig, tmp_path: Path, cluster: Cluster) -> None:
    rig_for().run(STEP)
    path = tmp_path / "attempts.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    keys = {key for line in path.read_text().splitlines() for key in json.loads(line)}
    assert keys == {"time", "kind", "directory", "names", "order"}
    assert data_of(cluster)[names.PRIVATE_KEY].decode().splitlines()[1] not in path.read_text()


def test_a_failure_that_a_killed_run_never_saw_is_counted_once(
    rig_for: MakeRig, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA looks and finds nothing, while nobody is there to learn of it."""
    world.web.fail(Fault(404))
    rig = rig_for(overridden=["probe"])
    crash_at(monkeypatch, rig, "wizard.steps._acme_issue._judgement")
    until_logged(world, "failed")
    assert counted(tmp_path, world)["failed"] == 0
    for _ in range(2):
        assert refusal(lambda: issue(rig_for(domain="absent.practice.test"))) == "domain-absent"
        assert counted(tmp_path, world)["failed"] == 1
    world.web.heal()
    rig_for().run(STEP)
    assert counted(tmp_path, world) == {"account": 1, "order": 2, "failed": 1, "issued": 1}


def until_logged(world: World, kind: str) -> None:
    def looked() -> bool:
        if not any(entry.kind == kind for entry in world.acme.log):
            raise NotReady(f"no {kind}")
        return True

    never = threading.Event()
    wait_until(looked, what=kind, deadline_s=60, step=StepId.CERTIFICATE, emit=lambda _: None, cancel=never)


# The account and the chain


def test_undo_gives_the_account_up(rig_for: MakeRig, world: World) -> None:
    rig = rig_for()
    rig.run(STEP)
    assert any("The account at the CA is deactivated" in told for told in rig.undo(STEP))
    rig_for().run(STEP)
    assert kinds(world.acme).count("account") == 2


def test_undo_says_where_the_account_stays(rig_for: MakeRig, world: World) -> None:
    rig = rig_for()
    rig.run(STEP)
    world.acme.stop()
    told = rig.undo(STEP)
    assert any("The account stays at the CA" in each for each in told)


def test_changed_terms_are_told_until_there_is_a_certificate_under_them(
    rig_for: MakeRig, cluster: Cluster
) -> None:
    rig_for().run(STEP)
    account = data_of(cluster, names.ACME_ACCOUNT_SECRET)
    told = json.loads(account[names.ACME_ACCOUNT_FILE]) | {"terms": "https://ca.practice.test/terms-of-old"}
    changed = {**account, names.ACME_ACCOUNT_FILE: json.dumps(told).encode()}
    cluster.write_secret(names.ACME_ACCOUNT_SECRET, changed, setup="registry")
    cluster.delete("v1", "Secret", names.CERTIFICATE_SECRET)
    rig = rig_for()
    assert "terms of service have changed" in " ".join(rig.plan(STEP).notes)
    issue(rig)
    assert not [each for each in rig.events if isinstance(each, Noted) and "terms" in each.text]
    assert data_of(cluster, names.ACME_ACCOUNT_SECRET) == account
    cluster.delete("v1", "Secret", names.CERTIFICATE_SECRET)
    assert "terms of service have changed" not in " ".join(rig_for().plan(STEP).notes)


def test_another_chain_is_taken_where_it_is_preferred(
    rig_for: MakeRig, cluster: Cluster, authority: Authority
) -> None:
    from cryptography import x509

    other = x509.load_pem_x509_certificate(authority.alternate_intermediate_pem).issuer
    root = str(other.rfc4514_string()).removeprefix("CN=")
    rig = rig_for(preferred_chain=root)
    issue(rig)
    assert data_of(cluster)[names.CERTIFICATE_KEY].endswith(authority.alternate_intermediate_pem)
    assert chain_of(cluster).names == (DOMAIN,)
