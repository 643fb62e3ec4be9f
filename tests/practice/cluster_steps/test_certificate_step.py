"""The certificate step against the practice world's CA, web server, DNS, proxy and cluster."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from wizard import names, ownership
from wizard.endpoints import Endpoints
from wizard.errors import Cancelled, WizardError
from wizard.events import CheckStatus, Noted, WaitProgress
from wizard.practice.acme import AcmeServer
from wizard.practice.aws import AwsServer
from wizard.practice.dns import DnsServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import Network
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.practice.web import Fault, WebServer
from wizard.services import certificates
from wizard.services.cluster import Cluster
from wizard.step import Change, Plan
from wizard.steps.certificate import CertificateStep

STEP = CertificateStep()
DOMAIN = "registry.practice.test"
Rig = Any
MakeRig = Callable[..., Rig]


@dataclass
class World:
    acme: AcmeServer
    web: WebServer
    webroot: Path
    endpoints: Endpoints

    def issued(self) -> int:
        return sum(entry.kind == "issued" for entry in self.acme.log)

    def ordered(self) -> int:
        return sum(entry.kind == "order" for entry in self.acme.log)


@pytest.fixture(scope="module")
def name_server(aws: AwsServer, network: Network) -> Iterator[DnsServer]:
    aws.seed("practice.test")
    server = DnsServer(aws, network)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def network() -> Network:
    return Network()


@pytest.fixture
def world(
    authority: Authority,
    ledger: Ledger,
    network: Network,
    name_server: DnsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    webroot = tmp_path / "webroot"
    web = WebServer(webroot, network)
    proxy = ProxyServer(name_server.resolve, network, ledger)
    acme = AcmeServer(authority, name_server.resolve, network, ledger)
    acme.settings.validation_delay_s = 0.0
    for server in (web, proxy, acme):
        server.start()
    root = tmp_path / "roots.pem"
    root.write_bytes(authority.root_pem)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    endpoints = Endpoints(
        nameservers=(f"127.0.0.1:{name_server.port}",),
        proxy=proxy.url,
        ca_file=str(root),
        acme_directory=acme.directory_url,
    )
    yield World(acme, web, webroot, endpoints)
    for server in (acme, proxy, web):
        server.stop()


@pytest.fixture
def rig_for(make_rig: MakeRig, world: World, cluster: Cluster) -> MakeRig:
    """`rig_for(method=...)` is a setup with these answers; the namespace is emptied after the test."""
    assert cluster.namespace == "default"

    def make(*, journal: str = "journal.jsonl", consent: dict[str, Any] | None = None, **more: Any) -> Rig:
        wanted = {"domain": DOMAIN, "agree_tos": True, "webroot": str(world.webroot), **more}
        rig = make_rig(journal=journal, certificate=wanted, consent=consent or {})
        rig.services.endpoints = world.endpoints
        return rig

    return make


def data_of(cluster: Cluster, name: str = names.CERTIFICATE_SECRET) -> dict[str, bytes]:
    found = cluster.read_secret(name)
    assert found is not None
    return dict(found.data)


def chain_of(cluster: Cluster) -> Any:
    data = data_of(cluster)
    return certificates.read_chain(data[names.CERTIFICATE_KEY], data[names.PRIVATE_KEY])


def codes(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.blockers]


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(WizardError) as caught:
        work()
    return caught.value.problem.code


def issue(rig: Rig) -> None:
    """Carries out what is planned, up to the first error."""
    for change in rig.plan(STEP).changes:
        rig.apply(STEP, change)


def put_foreign(cluster: Cluster, name: str, data: dict[str, bytes], owner: str = "") -> None:
    """A Secret as somebody made it by hand."""
    labels = ownership.labels(owner) if owner else {}
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels},
            "stringData": {key: value.decode() for key, value in data.items()},
        }
    )


def pair(
    authority: Authority, *domains: str, lifetime: timedelta = timedelta(days=90)
) -> tuple[bytes, bytes]:
    key_pem = certificates.new_key("ecdsa-p256")
    public = certificates.read_key(key_pem).public_key()
    return authority.chain(authority.issue(public, domains, lifetime=lifetime)), key_pem


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
    assert {result.status for result in rig.verify(STEP).values()} == {CheckStatus.PASSED}
    assert sorted(world.webroot.rglob("*")) == before


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
    network = world.web._network
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
    rig_for: MakeRig, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.acme.settings.external_accounts = {"kid-1": "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I"}
    assert codes(rig_for().plan(STEP)) == ["external-account-needed"]
    assert codes(rig_for(eab_kid="kid-1").plan(STEP)) == ["eab-hmac-missing"]
    monkeypatch.setenv("KUBE_REGISTRY_EAB_HMAC", "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I")
    rig_for(eab_kid="kid-1").run(STEP)


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
        if isinstance(event, Noted) and "document root" in event.text:
            head, content = event.text.splitlines()
            token = head.partition("acme-challenge/")[2].partition(" ")[0]
            place.mkdir(parents=True, exist_ok=True)
            (place / token).write_text(content + "\n")

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


# What stands in the way


def test_blockers_are_seen_before_anything_is_changed(
    rig_for: MakeRig, world: World, tmp_path: Path, mutations: Callable[[], Any]
) -> None:
    before = mutations()
    assert codes(rig_for(agree_tos=False).plan(STEP)) == ["terms-not-agreed"]
    assert codes(rig_for(webroot=str(tmp_path / "absent")).plan(STEP)) == ["webroot-absent"]
    assert codes(rig_for(domain="absent.practice.test").plan(STEP)) == ["domain-absent"]
    assert codes(rig_for(profile="nope").plan(STEP)) == ["profile-unknown"]
    assert codes(rig_for(method="standalone").plan(STEP)) == ["method-not-there"]
    assert codes(rig_for(method="dns-route53").plan(STEP)) == ["method-not-there"]
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
    assert set(data_of(cluster)) == {names.NEXT_PRIVATE_KEY}
    assert any(isinstance(event, Noted) and "asked all the same" in event.text for event in rig.events)


def test_a_rate_limit_is_told_with_its_end(rig_for: MakeRig, world: World) -> None:
    from wizard.practice.acme.settings import Limit

    world.acme.settings.limits.orders_per_account = Limit(0, timedelta(hours=3))
    assert refusal(lambda: issue(rig_for())) == "acme-rate-limited"


# Going on after a crash


@dataclass
class Crash(BaseException):
    """As kill -9 would: nothing of ours catches it."""


def crash_at(monkeypatch: pytest.MonkeyPatch, rig: Rig, target: str) -> None:
    """The run ends when `target` (module.function or Class.method of the ACME client) is called."""

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(target, crash)
        with pytest.raises(Crash):
            issue(rig)


@pytest.mark.parametrize(
    ("target", "orders"),
    [
        ("wizard.services.acme.Acme.register", 1),
        ("wizard.services.acme.Acme.new_order", 1),
        ("wizard.services.acme.Acme.answer", 1),
        ("wizard.services.acme.Acme.finalize", 1),
        ("wizard.services.acme.Acme.certificate", 1),
        ("wizard.steps._acme_issue.install", 1),
        ("wizard.journal.Entry.done", 1),
    ],
)
def test_a_run_that_was_killed_is_gone_on_with(
    rig_for: MakeRig,
    world: World,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    orders: int,
) -> None:
    crash_at(monkeypatch, rig_for(), target)
    rig_for().run(STEP)
    assert (world.ordered(), world.issued()) == (orders, 1)
    assert chain_of(cluster).key_matches
    assert names.NEXT_PRIVATE_KEY not in data_of(cluster)
    assert sum(entry.kind == "account" for entry in world.acme.log) == 1


def test_files_of_a_killed_run_are_removed(
    rig_for: MakeRig, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(world.webroot.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("wizard.steps._acme_methods.InWebroot.cleanup", lambda _: None)
        crash_at(monkeypatch, rig_for(), "wizard.services.acme.Acme.answer")
    assert sorted(world.webroot.rglob("*")) != before
    rig_for().run(STEP)
    assert sorted(world.webroot.rglob("*")) == before


def test_an_order_that_failed_is_not_gone_on_with(rig_for: MakeRig, world: World) -> None:
    world.web.fail(Fault(404))
    assert refusal(lambda: issue(rig_for(preflight=False))) == "acme-unauthorized"
    world.web.heal()
    rig_for().run(STEP)
    assert world.ordered() == 2


def test_waiting_for_the_ca_can_be_stopped(rig_for: MakeRig, world: World, cluster: Cluster) -> None:
    world.acme.settings.issuance_delay_s = 600.0
    rig = rig_for()
    made = rig.context

    def context(step: Any) -> Any:
        found = made(step)

        def emit(event: Any) -> None:
            if isinstance(event, WaitProgress):
                rig.cancel.set()

        found.emit = emit
        return found

    rig.context = context
    with pytest.raises(Cancelled):
        issue(rig)
    assert names.NEXT_PRIVATE_KEY in data_of(cluster)
    assert threading.active_count() < 100


def test_a_change_that_was_carried_out_already_is_not_repeated(rig_for: MakeRig, world: World) -> None:
    rig = rig_for()
    changes = rig.plan(STEP).changes
    for change in (*changes, *changes):
        rig.apply(STEP, change)
    assert (world.ordered(), world.issued()) == (1, 1)
    assert sum(entry.kind == "account" for entry in world.acme.log) == 1


# Importing


def files(tmp_path: Path, cert_pem: bytes, key_pem: bytes) -> dict[str, str]:
    (tmp_path / "cert.pem").write_bytes(cert_pem)
    (tmp_path / "key.pem").write_bytes(key_pem)
    return {
        "method": "import",
        "cert_file": str(tmp_path / "cert.pem"),
        "key_file": str(tmp_path / "key.pem"),
        "webroot": "",
    }


def test_a_pair_is_brought_along(
    rig_for: MakeRig, cluster: Cluster, tmp_path: Path, authority: Authority
) -> None:
    cert_pem, key_pem = pair(authority, DOMAIN)
    wanted = files(tmp_path, _reversed(cert_pem), key_pem)
    rig = rig_for(**wanted)
    assert [change.action for change in rig.run(STEP).changes] == ["import-certificate"]
    assert data_of(cluster)[names.CERTIFICATE_KEY] == cert_pem
    assert cluster.read_secret(names.ACME_ACCOUNT_SECRET) is None
    (tmp_path / "key.pem").unlink()
    assert rig_for(**wanted).run(STEP) == Plan()


def _reversed(cert_pem: bytes) -> bytes:
    end = b"-----END CERTIFICATE-----\n"
    return b"".join(reversed([block + end for block in cert_pem.split(end) if block]))


def test_a_new_file_replaces_the_old_pair(
    rig_for: MakeRig, cluster: Cluster, tmp_path: Path, authority: Authority
) -> None:
    first, second = pair(authority, DOMAIN), pair(authority, DOMAIN)
    rig_for(**files(tmp_path, *first)).run(STEP)
    rig_for(**files(tmp_path, *second)).run(STEP)
    assert data_of(cluster)[names.PRIVATE_KEY] == second[1]
    assert data_of(cluster)[names.PREVIOUS_PRIVATE_KEY] == first[1]


def test_useless_pairs_are_refused(
    rig_for: MakeRig, tmp_path: Path, authority: Authority, mutations: Callable[[], Any]
) -> None:
    before = mutations()
    cert_pem, key_pem = pair(authority, DOMAIN)
    plain = certificates.read_key(key_pem)
    locked = plain.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    other = certificates.new_key("ecdsa-p256")
    leaf_only = cert_pem.partition(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n"
    expired = pair(authority, DOMAIN, lifetime=timedelta(minutes=30))
    elsewhere = pair(authority, "elsewhere.practice.test")
    for found, code in (
        ((cert_pem, other), "key-mismatch"),
        ((cert_pem, locked), "key-encrypted"),
        ((b"junk", key_pem), "certificate-unreadable"),
        ((cert_pem, b"junk"), "key-unreadable"),
        ((leaf_only, key_pem), "certificate-chain"),
        (expired, "certificate-chain"),
        (elsewhere, "certificate-names"),
    ):
        assert codes(rig_for(**files(tmp_path, *found)).plan(STEP)) == [code]
    missing = {**files(tmp_path, cert_pem, key_pem), "key_file": str(tmp_path / "absent.pem")}
    assert codes(rig_for(**missing).plan(STEP)) == ["file-unreadable"]
    assert mutations() == before


# What was there before, and undo


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


# Checks


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
    assert found == {"stored": passed, "key": failed, "names": failed, "chain": passed, "days": passed}


def test_an_empty_cluster_fails_the_first_check(rig_for: MakeRig) -> None:
    rig = rig_for()
    rig.plan(STEP)
    results = rig.verify(STEP)
    assert [(name, result.status) for name, result in results.items()] == [("stored", CheckStatus.FAILED)]


def test_changes_survive_the_journal(rig_for: MakeRig) -> None:
    for change in rig_for().plan(STEP).changes:
        assert Change.from_json(json.loads(json.dumps(asdict(change)))) == change
