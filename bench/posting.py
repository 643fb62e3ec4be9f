"""posting, a Textual program of many people's, in an environment of its own outside the repository."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from bench.result import Unmeasured

VERSION = "2.11.1"
INSTALL_LIMIT_S = 240.0


def program() -> Path:
    """Its command; installed at the first call, and kept. Raises Unmeasured where it cannot be had."""
    place = _cache() / f"posting-{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    command = place / "bin" / "posting"
    is_whole = place / "whole"
    if not is_whole.exists():
        _install(place)
        is_whole.touch()
    return command


def _install(place: Path) -> None:
    python = place / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        venv.create(place, with_pip=True, clear=True)
        done = subprocess.run(
            [*pip, f"posting=={VERSION}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unmeasured(f"posting {VERSION} could not be installed: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise Unmeasured(f"posting {VERSION} could not be installed: {last}")
    subprocess.run([str(python), "-m", "compileall", "-q", str(place / "lib")], check=False)


def _cache() -> Path:
    own = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(own) / "kube-registry" / "bench"
