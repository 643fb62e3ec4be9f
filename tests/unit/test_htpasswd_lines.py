"""The htpasswd file, read as the registry reads it."""

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wizard.steps.htpasswd import login
from wizard.steps.htpasswd.lines import HtpasswdLines, fault, hash_passwords, verify_passwords

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
OTHER = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()


def read(*lines: str) -> HtpasswdLines:
    return HtpasswdLines("\n".join(lines).encode())


def test_users_with_bcrypt_lines_count() -> None:
    lines = read("# people", "", f"alice:{HASH}", f"  bob:{HASH}\r", "carol:{SHA}abc=", "dave:plain")
    assert lines.users() == ("alice", "bob")
    assert [(bad.number, bad.user) for bad in lines.bad()] == [(5, "carol"), (6, "dave")]


def test_the_last_line_of_a_user_wins() -> None:
    assert read(f"alice:{HASH}", f"alice:{OTHER}").hash_of("alice") == OTHER
    assert read(f"alice:{HASH}", "alice:plain").users() == ()


def test_a_line_without_a_colon_spoils_the_file() -> None:
    (bad,) = read(f"alice:{HASH}", "htpasswd-file").bad()
    assert (bad.number, bad.user) == (2, "")
    assert "whole file" in bad.reason


@pytest.mark.parametrize(
    ("hashed", "word"),
    [
        ("$apr1$abc$def", "MD5"),
        ("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "SHA-1"),
        ("$6$rounds=5000$a$b", "SHA-crypt"),
        ("$1$a$b", "MD5"),
        ("plain", "no bcrypt"),
        ("", "no bcrypt"),
        ("$2y$10$tooshort", "damaged"),
        (f"{HASH}:extra", "damaged"),
        (HASH.replace("$04$", "$31$"), "cost 31"),
    ],
    ids=lambda value: value[:5],  # a hash is salted: its text would differ between two test processes
)
def test_other_hashes_are_told_apart(hashed: str, word: str) -> None:
    assert word in fault(hashed)


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_all_three_kinds_of_bcrypt_are_taken(prefix: str) -> None:
    hashed = HASH.replace("$2b$", prefix)
    assert not fault(hashed)
    assert verify_passwords([("secret", hashed), ("wrong", hashed)]) == [True, False]


def test_a_line_is_replaced_in_its_place_and_others_stay() -> None:
    lines = read("# top", f"alice:{HASH}", "carol:{SHA}abc=", f"alice:{HASH}", f"bob:{HASH}")
    lines.put("alice", OTHER)
    lines.put("dave", OTHER)
    assert lines.contents().decode().splitlines() == [
        "# top",
        f"alice:{OTHER}",
        "carol:{SHA}abc=",
        f"bob:{HASH}",
        f"dave:{OTHER}",
    ]
    lines.remove("carol")
    lines.remove("nobody")
    assert not lines.bad()


def test_a_user_is_not_taken_for_one_with_a_longer_name() -> None:
    lines = read(f"alice2:{HASH}", f"alice:{HASH}")
    lines.remove("alice")
    assert lines.users() == ("alice2",)


def test_new_hashes_are_bcrypt_of_cost_10() -> None:
    hashes = hash_passwords({"alice": "secret", "bob": "ümläut" * 8})
    assert all(hashed.startswith("$2b$10$") for hashed in hashes.values())
    assert verify_passwords([("secret", hashes["alice"]), ("secret", hashes["bob"])]) == [True, False]


def test_a_name_with_a_foreign_line_break_stays_one_line() -> None:
    lines = HtpasswdLines()
    lines.put("al\u2028ice\x85", HASH)
    assert HtpasswdLines(lines.contents()).users() == ("al\u2028ice\x85",)
    assert lines.contents().count(b"\n") == 1


def test_hashes_are_not_shown() -> None:
    assert HASH not in repr(read(f"alice:{HASH}"))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_file_breaks_it(contents: bytes) -> None:
    lines = HtpasswdLines(contents)
    lines.users()
    lines.bad()
    lines.put("alice", HASH)
    assert HtpasswdLines(lines.contents()).hash_of("alice") == HASH


def test_the_check_users_login_is_what_pods_pull_with() -> None:
    contents = login.document("registry.test", "pass")
    assert contents == (
        b'{"auths": {"registry.test": {"username": "kube-registry-check", "password": "pass", '
        b'"auth": "a3ViZS1yZWdpc3RyeS1jaGVjazpwYXNz"}}}'
    )
    assert login.password_in(contents) == "pass"
    assert login.is_right(contents, "registry.test")
    assert not login.is_right(contents, "other.test")


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"auths": []}',
        b'{"auths": {"a": 1}}',
        b'{"auths": {"a": {"username": "kube-registry-check", "password": 5}}}',
        b'{"auths": {"a": {"username": "somebody", "password": "x"}}}',
    ],
)
def test_a_login_of_no_use_has_no_password(contents: bytes) -> None:
    assert login.password_in(contents) == ""
    assert not login.is_right(contents, "a")
