"""The real program in a home of its own, run as a user would run it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = ROOT / "assets" / "answers" / "practice.toml"
LIMIT_S = 300


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def checks(self) -> dict[str, str]:
        """Status by "step/check"."""
        return {
            f"{event['step']}/{event['check']}": event["status"]
            for event in self.events
            if event["event"] == "check_finished"
        }

    @property
    def finish(self) -> dict[str, Any]:
        assert self.events[-1]["event"] == "run_finished"
        return self.events[-1]


class Program:
    """One home: its own state, runtime directory, and so its own practice world."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runtime = home / "runtime"
        self.runtime.mkdir(mode=0o700, parents=True)
        self.state = home / "state"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(self.state),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_CACHE_HOME": str(home / "cache"),
            "TMPDIR": str(home / "tmp"),
        }
        (home / "tmp").mkdir()

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
        done = subprocess.run(
            self.command(*arguments),
            env={**self.environment, **(environment or {})},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "wizard", *arguments]

    def world(self) -> dict[str, Any]:
        """What the world was asked so far."""
        found: dict[str, Any] = json.loads(self.run("world", "status", "--json").out)
        return found

    def mutations(self) -> list[str]:
        """The requests so far that changed something, oldest first."""
        found: list[str] = self.world()["requests"]["mutating"]
        return found

    def world_environment(self) -> dict[str, str]:
        """What `world env` prints, as a mapping."""
        import shlex

        lines = [shlex.split(line)[1] for line in self.run("world", "env").out.splitlines()]
        return dict(line.split("=", 1) for line in lines)

    def dump(self) -> dict[str, Any]:
        """The canonical inventory of both clouds."""
        from wizard.practice import daemon

        info = json.loads((self.runtime / "kube-registry" / "world.json").read_text())
        found: dict[str, Any] = daemon.ask(daemon.WorldInfo(**info), "GET", "/dump")
        return found
