"""The bucket step against the practice world's S3."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from wizard.errors import Unreachable, WizardError
from wizard.events import CheckStatus, Verb
from wizard.names import PROBE_PREFIX, PROOF_FOLDER
from wizard.ownership import TAG
from wizard.practice.aws import AwsServer
from wizard.services.aws import Aws
from wizard.steps._bucket_plan import ABORT_RULE_ID
from wizard.steps.bucket import BucketStep

STEP = BucketStep()
MakeRig = Callable[..., Any]


def wishes(name: str, *, region: str = "", setup: str = "registry", **bucket: Any) -> dict[str, Any]:
    return {"setup": setup, "connect": {"aws_region": region}, "bucket": {"name": name, **bucket}}


def adopting(name: str, **bucket: Any) -> dict[str, Any]:
    return {**wishes(name, **bucket), "consent": {"adopt": ["bucket"]}}


def keys_in(operator: Aws, name: str) -> list[str]:
    page = operator.client("s3").list_objects_v2(Bucket=name)
    return [found["Key"] for found in page.get("Contents", [])]


def uploads_in(operator: Aws, name: str) -> list[Any]:
    return list(operator.client("s3").list_multipart_uploads(Bucket=name).get("Uploads", []))


def foreign_bucket(operator: Aws, name: str) -> Any:
    """A bucket that somebody made by hand, with settings of their own."""
    s3 = operator.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "team", "Value": "web"}]})
    s3.delete_public_access_block(Bucket=name)
    rule: Any = {
        "ID": "old-logs",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 30},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    return s3


class TestCreate:
    def test_a_new_bucket_is_made_set_and_proven(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes("fresh-bucket"))
        plan = rig.plan(STEP)
        assert [change.action for change in plan.changes] == [
            "create-bucket",
            "set-encryption",
            "block-public-access",
            "set-abort-rule",
        ]
        assert "LocationConstraint=eu-west-1" in plan.changes[0].command
        rig.run(STEP)
        facts = rig.facts.bucket
        assert facts.owner == "registry"
        assert facts.encryption == "AES256"
        assert facts.blocks_public_access
        assert facts.abort_incomplete_days == 7
        assert keys_in(operator, "fresh-bucket") == []
        assert uploads_in(operator, "fresh-bucket") == []

    def test_us_east_1_takes_no_location(self, make_rig: MakeRig) -> None:
        rig = make_rig(wishes("fresh-virginia", region="us-east-1"))
        rig.run(STEP)
        assert rig.facts.bucket.aws_region == "us-east-1"
        assert rig.undo(STEP)[-1] == "The bucket fresh-virginia was deleted."

    def test_nothing_is_changed_twice(self, make_rig: MakeRig, mutations: Callable[[], int]) -> None:
        rig = make_rig(wishes("only-once"))
        rig.run(STEP)
        before = mutations()
        assert rig.carry_out(STEP).changes == ()
        assert mutations() == before

    def test_kms_and_no_rule(self, make_rig: MakeRig) -> None:
        rig = make_rig(wishes("kms-bucket", encryption="aws:kms", abort_incomplete_days=0))
        rig.run(STEP)
        assert rig.facts.bucket.encryption == "aws:kms"
        assert rig.facts.bucket.abort_incomplete_days is None

    def test_a_run_that_ended_after_create_goes_on(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes("half-made"))
        change = rig.plan(STEP).changes[0]
        with rig.journal.intend(STEP.id, change):
            operator.client("s3").create_bucket(
                Bucket="half-made", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
        again = make_rig(wishes("half-made"))
        plan = again.plan(STEP)
        assert not plan.consents
        assert plan.changes[0].action == "tag-bucket"
        again.run(STEP)
        again.undo(STEP)
        assert again.plan(STEP).changes[0].action == "create-bucket"

    def test_a_refused_creation_claims_nothing(
        self, make_rig: MakeRig, operator: Aws, aws_server: AwsServer
    ) -> None:
        rig = make_rig(wishes("made-by-admin"))
        change = rig.plan(STEP).changes[0]
        refusal = (
            b"<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/me is not authorized to "
            b"perform: s3:CreateBucket on resource: x with an explicit deny in a service control policy"
            b"</Message></Error>"
        )
        aws_server.settings.fault = lambda _service, operation: (
            (403, {}, refusal) if operation == "CreateBucket" else None
        )
        try:
            with rig.journal.intend(STEP.id, change) as entry, pytest.raises(WizardError) as caught:
                STEP.apply(rig.context(STEP.id), change, entry)
        finally:
            aws_server.settings.fault = None
        assert caught.value.problem.code == "denied-by-organisation"
        assert "s3:CreateBucket" in caught.value.problem.what
        foreign_bucket(operator, "made-by-admin")
        assert [consent.value for consent in make_rig(wishes("made-by-admin")).plan(STEP).consents] == [
            "bucket"
        ]

    def test_an_outage_in_the_middle_of_a_creation_is_no_refusal(
        self, make_rig: MakeRig, operator: Aws, aws_server: AwsServer
    ) -> None:
        """S3 may have made the bucket before it answered 500: then it is ours."""
        rig = make_rig(wishes("made-in-an-outage"))
        change = rig.plan(STEP).changes[0]
        outage = (
            b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
        )
        aws_server.settings.fault = lambda _service, operation: (
            (500, {}, outage) if operation == "CreateBucket" else None
        )
        try:
            with rig.journal.intend(STEP.id, change) as entry, pytest.raises(Unreachable):
                STEP.apply(rig.context(STEP.id), change, entry)
        finally:
            aws_server.settings.fault = None
        foreign_bucket(operator, "made-in-an-outage")
        plan = make_rig(wishes("made-in-an-outage")).plan(STEP)
        assert not plan.consents
        assert plan.changes[0].action == "tag-bucket"


class TestBlockers:
    def test_somebody_elses(self, make_rig: MakeRig) -> None:
        blocker = make_rig(wishes("taken-by-someone-else")).plan(STEP).blockers[0]
        assert blocker.code == "bucket-taken"

    def test_elsewhere(self, make_rig: MakeRig) -> None:
        make_rig(wishes("in-ohio", region="us-east-2"), journal="ohio.jsonl").run(STEP)
        blocker = make_rig(wishes("in-ohio")).plan(STEP).blockers[0]
        assert blocker.what == "The bucket lives in us-east-2."
        assert "connect.aws_region to us-east-2" in blocker.fix

    def test_absent_though_it_has_to_be_there(self, make_rig: MakeRig) -> None:
        assert make_rig(wishes("not-there", create=False)).plan(STEP).blockers[0].code == "bucket-missing"

    def test_of_another_setup(self, make_rig: MakeRig) -> None:
        make_rig(wishes("of-another", setup="another"), journal="other.jsonl").run(STEP)
        blocker = make_rig(wishes("of-another")).plan(STEP).blockers[0]
        assert "another" in blocker.what

    def test_shut_out_by_its_policy(self, make_rig: MakeRig, operator: Aws) -> None:
        s3 = foreign_bucket(operator, "shut-bucket")
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:ListBucket", "s3:GetEncryptionConfiguration"],
            "Resource": "arn:aws:s3:::shut-bucket",
        }
        s3.put_bucket_policy(
            Bucket="shut-bucket", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        )
        assert make_rig(wishes("shut-bucket")).plan(STEP).blockers[0].code == "bucket-forbidden"
        deny["Action"] = ["s3:GetEncryptionConfiguration"]
        s3.put_bucket_policy(
            Bucket="shut-bucket", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        )
        blocker = make_rig(adopting("shut-bucket")).plan(STEP).blockers[0]
        assert "s3:GetEncryptionConfiguration" in blocker.what
        assert make_rig(adopting("shut-bucket", encryption="keep")).plan(STEP).blockers == ()


class TestAdopt:
    def test_only_with_consent(self, make_rig: MakeRig, operator: Aws) -> None:
        foreign_bucket(operator, "by-hand")
        plan = make_rig(wishes("by-hand")).plan(STEP)
        assert [consent.value for consent in plan.consents] == ["bucket"]
        assert plan.changes[0].verb is Verb.ADOPT

    def test_merges_and_gives_back(self, make_rig: MakeRig, operator: Aws, aws_server: AwsServer) -> None:
        s3 = foreign_bucket(operator, "adopted")
        before = aws_server.dump()
        rig = make_rig(adopting("adopted", encryption="aws:kms"))
        rig.run(STEP)
        tags = {t["Key"]: t["Value"] for t in s3.get_bucket_tagging(Bucket="adopted")["TagSet"]}
        assert tags == {"team": "web", TAG: "registry"}
        rules = s3.get_bucket_lifecycle_configuration(Bucket="adopted")["Rules"]
        assert {rule["ID"] for rule in rules} == {"old-logs", ABORT_RULE_ID}
        assert aws_server.dump() != before
        rig.undo(STEP)
        assert aws_server.dump() == before

    @pytest.mark.parametrize("prefix", ["", "logs/"])
    def test_rules_of_the_old_form_are_rewritten_and_given_back(
        self, make_rig: MakeRig, operator: Aws, aws_server: AwsServer, prefix: str
    ) -> None:
        name = f"old-form{prefix.strip('/')}"
        s3 = foreign_bucket(operator, name)
        expiring = {"ID": "dated", "Status": "Enabled", "Expiration": {"Date": "2030-01-01T00:00:00Z"}}
        tidying = {"ID": "days", "Status": "Disabled", "Expiration": {"Days": 9}}
        rules: Any = [{**expiring, "Prefix": prefix}, {**tidying, "Prefix": "tmp/"}]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
        former, before = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"], aws_server.dump()
        assert {rule["Prefix"] for rule in former} == {prefix, "tmp/"}
        rig = make_rig(adopting(name))
        rig.run(STEP)
        found = {r["ID"]: r for r in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]}
        assert {key: rule["Filter"]["Prefix"] for key, rule in found.items()} == {
            "dated": prefix,
            "days": "tmp/",
            ABORT_RULE_ID: "",
        }
        assert found["dated"]["Expiration"] == former[0]["Expiration"]
        rig.undo(STEP)
        assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"] == former
        assert aws_server.dump() == before

    def test_what_was_changed_since_stays(self, make_rig: MakeRig, operator: Aws) -> None:
        s3 = foreign_bucket(operator, "changed-since")
        rig = make_rig(adopting("changed-since"))
        rig.run(STEP)
        s3.put_public_access_block(
            Bucket="changed-since", PublicAccessBlockConfiguration={"BlockPublicAcls": True}
        )
        told = rig.undo(STEP)
        assert any("changed since" in sentence for sentence in told)
        block = s3.get_public_access_block(Bucket="changed-since")["PublicAccessBlockConfiguration"]
        assert block["BlockPublicAcls"] is True

    def test_a_rule_that_does_as_much_is_enough(self, make_rig: MakeRig, operator: Aws) -> None:
        s3 = foreign_bucket(operator, "tidied-already")
        rule: Any = {
            "ID": "theirs",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
        }
        s3.put_bucket_lifecycle_configuration(
            Bucket="tidied-already", LifecycleConfiguration={"Rules": [rule]}
        )
        rig = make_rig(adopting("tidied-already"))
        assert "set-abort-rule" not in [change.action for change in rig.plan(STEP).changes]


class TestVerify:
    def test_drift_is_named(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes("drifting"))
        rig.run(STEP)
        operator.client("s3").delete_public_access_block(Bucket="drifting")
        rig.plan(STEP)
        result = rig.verify(STEP)["settings"]
        assert result.status is CheckStatus.FAILED
        assert "public access" in result.problem.why

    def test_a_refused_action_is_named_and_nothing_stays(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes("no-aborts"))
        rig.run(STEP)
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:AbortMultipartUpload",
            "Resource": "arn:aws:s3:::no-aborts/*",
        }
        s3 = operator.client("s3")
        s3.put_bucket_policy(
            Bucket="no-aborts", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        )
        result = rig.verify(STEP)["multipart"]
        assert result.status is CheckStatus.FAILED
        assert "s3:AbortMultipartUpload" in result.problem.what
        assert "bucket's own policy" in result.problem.why
        assert keys_in(operator, "no-aborts") == []

    def test_a_bucket_that_keeps_versions_is_left_clean(self, make_rig: MakeRig, operator: Aws) -> None:
        s3 = foreign_bucket(operator, "versioned")
        s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
        make_rig(adopting("versioned")).run(STEP)
        found = s3.list_object_versions(Bucket="versioned")
        assert not found.get("Versions")
        assert not found.get("DeleteMarkers")


class TestUndo:
    def test_leaves_the_account_as_it_was(self, make_rig: MakeRig, aws_server: AwsServer) -> None:
        before = aws_server.dump()
        rig = make_rig(wishes("short-lived"))
        rig.run(STEP)
        rig.undo(STEP)
        assert aws_server.dump() == before

    def test_keeps_images_unless_the_bucket_is_named(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes("with-images"))
        rig.run(STEP)
        s3 = operator.client("s3")
        s3.put_bucket_versioning(Bucket="with-images", VersioningConfiguration={"Status": "Enabled"})
        for number in range(3):
            s3.put_object(Bucket="with-images", Key=f"docker/{number}", Body=b"layer")
        s3.delete_object(Bucket="with-images", Key="docker/0")
        s3.create_multipart_upload(Bucket="with-images", Key="docker/open")
        with pytest.raises(WizardError) as caught:
            rig.undo(STEP)
        assert caught.value.problem.code == "bucket-not-empty"
        assert "--delete-bucket with-images" in caught.value.problem.fix
        assert rig.plan(STEP).changes == ()
        assert rig.undo(STEP, delete_bucket="with-images") == [
            "The bucket with-images was deleted with 4 objects."
        ]
        assert rig.plan(STEP).changes[0].action == "create-bucket"

    def test_keeps_an_upload_that_somebody_has_begun(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes("half-pushed"))
        rig.run(STEP)
        s3 = operator.client("s3")
        s3.create_multipart_upload(Bucket="half-pushed", Key=f"{PROOF_FOLDER}_uploads/1/data")
        s3.create_multipart_upload(Bucket="half-pushed", Key=f"{PROBE_PREFIX}bucket/cut-off")
        theirs = s3.create_multipart_upload(Bucket="half-pushed", Key="docker/open")
        before = uploads_in(operator, "half-pushed")
        with pytest.raises(WizardError) as caught:
            rig.undo(STEP)
        assert caught.value.problem.code == "bucket-not-empty"
        assert "docker/open" in caught.value.problem.what
        assert "--delete-bucket half-pushed" in caught.value.problem.fix
        assert uploads_in(operator, "half-pushed") == before
        s3.abort_multipart_upload(Bucket="half-pushed", Key="docker/open", UploadId=theirs["UploadId"])
        assert rig.undo(STEP) == ["The bucket half-pushed was deleted."]

    def test_may_be_run_again(self, make_rig: MakeRig, operator: Aws) -> None:
        rig = make_rig(wishes("gone-already"))
        rig.run(STEP)
        operator.client("s3").delete_bucket(Bucket="gone-already")
        assert all("gone already" in told for told in rig.undo(STEP))

    def test_what_may_not_be_seen_does_not_count_as_changed(
        self, make_rig: MakeRig, operator: Aws, aws_server: AwsServer
    ) -> None:
        s3 = foreign_bucket(operator, "hidden")
        before = aws_server.dump()
        rig = make_rig(adopting("hidden", encryption="aws:kms"))
        rig.run(STEP)
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": [
                "s3:GetBucketTagging",
                "s3:GetEncryptionConfiguration",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetLifecycleConfiguration",
            ],
            "Resource": "arn:aws:s3:::hidden",
        }
        s3.put_bucket_policy(
            Bucket="hidden", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        )
        for entry in rig.journal.standing(STEP.id):
            with pytest.raises(WizardError, match="s3:Get"):
                STEP.undo(rig.context(STEP.id), entry)
        s3.delete_bucket_policy(Bucket="hidden")
        rig.undo(STEP)
        assert aws_server.dump() == before
