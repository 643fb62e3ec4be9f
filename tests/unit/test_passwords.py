"""Generated passwords: where they go, when, and what a second run makes of the file."""

import io
from pathlib import Path

import pytest

from wizard.errors import Refused
from wizard.journal import Journal
from wizard.passwords import Passwords
from wizard.vault import Vault


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def run(journal: Path, to: Path | None) -> tuple[Passwords, Vault]:
    vault = Vault()
    return Passwords(vault, Journal(journal), to, is_json=False), vault


def known(vault: Vault, user: str) -> str:
    password = vault.password(user)
    return password.get_secret_value() if password else ""


def test_the_file_is_made_only_when_the_lines_are_written(journal: Path, tmp_path: Path) -> None:
    passwords, vault = run(journal, tmp_path / "out")
    passwords.provide(["alice", "bob"])
    assert not (tmp_path / "out").exists()
    passwords.keep()
    assert (tmp_path / "out").read_text() == f"alice: {known(vault, 'alice')}\nbob: {known(vault, 'bob')}\n"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    passwords.keep()


def test_an_interrupted_run_goes_on_with_the_file_it_wrote(journal: Path, tmp_path: Path) -> None:
    first, vault = run(journal, tmp_path / "out")
    first.provide(["alice"])
    first.keep()
    second, again = run(journal, tmp_path / "out")
    second.provide(["alice"])
    second.keep()
    assert known(again, "alice") == known(vault, "alice") != ""
    third, _ = run(journal, tmp_path / "out")
    with pytest.raises(Refused, match="cannot be written"):
        third.provide(["alice", "bob"])


def test_a_file_that_was_cut_off_is_written_anew(journal: Path, tmp_path: Path) -> None:
    first, _ = run(journal, tmp_path / "out")
    first.provide(["alice"])
    first.keep()
    (tmp_path / "out").write_text("")
    second, vault = run(journal, tmp_path / "out")
    second.provide(["alice"])
    second.keep()
    assert (tmp_path / "out").read_text() == f"alice: {known(vault, 'alice')}\n"


def test_a_file_of_others_and_a_place_that_takes_none_are_refused(journal: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("alice: theirs\n")
    for path in (theirs, tmp_path / "absent" / "out"):
        passwords, vault = run(journal, path)
        with pytest.raises(Refused) as refused:
            passwords.provide(["alice"])
        assert str(path) in refused.value.problem.what
        assert not vault.known()
    assert theirs.read_text() == "alice: theirs\n"


def test_only_what_may_be_in_force_is_shown(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    passwords, vault = run(journal, None)
    for user in ("alice", "bob"):
        vault.generate(user)
    passwords.show([])
    assert shown.getvalue() == ""
    passwords.show(["alice", "carol"])
    assert known(vault, "alice") in shown.getvalue()
    assert "bob" not in shown.getvalue()
