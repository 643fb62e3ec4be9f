"""An S3 server that no one here wrote, Versity's gateway over a directory, on loopback.

One region, many accounts; an account is called by its access key ID, also as a bucket's owner.
"""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import requests

from wizard.practice.aws import AwsKeys
from wizard.practice.node.ports import free_port

READY_S = 90.0
END_S = 30.0
REGION = "eu-west-1"
ROOT = AwsKeys("the-root-account", "the-roots-secret")


class OtherS3:
    """`binaries` holds `versitygw`; the directory's file system must keep extended attributes."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self._program, self._directory = str(binaries / "versitygw"), directory
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Returns when it answers; raises RuntimeError with its last words if it never does."""
        for name in ("objects", "versions", "accounts"):
            (self._directory / name).mkdir()
        flags = [
            f"--port=127.0.0.1:{self._port}",
            f"--iam-dir={self._directory / 'accounts'}",
            "--keep-alive",
        ]
        backend = [
            "posix",
            f"--versioning-dir={self._directory / 'versions'}",
            str(self._directory / "objects"),
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, f"--region={REGION}", *flags, *backend],
                env=self._environment("ROOT"),
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(requests.ConnectionError), requests.Session() as session:
                session.trust_env = False
                session.get(self.url, timeout=10)
                return
            time.sleep(0.02)
        raise RuntimeError(f"no answer in {READY_S:.0f} s; the log ends so:\n{self._last_words()}")

    def add_account(self, keys: AwsKeys) -> None:
        """One that may make buckets of its own."""
        where = [f"--endpoint-url={self.url}", f"--region={REGION}"]
        account = [f"--access={keys.access_key_id}", f"--secret={keys.secret_access_key}", "--role=userplus"]
        done = subprocess.run(
            [self._program, "admin", *where, "create-user", *account],
            env=self._environment("ADMIN"),
            capture_output=True,
            text=True,
            timeout=READY_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr + self._last_words())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_S)
            self._process = None

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    @staticmethod
    def _environment(who: str) -> dict[str, str]:
        """Secrets of the root account do not belong on a command line."""
        return {
            "PATH": os.environ["PATH"],
            f"{who}_ACCESS_KEY_ID": ROOT.access_key_id,
            f"{who}_SECRET_ACCESS_KEY": ROOT.secret_access_key,
        }
