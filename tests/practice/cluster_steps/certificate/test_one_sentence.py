"""Wrong things are told in one sentence, with a reason and the one thing to do: the list of them."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    HostedZone,
    MakeRig,
    World,
    data_of,
    files,
    issue,
    pair,
)
from wizard import names
from wizard.errors import Problem, WizardError
from wizard.practice.acme.settings import Limit
from wizard.practice.pki import Authority
from wizard.practice.web import Fault
from wizard.services import certificates
from wizard.services.cluster import Cluster

END = b"-----END CERTIFICATE-----\n"


@dataclass
class Scene:
    """All that a mistake can be made in; each mistake gives the answers that it needs."""

    rig_for: MakeRig
    world: World
    zone: HostedZone
    cluster: Cluster
    authority: Authority
    path: Path
    monkeypatch: pytest.MonkeyPatch

    def told(self, **answers: Any) -> Problem:
        """The first thing that is said of it, be it before the CA is asked or after."""
        rig = self.rig_for(**answers)
        plan = rig.plan(STEP)
        warnings = rig.facts.certificate.warnings
        if found := [*plan.blockers, *warnings]:
            first: Problem = found[0]
            return first
        with pytest.raises(WizardError) as caught:
            issue(rig)
        return caught.value.problem

    def imported(self, cert_pem: bytes, key_pem: bytes) -> Problem:
        return self.told(**files(self.path, cert_pem, key_pem))


def port_in_use(scene: Scene) -> Problem:
    host, _, port = scene.world.endpoints.http_listen.rpartition(":")
    with socket.create_server((host, int(port))):
        return scene.told(method="standalone")


def served(fault: Fault) -> Callable[[Scene], Problem]:
    def mistake(scene: Scene) -> Problem:
        scene.world.web.fail(fault)
        return scene.told()

    return mistake


def forbidden(scene: Scene) -> Problem:
    scene.zone.put(DOMAIN, "CAA", '0 issue "another-ca.test"')
    return scene.told()


def bound(hmac_key: str = "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZw", **answers: str) -> Callable[[Scene], Problem]:
    def mistake(scene: Scene) -> Problem:
        scene.world.acme.settings.external_accounts = {"kid-1": "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I"}
        scene.monkeypatch.setenv("KUBE_REGISTRY_EAB_HMAC", hmac_key)
        return scene.told(**answers)

    return mistake


def limited(scene: Scene) -> Problem:
    scene.world.acme.settings.limits.orders_per_account = Limit(0, timedelta(hours=3))
    return scene.told()


def wrong_clock(scene: Scene) -> Problem:
    scene.monkeypatch.setattr("wizard.services._acme_directory._skew_s", lambda _date: 900.0)
    return scene.told()


def mismatch(scene: Scene) -> Problem:
    return scene.imported(pair(scene.authority, DOMAIN)[0], certificates.new_key("ecdsa-p256"))


def expired(scene: Scene) -> Problem:
    """The CA dates its certificates back by an hour."""
    return scene.imported(*pair(scene.authority, DOMAIN, lifetime=timedelta(minutes=30)))


def incomplete(scene: Scene) -> Problem:
    cert_pem, key_pem = pair(scene.authority, DOMAIN)
    return scene.imported(cert_pem.partition(END)[0] + END, key_pem)


def encrypted(scene: Scene) -> Problem:
    cert_pem, key_pem = pair(scene.authority, DOMAIN)
    locked = certificates.read_key(key_pem).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    return scene.imported(cert_pem, locked)


@dataclass(frozen=True)
class Told:
    """A problem's code, and words that must stand in its sentence, its reason and its fix."""

    code: str
    what: str
    why: str
    fix: str


MISTAKES: dict[str, tuple[Callable[[Scene], Problem], Told]] = {
    "webroot not writable": (
        lambda s: s.told(webroot="/proc"),
        Told("webroot-not-writable", "/proc", "", 'as a user who may write there, or set webroot = "manual"'),
    ),
    "port 80 in use": (
        port_in_use,
        Told("port-in-use", "of this machine is in use", "Another program", "Stop that program"),
    ),
    "wrong content": (
        served(Fault(200, b"welcome")),
        Told("probe-wrong-content", f"{DOMAIN} answers with something else", "Another server", "webroot"),
    ),
    "redirect to elsewhere": (
        served(Fault(302, location=f"http://{DOMAIN}:8080/x")),
        Told("probe-redirected", "leads elsewhere: to http", "80 and 443 only", "Let the web server answer"),
    ),
    "NXDOMAIN": (
        lambda s: s.told(domain="absent.practice.test"),
        Told("domain-absent", "absent.practice.test does not exist", "A record", "Create an A record"),
    ),
    "CAA forbids": (
        forbidden,
        Told("caa-forbids", "CAA", "another-ca.test", "ca.practice.test"),
    ),
    "EAB missing": (
        bound(),
        Told(
            "external-account-needed", "only takes accounts that are bound", "HMAC", "eab_kid, and the HMAC"
        ),
    ),
    "EAB wrong": (
        bound(eab_kid="kid-1"),
        Told(
            "eab-refused",
            "does not take the external account binding with the key ID kid-1",
            "do not belong together",
            "eab_kid, and KUBE_REGISTRY_EAB_HMAC",
        ),
    ),
    "EAB of nobody": (
        bound(eab_kid="kid-9"),
        Told("eab-refused", "the key ID kid-9", "is not known", "eab_kid, and KUBE_REGISTRY_EAB_HMAC"),
    ),
    "EAB not base64": (
        bound("not base64!", eab_kid="kid-1"),
        Told("eab-hmac-unreadable", "is not base64url", "cut off", "Set KUBE_REGISTRY_EAB_HMAC"),
    ),
    "rate limited": (
        limited,
        Told(
            "acme-rate-limited", "rate limit is reached until 20", "revoking one resets nothing", "Wait until"
        ),
    ),
    "clock wrong": (
        wrong_clock,
        Told("clock-wrong", "clock is 15 minutes ahead of the CA's", "judged by the clock", "Set the clock"),
    ),
    "directory unreachable": (
        lambda s: s.told(directory="https://127.0.0.1:9/directory"),
        Told("refused", "127.0.0.1 cannot be reached", "refused the connection", "listens there"),
    ),
    "not ACME": (
        lambda s: s.told(directory=s.world.acme.directory_url + "x"),
        Told("not-acme", "does not answer as an ACME server", "another address", "[certificate] directory"),
    ),
    "key of another certificate": (
        mismatch,
        Told("key-mismatch", "does not belong to the certificate", "", "requested with"),
    ),
    "expired": (
        expired,
        Told("certificate-expired", "ran out on 20", "No client accepts it", "the next one from its issuer"),
    ),
    "incomplete chain": (
        incomplete,
        Told("certificate-chain", "Clients would refuse", "", "Put the intermediate certificates after it"),
    ),
    "encrypted key": (
        encrypted,
        Told("key-encrypted", "", "", "openssl"),
    ),
}


@pytest.fixture
def scene(
    rig_for: MakeRig,
    world: World,
    zone: HostedZone,
    cluster: Cluster,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    return Scene(rig_for, world, zone, cluster, authority, tmp_path, monkeypatch)


def is_address(word: str) -> bool:
    """A full stop after one would be taken for a part of it."""
    return word.startswith("http")


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_wrong_is_told_in_one_sentence(scene: Scene, name: str) -> None:
    mistake, told = MISTAKES[name]
    problem = mistake(scene)
    assert problem.code == told.code, problem
    assert told.what in problem.what
    assert told.why in problem.why
    assert told.fix in problem.fix
    assert problem.what.endswith(".") or is_address(problem.what.rpartition(" ")[2])
    assert "\n" not in problem.what
    assert ". " not in problem.what
    assert problem.why
    assert problem.fix
    assert scene.world.ordered() == 0


def test_changed_terms_are_told_in_one_sentence(scene: Scene) -> None:
    """No mistake, and no hindrance: a note of the plan."""
    scene.rig_for().run(STEP)
    account = data_of(scene.cluster, names.ACME_ACCOUNT_SECRET)
    old = json.loads(account[names.ACME_ACCOUNT_FILE]) | {"terms": "https://ca.practice.test/terms-of-old"}
    changed = {**account, names.ACME_ACCOUNT_FILE: json.dumps(old).encode()}
    scene.cluster.write_secret(names.ACME_ACCOUNT_SECRET, changed, setup="registry")
    scene.cluster.delete("v1", "Secret", names.CERTIFICATE_SECRET)
    told = [note for note in scene.rig_for().plan(STEP).notes if "terms of service have changed" in note]
    assert len(told) == 1
