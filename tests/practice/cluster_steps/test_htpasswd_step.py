"""The htpasswd step against the practice API server."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import bcrypt
import pytest

from wizard import names, ownership, rules
from wizard.errors import Conflict
from wizard.events import CheckStatus
from wizard.services.cluster import Cluster
from wizard.step import Plan
from wizard.steps.htpasswd import HtpasswdStep, planning
from wizard.steps.htpasswd.step import FILE

STEP = HtpasswdStep()
MakeRig = Callable[..., Any]
DOMAIN = {"certificate": {"domain": "registry.practice.test"}}
FOREIGN = bcrypt.hashpw(b"foreign password", bcrypt.gensalt(4)).decode()


def data_of(cluster: Cluster, name: str) -> dict[str, bytes]:
    found = cluster.read_secret(name)
    assert found is not None
    return dict(found.data)


def lines_of(cluster: Cluster) -> dict[str, str]:
    """Users and hashes, read as simply as can be."""
    text = data_of(cluster, names.HTPASSWD_SECRET)["htpasswd"].decode()
    return dict(line.split(":", 1) for line in text.splitlines())


def check_password(cluster: Cluster) -> str:
    document = json.loads(data_of(cluster, names.CHECK_SECRET)[".dockerconfigjson"])
    login = document["auths"]["registry.practice.test"]
    assert login["username"] == rules.CHECK_USER
    return str(login["password"])


def fits(password: str, hashed: str) -> bool:
    return bcrypt.checkpw(password.encode(), hashed.encode())


def rig_for(make_rig: MakeRig, users: dict[str, str], **more: Any) -> Any:
    return make_rig(htpasswd={"users": list(users)}, passwords=users, **DOMAIN, **more)


def put_foreign(cluster: Cluster, text: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A Secret as somebody made it by hand; returns it."""
    return cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": names.HTPASSWD_SECRET, "labels": labels or {}},
            "stringData": {"htpasswd": text, "other": "stays"},
        }
    )


def test_users_and_the_check_user_can_log_in(cluster: Cluster, make_rig: MakeRig) -> None:
    rig = rig_for(make_rig, {"alice": "first", "bob": "zweites ümläut"})
    rig.run(STEP)
    lines = lines_of(cluster)
    assert set(lines) == {"alice", "bob", rules.CHECK_USER}
    assert fits("first", lines["alice"])
    assert fits("zweites ümläut", lines["bob"])
    assert fits(check_password(cluster), lines[rules.CHECK_USER])
    assert {result.status for result in rig.verify(STEP).values()} == {CheckStatus.PASSED}


def test_both_secrets_carry_the_setups_labels(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    for name in (names.HTPASSWD_SECRET, names.CHECK_SECRET):
        found = cluster.get("v1", "Secret", name)
        assert found is not None
        assert found["metadata"]["labels"] == ownership.labels("registry")
    assert cluster.secret_facts(names.CHECK_SECRET).type == "kubernetes.io/dockerconfigjson"


def test_a_second_run_changes_nothing(
    cluster: Cluster, make_rig: MakeRig, mutations: Callable[[], int]
) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    before = (mutations(), lines_of(cluster))
    assert rig_for(make_rig, {"alice": "first"}).run(STEP) == Plan()
    assert (mutations(), lines_of(cluster)) == before


def test_a_run_without_passwords_skips_their_checks(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    later = make_rig(htpasswd={"users": ["alice"]}, **DOMAIN)
    assert later.plan(STEP) == Plan()
    results = later.verify(STEP)
    assert results["password-alice"].status is CheckStatus.SKIPPED
    assert results["password-alice"].detail == "password not known in this run"
    assert results["check-user"].status is CheckStatus.PASSED
    assert "alice" in lines_of(cluster)


def test_a_new_password_changes_its_line_only(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first", "bob": "second"}).run(STEP)
    before = lines_of(cluster)
    rig_for(make_rig, {"alice": "changed", "bob": "second"}).run(STEP)
    after = lines_of(cluster)
    assert fits("changed", after["alice"])
    assert {**after, "alice": ""} == {**before, "alice": ""}


def test_users_come_and_go_with_the_answers(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first", "bob": "second"}).run(STEP)
    rig_for(make_rig, {"bob": "second", "carol": "third"}, journal="elsewhere.jsonl").run(STEP)
    assert set(lines_of(cluster)) == {"bob", "carol", rules.CHECK_USER}


def test_a_line_added_by_hand_stays(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    add_by_hand(cluster, f"zoe:{FOREIGN}")
    rig_for(make_rig, {"bob": "second"}).run(STEP)
    assert lines_of(cluster)["zoe"] == FOREIGN
    assert set(lines_of(cluster)) == {"zoe", "bob", rules.CHECK_USER}


def add_by_hand(cluster: Cluster, line: str) -> None:
    found = cluster.get("v1", "Secret", names.HTPASSWD_SECRET)
    assert found is not None
    text = data_of(cluster, names.HTPASSWD_SECRET)["htpasswd"].decode() + line + "\n"
    del found["data"]["htpasswd"]
    cluster.replace({**found, "stringData": {"htpasswd": text}})


def test_a_user_without_a_password_stops_it_before_anything_is_made(
    cluster: Cluster, make_rig: MakeRig
) -> None:
    rig = make_rig(htpasswd={"users": ["alice"]}, **DOMAIN)
    assert [problem.code for problem in rig.plan(STEP).blockers] == ["password-missing"]
    assert cluster.list("v1", "Secret", label_selector=ownership.SELECTOR) == []


def test_a_lost_check_secret_is_made_again(cluster: Cluster, make_rig: MakeRig) -> None:
    rig = rig_for(make_rig, {"alice": "first"})
    rig.run(STEP)
    before, old = lines_of(cluster), check_password(cluster)
    cluster.delete("v1", "Secret", names.CHECK_SECRET)
    rig.run(STEP)
    assert check_password(cluster) != old
    assert lines_of(cluster)["alice"] == before["alice"]


def test_another_domain_keeps_the_check_password(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    before = lines_of(cluster)
    moved = make_rig(
        htpasswd={"users": ["alice"]}, certificate={"domain": "other.practice.test"}, passwords={}
    )
    moved.run(STEP)
    document = json.loads(data_of(cluster, names.CHECK_SECRET)[".dockerconfigjson"])
    assert list(document["auths"]) == ["other.practice.test"]
    assert lines_of(cluster) == before


def test_a_secret_changed_outside_is_seen(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    add_by_hand(cluster, "mallory:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=")
    later = rig_for(make_rig, {"alice": "first"})
    (problem,) = later.plan(STEP).blockers
    assert "Line 3 (mallory)" in problem.what
    assert later.verify(STEP)["lines"].status is CheckStatus.FAILED


# Interrupted


@pytest.mark.parametrize("crashes_at", [planning.WRITE_CHECK, planning.WRITE_FILE])
def test_a_run_goes_on_where_it_was_killed(cluster: Cluster, make_rig: MakeRig, crashes_at: str) -> None:
    rig = rig_for(make_rig, {"alice": "first"})
    plan = rig.plan(STEP)
    for change in plan.changes:
        if change.action == crashes_at:
            rig.crash_before_done(STEP, change)
            break
        rig.apply(STEP, change)
    password = check_password(cluster)
    resumed = rig_for(make_rig, {"alice": "first"})
    resumed.run(STEP)
    assert check_password(cluster) == password
    assert fits("first", lines_of(cluster)["alice"])


def test_a_change_that_was_carried_out_is_not_repeated(
    cluster: Cluster, make_rig: MakeRig, mutations: Callable[[], int]
) -> None:
    rig = rig_for(make_rig, {"alice": "first"})
    changes = rig.plan(STEP).changes
    for change in changes:
        rig.crash_before_done(STEP, change)
    before = (mutations(), lines_of(cluster))
    for change in changes:
        rig.apply(STEP, change)
    assert (mutations(), lines_of(cluster)) == before


def test_what_changed_between_reading_and_writing_is_not_overwritten(
    cluster: Cluster, make_rig: MakeRig
) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    read = cluster.read_secret(names.HTPASSWD_SECRET)
    add_by_hand(cluster, f"zoe:{FOREIGN}")
    with pytest.raises(Conflict):
        FILE.write(cluster, read, b"", setup="registry")
    assert "zoe" in lines_of(cluster)


# A file that was there before


def test_a_file_of_somebody_needs_consent(cluster: Cluster, make_rig: MakeRig) -> None:
    put_foreign(cluster, f"# ours\nzoe:{FOREIGN}\n")
    (consent,) = rig_for(make_rig, {"alice": "first"}).plan(STEP).consents
    assert (consent.key, consent.value) == ("adopt", "secrets")


def test_an_adopted_file_keeps_its_lines_and_comes_back(cluster: Cluster, make_rig: MakeRig) -> None:
    made = put_foreign(cluster, f"# ours\nzoe:{FOREIGN}\nalice:{FOREIGN}\n")
    rig = rig_for(make_rig, {"alice": "first", "bob": "second"}, consent={"adopt": ["secrets"]})
    rig.run(STEP)
    text = data_of(cluster, names.HTPASSWD_SECRET)["htpasswd"].decode()
    assert text.startswith(f"# ours\nzoe:{FOREIGN}\nalice:$2b$10$")
    rig_for(make_rig, {"alice": "again"}, consent={"adopt": ["secrets"]}).run(STEP)
    told = rig_for(make_rig, {"alice": "again"}).undo(STEP)
    assert "Put the former contents of the Secret htpasswd-file back." in told
    assert stripped(cluster.get("v1", "Secret", names.HTPASSWD_SECRET)) == stripped(made)
    assert cluster.get("v1", "Secret", names.CHECK_SECRET) is None


def stripped(found: dict[str, Any] | None) -> dict[str, Any]:
    """Without what the server counts up."""
    assert found is not None
    metadata = {
        key: value
        for key, value in found["metadata"].items()
        if key not in {"resourceVersion", "managedFields"} and value
    }
    return {**found, "metadata": metadata}


def test_an_adopted_file_that_changed_since_loses_our_users_only(cluster: Cluster, make_rig: MakeRig) -> None:
    put_foreign(cluster, f"zoe:{FOREIGN}\n")
    rig = rig_for(make_rig, {"alice": "first"}, consent={"adopt": ["secrets"]})
    rig.run(STEP)
    add_by_hand(cluster, f"yann:{FOREIGN}")
    assert any("somebody has changed it since" in sentence for sentence in rig.undo(STEP))
    assert set(lines_of(cluster)) == {"zoe", "yann"}
    assert set(data_of(cluster, names.HTPASSWD_SECRET)) == {"htpasswd", "other"}


def test_a_useless_line_is_replaced_where_the_password_is_known(cluster: Cluster, make_rig: MakeRig) -> None:
    put_foreign(cluster, "alice:$apr1$abc$def\n")
    rig_for(make_rig, {"alice": "first"}, consent={"adopt": ["secrets"]}).run(STEP)
    assert fits("first", lines_of(cluster)["alice"])


def test_a_file_of_another_setup_is_not_touched(cluster: Cluster, make_rig: MakeRig) -> None:
    put_foreign(cluster, f"zoe:{FOREIGN}\n", ownership.labels("team-b"))
    blockers = rig_for(make_rig, {"alice": "first"}).plan(STEP).blockers
    assert any("team-b" in problem.what for problem in blockers)


# Undo


def test_undo_takes_both_secrets_back_and_may_be_repeated(cluster: Cluster, make_rig: MakeRig) -> None:
    rig_for(make_rig, {"alice": "first"}).run(STEP)
    rig = rig_for(make_rig, {"alice": "first", "bob": "second"})
    rig.run(STEP)
    entries = rig.journal.standing(STEP.id)
    rig.undo(STEP)
    assert cluster.list("v1", "Secret", label_selector=ownership.SELECTOR) == []
    for entry in entries:
        assert "gone already" in STEP.undo(rig.context(STEP), entry)


def test_no_secret_leaves_the_cluster(cluster: Cluster, make_rig: MakeRig, tmp_path: Any) -> None:
    rig = rig_for(make_rig, {"alice": "a very plain password"})
    rig.run(STEP)
    told = (tmp_path / "journal.jsonl").read_text() + repr(rig.events) + repr(rig.facts)
    told += repr([asdict(entry.change) for entry in rig.journal.entries()])
    secrets = ["a very plain password", check_password(cluster), *lines_of(cluster).values()]
    assert all(len(secret) > 10 for secret in secrets)
    assert not [secret for secret in secrets if secret in told]
    assert "alice" in told
