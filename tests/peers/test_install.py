"""The script that puts the peers into place, where what it needs is not there; nothing is installed here."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

INSTALL = Path(__file__).parent / "install"
# What it is written in; neither Go nor apt-get, pip nor any of the peers.
TOOLS = ("bash", "cat", "cut", "dirname", "flock", "head", "mkdir", "sed", "sha256sum", "sort")
LIMIT_S = 60

Install = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """`install(CI="true", go="go1.25.3")` runs it on a machine that has this Go, "" for none."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)

    def run(*, go: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        if go:
            (programs / "go").write_text(f"#!{programs}/bash\n[ $1 = env ] && echo {go}\n")
            (programs / "go").chmod(0o700)
        env = {"PATH": str(programs), "HOME": str(tmp_path), "PYTHON": "no-python", **environment}
        return subprocess.run(
            [str(programs / "bash"), str(INSTALL)],
            env=env,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run


def test_what_cannot_be_had_is_named_and_the_rest_goes_on(install: Install) -> None:
    done = install()
    assert done.returncode == 0, done.stderr
    told = done.stderr
    for program in (
        "etcd",
        "pebble-challtestsrv",
        "certbot",
        "kubectl",
        "docker-registry",
        "skopeo",
        "docker",
    ):
        assert f"peers: {program} is not there: install Debian's package" in told
    assert told.count("peers: Go is not there: install 1.26.0 or newer and run this again") == 2
    assert "peers: the AWS command line could not be installed" in told
    assert told.count("the tests that need it are skipped") == 10
    assert done.stdout.splitlines()[-1].startswith("peers: done in ")


def test_in_ci_what_cannot_be_had_is_a_failure(install: Install) -> None:
    done = install(CI="true")
    assert done.returncode == 1
    assert done.stderr == "peers: etcd is not there: install Debian's package etcd-server, or its like\n"


@pytest.mark.parametrize("found", ["go1.25.3", "go1.9", "go1.26rc1"])
def test_an_old_go_is_named(install: Install, found: str) -> None:
    done = install(go=found)
    assert done.returncode == 0
    told = f"peers: Go is too old: {found.removeprefix('go')} is there, 1.26.0 or newer is needed"
    assert done.stderr.count(told) == 2


@pytest.mark.parametrize("found", ["go1.26.0", "go1.26.8 X:nodwarf5", "go1.30"])
def test_a_new_go_is_used(install: Install, found: str) -> None:
    """It fails to build here, which is said too."""
    done = install(go=found)
    assert done.returncode == 0
    assert "too old" not in done.stderr
    assert "peers: the S3 server could not be built: look at what Go says above" in done.stderr
    assert "peers: the Go tools could not be built" in done.stderr


@pytest.mark.parametrize("seconds", ["", "162"])
def test_what_was_built_before_is_found_with_its_time(install: Install, tmp_path: Path, seconds: str) -> None:
    assert install(go="go1.30").returncode == 0
    cache = tmp_path / ".cache" / "kube-registry" / "peers"
    made = sorted(cache.iterdir())
    assert len(made) == 3
    for directory in made:
        (directory / ".built").write_text(seconds)
    told = install().stdout
    assert f"peers: the Go tools: built before{' in 162 s' if seconds else ''}: {cache}/" in told
    assert f"peers: the S3 server: built before{' in 162 s' if seconds else ''}: {cache}/s3-" in told
    assert f"peers: the AWS command line is there: {cache}/eyes-" in told
