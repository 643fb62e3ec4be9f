"""The bucket step on an S3 server of one's own: AWS tells who asks, the other server keeps the bucket."""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.s3.contract import FOREIGN_BUCKET, PLACE, Side
from tests.peers.s3.server import REGION, OtherS3
from wizard.answers import Answers, from_mapping
from wizard.checks import run_checks
from wizard.endpoints import Endpoints
from wizard.errors import WizardError
from wizard.events import CheckStatus
from wizard.facts import BucketFacts, FactBook
from wizard.journal import Journal
from wizard.ownership import TAG
from wizard.practice.aws import AwsKeys, AwsServer
from wizard.practice.ledger import Ledger
from wizard.services import Services
from wizard.step import Context, Plan
from wizard.steps.bucket import BucketStep
from wizard.vault import Vault

pytestmark = pytest.mark.peers
# That server calls an account by its access key ID, so the key's ID is the account's number here.
KEYS = AwsKeys("123456789012", secrets.token_urlsafe(24))
LACKING: dict[str, Any] = {"encryption": "keep", "block_public_access": False, "abort_incomplete_days": 0}
STEP = BucketStep()


class Setup:
    """One setup whose bucket step is carried out as the engine does it."""

    def __init__(self, services: Services, answers: Answers, journal: Path) -> None:
        self.services, self.answers, self.journal = services, answers, Journal(journal)
        self.name = answers.bucket.name
        self.facts = FactBook()

    def context(self) -> Context:
        return Context(
            STEP.id,
            self.answers,
            self.services,
            self.facts,
            self.journal,
            Vault(),
            lambda _: None,
            threading.Event(),
        )

    def look(self) -> BucketFacts:
        facts = STEP.inspect(self.context())
        self.facts.put(STEP.id, facts)
        return facts

    def plan(self) -> Plan:
        self.look()
        return STEP.plan(self.answers, self.facts)

    def apply(self) -> list[str]:
        """What was changed."""
        plan = self.plan()
        assert not plan.blockers
        for change in plan.changes:
            with self.journal.intend(STEP.id, change) as entry:
                entry.done(STEP.apply(self.context(), change, entry))
        self.look()
        return [change.action for change in plan.changes]

    def verify(self) -> set[CheckStatus]:
        checks = STEP.verify(self.context())
        results = run_checks(
            STEP.id, checks, lambda _: None, threading.Event(), may_write=True, why_not=""
        ).values()
        return {result.status for result in results}


MakeSetup = Callable[..., Setup]


@pytest.fixture(scope="module")
def account(other_s3: OtherS3, other_side: Side) -> Iterator[AwsServer]:
    """AWS without its S3; the other server knows the same key, and a bucket of somebody else."""
    assert other_side.keys != KEYS
    other_s3.add_account(KEYS)
    server = AwsServer(Ledger(), admin=KEYS)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_setup(
    account: AwsServer, other_s3: OtherS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeSetup]:
    """`make_setup(name, **bucket)`: the same name is the same journal."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", other_s3.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_access_key)
    with contextlib.ExitStack() as stack:

        def make(name: str, aws_region: str = REGION, **bucket: Any) -> Setup:
            wishes = {"connect": {"aws_region": aws_region}, "bucket": {"name": name, **LACKING, **bucket}}
            answers = from_mapping({"setup": "team", **wishes})
            services = Services(answers, Endpoints())
            stack.callback(services.close)
            return Setup(services, answers, tmp_path / f"{name}.jsonl")

        yield make


def test_a_bucket_is_made_proven_and_undone(make_setup: MakeSetup, other_s3: OtherS3) -> None:
    setup = make_setup("own-s3-made")
    assert setup.services.aws.s3_endpoint == other_s3.url
    assert setup.look().state == "absent"
    assert setup.apply() == ["create-bucket"]
    assert (setup.look().state, setup.look().tags) == ("mine", {TAG: "team"})
    assert setup.look().problems == ()
    assert setup.verify() == {CheckStatus.PASSED}
    assert setup.plan().changes == ()
    s3 = setup.services.aws.client("s3")
    assert s3.list_objects_v2(Bucket=setup.name)["KeyCount"] == 0
    (entry,) = setup.journal.standing(STEP.id)
    assert STEP.undo(setup.context(), entry) == "The bucket own-s3-made was deleted."
    assert setup.look().state == "absent"


def test_a_bucket_that_is_there_is_adopted(make_setup: MakeSetup) -> None:
    setup = make_setup("own-s3-there")
    s3 = setup.services.aws.client("s3")
    s3.create_bucket(Bucket=setup.name)
    s3.put_bucket_tagging(Bucket=setup.name, Tagging={"TagSet": [{"Key": "team", "Value": "web"}]})
    assert [consent.value for consent in setup.plan().consents] == ["bucket"]
    assert setup.apply() == ["tag-bucket"]
    assert setup.look().tags == {"team": "web", TAG: "team"}
    (entry,) = setup.journal.standing(STEP.id)
    STEP.undo(setup.context(), entry)
    assert setup.look().tags == {"team": "web"}


def test_a_full_bucket_is_undone_only_when_named(make_setup: MakeSetup) -> None:
    setup = make_setup("own-s3-full")
    setup.apply()
    s3 = setup.services.aws.client("s3")
    s3.put_bucket_versioning(Bucket=setup.name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=setup.name, Key="docker/image", Body=b"1")
    s3.delete_object(Bucket=setup.name, Key="docker/image")
    s3.create_multipart_upload(Bucket=setup.name, Key="docker/half")
    (entry,) = setup.journal.standing(STEP.id)
    with pytest.raises(Exception, match="holds images"):
        STEP.undo(setup.context(), entry)
    told = STEP.undo(setup.context(), entry, delete_bucket=setup.name)
    assert told == "The bucket own-s3-full was deleted with 2 objects."


def test_somebody_elses_bucket_is_seen_as_taken(make_setup: MakeSetup) -> None:
    assert make_setup(FOREIGN_BUCKET).plan().blockers[0].code == "bucket-taken"


@pytest.mark.parametrize(
    ("wish", "action", "fix"),
    [
        ({"encryption": "AES256"}, "s3:GetEncryptionConfiguration", "Set bucket.encryption to keep."),
        (
            {"block_public_access": True},
            "s3:GetBucketPublicAccessBlock",
            "Set bucket.block_public_access to false.",
        ),
        (
            {"abort_incomplete_days": 7},
            "s3:GetLifecycleConfiguration",
            "Set bucket.abort_incomplete_days to 0.",
        ),
    ],
    ids=["encryption", "public access block", "lifecycle"],
)
def test_what_the_server_lacks_is_said_with_the_answer_that_does_without(
    make_setup: MakeSetup, wish: dict[str, Any], action: str, fix: str
) -> None:
    """Before anything is changed where the bucket is there, else at the change."""
    setup = make_setup(f"own-s3-{secrets.token_hex(4)}", **wish)
    setup.services.aws.client("s3").create_bucket(Bucket=setup.name)
    (problem,) = setup.look().problems
    assert (problem.what, problem.fix) == (f"The server does not offer {action}.", fix)


# Where it departs from what Amazon documents: DEPARTURES


def test_adjacent_dots_never_reach_it(make_setup: MakeSetup, other_side: Side) -> None:
    name = f"a..{secrets.token_hex(4)}"
    with contextlib.closing(other_side.client()) as client:
        client.create_bucket(Bucket=name, **PLACE)
    with pytest.raises(WizardError, match="bucket"):
        make_setup(name)


def test_the_wizard_always_names_the_region(make_setup: MakeSetup) -> None:
    setup = make_setup("own-s3-place")
    told: list[Any] = []
    s3 = setup.services.aws.client("s3")
    s3.meta.events.register("provide-client-params.s3.CreateBucket", lambda params, **_: told.append(params))
    assert setup.apply() == ["create-bucket"]
    assert told == [{"Bucket": setup.name, **PLACE}]


def test_nothing_is_made_in_a_region_that_it_has_not(make_setup: MakeSetup) -> None:
    far = make_setup("own-s3-far", aws_region="us-west-2")
    assert [blocker.code for blocker in far.plan().blockers] == ["bucket-forbidden"]
    assert make_setup("own-s3-far").look().state == "absent"


def test_a_bucket_seen_from_another_region_is_never_taken_for_absent(make_setup: MakeSetup) -> None:
    make_setup("own-s3-seen").apply()
    far = make_setup("own-s3-seen", aws_region="us-west-2")
    assert [blocker.code for blocker in far.plan().blockers] == ["bucket-forbidden"]


def test_a_tag_like_a_system_tag_is_kept(make_setup: MakeSetup) -> None:
    """Amazon lets nobody set one, and the wizard neither sets nor removes any."""
    setup = make_setup("own-s3-stack")
    s3 = setup.services.aws.client("s3")
    s3.create_bucket(Bucket=setup.name)
    system = {"aws:cloudformation:stack-name": "web"}
    s3.put_bucket_tagging(
        Bucket=setup.name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in system.items()]}
    )
    setup.apply()
    assert setup.look().tags == {**system, TAG: "team"}
