"""A home of its own for every measurement, and the program run in it as a user would run it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.result import Budget, Unmeasured

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / "assets" / "answers" / "practice.toml"
STOP_LIMIT_S = 25.0


@dataclass(frozen=True, slots=True)
class Ran:
    seconds: float
    out: str


class Home:
    """No variable of the caller's is passed on: PYTHONDONTWRITEBYTECODE alone costs half a second a start."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(path),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(path / "tmp"),
            "XDG_STATE_HOME": str(path / "state"),
            "XDG_CACHE_HOME": str(path / "cache"),
            "XDG_RUNTIME_DIR": str(path / "runtime"),
        }
        for name in ("tmp", "runtime"):
            (path / name).mkdir(mode=0o700)

    def python(self, *arguments: str, limit_s: float = 60.0) -> Ran:
        """Runs Python to its end; raises Unmeasured when it fails or takes too long."""
        name = " ".join(arguments[:4])
        limit_s = self._budget.limit(limit_s)
        begun = time.perf_counter()
        try:
            done = subprocess.run(
                [sys.executable, *arguments],
                env=self.environment,
                cwd=self._path,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unmeasured(f"`python {name}` did not end within {limit_s:.0f} s.") from error
        seconds = time.perf_counter() - begun
        if done.returncode:
            why = _last_problem(done.stdout) or " ".join(done.stderr.split())[-300:]
            raise Unmeasured(f"`python {name}` ended with {done.returncode}: {why}")
        return Ran(seconds, done.stdout)

    def program(self, *arguments: str, limit_s: float = 60.0) -> Ran:
        return self.python("-m", "wizard", *arguments, limit_s=limit_s)

    def world_status(self) -> dict[str, Any]:
        """What `world status --json` prints: pid, requests and more."""
        status: dict[str, Any] = json.loads(self.program("world", "status", "--json").out)
        if not status["running"]:
            raise Unmeasured("The practice world does not run any more.")
        return status

    def stop_world(self) -> None:
        """Ends the world of this home if there is one, also when no time is left. Raises Unmeasured.

        A zombie has ended: it waits for a parent that is not this process.
        """
        world = self._world_process()
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [sys.executable, "-m", "wizard", "world", "stop"],
                env=self.environment,
                cwd=self._path,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=STOP_LIMIT_S,
                check=False,
            )
        if world is not None and _is_alive(world):
            world.kill()
            raise Unmeasured("`world stop` did not end the world, so it was killed.")

    def _world_process(self) -> psutil.Process | None:
        found = self._path / "runtime" / "kube-registry" / "world.json"
        try:
            return psutil.Process(json.loads(found.read_text(encoding="utf-8"))["pid"])
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return None


@contextmanager
def home(budget: Budget) -> Iterator[Home]:
    """A fresh home; its world is stopped and its files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kube-registry-bench-", ignore_cleanup_errors=True) as name:
        made = Home(Path(name), budget)
        try:
            yield made
        finally:
            made.stop_world()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _last_problem(out: str) -> str:
    """What and why of the problem that ended a `--json` run, "" if there is none."""
    try:
        problem = json.loads(_last_line(out)).get("problem") or {}
    except (ValueError, AttributeError):
        return ""
    return " ".join(filter(None, (problem.get("what"), problem.get("why"))))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
