"""The certificate step against authority, web server and cluster of the practice world."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from wizard import names
from wizard.answers import Answers, from_mapping
from wizard.checks import run_checks
from wizard.endpoints import Endpoints
from wizard.errors import WizardError
from wizard.events import CheckStatus, Event, Noted, StepId, WaitStarted
from wizard.facts import FactBook
from wizard.journal import Journal
from wizard.practice.acme import AcmeServer
from wizard.practice.aws import Zone
from wizard.practice.aws.record_sets import RecordSet
from wizard.practice.dns import DnsServer
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS, Network
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.practice.web import Fault, WebServer
from wizard.services import Services, certificates
from wizard.services.acme import Acme
from wizard.services.webroot import WELL_KNOWN
from wizard.step import Change, CheckResult, Context, Plan
from wizard.steps.certificate import CertificateStep
from wizard.vault import Vault

DOMAIN, TOKEN = "registry.practice.test", "token-of-the-test"
HMAC = "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I"
CRT, KEY, NEXT = names.CERTIFICATE_KEY, names.PRIVATE_KEY, names.NEXT_PRIVATE_KEY
END = b"-----END CERTIFICATE-----\n"
STEP = CertificateStep()


class Zones:
    """One zone; `addresses` is where the domain leads."""

    def __init__(self) -> None:
        self.addresses = [WEB_ADDRESS]

    def zones(self) -> list[Zone]:
        name = f"{DOMAIN}."
        sets = (RecordSet(name, "A", 60, tuple(self.addresses)),) if self.addresses else ()
        return [Zone("Z1", "practice.test.", False, ("ns.practice.test",), sets)]


@dataclass
class Place:
    authority: Authority
    ledger: Ledger
    network: Network
    zones: Zones
    web: WebServer
    acme: AcmeServer
    webroot: Path
    endpoints: Endpoints

    @property
    def mutations(self) -> Any:
        return self.ledger.snapshot()["mutating_total"]

    def tokens(self) -> list[str]:
        """What is left below .well-known."""
        return [str(each.relative_to(self.webroot)) for each in self.webroot.glob(".well-known/**/*")]


@dataclass
class Rig:
    answers: Answers
    services: Services
    journal: Journal
    facts: FactBook = field(default_factory=FactBook)
    events: list[Event] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)
    on_event: Callable[[Event], None] = lambda _: None

    def context(self) -> Context:
        return Context(
            StepId.CERTIFICATE,
            self.answers,
            self.services,
            self.facts,
            self.journal,
            Vault(),
            self.emit,
            self.cancel,
        )

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def plan(self) -> Plan:
        facts = self.facts.certificate = STEP.inspect(self.context())
        plan = STEP.plan(self.answers, self.facts)
        needed = tuple(each for each in plan.consents if not each.is_given(self.answers))
        return Plan(plan.changes, needed, (*facts.problems, *plan.blockers), plan.notes)

    def apply(self, change: Change) -> None:
        with self.journal.intend(StepId.CERTIFICATE, change) as entry:
            entry.done(STEP.apply(self.context(), change, entry))

    def carry_out(self, plan: Plan) -> None:
        for change in plan.changes:
            self.apply(change)

    def run(self) -> list[str]:
        """Applies; nothing may be left to do, and every check passes. Returns the actions."""
        plan = self.plan()
        assert not plan.blockers, plan.blockers
        assert not plan.consents, plan.consents
        self.carry_out(plan)
        assert self.plan() == Plan()
        bad = {k: v for k, v in self.verify().items() if v.status is not CheckStatus.PASSED}
        assert not bad, bad
        return [change.action for change in plan.changes]

    def fail(self) -> WizardError:
        """Applies, which must fail."""
        plan = self.plan()
        assert not plan.blockers, plan.blockers
        with pytest.raises(WizardError) as caught:
            self.carry_out(plan)
        return caught.value

    def verify(self) -> dict[str, CheckResult]:
        checks = STEP.verify(self.context())
        return run_checks(StepId.CERTIFICATE, checks, self.emit, self.cancel, may_write=True, why_not="")

    def undo(self) -> list[str]:
        told = []
        for entry in reversed(self.journal.standing(StepId.CERTIFICATE)):
            told.append(STEP.undo(self.context(), entry))
            entry.undone()
        return told

    def secret(self, name: str = names.CERTIFICATE_SECRET) -> dict[str, bytes]:
        found = self.services.cluster.read_secret(name)
        return dict(found.data) if found else {}

    def orders(self) -> set[str]:
        noted = (entry.notes.get("order") for entry in self.journal.entries())
        return {str(url) for url in noted if url}

    @property
    def serial(self) -> str:
        return certificates.read_chain(self.secret()[CRT], None).serial


MakeRig = Callable[..., Rig]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def place(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    network, ledger, zones = Network(), Ledger(), Zones()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)
    dns = DnsServer(zones, network)
    proxy = ProxyServer(dns.resolve, network, ledger)
    web = WebServer(tmp_path / "webroot", network)
    acme = AcmeServer(authority, dns.resolve, network, ledger)
    acme.settings.validation_delay_s = 0.0
    cluster = KubernetesServer(
        ledger, ssl_context=authority.server_context(["127.0.0.1"]), tokens={TOKEN: "tester"}
    )
    parts: tuple[Any, ...] = (dns, proxy, web, acme, cluster)
    for part in parts:
        part.start()
    write_kubeconfig(tmp_path / "kubeconfig", cluster.url, authority.root_pem)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    endpoints = Endpoints(
        nameservers=(f"127.0.0.1:{dns.port}",),
        proxy=proxy.url,
        ca_file=str(root),
        acme_directory=acme.directory_url,
    )
    yield Place(authority, ledger, network, zones, web, acme, tmp_path / "webroot", endpoints)
    for part in reversed(parts):
        part.stop()


def write_kubeconfig(path: Path, url: str, root: bytes) -> None:
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(root).decode()}
    config = {
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(json.dumps(config))


@pytest.fixture
def make_rig(place: Place, tmp_path: Path) -> Iterator[MakeRig]:
    """With the same journal, as every run of a setup has."""
    made: list[Services] = []

    def make(*, adopt: bool = False, **certificate: Any) -> Rig:
        wanted = {"domain": DOMAIN, "webroot": str(place.webroot), "agree_tos": True, **certificate}
        tables = {"certificate": wanted, "consent": {"adopt": ["secrets"] if adopt else []}}
        answers = from_mapping({"setup": "team", **tables})
        services = Services(answers, place.endpoints)
        made.append(services)
        return Rig(answers, services, Journal(tmp_path / "journal.jsonl"))

    yield make
    for services in made:
        services.close()


def test_a_certificate_is_got_and_everything_taken_back(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    assert rig.run() == ["register-account", "issue-certificate"]
    stored = rig.secret()
    assert NEXT not in stored
    assert stored[CRT].count(b"BEGIN CERTIFICATE") == 2
    assert certificates.key_type(stored[KEY]) == "ecdsa-p256"
    assert place.tokens() == []
    assert not (place.webroot / ".well-known").exists()
    text = rig.journal._path.read_text()
    assert "PRIVATE KEY" not in text
    assert [told.startswith("Deleted the Secret") for told in rig.undo()] == [True, True]
    assert rig.secret() == rig.secret(names.ACME_ACCOUNT_SECRET) == {}


def test_a_second_run_asks_neither_authority_nor_cluster_for_a_change(
    place: Place, make_rig: MakeRig
) -> None:
    make_rig().run()
    before = place.mutations
    again = make_rig()
    assert again.plan() == Plan()
    again.verify()
    assert place.mutations == before


@pytest.mark.parametrize("key_type", ["ecdsa-p384", "rsa-2048"])
def test_the_wanted_kind_of_key_is_used(key_type: str, make_rig: MakeRig) -> None:
    rig = make_rig(key_type=key_type)
    rig.run()
    assert certificates.key_type(rig.secret()[KEY]) == key_type


def test_a_profile_of_the_authority_is_used(make_rig: MakeRig) -> None:
    assert [each.code for each in make_rig(profile="nope").plan().blockers] == ["profile-unknown"]
    rig = make_rig(profile="shortlived")
    rig.run()
    assert rig.facts.certificate is not None
    chain = rig.facts.certificate.chain
    assert chain is not None
    assert (chain.not_after - chain.not_before).days < 8


def test_what_is_seen_beforehand_blocks_before_anything_is_changed(
    place: Place, make_rig: MakeRig, tmp_path: Path
) -> None:
    def codes(**certificate: Any) -> set[str]:
        return {each.code for each in make_rig(**certificate).plan().blockers}

    before = place.mutations
    assert codes() == set()
    assert codes(webroot=str(tmp_path / "absent")) == {"webroot-absent"}
    assert codes(agree_tos=False) == {"terms-not-agreed"}
    assert codes(method="standalone") == {"method-not-there"}
    assert codes(method="dns-route53") == {"method-not-there"}
    assert codes(directory="https://127.0.0.1:9/directory") == {"refused"}
    place.zones.addresses = []
    assert codes() == {"domain-absent"}
    assert place.mutations == before


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(404), "probe-not-found"),
        (Fault(200, b"a page for everything"), "probe-wrong-content"),
        (Fault(301, location=f"http://{DOMAIN}/elsewhere"), "probe-redirected"),
    ],
    ids=["missing", "content", "redirect"],
)
def test_the_preflight_fails_before_the_authority_is_asked(
    fault: Fault, code: str, place: Place, make_rig: MakeRig
) -> None:
    place.web.fail(fault)
    rig = make_rig()
    assert rig.fail().problem.code == code
    assert rig.orders() == set()
    assert place.tokens() == []
    place.web.heal()
    rig.run()


def test_a_web_server_that_is_down_is_told(place: Place, make_rig: MakeRig) -> None:
    place.web.refuse()
    rig = make_rig()
    assert rig.fail().problem.code == "probe-proxy"
    assert rig.orders() == set()


def test_a_run_that_was_cut_off_goes_on_with_its_order_and_key(
    place: Place, make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each step of the way: the account, the order and the key stay the same."""
    keys = set()
    for method in ("answer", "finalize", "certificate"):
        rig = make_rig()
        with monkeypatch.context() as patch:
            patch.setattr(Acme, method, killed)
            plan = rig.plan()
            with pytest.raises(Killed):
                rig.carry_out(plan)
        keys.add(rig.secret()[NEXT])
    rig = make_rig()
    rig.run()
    assert len(keys) == len(rig.orders()) == 1
    assert keys == {rig.secret()[KEY]}
    assert place.tokens() == []


class Killed(BaseException):
    """As SIGKILL would, but that `finally` still runs."""


def killed(*_: object) -> None:
    raise Killed


def test_a_run_that_ended_before_it_could_say_so_gets_no_second_certificate(make_rig: MakeRig) -> None:
    rig = make_rig()
    register, issue = rig.plan().changes
    rig.apply(register)
    with rig.journal.intend(StepId.CERTIFICATE, issue) as entry:
        STEP.apply(rig.context(), issue, entry)
    serial = rig.serial
    again = make_rig()
    assert again.plan() == Plan()
    again.apply(issue)
    assert again.serial == serial


def test_a_certificate_that_is_due_is_followed_by_the_next(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    put_own(place, rig, lifetime=timedelta(hours=1))
    assert rig.run() == ["register-account", "issue-certificate"]
    assert "previous.crt" in rig.secret()


def test_a_secret_of_somebody_elses_is_asked_about_and_put_back(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    put_own(place, rig, lifetime=timedelta(hours=1), setup="")
    theirs = rig.secret()
    assert [(each.key, each.value) for each in rig.plan().consents] == [("adopt", "secrets")]
    rig = make_rig(adopt=True)
    rig.run()
    assert rig.secret()[CRT] != theirs[CRT]
    rig.undo()
    assert rig.secret() == theirs


def test_a_good_certificate_of_somebody_elses_is_used_as_it_is(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    put_own(place, rig, lifetime=timedelta(days=90), setup="")
    assert rig.plan() == Plan()


def test_a_secret_of_another_setup_blocks(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    put_own(place, rig, lifetime=timedelta(hours=1), setup="other")
    assert [each.code for each in rig.plan().blockers] == ["other-setup"]


def put_own(place: Place, rig: Rig, *, lifetime: timedelta, setup: str = "team") -> None:
    """A pair from the practice root in the cluster; `setup` is the label, "" for none."""
    chain, key = pair(place, DOMAIN, lifetime)
    cluster = rig.services.cluster
    if setup:
        cluster.write_secret(names.CERTIFICATE_SECRET, {CRT: chain, KEY: key}, setup=setup)
        return
    data = {name: base64.b64encode(value).decode() for name, value in ((CRT, chain), (KEY, key))}
    metadata = {"name": names.CERTIFICATE_SECRET}
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def pair(place: Place, name: str, lifetime: timedelta) -> tuple[bytes, bytes]:
    key = certificates.new_key("ecdsa-p256")
    # `lifetime` counts from an hour ago, where the practice authority lets its certificates begin.
    leaf = place.authority.issue(
        certificates.read_key(key).public_key(), [name], lifetime=lifetime + timedelta(minutes=5)
    )
    return place.authority.chain(leaf), key


def test_a_file_put_by_hand_is_shown_and_waited_for(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig(webroot="manual")

    def put(event: Event) -> None:
        if isinstance(event, Noted) and "put a file at" in event.text:
            path = event.text.partition("a file at ")[2].partition(" ")[0]
            file = place.webroot / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(event.text.rpartition("\n")[2])

    rig.on_event = put
    rig.run()
    assert any(isinstance(event, WaitStarted) and WELL_KNOWN in event.what for event in rig.events)


def test_an_external_account_is_bound(
    place: Place, make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.acme.settings.external_accounts = {"customer-7": HMAC}
    assert [each.code for each in make_rig().plan().blockers] == ["external-account-needed"]
    assert [each.code for each in make_rig(eab_kid="customer-7").plan().blockers] == ["eab-hmac-missing"]
    monkeypatch.setenv("KUBE_REGISTRY_EAB_HMAC", HMAC)
    rig = make_rig(eab_kid="customer-7")
    rig.run()
    assert HMAC not in rig.journal._path.read_text()


def test_a_busy_authority_is_survived(place: Place, make_rig: MakeRig) -> None:
    place.acme.settings.bad_nonce_share = 0.5
    make_rig().run()


def test_a_rejected_domain_is_told(place: Place, make_rig: MakeRig) -> None:
    place.acme.settings.rejected_names = {DOMAIN}
    rig = make_rig()
    assert rig.fail().problem.code == "acme-rejected-identifier"
    assert place.tokens() == []


def test_another_authority_gets_an_account_of_its_own(place: Place, make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.run()
    before = rig.secret(names.ACME_ACCOUNT_SECRET)
    other = AcmeServer(place.authority, lambda _: [WEB_ADDRESS], place.network, place.ledger)
    other.settings.validation_delay_s = 0.0
    other.start()
    try:
        moved = make_rig(directory=other.directory_url)
        assert moved.run() == ["register-account", "issue-certificate"]
        assert moved.secret(names.ACME_ACCOUNT_SECRET) != before
    finally:
        other.stop()


def files(tmp_path: Path, chain: bytes, key: bytes) -> dict[str, Any]:
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    return {
        "method": "import",
        "cert_file": str(tmp_path / "chain.pem"),
        "key_file": str(tmp_path / "key.pem"),
    }


def test_a_pair_is_imported_in_order(place: Place, make_rig: MakeRig, tmp_path: Path) -> None:
    chain, key = pair(place, DOMAIN, timedelta(days=90))
    leaf, middle = (part + END for part in chain.split(END)[:2])
    rig = make_rig(**files(tmp_path, middle + leaf, key))
    assert rig.run() == ["import-certificate"]
    assert rig.secret()[CRT] == chain
    (tmp_path / "key.pem").unlink()
    assert rig.plan() == Plan()
    rig.undo()
    assert rig.secret() == {}


def test_a_pair_that_is_no_use_is_refused(place: Place, make_rig: MakeRig, tmp_path: Path) -> None:
    chain, key = pair(place, DOMAIN, timedelta(days=90))
    other_chain, other_key = pair(place, "else.practice.test", timedelta(days=90))
    leaf_only = chain.split(END)[0] + END
    for given, code in (
        ((chain, other_key), "key-mismatch"),
        ((other_chain, other_key), "certificate-names"),
        ((leaf_only, key), "certificate-chain"),
        ((b"nonsense", key), "certificate-unreadable"),
        ((chain, b"nonsense"), "key-unreadable"),
        (pair(place, DOMAIN, timedelta(minutes=30)), "certificate-chain"),
    ):
        plan = make_rig(**files(tmp_path, *given)).plan()
        assert [each.code for each in plan.blockers] == [code]


def test_a_new_pair_in_the_files_is_imported_too(place: Place, make_rig: MakeRig, tmp_path: Path) -> None:
    make_rig(**files(tmp_path, *pair(place, DOMAIN, timedelta(days=90)))).run()
    rig = make_rig(**files(tmp_path, *pair(place, DOMAIN, timedelta(days=90))))
    assert rig.run() == ["import-certificate"]
    assert "previous.crt" in rig.secret()
