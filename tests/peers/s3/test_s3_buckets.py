"""Buckets and their settings: both servers alike, and as Amazon documents them."""

import contextlib
from typing import Any

import pytest

from tests.peers.s3.contract import FOREIGN_BUCKET, PLACE, REGION, Refusal, Side, refusal, refused
from wizard.steps._bucket_plan import ABORT_RULE_ID, BLOCK_ALL, abort_rule

pytestmark = pytest.mark.peers
TAGS = [{"Key": "kube-registry:setup", "Value": "team a+b=c/d.e:f@g-h_é"}, {"Key": "empty", "Value": ""}]


class TestMaking:
    def test_a_bucket_is_made_and_is_there(self, s3: Any, bucket: str) -> None:
        found = s3.head_bucket(Bucket=bucket)
        assert found["BucketRegion"] == REGION
        assert found["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == REGION
        assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == REGION
        assert bucket in [each["Name"] for each in s3.list_buckets()["Buckets"]]
        assert bucket in [each["Name"] for each in s3.list_buckets(BucketRegion=REGION)["Buckets"]]

    def test_buckets_are_listed_by_region(self, s3: Any, bucket: str) -> None:
        assert bucket not in [each["Name"] for each in s3.list_buckets(BucketRegion="us-west-2")["Buckets"]]

    def test_it_is_not_made_twice(self, s3: Any, bucket: str) -> None:
        refused("BucketAlreadyOwnedByYou", 409, s3.create_bucket, Bucket=bucket, **PLACE)

    def test_somebody_elses_name_is_taken(self, s3: Any) -> None:
        refused("BucketAlreadyExists", 409, s3.create_bucket, Bucket=FOREIGN_BUCKET, **PLACE)

    @pytest.mark.parametrize("name", ["Team-Registry", "a_b_c", "192.168.5.4", "ab.", "ab"])
    def test_a_bad_name_is_refused(self, s3: Any, name: str) -> None:
        refused("InvalidBucketName", 400, s3.create_bucket, Bucket=name, **PLACE)

    def test_adjacent_dots_are_refused(self, s3: Any) -> None:
        refused("InvalidBucketName", 400, s3.create_bucket, Bucket="a..b", **PLACE)

    def test_a_location_is_needed_outside_us_east_1(self, s3: Any, bucket: str) -> None:
        refused("IllegalLocationConstraintException", 400, s3.create_bucket, Bucket=f"{bucket}-2")

    def test_a_location_elsewhere_is_refused(self, s3: Any, bucket: str) -> None:
        place: Any = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
        refused("IllegalLocationConstraintException", 400, s3.create_bucket, Bucket=f"{bucket}-2", **place)

    def test_an_empty_bucket_goes(self, s3: Any, bucket: str) -> None:
        s3.delete_bucket(Bucket=bucket)
        refused("404", 404, s3.head_bucket, Bucket=bucket)
        refused("NoSuchBucket", 404, s3.delete_bucket, Bucket=bucket)
        assert bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]

    def test_a_full_bucket_stays(self, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="a/b", Body=b"")
        refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)
        s3.delete_object(Bucket=bucket, Key="a/b")
        s3.delete_bucket(Bucket=bucket)

    def test_a_bucket_whose_objects_are_only_hidden_stays(self, s3: Any, bucket: str) -> None:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=bucket, Key="k", Body=b"")
        s3.delete_object(Bucket=bucket, Key="k")
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
        refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)


class TestWhose:
    def test_an_absent_bucket_is_not_found(self, s3: Any) -> None:
        assert refusal(s3.head_bucket, Bucket="nobody-has-this") == Refusal("404", 404)
        for ask in (
            s3.list_objects_v2,
            s3.get_bucket_location,
            s3.get_bucket_tagging,
            s3.list_object_versions,
        ):
            refused("NoSuchBucket", 404, ask, Bucket="nobody-has-this")

    def test_somebody_elses_tells_only_where_it_is(self, s3: Any) -> None:
        assert refusal(s3.head_bucket, Bucket=FOREIGN_BUCKET) == Refusal("403", 403, REGION)
        for ask in (s3.list_objects_v2, s3.get_bucket_location, s3.get_bucket_tagging, s3.delete_bucket):
            refused("AccessDenied", 403, ask, Bucket=FOREIGN_BUCKET)
        refused("AccessDenied", 403, s3.put_object, Bucket=FOREIGN_BUCKET, Key="k", Body=b"")
        assert FOREIGN_BUCKET not in [each["Name"] for each in s3.list_buckets()["Buckets"]]

    def test_the_owner_may_be_demanded(self, s3: Any, bucket: str) -> None:
        """Else a name that was given up and taken by another account would be taken for ours."""
        stranger = "000000000000"
        refused("403", 403, s3.head_bucket, Bucket=bucket, ExpectedBucketOwner=stranger)
        refused("AccessDenied", 403, s3.delete_bucket, Bucket=bucket, ExpectedBucketOwner=stranger)
        assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == REGION

    def test_a_client_of_another_region_is_led_to_the_right_one(self, s3_side: Side, bucket: str) -> None:
        with contextlib.closing(s3_side.client(region="us-west-2")) as far:
            assert far.list_objects_v2(Bucket=bucket)["KeyCount"] == 0

    def test_a_head_from_another_region_tells_the_right_one(self, s3_side: Side, bucket: str) -> None:
        with contextlib.closing(s3_side.client(region="us-west-2")) as far:
            assert far.head_bucket(Bucket=bucket)["BucketRegion"] == REGION


class TestTags:
    def test_tags_are_read_back_replaced_and_go(self, s3: Any, bucket: str) -> None:
        refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": TAGS})
        assert sorted(s3.get_bucket_tagging(Bucket=bucket)["TagSet"], key=str) == sorted(TAGS, key=str)
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": TAGS[:1]})
        assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == TAGS[:1]
        for _ in range(2):
            s3.delete_bucket_tagging(Bucket=bucket)
            refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)

    @pytest.mark.parametrize(
        "tags", [{"k?": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}, {"k": "v?"}], ids=lambda tags: str(tags)[:8]
    )
    def test_a_bad_tag_is_refused(self, s3: Any, bucket: str, tags: dict[str, str]) -> None:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        refused("InvalidTag", 400, s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": listed})

    def test_the_largest_set_of_tags(self, s3: Any, bucket: str) -> None:
        largest = {"Key": "k" * 128, "Value": "v" * 256}
        most = [largest, *({"Key": f"{number}", "Value": "v"} for number in range(49))]
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": most})
        assert len(s3.get_bucket_tagging(Bucket=bucket)["TagSet"]) == 50
        over = [*most, {"Key": "one", "Value": "more"}]
        refused("BadRequest", 400, s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": over})

    def test_a_key_twice_is_refused(self, s3: Any, bucket: str) -> None:
        twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
        refused("InvalidTag", 400, s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": twice})

    def test_system_tags_are_refused(self, s3: Any, bucket: str) -> None:
        system = [{"Key": "aws:cloudformation:stack-name", "Value": "x"}]
        refused("InvalidTag", 400, s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": system})


class TestSettings:
    def test_versions_are_kept_only_once_told_so(self, s3: Any, bucket: str) -> None:
        assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
        for status in ("Enabled", "Suspended"):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
            assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status

    def test_acls_are_off_and_there_is_no_policy(self, s3: Any, bucket: str) -> None:
        rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=bucket)

    def test_a_new_bucket_is_encrypted_and_private(self, s3: Any, bucket: str) -> None:
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert block == dict(BLOCK_ALL)

    def test_encryption_is_read_back_and_never_goes(self, s3: Any, bucket: str) -> None:
        default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]})
        found = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert found == [default]
        s3.delete_bucket_encryption(Bucket=bucket)
        found = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert found[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        assert s3.put_object(Bucket=bucket, Key="k", Body=b"")["ServerSideEncryption"] == "AES256"

    def test_a_key_of_kms_is_read_back(self, s3: Any, bucket: str) -> None:
        kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"arn:aws:kms:{REGION}:123456789012:key/k"}
        rule = {"ApplyServerSideEncryptionByDefault": kms, "BucketKeyEnabled": True}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == [rule]

    def test_a_public_access_block_is_read_back_and_goes(self, s3: Any, bucket: str) -> None:
        wanted = {**BLOCK_ALL, "BlockPublicPolicy": False}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)
        assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == wanted
        s3.delete_public_access_block(Bucket=bucket)
        refused("NoSuchPublicAccessBlockConfiguration", 404, s3.get_public_access_block, Bucket=bucket)

    def test_lifecycle_rules_are_read_back_and_go(self, s3: Any, bucket: str) -> None:
        ask = s3.get_bucket_lifecycle_configuration
        refused("NoSuchLifecycleConfiguration", 404, ask, Bucket=bucket)
        logs = {"ID": "logs", "Status": "Disabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
        rules = [abort_rule(7), logs]
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        found = {rule["ID"]: rule for rule in ask(Bucket=bucket)["Rules"]}
        assert found == {ABORT_RULE_ID: rules[0], "logs": logs}
        s3.delete_bucket_lifecycle(Bucket=bucket)
        refused("NoSuchLifecycleConfiguration", 404, ask, Bucket=bucket)

    def test_a_lifecycle_rule_that_does_nothing_is_refused(self, s3: Any, bucket: str) -> None:
        idle = {"Rules": [{"ID": "idle", "Status": "Enabled", "Filter": {"Prefix": ""}}]}
        put = s3.put_bucket_lifecycle_configuration
        refused("InvalidRequest", 400, put, Bucket=bucket, LifecycleConfiguration=idle)
        none: Any = {"Rules": [abort_rule(0)]}
        refused("InvalidArgument", 400, put, Bucket=bucket, LifecycleConfiguration=none)


@pytest.mark.parametrize(
    "ask", ["get_bucket_encryption", "get_public_access_block", "get_bucket_lifecycle_configuration"]
)
def test_what_is_not_offered_says_so(other_side: Side, ask: str) -> None:
    with contextlib.closing(other_side.client()) as client:
        name = f"t-{ask.replace('_', '-')}"
        client.create_bucket(Bucket=name, **PLACE)
        refused("NotImplemented", 501, getattr(client, ask), Bucket=name)
