"""The user's plan as a pure function of answers and facts, and how policies are compared."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wizard import rules
from wizard.answers import Answers, from_mapping
from wizard.events import StepId, Verb
from wizard.facts import AccessKeyFacts, PolicyVersionFacts, SecretFacts, UserFacts
from wizard.journal import Journal
from wizard.ownership import TAG
from wizard.step import Change, Plan
from wizard.steps._user_keys import lost_keys
from wizard.steps._user_plan import plan_user
from wizard.steps._user_policy import says_the_same

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = AccessKeyFacts(access_key_id="AKIAOURS000000000000", is_active=True, created=NOW)
OLD = AccessKeyFacts(
    access_key_id="AKIAOLD0000000000000",
    is_active=True,
    created=NOW - timedelta(days=90),
    last_used=NOW - timedelta(days=60),
)
SECRET = SecretFacts(name="registry-s3-credentials", exists=True, owner="team", type="Opaque")


def answers(consent: dict[str, Any] | None = None, **user: Any) -> Answers:
    return from_mapping(
        {"setup": "team", "bucket": {"name": "team-images"}, "user": user, "consent": consent or {}}
    )


def facts(partition: str = "aws", **seen: Any) -> UserFacts:
    """A user of ours with nothing left to do, but for what is named."""
    good: dict[str, Any] = {
        "user_exists": True,
        "user_owner": "team",
        "user_tags": {TAG: "team"},
        "policy_arn": f"arn:{partition}:iam::123456789012:policy/registry-access-policy",
        "policy_exists": True,
        "policy_owner": "team",
        "policy_document": rules.registry_policy("team-images", partition),
        "policy_versions": (PolicyVersionFacts(version_id="v1", is_default=True, created=NOW),),
        "policy_is_attached": True,
        "access_keys": (KEY,),
        "secret": SECRET,
        "secret_access_key_id": KEY.access_key_id,
        "secret_is_complete": True,
    }
    return UserFacts(**good | seen)


def actions(plan: Plan) -> list[str]:
    return [change.action for change in plan.changes]


class TestChanges:
    def test_nothing_is_left_to_do(self) -> None:
        assert plan_user(answers(), facts()) == Plan()

    @pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
    def test_the_policy_is_in_the_callers_partition(self, partition: str) -> None:
        assert plan_user(answers(), facts(partition)) == Plan()
        plan = plan_user(answers(), facts(partition, policy_exists=False, policy_is_attached=False))
        first = plan.changes[0].params["document"]["Statement"][0]
        assert first["Resource"] == f"arn:{partition}:s3:::team-images"

    def test_all_is_new(self) -> None:
        arn = "arn:aws:iam::123456789012:policy/registry-access-policy"
        boundary = "arn:aws:iam::123456789012:policy/edge"
        plan = plan_user(answers(permissions_boundary=boundary, path="/r/"), UserFacts(policy_arn=arn))
        assert actions(plan) == ["create-user", "create-policy", "attach-policy", "create-access-key"]
        assert f"--permissions-boundary {boundary}" in plan.changes[0].command
        assert "--path /r/" in plan.changes[0].command
        assert plan.consents == ()
        for change in plan.changes:
            assert Change.from_json(json.loads(json.dumps(asdict(change)))) == change

    def test_a_boundary_keeps_the_former_one_for_undo(self) -> None:
        wanted = "arn:aws:iam::123456789012:policy/new"
        plan = plan_user(answers(permissions_boundary=wanted), facts(user_boundary="arn:old"))
        assert plan.changes[0].params == {"name": "registry-access", "wanted": wanted, "former": "arn:old"}

    @pytest.mark.parametrize(("count", "doomed"), [(1, ""), (4, ""), (5, "v2")])
    def test_the_sixth_policy_version_names_the_one_that_goes(self, count: int, doomed: str) -> None:
        versions = tuple(
            PolicyVersionFacts(version_id=f"v{n}", is_default=n == 1, created=NOW + timedelta(days=n))
            for n in range(1, count + 1)
        )
        seen = facts(policy_versions=versions, policy_document=rules.registry_policy("elsewhere"))
        (change,) = plan_user(answers(), seen).changes
        assert (change.params["former"], change.params["doomed"]) == ("v1", doomed)


class TestKeys:
    @pytest.mark.parametrize(
        ("seen", "told"),
        [
            ({"access_keys": (replace(KEY, is_active=False),)}, "inactive"),
            ({"access_keys": ()}, "not one of the user's"),
        ],
    )
    def test_a_dead_key_is_planned_anew_with_a_sentence(self, seen: dict[str, Any], told: str) -> None:
        plan = plan_user(answers(), facts(**seen))
        assert actions(plan) == ["create-access-key"]
        assert told in plan.notes[0]

    def test_two_keys_are_shown_with_age_and_last_use(self) -> None:
        seen = facts(access_keys=(KEY, OLD), secret=None, secret_is_complete=False, secret_access_key_id="")
        plan = plan_user(answers(), seen)
        (consent,) = plan.consents
        assert (consent.key, consent.value) == ("delete_access_key", KEY.access_key_id)
        assert "made 2026-08-03, last used 2026-09-02" in consent.question
        assert "never used" in consent.question
        assert actions(plan) == ["delete-access-key", "create-access-key"]
        assert plan.changes[0].verb is Verb.DELETE

    def test_the_operator_may_name_the_other_one(self) -> None:
        seen = facts(access_keys=(KEY, OLD), secret=None, secret_is_complete=False, secret_access_key_id="")
        wish = answers({"delete_access_key": OLD.access_key_id})
        plan = plan_user(wish, seen)
        assert plan.changes[0].params["access_key_id"] == OLD.access_key_id
        assert plan.consents[0].is_given(wish)

    def test_lost_keys_do_not_count(self) -> None:
        seen = facts(
            access_keys=(KEY, OLD), secret_is_complete=False, lost_access_key_ids=(KEY.access_key_id,)
        )
        assert plan_user(answers(), seen).consents == ()

    def test_a_larger_quota_is_respected(self) -> None:
        seen = facts(access_keys=(KEY, OLD), secret_is_complete=False, access_keys_quota=3)
        assert plan_user(answers(), seen).consents == ()


class TestLostKeys:
    def begin(self, journal: Journal, *, seen: list[str] | None = None, is_done: bool = False) -> None:
        change = Change("create-access-key", Verb.CREATE, "access key", "u", "", {"name": "u", "secret": "s"})
        with journal.intend(StepId.USER, change) as entry:
            if seen is not None:
                entry.note(seen=seen)
            if is_done:
                entry.done({})

    def keys(self, *, minutes_ago: float = 0) -> list[AccessKeyFacts]:
        made = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        return [replace(KEY, access_key_id=name, created=made) for name in ("BEFORE", "AFTER")]

    def test_those_made_since_and_not_stored(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal")
        self.begin(journal, seen=["BEFORE"])
        assert lost_keys(journal, "u", self.keys(), "") == ("AFTER",)
        assert lost_keys(journal, "u", self.keys(), "AFTER") == ()
        assert lost_keys(journal, "another", self.keys(), "") == ()

    def test_none_of_a_run_that_was_done_or_had_not_begun(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal")
        self.begin(journal, seen=["BEFORE"], is_done=True)
        self.begin(journal)
        assert lost_keys(journal, "u", self.keys(), "") == ()

    def test_none_that_somebody_made_at_another_time(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal")
        self.begin(journal, seen=[])
        assert lost_keys(journal, "u", self.keys(minutes_ago=-600), "") == ()


class TestGates:
    def test_adopting_asks_for_each_thing(self) -> None:
        seen = facts(
            user_owner="", user_tags={}, policy_owner="", policy_document=rules.registry_policy("elsewhere")
        )
        assert [consent.value for consent in plan_user(answers(), seen).consents] == ["user", "policy"]

    def test_a_policy_that_says_the_same_needs_no_consent(self) -> None:
        assert plan_user(answers(), facts(policy_owner="")) == Plan()

    @pytest.mark.parametrize(
        ("seen", "wish", "code"),
        [
            ({"user_exists": False}, {"create": False}, "user-missing"),
            ({"user_owner": "other"}, {}, "user-of-other-setup"),
            (
                {"policy_owner": "other", "policy_document": rules.registry_policy("elsewhere")},
                {},
                "policy-of-other-setup",
            ),
            ({"secret": replace(SECRET, owner="other")}, {}, "secret-of-other-setup"),
            ({"secret": replace(SECRET, owner=""), "secret_access_key_id": "AKIA"}, {}, "secret-in-use"),
            ({"secret": None, "secret_is_complete": False}, {"kind": "existing-secret"}, "secret-missing"),
            ({"secret_is_complete": False}, {"kind": "existing-secret"}, "secret-incomplete"),
        ],
    )
    def test_what_blocks(self, seen: dict[str, Any], wish: dict[str, Any], code: str) -> None:
        plan = plan_user(answers(**wish), facts(**seen))
        assert [problem.code for problem in plan.blockers] == [code]
        assert plan.changes == ()
        assert plan.blockers[0].fix

    def test_a_secret_brought_along_needs_nothing(self) -> None:
        assert plan_user(answers(kind="existing-secret"), UserFacts(secret_is_complete=True)) == Plan()


class TestPolicyComparison:
    def test_order_lists_and_ids_do_not_count(self) -> None:
        one = rules.registry_policy("b")
        statements: list[dict[str, Any]] = json.loads(json.dumps(one))["Statement"]
        for statement in statements:
            statement["Action"].reverse()
            statement["Resource"] = [statement["Resource"]]
            statement["Sid"] = "Any"
        assert says_the_same(one, {"Version": "2012-10-17", "Statement": statements[::-1]})

    @pytest.mark.parametrize("change", ["action", "resource", "condition", "version", "extra"])
    def test_what_is_granted_counts(self, change: str) -> None:
        other: dict[str, Any] = json.loads(json.dumps(rules.registry_policy("b")))
        first = other["Statement"][0]
        match change:
            case "action":
                first["Action"].append("s3:*")
            case "resource":
                first["Resource"] = "*"
            case "condition":
                first["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}
            case "version":
                del other["Version"]
            case _:
                other["Statement"].append({"Effect": "Allow", "Action": "*", "Resource": "*"})
        assert not says_the_same(rules.registry_policy("b"), other)

    def test_nothing_is_not_a_policy(self) -> None:
        assert not says_the_same(None, rules.registry_policy("b"))
