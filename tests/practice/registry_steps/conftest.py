"""A whole practice world for each module, and setups whose earlier steps are done by short cuts."""

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wizard import names, rules
from wizard.answers import Answers, from_mapping
from wizard.checks import run_checks
from wizard.endpoints import Endpoints
from wizard.events import CheckStatus, Event
from wizard.facts import (
    BucketFacts,
    CertificateFacts,
    ChainFacts,
    ConnectFacts,
    FactBook,
    HtpasswdFacts,
    UserFacts,
)
from wizard.journal import Journal
from wizard.practice.pki import Authority
from wizard.practice.world import DOMAIN, REGION, World
from wizard.services import Services
from wizard.services.cluster import Cluster
from wizard.step import Change, CheckResult, Context, Plan, Step
from wizard.vault import Vault

CHECK_PASSWORD = "a password of this test"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), threading.Event())
    world.start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Another one than the world's own: certificates are issued here without ACME."""
    return Authority()


@pytest.fixture(autouse=True)
def _environment(_own_surroundings: None, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)


@dataclass
class Rig:
    """One setup in a namespace of its own; `events` has all that was emitted."""

    answers: Answers
    services: Services
    journal: Journal
    authority: Authority
    facts: FactBook = field(default_factory=FactBook)
    events: list[Event] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        return self.services.cluster

    def context(self, step: Step) -> Context:
        return Context(
            step.id,
            self.answers,
            self.services,
            self.facts,
            self.journal,
            Vault(),
            self.events.append,
            threading.Event(),
        )

    def answer(self, **deploy: Any) -> None:
        """Goes on with other answers for the step deploy."""
        changed = self.answers.model_dump()
        changed["deploy"] |= deploy
        self.answers = from_mapping(changed)

    def consent(self, **given: Any) -> None:
        self.answers = from_mapping({**self.answers.model_dump(), "consent": given})

    def plan(self, step: Step) -> Plan:
        self.facts.put(step.id, step.inspect(self.context(step)))
        plan = step.plan(self.answers, self.facts)
        needed = tuple(consent for consent in plan.consents if not consent.is_given(self.answers))
        return Plan(plan.changes, needed, plan.blockers, plan.notes)

    def apply(self, step: Step, change: Change, *, crashes: bool = False) -> None:
        """As the engine does; `crashes`: killed just before the change could be called done."""
        with self.journal.intend(step.id, change) as entry:
            receipt = step.apply(self.context(step), change, entry)
            if not crashes:
                entry.done(receipt)

    def verify(self, step: Step) -> dict[str, CheckResult]:
        checks = step.verify(self.context(step))
        return run_checks(step.id, checks, self.events.append, threading.Event(), may_write=True, why_not="")

    def run(self, step: Step) -> Plan:
        """Applies and verifies; no check may fail, and nothing may be left to do. Returns what was done."""
        plan = self.plan(step)
        assert not plan.blockers, plan.blockers
        assert not plan.consents, plan.consents
        for change in plan.changes:
            self.apply(step, change)
        assert self.plan(step).changes == ()
        failed = {k: v for k, v in self.verify(step).items() if v.status is CheckStatus.FAILED}
        assert not failed, failed
        return plan

    def undo(self, step: Step) -> list[str]:
        told = []
        for entry in reversed(self.journal.standing(step.id)):
            told.append(step.undo(self.context(step), entry))
            entry.undone()
        return told

    def renew(self) -> None:
        """Another certificate, in the Secret and in the facts."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self.authority.issue(key.public_key(), [DOMAIN], lifetime=timedelta(days=90))
        pair = {
            names.CERTIFICATE_KEY: self.authority.chain(leaf),
            names.PRIVATE_KEY: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        }
        self.cluster.write_secret(names.CERTIFICATE_SECRET, pair, setup=self.answers.setup)
        self.facts.certificate = CertificateFacts(chain=_chain(leaf))


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(world: World, authority: Authority, tmp_path: Path) -> Iterator[MakeRig]:
    """`make_rig(workload="Deployment")` is a setup that is ready for the step deploy."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.root_pem)
    made: list[Rig] = []

    def make(**deploy: Any) -> Rig:
        name = f"team-{os.urandom(4).hex()}"
        answers = from_mapping(
            {
                "setup": name,
                "connect": {"namespace": name},
                "bucket": {"name": f"{name}-images"},
                "certificate": {"domain": DOMAIN},
                "deploy": deploy,
            }
        )
        services = Services(answers, Endpoints(ca_file=str(ca_file)))
        rig = Rig(answers, services, Journal(tmp_path / f"{name}.jsonl"), authority)
        made.append(rig)
        _prepare(rig, world)
        return rig

    yield make
    for rig in made:
        with suppress(Exception):
            rig.cluster.delete("v1", "Namespace", rig.answers.setup)
        rig.services.close()


def _prepare(rig: Rig, world: World) -> None:
    """What the steps before deploy make; the operator's own key stands in for the registry's."""
    setup, cluster, keys = rig.answers.setup, rig.cluster, world.aws.admin
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": setup}})
    rig.services.aws.client("s3").create_bucket(
        Bucket=rig.answers.bucket.name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    key = {
        names.S3_ACCESS_KEY_ID: keys.access_key_id.encode(),
        names.S3_SECRET_ACCESS_KEY: keys.secret_access_key.encode(),
    }
    cluster.write_secret(rig.answers.user.secret_name, key, setup=setup)
    hashed = bcrypt.hashpw(CHECK_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    line = f"{rules.CHECK_USER}:{hashed}\n".encode()
    cluster.write_secret(names.HTPASSWD_SECRET, {names.HTPASSWD_KEY: line}, setup=setup)
    pair = base64.b64encode(f"{rules.CHECK_USER}:{CHECK_PASSWORD}".encode()).decode()
    login = {"username": rules.CHECK_USER, "password": CHECK_PASSWORD, "auth": pair}
    cluster.write_secret(
        names.CHECK_SECRET,
        {names.DOCKER_CONFIG_KEY: json.dumps({"auths": {DOMAIN: login}}).encode()},
        setup=setup,
        type="kubernetes.io/dockerconfigjson",
    )
    rig.facts.connect = ConnectFacts(aws_region=REGION, namespace=setup, balancer_controller="in-tree")
    rig.facts.bucket = BucketFacts(name=rig.answers.bucket.name, state="mine", aws_region=REGION)
    rig.facts.user = UserFacts(secret_access_key_id=keys.access_key_id)
    rig.facts.htpasswd = HtpasswdFacts(check_user_is_right=True)
    rig.renew()


def _chain(leaf: x509.Certificate) -> ChainFacts:
    now = datetime.now(UTC)
    return ChainFacts(
        serial=f"{leaf.serial_number:x}",
        names=(DOMAIN,),
        issuer="",
        not_before=now,
        not_after=leaf.not_valid_after_utc,
        key_matches=True,
    )
