"""The rules of names: what each refuses and what it lets through."""

import pytest

from wizard import rules

GOOD_BUCKETS = ["abc", "my-bucket-1", "a.b.c", "1bucket", "x" * 63]
BAD_BUCKETS = [
    "ab",
    "x" * 64,
    "Upper",
    "under_score",
    "-lead",
    "trail-",
    ".lead",
    "a..b",
    "192.168.5.4",
    "xn--abc",
    "sthree-abc",
    "amzn-s3-demo-x",
    "abc-s3alias",
    "abc--ol-s3",
    "abc--x-s3",
    "abc--table-s3",
    "abc.mrap",
    "reg-123456789012-eu-west-1-an",
    "bücket",
    "a b c",
    "abc\n",
]


@pytest.mark.parametrize("name", GOOD_BUCKETS)
def test_good_bucket_names(name: str) -> None:
    assert rules.bucket_name(name) == ""


@pytest.mark.parametrize("name", BAD_BUCKETS)
def test_bad_bucket_names(name: str) -> None:
    assert rules.bucket_name(name).endswith((".", "make."))


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (rules.aws_region, ["eu-west-1", "us-gov-east-1", "ap-southeast-5"], ["eu-west", "EU-WEST-1", "x"]),
        (rules.namespace, ["default", "a", "a-1"], ["A", "-a", "a-", "a.b", "x" * 64]),
        (rules.setup_name, ["team", "team-1"], ["Team", "-x", "x" * 41, "../etc", "practice"]),
        (rules.iam_user_name, ["registry-access", "a@b.c", "x" * 64], ["", "a b", "x" * 65, "a/b", "a\n"]),
        (rules.iam_path, ["/", "/a/", "/a/b/"], ["a", "/a", "a/", ""]),
        (
            rules.domain_name,
            ["registry.example.com", "a.b"],
            ["registry", "http://a.b", "A.b", "*.a.b", "1.2.3.4", "a.b:443", "a..b", "-a.b", "a.b\n"],
        ),
        (rules.email, ["x@example.dev"], ["x", "x@example.com", "a b@c.de", "x@y"]),
        (
            rules.acme_directory,
            ["production", "staging", "https://ca.test/dir"],
            ["http://ca.test/dir", "prod"],
        ),
        (
            rules.htpasswd_user,
            ["alice", "a b", "ünal"],
            ["a:b", "a\nb", " a", "#a", "kube-registry-check", "x" * 256, "a\0"],
        ),
        (rules.password, ["x", "ü" * 36], ["", "a\nb", "a\0b", "x" * 73, "ü" * 37]),
        (rules.cidr, ["10.0.0.0/8", "::/0"], ["10.0.0.1/8", "x"]),
        (
            rules.nameserver,
            ["1.1.1.1", "127.0.0.1:5353", "::1"],
            ["dns.example.com", "1.1.1.1:x", "1.1.1.1:0"],
        ),
        (rules.proxy_url, ["http://p:3128"], ["p:3128", "ftp://p", "http://me:pw@p:3128", "http://me@p"]),
        (
            rules.image,
            ["registry:3.1.1", "a.b/c/registry:2", "registry@sha256:" + "0" * 64],
            ["Registry", "a b", "registry:"],
        ),
        (rules.hosted_zone_id, ["Z0123456789ABC"], ["z", "/hostedzone/Z1"]),
        (rules.access_key_id, ["AKIAIOSFODNN7EXAMPLE"], ["akia", "short"]),
        (rules.policy_arn, ["arn:aws:iam::123456789012:policy/x"], ["x", "arn:aws:iam::1:policy/x"]),
    ],
)
def test_rule(rule: rules.Rule, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if rule(value)] == []
    assert [value for value in bad if not rule(value)] == []


def test_the_policy_is_the_guides_to_the_letter() -> None:
    assert rules.registry_policy("s3-storage") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
                "Resource": "arn:aws:s3:::s3-storage",
            },
            {
                "Effect": "Allow",
                "Action": [
                    "s3:PutObject",
                    "s3:GetObject",
                    "s3:DeleteObject",
                    "s3:ListMultipartUploadParts",
                    "s3:AbortMultipartUpload",
                ],
                "Resource": "arn:aws:s3:::s3-storage/*",
            },
        ],
    }
    assert "arn:aws-cn:s3:::x" in str(rules.registry_policy("x", "aws-cn"))


def test_password_variables() -> None:
    assert rules.password_variable("alice") == "KUBE_REGISTRY_PASSWORD_ALICE"
    assert rules.password_variable("a.b-c") == "KUBE_REGISTRY_PASSWORD_A_B_C"
