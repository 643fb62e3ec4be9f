"""What is to be done about the users, from answers and facts alone."""

from dataclasses import replace

from wizard import rules
from wizard.answers import Answers, from_mapping
from wizard.events import CheckStatus, Verb
from wizard.facts import BadLineFacts, FactBook, HtpasswdFacts, SecretFacts
from wizard.step import Plan
from wizard.steps.htpasswd import HtpasswdStep, planning
from wizard.steps.htpasswd.step import _check_user_result, _lines_result, _user_result

STEP = HtpasswdStep()
FILE = SecretFacts(name="htpasswd-file", exists=True, owner="registry", type="Opaque")
CHECK = SecretFacts(name="registry-check-credentials", exists=True, owner="registry")
DONE = HtpasswdFacts(
    secret=FILE,
    check_secret=CHECK,
    users=("alice", rules.CHECK_USER),
    added=("alice", rules.CHECK_USER),
    check_secret_is_right=True,
    check_user_is_right=True,
)
FRESH = HtpasswdFacts(
    secret=SecretFacts(name="htpasswd-file"), check_secret=SecretFacts(name="registry-check-credentials")
)


def answers(*users: str) -> Answers:
    return from_mapping(
        {"htpasswd": {"users": list(users)}, "certificate": {"domain": "registry.example.org"}}
    )


def plan(facts: HtpasswdFacts, *users: str) -> Plan:
    return STEP.plan(answers(*users), FactBook(htpasswd=facts))


def params(found: Plan) -> dict[str, object]:
    return dict(found.changes[-1].params)


def test_a_fresh_cluster_gets_both_secrets() -> None:
    found = plan(replace(FRESH, passwords_known=("alice",)), "alice")
    assert [(change.action, change.verb) for change in found.changes] == [
        (planning.WRITE_CHECK, Verb.CREATE),
        (planning.WRITE_FILE, Verb.CREATE),
    ]
    assert params(found)["added"] == ["alice", rules.CHECK_USER]
    assert not found.blockers
    assert not found.consents


def test_nothing_is_left_to_do_afterwards() -> None:
    assert plan(DONE, "alice") == Plan()


def test_a_password_that_is_known_and_fits_changes_nothing() -> None:
    assert plan(replace(DONE, passwords_known=("alice",)), "alice") == Plan()


def test_a_password_that_differs_is_written() -> None:
    facts = replace(DONE, passwords_known=("alice",), passwords_changed=("alice",))
    assert params(plan(facts, "alice"))["changed"] == ["alice"]


def test_a_new_user_without_a_password_is_a_blocker_that_names_the_variable() -> None:
    (problem,) = plan(DONE, "alice", "bob.b").blockers
    assert problem.code == "password-missing"
    assert "KUBE_REGISTRY_PASSWORD_BOB_B" in problem.fix
    assert "--passwords-to" in problem.fix


def test_users_of_this_setup_go_with_the_answers_and_others_stay() -> None:
    facts = replace(DONE, users=(*DONE.users, "foreign"))
    found = plan(facts)
    assert params(found)["removed"] == ["alice"]
    assert params(found)["changed"] == params(found)["added"] == []


def test_a_user_who_is_gone_already_is_not_removed_again() -> None:
    assert not plan(replace(DONE, users=(rules.CHECK_USER,))).changes


def test_a_lost_check_secret_is_made_again_with_its_line() -> None:
    facts = replace(
        DONE,
        check_secret=SecretFacts(name="x"),
        check_secret_is_right=False,
        check_user_is_right=False,
    )
    found = plan(facts, "alice")
    assert [change.action for change in found.changes] == [planning.WRITE_CHECK, planning.WRITE_FILE]
    assert params(found)["changed"] == [rules.CHECK_USER]


def test_a_new_domain_rewrites_the_check_secret_only() -> None:
    found = plan(replace(DONE, check_secret_is_right=False), "alice")
    assert [(change.action, change.verb) for change in found.changes] == [(planning.WRITE_CHECK, Verb.CHANGE)]


def test_a_file_that_was_there_before_needs_consent() -> None:
    facts = replace(FRESH, secret=replace(FILE, owner=""), users=("bob",), passwords_known=("alice",))
    (consent,) = plan(facts, "alice").consents
    assert (consent.key, consent.value) == ("adopt", "secrets")
    assert "htpasswd-file" in consent.question


def test_a_file_that_was_there_before_and_fits_needs_none() -> None:
    assert plan(replace(DONE, secret=replace(FILE, owner="")), "alice") == Plan()


def test_the_secret_of_another_setup_is_a_blocker() -> None:
    found = plan(replace(DONE, secret=replace(FILE, owner="other")), "alice")
    assert [problem.code for problem in found.blockers] == ["other-setup"]
    assert "other" in found.blockers[0].what


def bad(user: str) -> HtpasswdFacts:
    line = BadLineFacts(number=3, user=user, reason="it holds a SHA-1 hash ({SHA})")
    return replace(DONE, users=(rules.CHECK_USER,), bad=(line,), bad_lines=(3,), added=(rules.CHECK_USER,))


def test_a_useless_line_is_replaced_where_the_password_is_known() -> None:
    found = plan(replace(bad("alice"), passwords_known=("alice",)), "alice")
    assert params(found)["changed"] == ["alice"]
    assert not found.blockers


def test_a_useless_line_without_a_password_is_a_blocker_with_its_number() -> None:
    (problem,) = plan(bad("alice"), "alice").blockers
    assert problem.code == "password-missing"
    assert "Line 3" in problem.why


def test_a_useless_line_of_somebody_else_is_a_blocker() -> None:
    (problem,) = plan(bad("bob"), "alice").blockers[1:]
    assert problem.what == "Line 3 (bob) of the Secret htpasswd-file cannot be used."
    (problem,) = plan(bad("")).blockers
    assert problem.fix == "Delete the line; each must be user:hash."


def test_what_is_planned_holds_no_secret_and_is_json() -> None:
    for change in plan(replace(FRESH, passwords_known=("alice",)), "alice").changes:
        assert set(change.params) <= {"added", "changed", "removed", "existed", "domain"}


def test_a_password_that_nobody_told_is_skipped_not_passed() -> None:
    assert _user_result(DONE, "alice").status is CheckStatus.SKIPPED
    assert _user_result(DONE, "alice").detail == "password not known in this run"
    known = replace(DONE, passwords_known=("alice",))
    assert _user_result(known, "alice").status is CheckStatus.PASSED
    assert _user_result(replace(known, passwords_changed=("alice",)), "alice").status is CheckStatus.FAILED
    assert _user_result(known, "bob").status is CheckStatus.FAILED


def test_the_checks_fail_for_useless_lines_and_a_lost_check_user() -> None:
    assert _lines_result(DONE).status is CheckStatus.PASSED
    assert _lines_result(bad("x")).status is CheckStatus.FAILED
    assert _lines_result(FRESH).status is CheckStatus.FAILED
    assert _check_user_result(DONE).status is CheckStatus.PASSED
    assert _check_user_result(FRESH).status is CheckStatus.FAILED
