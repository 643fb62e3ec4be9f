"""Setups on disk, the lock between two runs, and passwords that stay in memory."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wizard.answers import Answers
from wizard.errors import Held, Problem, Refused, WizardError
from wizard.events import STEPS, StepId, Verb
from wizard.overview import overview
from wizard.state import SetupDirectory, find_setup, setups, write_private
from wizard.step import Change
from wizard.vault import Vault


def test_a_second_run_is_told_who_holds_the_setup(state: Path) -> None:
    directory = SetupDirectory(state, "team")
    code = (
        "import sys; from pathlib import Path; from wizard.state import SetupDirectory\n"
        "with SetupDirectory(Path(sys.argv[1]), 'team').lock('apply'):\n"
        "    print('held', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(Held) as caught, directory.lock("check"):
            pass
        assert str(other.pid) in caught.value.problem.why
        other.communicate("\n")
    with directory.lock("check"):
        pass


def test_files_are_private_whatever_the_umask(state: Path) -> None:
    former = os.umask(0)
    try:
        directory = SetupDirectory(state / "practice" / "world", "team")
        directory.save_answers(Answers(setup="team"))
        directory.log({"x": 1})
    finally:
        os.umask(former)
    for made in (directory.path, *directory.path.parents[:2]):
        assert made.stat().st_mode & 0o777 == 0o700, made
    for file in directory.path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


@pytest.mark.parametrize("error", [Refused, WizardError, KeyboardInterrupt])
def test_a_run_that_did_nothing_leaves_the_former_answers(state: Path, error: type[BaseException]) -> None:
    """A question that only the operator can answer is not refused, and changes as little."""
    directory = SetupDirectory(state, "team")
    former, other = Answers(setup="team"), Answers(setup="team")
    other.connect.namespace = "second"
    directory.save_answers(former)
    when = directory.answers_time()
    reason = error(Problem("stopped", "Stopped.")) if issubclass(error, WizardError) else error()
    with pytest.raises(error), directory.answers_saved(other, lambda: False):
        raise reason
    assert directory.load_answers() == former
    assert directory.answers_time() == when
    with pytest.raises(error), directory.answers_saved(other, lambda: True):
        raise reason
    assert directory.load_answers() == other
    with directory.answers_saved(former, lambda: False):
        pass
    assert directory.load_answers() == former


def test_a_first_run_that_did_nothing_leaves_no_setup(state: Path) -> None:
    directory = SetupDirectory(state, "team")
    refused = Refused(Problem("stopped", "Stopped."))
    with pytest.raises(Refused), directory.lock("apply"), directory.answers_saved(Answers(), lambda: False):
        raise refused
    assert list(state.iterdir()) == []
    with directory.lock("apply"):
        directory.log({"why": "it stopped"})
    assert {each.name for each in directory.path.iterdir()} == {"lock", "log.jsonl"}
    assert setups(state) == []


def test_answers_cut_short_can_be_put_back_too(state: Path) -> None:
    directory = SetupDirectory(state, "team")
    directory.save_answers(Answers(setup="team"))
    torn = directory.path.joinpath("answers.toml").read_bytes() + b"\xc3"
    (directory.path / "answers.toml").write_bytes(torn)
    refused = Refused(Problem("stopped", "Stopped."))
    with pytest.raises(Refused), directory.answers_saved(Answers(setup="team"), lambda: False):
        raise refused
    assert (directory.path / "answers.toml").read_bytes() == torn


def test_setups_are_found_by_name_or_alone(state: Path) -> None:
    with pytest.raises(Refused, match="no setup yet"):
        find_setup(state, None)
    SetupDirectory(state, "one").save_answers(Answers(setup="one"))
    assert find_setup(state, None).name == "one"
    SetupDirectory(state, "two").save_answers(Answers(setup="two"))
    assert [each.name for each in setups(state)] == ["one", "two"]
    with pytest.raises(Refused) as caught:
        find_setup(state, None)
    assert "one, two" in caught.value.problem.fix
    with pytest.raises(Refused, match="no setup called three"):
        find_setup(state, "three")
    assert [view.setup for view in overview(state)] == ["one", "two"]


def test_what_can_be_gone_on_with_is_listed_first(state: Path) -> None:
    change = Change("make", Verb.CREATE, "Thing", "x", "Make x")
    for name in ("gone", "half", "whole"):
        directory = SetupDirectory(state, name)
        directory.save_answers(Answers(setup=name))
        journal = directory.journal()
        with journal.intend(StepId.CONNECT, change) as entry:
            entry.done({})
        for step in STEPS if name == "whole" else ():
            journal.verified(step, probed="")
        if name == "gone":
            journal.standing()[0].undone()
    assert [view.setup for view in overview(state)] == ["half", "whole", "gone"]


def test_a_state_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(Refused) as caught:
        SetupDirectory(blocked, "team").make()
    assert caught.value.problem.code == "state-unwritable"


def test_passwords_come_from_the_environment_and_never_show() -> None:
    vault = Vault()
    vault.read_environment(["alice", "bob"], {"KUBE_REGISTRY_PASSWORD_ALICE": "hunter2-canary"})
    password = vault.password("alice")
    assert password is not None
    assert password.get_secret_value() == "hunter2-canary"
    assert vault.password("bob") is None
    assert "hunter2-canary" not in repr(vault.__dict__) + repr(password) + str(password)
    assert vault.masked("say hunter2-canary") == "say ********"


def test_two_users_that_share_a_variable_are_refused() -> None:
    with pytest.raises(Refused, match="share the variable"):
        Vault().read_environment(["a.b", "a-b"], {})


@pytest.mark.parametrize("password", ["", "a\nb", "a\0b", "ü" * 37])
def test_passwords_that_bcrypt_cannot_take_are_refused(password: str) -> None:
    with pytest.raises(Refused):
        Vault().set_password("alice", password)


def test_passwords_leave_environment_and_memory_once_they_are_written() -> None:
    vault, environ = Vault(), {"KUBE_REGISTRY_PASSWORD_ALICE": "hunter2-canary", "HOME": "/"}
    environ["KUBE_REGISTRY_PASSWORD_NOBODY"] = "of-no-user"
    vault.read_environment(["alice", "bob"], environ)
    assert environ == {"HOME": "/"}
    vault.generate("bob")
    vault.forget_written()
    assert vault.known() == ("bob",)
    vault.forget_shown("bob")
    assert vault.known() == ()
    assert vault.generated == []
    assert vault.values() == ()


def test_lines_of_many_threads_stay_whole_while_the_log_is_rotated(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = SetupDirectory(state, "team")
    directory.save_answers(Answers(setup="team"))
    monkeypatch.setattr("wizard.state.LARGEST_LOG_BYTES", 600_000)
    text = "word " * 2_000
    threads = [
        threading.Thread(target=lambda number=number: _log_some(directory, number, text))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [
        json.loads(line)
        for name in ("log.jsonl.1", "log.jsonl")
        for line in (directory.path / name).read_text().splitlines()
    ]
    assert sorted(line["number"] for line in lines) == sorted(10 * n + i for n in range(8) for i in range(10))
    assert {line["text"] for line in lines} == {text}


def _log_some(directory: SetupDirectory, number: int, text: str) -> None:
    for line in range(10):
        directory.log({"number": 10 * number + line, "text": text})


def test_a_file_that_could_not_be_written_leaves_nothing(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = SetupDirectory(state, "team")
    directory.save_answers(Answers(setup="team"))
    path = directory.path / "answers.toml"
    former = path.read_text()

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_private(path, "half of it")
    assert path.read_text() == former
    assert [each.name for each in directory.path.iterdir()] == ["answers.toml"]


def test_a_new_name_is_on_the_disk_before_it_is_relied_on(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    real = os.fsync

    def note(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        real(handle)

    monkeypatch.setattr(os, "fsync", note)
    SetupDirectory(state, "team").save_answers(Answers(setup="team"))
    assert synced == [False, True]


def test_what_a_killed_run_left_half_written_goes_with_the_next(state: Path) -> None:
    directory = SetupDirectory(state, "team")
    directory.save_answers(Answers(setup="team"))
    left, fresh = directory.path / ".answers.toml.1.new", directory.path / ".identity.2.new"
    for each in (left, fresh):
        each.write_text("half")
    os.utime(left, (1, 1))
    with directory.lock("check"):
        assert not left.exists()
        assert fresh.exists()
