"""Starts, finds and ends the practice world, which is one detached process of this machine.

It is found through `world.json` in the runtime directory (0700), which holds the address of its control
server and the token that it asks for.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from wizard.errors import Problem, Refused

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 20.0
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "COVERAGE_PROCESS_START")


class WorldError(Exception):
    """The practice world did not start or answer; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class WorldInfo:
    """A running world: `environment` is what `world env` prints."""

    identity: str
    pid: int
    control_url: str
    token: str
    environment: dict[str, str]


def runtime_directory() -> Path:
    """`$XDG_RUNTIME_DIR/kube-registry`, else one in the user's cache: never in a shared /tmp."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    path = (
        Path(given) / "kube-registry"
        if given
        else Path(platformdirs.user_cache_dir("kube-registry")) / "world"
    )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def find() -> WorldInfo | None:
    """The world that runs, if one does; a file left by one that died is no world."""
    info = _recorded()
    if info is None:
        return None
    try:
        ask(info, "GET", "/alive")
    except WorldError:
        return None
    return info


def _recorded() -> WorldInfo | None:
    """The world that the file names, whether it still answers or not."""
    path = runtime_directory() / "world.json"
    try:
        return WorldInfo(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def ensure() -> WorldInfo:
    """The running world, or a new one. Raises WorldError, and Refused where the extra is not installed."""
    if info := find():
        return info
    if importlib.util.find_spec("moto") is None:
        raise Refused(
            Problem(
                "practice-not-installed",
                "The practice world is not installed.",
                "It is an extra, so that real use stays small.",
                "Install kube-registry[practice]; from a checkout, pipx install '.[practice]'.",
            )
        )
    directory = runtime_directory()
    with filelock.FileLock(directory / "start.lock", mode=0o600):
        return find() or _start(directory)


def stop() -> WorldInfo | None:
    """Ends the world and waits until its process is gone; None if none ran."""
    info = _recorded()
    directory = runtime_directory()
    if info is not None:
        try:
            ask(info, "POST", "/stop")
        except WorldError:
            _kill(info.pid, directory)
        _wait_until_gone(info.pid)
    for name in ("world.json", "world.log", "start.lock"):
        (directory / name).unlink(missing_ok=True)
    _clear(directory)
    with contextlib.suppress(OSError):
        directory.rmdir()
    return info


def ask(info: WorldInfo, method: str, path: str, wish: Any = None) -> Any:
    """One request to the control server, with `wish` as JSON; the decoded answer. Raises WorldError."""
    body = None if wish is None else json.dumps(wish).encode()
    request = urllib.request.Request(  # noqa: S310 - the URL is our own, on loopback
        info.control_url + path, body, {"Authorization": f"Bearer {info.token}"}, method=method
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            raise WorldError(f"The practice world refused: {error.read().decode()}") from error
    except (OSError, ValueError) as error:
        raise WorldError(f"The practice world at {info.control_url} does not answer: {error}") from error


def _kill(pid: int, directory: Path) -> None:
    """Ends a world that no longer answers; a process that only took over its number is left alone."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return
    if b"wizard.practice" in command and os.fsencode(directory) in command:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _clear(directory: Path) -> None:
    """Removes the files of worlds that died without cleaning up."""
    for left in directory.glob("world-*"):
        shutil.rmtree(left, ignore_errors=True)


def _start(directory: Path) -> WorldInfo:
    _clear(directory)
    log_path = directory / "world.log"
    (directory / "world.json").unlink(missing_ok=True)
    code = Path(__file__).resolve().parents[2]
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment |= {"PYTHONPATH": str(code), "HOME": str(directory), "PYTHONUNBUFFERED": "1"}
    # glibc keeps freed image layers otherwise: 125 instead of 245 MiB for AWS after a push of 30 MiB.
    environment["MALLOC_MMAP_THRESHOLD_"] = "131072"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "wizard.practice", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        if (directory / "world.json").exists() and (info := find()):
            process.returncode = 0  # it is meant to outlive this process; no warning about that
            return info
        if process.poll() is not None:
            break
        time.sleep(0.01)
    else:
        process.kill()
        process.wait()
    told = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise WorldError(told[-1] if told else "The practice world did not start and did not say why.")


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + STOP_DEADLINE_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if _is_zombie(pid):
            return
        time.sleep(0.01)
    raise WorldError(f"The practice world (process {pid}) does not end; end it with `kill {pid}`.")


def _is_zombie(pid: int) -> bool:
    """Ended, but its parent (a test, or a program that started it) has not looked yet."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"
