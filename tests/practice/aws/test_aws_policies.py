"""The policy language itself, without a server."""

from typing import Any

import pytest

from wizard.practice.aws.policies import Question, conditions_hold, decide, matches, parse_document


def ask(action: str, resource: str = "arn:aws:s3:::b/k", **context: str) -> Question:
    return Question(action, resource, "arn:aws:iam::123456789012:user/u", context)


def document(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]}


@pytest.mark.parametrize(
    ("glob", "text", "is_match"),
    [
        ("*", "", True),
        ("s3:Get*", "s3:GetObject", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::bb/a", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a.c", "abc", False),
        ("a[b]", "ab", False),
        ("a", "a\n", False),
    ],
)
def test_wildcards(glob: str, text: str, is_match: bool) -> None:
    assert matches(glob, text) is is_match


def test_actions_ignore_case_and_resources_do_not() -> None:
    assert decide(ask("s3:getobject"), [document(Action="S3:Get*")]).is_allowed
    assert not decide(ask("s3:GetObject"), [document(Action="*", Resource="arn:aws:s3:::B/*")]).is_allowed


def test_not_action_and_not_resource_turn_round() -> None:
    assert decide(ask("s3:GetObject"), [document(NotAction="iam:*")]).is_allowed
    assert not decide(ask("iam:GetUser"), [document(NotAction="iam:*")]).is_allowed
    other = {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}
    assert not decide(ask("s3:GetObject"), [{"Statement": other}]).is_allowed
    assert decide(ask("s3:GetObject", "arn:aws:s3:::c/k"), [{"Statement": other}]).is_allowed


def test_a_denial_anywhere_wins() -> None:
    allow, deny = document(Action="*"), document(Action="s3:Get*", Effect="Deny")
    assert decide(ask("s3:GetObject"), [allow, deny]).is_denied
    assert decide(ask("s3:GetObject"), [allow], boundary=deny).reason.endswith("in a permissions boundary")
    assert decide(ask("s3:PutObject"), [allow, deny]).is_allowed


def test_a_boundary_grants_nothing_by_itself() -> None:
    allow = document(Action="*")
    assert not decide(ask("s3:GetObject"), [], boundary=allow).is_allowed
    assert decide(ask("s3:GetObject"), [allow], boundary={}).is_bounded


def test_variables_are_filled_from_the_context() -> None:
    own = document(Action="*", Resource="arn:aws:s3:::b/${aws:username}/*")
    question = Question("s3:GetObject", "arn:aws:s3:::b/u/k", "arn", {"aws:username": "u"})
    assert decide(question, [own]).is_allowed
    assert not decide(ask("s3:GetObject", "arn:aws:s3:::b/v/k"), [own]).is_allowed


@pytest.mark.parametrize(
    ("operator", "wanted", "actual", "is_met"),
    [
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", None, False),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringEqualsIfExists", "a", None, True),
        ("StringLike", "do*", "docker", True),
        ("StringEqualsIgnoreCase", "A", "a", True),
        ("ArnLike", "arn:aws:iam::*:user/x", "arn:aws:iam::1:user/x", True),
        ("ArnLike", "arn:aws:iam::*", "arn:aws:iam::1:user:x", False),
        ("Bool", "true", "True", True),
        ("Null", "true", None, True),
        ("Null", "false", None, False),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
        ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "text", False),
        ("DateGreaterThan", "2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("ForAnyValue:StringEquals", "a", "a", True),
        ("ForAllValues:StringEquals", "a", None, True),
        ("BinaryEquals", "a", "a", False),
    ],
)
def test_conditions(operator: str, wanted: Any, actual: str | None, is_met: bool) -> None:
    context = {} if actual is None else {"aws:key": actual}
    assert conditions_hold({operator: {"aws:Key": wanted}}, context) is is_met


@pytest.mark.parametrize("text", ["", "no json", "[]", '"text"'])
def test_what_is_no_document_grants_nothing(text: str) -> None:
    assert not decide(ask("s3:GetObject"), [parse_document(text)]).is_allowed
