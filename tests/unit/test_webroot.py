"""The webroot: what is put there, with which rights, and what is left afterwards."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from wizard.errors import WizardError
from wizard.services import webroot
from wizard.services.webroot import WELL_KNOWN, Webroot


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def _strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_strict_umask")
def test_a_file_can_be_read_by_the_web_server(tmp_path: Path) -> None:
    place = Webroot(str(tmp_path))
    assert place.missing_directories() == (str(tmp_path / ".well-known"), str(tmp_path / WELL_KNOWN))
    place.place("token_-1", "content")
    assert (tmp_path / WELL_KNOWN / "token_-1").read_text() == "content"
    assert mode(tmp_path / WELL_KNOWN / "token_-1") == 0o644
    assert mode(tmp_path / ".well-known") == mode(tmp_path / WELL_KNOWN) == 0o755
    assert place.missing_directories() == ()


def test_a_file_of_an_interrupted_run_is_written_over(tmp_path: Path) -> None:
    place = Webroot(str(tmp_path))
    place.place("token", "old")
    place.place("token", "new")
    assert (tmp_path / WELL_KNOWN / "token").read_text() == "new"


def test_what_was_made_goes_again_and_nothing_else(tmp_path: Path) -> None:
    place = Webroot(str(tmp_path))
    made = place.missing_directories()
    place.place("mine", "x")
    webroot.clean([place.path("mine")], made)
    assert list(tmp_path.iterdir()) == []
    place.place("theirs", "x")
    place.place("mine", "x")
    webroot.clean([place.path("mine"), place.path("gone")], made)
    assert [each.name for each in (tmp_path / WELL_KNOWN).iterdir()] == ["theirs"]


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("keep")
    (tmp_path / WELL_KNOWN).mkdir(parents=True)
    (tmp_path / WELL_KNOWN / "token").symlink_to(target)
    Webroot(str(tmp_path)).place("token", "content")
    assert target.read_text() == "keep"


@pytest.mark.parametrize("token", ["", "../../etc/cron.d/x", "a/b", "a.b", "x" * 200])
def test_a_token_cannot_lead_elsewhere(tmp_path: Path, token: str) -> None:
    with pytest.raises(WizardError) as caught:
        Webroot(str(tmp_path)).place(token, "content")
    assert caught.value.problem.code == "acme-bad-token"


def test_a_webroot_that_is_not_here_is_told(tmp_path: Path) -> None:
    problem = Webroot(str(tmp_path / "absent")).problem()
    assert problem is not None
    assert problem.code == "webroot-absent"
    assert "manual" in problem.fix
    assert Webroot(str(tmp_path)).problem() is None


def test_a_webroot_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".well-known").write_text("a file where a directory belongs")
    with pytest.raises(WizardError) as caught:
        Webroot(str(tmp_path)).place("token", "content")
    assert caught.value.problem.code == "webroot-not-writable"
