"""The user step against the practice world's IAM, S3 and cluster."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from wizard import names, rules
from wizard.errors import AccessDenied, Unreachable, WizardError
from wizard.events import CheckStatus, Event, WaitProgress, WaitStarted
from wizard.ownership import PLACE_TAG, TAG
from wizard.practice.aws import AwsServer, moto_parts
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.ledger import Ledger
from wizard.services import Services
from wizard.services.aws import Aws
from wizard.step import Plan
from wizard.steps import _user_proof
from wizard.steps.user import UserStep

STEP = UserStep()
BUCKET = "images-of-the-user-tests"
SECRET = "registry-s3-credentials"
MakeRig = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("kube_server")


@pytest.fixture(autouse=True)
def clean_account(aws_server: AwsServer, operator: Aws) -> Iterator[None]:
    """A bucket for all tests; every test ends with the users and policies it began with."""
    place: Any = {"LocationConstraint": "eu-west-1"}
    with suppress(operator.client("s3").exceptions.BucketAlreadyOwnedByYou):
        operator.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    yield
    aws_server.settings.fault, aws_server.settings.key_delay_s = None, 0.0
    iam = operator.client("iam")
    for user in iam.list_users()["Users"]:
        name = user["UserName"]
        if name == "practice-admin":
            continue
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
        for inline in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=inline)
        if user.get("PermissionsBoundary") or "PermissionsBoundary" in iam.get_user(UserName=name)["User"]:
            iam.delete_user_permissions_boundary(UserName=name)
        iam.delete_user(UserName=name)
    for found in iam.list_policies(Scope="Local")["Policies"]:
        for version in iam.list_policy_versions(PolicyArn=found["Arn"])["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=found["Arn"], VersionId=version["VersionId"])
        iam.delete_policy(PolicyArn=found["Arn"])


def wishes(*, adopt: list[str] | None = None, delete: str = "", **user: Any) -> dict[str, Any]:
    consent = {"adopt": adopt or [], "delete_access_key": delete}
    return {"bucket": {"name": BUCKET}, "user": user, "consent": consent}


def actions(plan: Any) -> list[str]:
    return [change.action for change in plan.changes]


def secret_of(services: Services) -> dict[str, bytes]:
    contents = services.cluster.read_secret(SECRET)
    return dict(contents.data) if contents else {}


def key_ids(operator: Aws, user: str = "registry-access") -> list[str]:
    listed = operator.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in listed]


def only_on(operation: str, *, code: str = "AccessDenied", message: str = "no", status: int = 403) -> Any:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return lambda _service, asked: (status, {}, body.encode()) if asked == operation else None


class TestCreate:
    def test_user_policy_key_and_proof(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes(path="/registry/"))
        assert actions(rig.plan(STEP)) == [
            "create-user",
            "create-policy",
            "attach-policy",
            "create-access-key",
        ]
        rig.run(STEP)
        facts = rig.facts.user
        assert facts.policy_arn == "arn:aws:iam::123456789012:policy/registry/registry-access-policy"
        assert facts.policy_document == rules.registry_policy(BUCKET)
        assert facts.user_tags == facts.policy_tags == {TAG: "registry", PLACE_TAG: facts.home}
        assert facts.home.startswith("default ")
        assert [facts.secret_access_key_id] == key_ids(operator)
        assert not operator.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents")

    def test_the_secret_access_key_is_nowhere_but_in_the_secret(
        self, make_rig: MakeRig, tmp_path: Any
    ) -> None:
        rig = make_rig(wishes())
        rig.run(STEP)
        secret = secret_of(rig.services)[names.S3_SECRET_ACCESS_KEY].decode()
        assert len(secret) == 40
        assert secret not in (tmp_path / "journal.jsonl").read_text()
        assert secret not in repr((rig.events, rig.facts, rig.journal.entries()))

    def test_nothing_is_changed_twice(self, make_rig: MakeRig, mutations: Callable[[], int]) -> None:
        rig = make_rig(wishes())
        rig.run(STEP)
        before = mutations()
        assert rig.carry_out(STEP).changes == ()
        assert mutations() == before

    def test_undo_leaves_what_was_there(self, make_rig: MakeRig, aws_server: AwsServer) -> None:
        before = aws_server.dump()
        rig = make_rig(wishes())
        rig.run(STEP)
        rig.undo(STEP)
        assert aws_server.dump() == before
        assert not rig.services.cluster.secret_facts(SECRET).exists
        assert "create-user" in actions(rig.plan(STEP))

    def test_a_boundary_is_put_on_and_named_when_it_is_too_narrow(
        self, make_rig: MakeRig, operator: Aws
    ) -> None:
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}],
        }
        made = operator.client("iam").create_policy(PolicyName="narrow", PolicyDocument=json.dumps(document))
        rig = make_rig(wishes(permissions_boundary=made["Policy"]["Arn"]))
        rig.carry_out(STEP)
        assert rig.facts.user.user_boundary == made["Policy"]["Arn"]
        result = rig.verify(STEP)["rights"]
        assert result.problem.code == "denied-by-boundary"
        rig.undo(STEP)


class SpreadOnceTold(list[Event]):
    """Events as they come; with the first word of how a wait goes, AWS has spread every key and policy."""

    def __init__(self, server: AwsServer) -> None:
        super().__init__()
        self._server = server

    def append(self, event: Event) -> None:
        super().append(event)
        if isinstance(event, WaitProgress):
            self._server.settings.key_delay_s, self._server.settings.fault = 0.0, None


class TestSpreading:
    def test_a_key_that_is_not_live_yet_is_waited_for(self, make_rig: MakeRig, aws_server: AwsServer) -> None:
        aws_server.settings.key_delay_s = 600
        rig = make_rig(wishes())
        rig.events = SpreadOnceTold(aws_server)
        rig.run(STEP)
        waits = [event.what for event in rig.events if isinstance(event, WaitStarted)]
        assert "the key to work" in waits
        seen = [event.detail for event in rig.events if isinstance(event, WaitProgress)]
        assert _user_proof.SPREADING in seen

    @pytest.mark.parametrize("is_known", [True, False])
    def test_an_old_key_gets_time_after_its_policy_was_changed(
        self, is_known: bool, make_rig: MakeRig, aws_server: AwsServer
    ) -> None:
        rig = make_rig(wishes())
        rig.carry_out(STEP)
        old = [
            dataclasses.replace(key, created=datetime(2020, 1, 1, tzinfo=UTC))
            for key in rig.facts.user.access_keys
        ]
        facts = dataclasses.replace(rig.facts.user, access_keys=tuple(old))
        if not is_known:
            rig = make_rig(wishes(), journal="another.jsonl")
        rig.events = SpreadOnceTold(aws_server)
        aws_server.settings.fault = only_on("PutObject")
        if is_known:
            assert _user_proof.prove_rights(rig.context(STEP.id), facts).status is CheckStatus.PASSED
        else:
            with pytest.raises(AccessDenied):
                _user_proof.prove_rights(rig.context(STEP.id), facts)

    def test_one_that_never_gets_live_fails_as_what_it_is(
        self, make_rig: MakeRig, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_user_proof, "SPREAD_WITHIN_S", 0.2)
        aws_server.settings.key_delay_s = 600
        rig = make_rig(wishes())
        rig.carry_out(STEP)
        results = rig.verify(STEP)
        assert results["rights"].problem.code == "aws-key-refused"
        assert SECRET in results["rights"].problem.what
        assert results["no-iam"].status is CheckStatus.SKIPPED

    def test_the_negative_proof_alone_would_not_take_a_dead_key(
        self, make_rig: MakeRig, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_user_proof, "SPREAD_WITHIN_S", 0.2)
        rig = make_rig(wishes())
        rig.carry_out(STEP)
        aws_server.settings.key_delay_s = 600
        for prove in (_user_proof.prove_no_iam, _user_proof.prove_no_other_bucket):
            with pytest.raises(WizardError):
                prove(rig.context(STEP.id), rig.facts.user)


class TestInterrupted:
    def test_a_key_that_cannot_be_stored_is_deleted_again(
        self, make_rig: MakeRig, operator: Aws, kube_server: Any
    ) -> None:
        kube_server.denied.add(("update", "secrets"))
        with pytest.raises(AccessDenied) as caught:
            make_rig(wishes()).carry_out(STEP)
        assert "secrets" in str(caught.value.problem)
        assert key_ids(operator) == []
        kube_server.denied.clear()
        make_rig(wishes()).run(STEP)

    def test_a_cluster_that_refuses_secrets_costs_no_key(
        self, make_rig: MakeRig, kube_server: Any, ledger: Ledger
    ) -> None:
        def made() -> int:
            seen: Any = ledger.snapshot()["mutating"]
            return sum("iam:CreateAccessKey" in request for request in seen)

        kube_server.denied.add(("create", "secrets"))
        before = made()
        with pytest.raises(AccessDenied):
            make_rig(wishes()).carry_out(STEP)
        assert made() == before

    def test_a_lost_key_is_deleted_before_another_is_made(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes())
        iam = operator.client("iam")
        plan = rig.plan(STEP)
        for change in plan.changes[:-1]:
            with rig.journal.intend(STEP.id, change) as entry:
                entry.done(STEP.apply(rig.context(STEP.id), change, entry))
        earlier = iam.create_access_key(UserName="registry-access")["AccessKey"]["AccessKeyId"]
        with rig.journal.intend(STEP.id, plan.changes[-1]) as entry:
            entry.note(seen=[earlier])
            lost = iam.create_access_key(UserName="registry-access")["AccessKey"]["AccessKeyId"]
        again = make_rig(wishes())
        assert again.plan(STEP).consents == ()
        again.run(STEP)
        assert lost not in key_ids(operator)
        assert earlier in key_ids(operator)
        again.facts.user = None
        with pytest.raises(WizardError):
            again.undo(STEP)
        assert key_ids(operator) == [earlier]

    def test_every_change_may_be_applied_again(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes())
        for change in rig.plan(STEP).changes[:-1]:
            for _ in range(2):
                with rig.journal.intend(STEP.id, change) as entry:
                    entry.done(STEP.apply(rig.context(STEP.id), change, entry))
        assert len(operator.client("iam").list_policies(Scope="Local")["Policies"]) == 1


class TestKeys:
    def test_two_keys_need_a_decision(self, make_rig: MakeRig, operator: Aws) -> None:
        make_rig(wishes()).run(STEP)
        iam = operator.client("iam")
        iam.create_access_key(UserName="registry-access")
        rig = make_rig(wishes())
        rig.services.cluster.delete("v1", "Secret", SECRET)
        plan = rig.plan(STEP)
        (consent,) = plan.consents
        assert consent.key == "delete_access_key"
        for key_id in key_ids(operator):
            assert key_id in consent.question
        assert f"made {datetime.now(UTC):%Y-%m-%d}" in consent.question
        other = next(key_id for key_id in key_ids(operator) if key_id != consent.value)
        agreed = make_rig(wishes(delete=other))
        agreed.run(STEP)
        assert other not in key_ids(operator)
        assert consent.value in key_ids(operator)

    def test_an_inactive_key_is_replaced(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes())
        rig.run(STEP)
        held = rig.facts.user.secret_access_key_id
        iam = operator.client("iam")
        iam.update_access_key(UserName="registry-access", AccessKeyId=held, Status="Inactive")
        plan = rig.plan(STEP)
        assert "inactive" in plan.notes[0]
        results = rig.verify(STEP)
        assert results["key"].status is CheckStatus.FAILED
        assert results["no-iam"].status is CheckStatus.SKIPPED
        rig.run(STEP)
        assert rig.facts.user.secret_access_key_id != held

    def test_a_deleted_key_is_replaced(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes())
        rig.run(STEP)
        held = rig.facts.user.secret_access_key_id
        operator.client("iam").delete_access_key(UserName="registry-access", AccessKeyId=held)
        assert actions(rig.plan(STEP)) == ["create-access-key"]
        rig.run(STEP)
        rig.undo(STEP)


class TestSameNameElsewhere:
    """The default names are everybody's: a setup of the same name in another place is another setup."""

    def other(self, make_rig: MakeRig, *, namespace: str, journal: str, **answers: Any) -> Any:
        mine = {**wishes(**answers), "bucket": {"name": "images-of-another-place"}}
        return make_rig({**mine, "connect": {"namespace": namespace}}, journal=journal)

    def test_another_cluster_is_asked_before_it_takes_user_or_policy(self, make_rig: MakeRig) -> None:
        first = make_rig(wishes())
        first.run(STEP)
        other = self.other(make_rig, namespace="another", journal="other.jsonl")
        plan = other.plan(STEP)
        assert [consent.value for consent in plan.consents] == ["user", "policy"]
        assert all("namespace default of the cluster https://" in each.question for each in plan.consents)

    def test_what_another_takes_over_is_given_back_to_it(
        self, make_rig: MakeRig, aws_server: AwsServer
    ) -> None:
        first = make_rig(wishes())
        first.run(STEP)
        before = aws_server.dump()
        other = self.other(make_rig, namespace="another", journal="other.jsonl", adopt=["user", "policy"])
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "another"}}
        other.services.cluster.create(namespace)
        other.carry_out(STEP)
        assert other.plan(STEP).changes == ()
        assert "stays" in STEP.undo(
            first.context(STEP.id),
            next(e for e in first.journal.standing(STEP.id) if e.change.action == "create-user"),
        )
        other.undo(STEP)
        assert aws_server.dump() == before

    def test_another_machine_is_asked_before_it_gives_the_policy_another_bucket(
        self, make_rig: MakeRig
    ) -> None:
        make_rig(wishes()).run(STEP)
        plan = self.other(make_rig, namespace="default", journal="other.jsonl").plan(STEP)
        assert [consent.value for consent in plan.consents] == ["policy"]
        assert actions(plan) == ["change-policy"]

    def test_what_an_earlier_version_made_is_known_by_the_journal(
        self, make_rig: MakeRig, operator: Aws
    ) -> None:
        rig = make_rig(wishes())
        rig.run(STEP)
        iam, arn = operator.client("iam"), rig.facts.user.policy_arn
        iam.untag_user(UserName="registry-access", TagKeys=[PLACE_TAG])
        iam.untag_policy(PolicyArn=arn, TagKeys=[PLACE_TAG])
        assert rig.plan(STEP) == Plan()
        unknown = make_rig(wishes(), journal="other.jsonl").plan(STEP)
        assert actions(unknown) == ["tag-user"]
        assert [consent.value for consent in unknown.consents] == ["user"]


class TestAdopt:
    def test_user_and_policy_only_with_consent_and_given_back(
        self, make_rig: MakeRig, operator: Aws, aws_server: AwsServer
    ) -> None:
        iam = operator.client("iam")
        iam.create_user(UserName="registry-access", Tags=[{"Key": "team", "Value": "web"}])
        old = rules.registry_policy("another-bucket")
        arn = iam.create_policy(PolicyName="registry-access-policy", PolicyDocument=json.dumps(old))[
            "Policy"
        ]["Arn"]
        before = aws_server.dump()
        plan = make_rig(wishes()).plan(STEP)
        assert [consent.value for consent in plan.consents] == ["user", "policy"]
        rig = make_rig(wishes(adopt=["user", "policy"]))
        rig.run(STEP)
        assert rig.facts.user.user_tags == {"team": "web", TAG: "registry", PLACE_TAG: rig.facts.user.home}
        rig.undo(STEP)
        assert aws_server.dump() == before
        assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"

    def test_the_sixth_version_makes_room(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes())
        rig.run(STEP)
        iam, arn = operator.client("iam"), rig.facts.user.policy_arn
        for number in range(4):
            text = json.dumps(rules.registry_policy(f"other-{number}"))
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        plan = rig.plan(STEP)
        assert actions(plan) == ["change-policy"]
        assert "v1" in plan.changes[0].summary
        rig.run(STEP)
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        assert len(versions) == 5
        entry = rig.journal.entries(STEP.id)[-1]
        assert entry.notes["deleted_document"] == rules.registry_policy(BUCKET)
        assert "new number" in STEP.undo(rig.context(STEP.id), entry)

    @pytest.mark.parametrize("is_known", [True, False])
    def test_an_undo_that_was_cut_off_puts_all_versions_back(
        self, is_known: bool, make_rig: MakeRig, operator: Aws
    ) -> None:
        """Killed right after the former version was put in force again; without a receipt, by its note."""
        iam = operator.client("iam")
        old = [rules.registry_policy(f"old-{number}") for number in range(5)]
        arn = iam.create_policy(PolicyName="registry-access-policy", PolicyDocument=json.dumps(old[0]))[
            "Policy"
        ]["Arn"]
        for document in old[1:]:
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
        rig = make_rig(wishes(adopt=["policy"]))
        rig.run(STEP)
        (entry,) = (e for e in rig.journal.standing(STEP.id) if e.change.action == "change-policy")
        if not is_known:
            entry.note(made=entry.receipt.pop("version"))
        iam.set_default_policy_version(PolicyArn=arn, VersionId="v5")
        rig.undo(STEP)
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        assert next(each["VersionId"] for each in versions if each["IsDefaultVersion"]) == "v5"
        found = [
            iam.get_policy_version(PolicyArn=arn, VersionId=each["VersionId"])["PolicyVersion"]["Document"]
            for each in versions
        ]
        assert sorted(map(str, found)) == sorted(map(str, old))

    def test_a_key_does_not_outlive_a_cluster_that_is_gone(
        self, make_rig: MakeRig, operator: Aws, kube_server: KubernetesServer
    ) -> None:
        make_rig(wishes()).run(STEP)
        kube_server.stop()
        rig = make_rig(wishes())
        (entry,) = (e for e in rig.journal.standing(STEP.id) if e.change.action == "create-access-key")
        with pytest.raises(Unreachable):
            STEP.undo(rig.context(STEP.id), entry)
        assert operator.client("iam").list_access_keys(UserName="registry-access")["AccessKeyMetadata"] == []

    def test_what_somebody_added_is_kept(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes())
        rig.run(STEP)
        everything = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}],
        }
        operator.client("iam").put_user_policy(
            UserName="registry-access", PolicyName="more", PolicyDocument=json.dumps(everything)
        )
        result = rig.verify(STEP)["no-iam"]
        assert result.status is CheckStatus.FAILED
        assert "iam:ListUsers" in result.problem.fix
        with pytest.raises(WizardError) as caught:
            rig.undo(STEP)
        assert caught.value.problem.code == "user-in-use"

    def test_things_of_another_setup_block(self, make_rig: MakeRig) -> None:
        make_rig({**wishes(), "setup": "first"}, journal="first.jsonl").run(STEP)
        codes = [problem.code for problem in make_rig(wishes()).plan(STEP).blockers]
        assert codes == ["user-of-other-setup", "secret-of-other-setup"]
        other = {**wishes(), "bucket": {"name": "yet-another"}}
        assert "policy-of-other-setup" in [problem.code for problem in make_rig(other).plan(STEP).blockers]

    def test_a_name_taken_under_another_path(self, make_rig: MakeRig, operator: Aws) -> None:
        text = json.dumps(rules.registry_policy(BUCKET))
        operator.client("iam").create_policy(
            PolicyName="Registry-access-policy", Path="/teams/", PolicyDocument=text
        )
        blocker = make_rig(wishes()).plan(STEP).blockers[0]
        assert "/teams/" in blocker.fix


class TestRefusals:
    def test_a_denied_look_names_the_action(self, make_rig: MakeRig, aws_server: AwsServer) -> None:
        aws_server.settings.fault = only_on(
            "GetUser",
            message="User: arn:aws:iam::1:user/me is not authorized to perform: iam:GetUser on resource: x "
            "because no identity-based policy allows the iam:GetUser action",
        )
        blocker = make_rig(wishes()).plan(STEP).blockers[0]
        assert "iam:GetUser" in blocker.fix

    def test_users_forbidden_by_the_organisation(self, make_rig: MakeRig, aws_server: AwsServer) -> None:
        aws_server.settings.fault = only_on(
            "CreateUser",
            message="User: arn:aws:iam::1:user/me is not authorized to perform: iam:CreateUser on resource: "
            "x with an explicit deny in a service control policy",
        )
        with pytest.raises(WizardError) as caught:
            make_rig(wishes()).carry_out(STEP)
        assert caught.value.problem.code == "denied-by-organisation"

    def test_a_secret_of_somebody_else_is_not_overwritten(self, make_rig: MakeRig) -> None:
        rig = make_rig(wishes())
        rig.services.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": SECRET},
                "stringData": {names.S3_ACCESS_KEY_ID: "AKIASOMEBODYELSES000"},
            }
        )
        assert rig.plan(STEP).blockers[0].code == "secret-in-use"


class TestBroughtAlong:
    def bring(self, rig: Any, operator: Aws, *, secret: str = "", bucket: str = BUCKET) -> None:
        iam = operator.client("iam")
        iam.create_user(UserName="brought")
        iam.put_user_policy(
            UserName="brought", PolicyName="p", PolicyDocument=json.dumps(rules.registry_policy(bucket))
        )
        key = iam.create_access_key(UserName="brought")["AccessKey"]
        data = {
            names.S3_ACCESS_KEY_ID: key["AccessKeyId"],
            names.S3_SECRET_ACCESS_KEY: secret or key["SecretAccessKey"],
        }
        rig.services.cluster.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": data}
        )

    def test_is_proven_and_not_touched(
        self, make_rig: MakeRig, operator: Aws, mutations: Callable[[], int]
    ) -> None:
        rig = make_rig(wishes(kind="existing-secret"))
        self.bring(rig, operator)
        before = operator.client("iam").list_users()["Users"]
        rig.run(STEP)
        assert rig.carry_out(STEP).changes == ()
        assert operator.client("iam").list_users()["Users"] == before
        assert rig.undo(STEP) == []
        assert mutations() > 0

    def test_is_missing(self, make_rig: MakeRig) -> None:
        blocker = make_rig(wishes(kind="existing-secret")).plan(STEP).blockers[0]
        assert blocker.code == "secret-missing"

    def test_with_the_wrong_secret(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes(kind="existing-secret"))
        self.bring(rig, operator, secret="a" * 40)
        rig.carry_out(STEP)
        assert "do not belong together" in rig.verify(STEP)["rights"].problem.what

    def test_with_a_line_break_at_its_end(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes(kind="existing-secret"))
        self.bring(rig, operator, secret="a" * 40 + "\n")
        rig.carry_out(STEP)
        assert rig.verify(STEP)["rights"].problem.code == "secret-garbled"

    def test_without_a_right_that_only_large_pushes_need(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes(kind="existing-secret"))
        self.bring(rig, operator)
        text = json.dumps(rules.registry_policy(BUCKET)).replace("s3:AbortMultipartUpload", "s3:Nothing")
        operator.client("iam").put_user_policy(UserName="brought", PolicyName="p", PolicyDocument=text)
        rig.carry_out(STEP)
        assert "s3:AbortMultipartUpload" in rig.verify(STEP)["rights"].problem.what

    def test_for_another_bucket_names_the_action(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes(kind="existing-secret"))
        self.bring(rig, operator, bucket="another-bucket")
        rig.carry_out(STEP)
        assert "s3:ListBucket" in rig.verify(STEP)["rights"].problem.what

    def test_with_more_rights_is_warned_about(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes(kind="existing-secret"))
        self.bring(rig, operator, bucket="*")
        everything = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
        operator.client("iam").put_user_policy(
            UserName="brought", PolicyName="p", PolicyDocument=json.dumps(everything)
        )
        rig.carry_out(STEP)
        results = rig.verify(STEP)
        assert results["rights"].status is CheckStatus.PASSED
        assert results["no-iam"].status is CheckStatus.WARNING
        assert results["no-other-bucket"].status is CheckStatus.WARNING


class TestOtherBuckets:
    """Whether the key reads another bucket by its own rights, or because that bucket lets everybody in."""

    @pytest.fixture
    def buckets(self, operator: Aws) -> Iterator[Callable[[str], None]]:
        s3, made = operator.client("s3"), list[str]()

        def make(name: str) -> None:
            place: Any = {"LocationConstraint": "eu-west-1"}
            s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
            made.append(name)

        yield make
        for name in made:
            s3.delete_bucket(Bucket=name)

    def test_one_that_is_open_to_the_account_is_a_warning(
        self, make_rig: MakeRig, operator: Aws, buckets: Callable[[str], None]
    ) -> None:
        buckets("a-bucket-for-all")
        resource = "arn:aws:s3:::a-bucket-for-all"
        grant = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
        operator.client("s3").put_bucket_policy(Bucket="a-bucket-for-all", Policy=document)
        rig = make_rig(wishes())
        rig.carry_out(STEP)
        result = rig.verify(STEP)["no-other-bucket"]
        assert (result.status, result.problem.code) == (CheckStatus.WARNING, "bucket-open")
        assert "a-bucket-for-all" in result.problem.what

    def test_a_group_that_grants_it_is_a_failure(
        self, make_rig: MakeRig, operator: Aws, buckets: Callable[[str], None]
    ) -> None:
        buckets("a-bucket-of-others")
        rig = make_rig(wishes())
        rig.carry_out(STEP)
        iam = operator.client("iam")
        grant = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::a-bucket-of-others"}
        iam.put_user_policy(
            UserName="registry-access",
            PolicyName="more",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}),
        )
        result = rig.verify(STEP)["no-other-bucket"]
        assert (result.status, result.problem.code) == (CheckStatus.FAILED, "key-too-strong")


QUOTAS = {
    "users": "as many IAM users",
    "policies": "as many IAM policies",
    "attached_policies_per_user": "The IAM user registry-access has as many policies attached",
}


@pytest.mark.parametrize("quota", QUOTAS)
def test_a_quota_that_is_used_up_is_seen_before_anything_is_made(
    make_rig: MakeRig, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch, quota: str
) -> None:
    summary = moto_parts.backend("iam", aws_server.account_number, "").account_summary
    with monkeypatch.context() as patch:
        patch.setattr(summary, f"_{quota}_quota", 0)
        [blocker] = make_rig(wishes()).plan(STEP).blockers
    assert blocker.code == "iam-quota"
    assert QUOTAS[quota] in blocker.what
    assert "Service Quotas" in blocker.fix
    make_rig(wishes()).run(STEP)
    monkeypatch.setattr(summary, f"_{quota}_quota", 0)
    assert make_rig(wishes()).plan(STEP).blockers == (), "what is there already needs no room"
