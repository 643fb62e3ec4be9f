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


def bound(**answers: str) -> Callable[[Scene], Problem]:
    def mistake(scene: Scene) -> Problem:
        scene.world.acme.settings.external_accounts = {"kid-1": "c2VjcmV0LWtleS1vZi10aGUtb3BlcmF0b3I"}
        scene.monkeypatch.setenv("KUBE_REGISTRY_EAB_HMAC", "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZw")
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


MISTAKES: dict[str, tuple[Callable[[Scene], Problem], str]] = {
    "webroot not writable": (lambda s: s.told(webroot="/proc"), "webroot-not-writable"),
    "port 80 in use": (port_in_use, "port-in-use"),
    "wrong content": (served(Fault(200, b"welcome")), "probe-wrong-content"),
    "redirect to elsewhere": (served(Fault(302, location=f"http://{DOMAIN}:8080/x")), "probe-redirected"),
    "NXDOMAIN": (lambda s: s.told(domain="absent.practice.test"), "domain-absent"),
    "CAA forbids": (forbidden, "caa-forbids"),
    "EAB missing": (bound(), "external-account-needed"),
    "EAB wrong": (bound(eab_kid="kid-1"), "acme-unauthorized"),
    "rate limited": (limited, "acme-rate-limited"),
    "clock wrong": (wrong_clock, "clock-wrong"),
    "directory unreachable": (lambda s: s.told(directory="https://127.0.0.1:9/directory"), "refused"),
    "not ACME": (lambda s: s.told(directory=s.world.acme.directory_url + "x"), "not-acme"),
    "key of another certificate": (mismatch, "key-mismatch"),
    "expired": (expired, "certificate-chain"),
    "incomplete chain": (incomplete, "certificate-chain"),
    "encrypted key": (encrypted, "key-encrypted"),
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
    mistake, code = MISTAKES[name]
    problem = mistake(scene)
    assert problem.code == code, problem
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
