"""The bucket's plan as a pure function of answers and facts."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from wizard.answers import Answers, from_mapping
from wizard.events import Verb
from wizard.facts import BucketFacts
from wizard.ownership import TAG
from wizard.step import Plan
from wizard.steps import _bucket_lifecycle as lifecycle
from wizard.steps._bucket_look import shortest_abort_days
from wizard.steps._bucket_plan import BLOCK_ALL, abort_rule, is_same_rule, plan_bucket


def answers(**bucket: Any) -> Answers:
    return from_mapping({"setup": "team", "bucket": {"name": "team-images", **bucket}})


def facts(**seen: Any) -> BucketFacts:
    """A bucket of ours with nothing left to do, but for what is named."""
    good: dict[str, Any] = {
        "name": "team-images",
        "state": "mine",
        "aws_region": "eu-west-1",
        "owner": "team",
        "tags": {TAG: "team"},
        "encryption": "AES256",
        "blocks_public_access": True,
        "public_access_block": dict(BLOCK_ALL),
        "abort_incomplete_days": 7,
        "lifecycle_rules": (abort_rule(7),),
    }
    return BucketFacts(**good | seen)


def actions(plan: Plan) -> list[str]:
    return [change.action for change in plan.changes]


class TestChanges:
    def test_nothing_is_left_to_do(self) -> None:
        assert plan_bucket(answers(), facts()) == Plan()

    def test_a_new_bucket_costs_what_it_costs(self) -> None:
        plan = plan_bucket(answers(), BucketFacts(name="team-images", aws_region="eu-west-1"))
        assert plan.changes[0].verb is Verb.CREATE
        assert "$0.023 a GB and month" in plan.changes[0].cost
        assert not plan.consents

    @pytest.mark.parametrize(("region", "has_location"), [("us-east-1", False), ("eu-west-1", True)])
    def test_the_command_names_the_location_except_in_us_east_1(
        self, region: str, *, has_location: bool
    ) -> None:
        plan = plan_bucket(answers(), BucketFacts(name="team-images", aws_region=region))
        assert ("LocationConstraint" in plan.changes[0].command) is has_location

    @pytest.mark.parametrize(
        ("seen", "wish", "action", "former"),
        [
            ({"encryption": ""}, {}, "set-encryption", None),
            ({"blocks_public_access": False, "public_access_block": None}, {}, "block-public-access", None),
            (
                {"blocks_public_access": False, "public_access_block": {"BlockPublicAcls": True}},
                {},
                "block-public-access",
                {"BlockPublicAcls": True},
            ),
            ({}, {"abort_incomplete_days": 3}, "set-abort-rule", abort_rule(7)),
            ({}, {"abort_incomplete_days": 0}, "set-abort-rule", abort_rule(7)),
            ({"lifecycle_rules": (), "abort_incomplete_days": None}, {}, "set-abort-rule", None),
            ({"tags": {"team": "web"}}, {}, "tag-bucket", None),
        ],
    )
    def test_each_difference_is_one_change_that_knows_the_former_value(
        self, seen: dict[str, Any], wish: dict[str, Any], action: str, former: object
    ) -> None:
        plan = plan_bucket(answers(**wish), facts(**seen))
        assert actions(plan) == [action]
        assert plan.changes[0].params["former"] == former
        assert plan.changes[0].command.startswith("aws s3api put-")
        json.dumps(asdict(plan.changes[0]))

    @pytest.mark.parametrize(
        ("seen", "wish"),
        [
            ({"encryption": "aws:kms"}, {"encryption": "keep"}),
            ({"encryption": "aws:kms:dsse"}, {"encryption": "aws:kms"}),
            ({"blocks_public_access": False}, {"block_public_access": False}),
            ({"lifecycle_rules": (), "abort_incomplete_days": 3}, {}),
            ({"lifecycle_rules": (), "abort_incomplete_days": None}, {"abort_incomplete_days": 0}),
        ],
    )
    def test_what_is_good_enough_stays(self, seen: dict[str, Any], wish: dict[str, Any]) -> None:
        assert actions(plan_bucket(answers(**wish), facts(**seen))) == []

    def test_a_kms_key_is_warned_about(self) -> None:
        seen = facts(encryption="aws:kms", kms_key_id="arn:aws:kms:eu-west-1:1:key/k")
        notes = plan_bucket(answers(encryption="keep"), seen).notes
        assert "kms:GenerateDataKey" in notes[0]

    def test_a_dotted_name_is_warned_about(self) -> None:
        assert "dot" in plan_bucket(answers(name="team.images"), facts(name="team.images")).notes[0]


class TestGates:
    def test_adopting_asks_and_says_what_changes(self) -> None:
        plan = plan_bucket(answers(), facts(owner="", tags={}, encryption=""))
        assert [(c.key, c.value) for c in plan.consents] == [("adopt", "bucket")]
        assert "AES256" in plan.consents[0].question
        assert plan.changes[0].verb is Verb.ADOPT

    @pytest.mark.parametrize(
        ("seen", "code", "fix"),
        [
            (facts(state="mine-elsewhere", aws_region="us-east-2"), "bucket-elsewhere", "us-east-2"),
            (facts(state="taken"), "bucket-taken", "another bucket.name"),
            (facts(state="forbidden"), "bucket-forbidden", "s3:ListBucket"),
            (facts(owner="other"), "bucket-of-other-setup", "another bucket.name"),
        ],
    )
    def test_what_blocks_says_one_thing_to_do(self, seen: BucketFacts, code: str, fix: str) -> None:
        plan = plan_bucket(answers(), seen)
        assert plan.changes == ()
        assert plan.blockers[0].code == code
        assert fix in plan.blockers[0].fix

    def test_no_name_yet(self) -> None:
        assert plan_bucket(from_mapping({}), BucketFacts()).blockers[0].code == "answer-missing"


class TestAbortRules:
    @pytest.mark.parametrize(
        ("rule", "days"),
        [
            (abort_rule(7), 7),
            ({**abort_rule(7), "Status": "Disabled"}, None),
            ({**abort_rule(7), "Filter": {"Prefix": "logs/"}}, None),
            ({**abort_rule(7), "Filter": {}}, 7),
            ({**abort_rule(7), "Filter": {}, "Prefix": "logs/"}, None),
            ({**abort_rule(7), "Filter": {"ObjectSizeGreaterThan": 5}}, None),
            ({"ID": "expiry", "Status": "Enabled", "Expiration": {"Days": 1}}, None),
        ],
    )
    def test_only_rules_for_the_whole_bucket_count(self, rule: dict[str, Any], days: int | None) -> None:
        assert shortest_abort_days([rule]) == days

    def test_the_empty_filter_has_more_than_one_form(self) -> None:
        assert is_same_rule(abort_rule(7), {**abort_rule(7), "Filter": {}})
        assert not is_same_rule(abort_rule(7), abort_rule(8))
        assert not is_same_rule(abort_rule(7), None)


OLD = {"ID": "old", "Status": "Enabled", "Prefix": "tmp/", "Expiration": {"Days": 3}}
NEW = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}


def test_the_forms_of_rules_are_not_mixed() -> None:
    assert lifecycle.beside([OLD], abort_rule(7)) == [NEW, abort_rule(7)]
    assert lifecycle.beside([OLD], None) == [OLD]


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ([NEW], [OLD]),
        ([{**NEW, "Expiration": {"Days": 4}}], [{**NEW, "Expiration": {"Days": 4}}]),
        ([NEW, {**NEW, "ID": "since"}], [NEW, {**NEW, "ID": "since"}]),
        ([], []),
    ],
    ids=["as it was", "changed since", "another beside it since", "gone since"],
)
def test_a_rule_gets_its_former_form_back_where_s3_takes_it(
    now: list[dict[str, Any]], left: list[dict[str, Any]]
) -> None:
    assert lifecycle.given_back(now, [OLD]) == left
