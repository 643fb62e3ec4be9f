"""The processes that containers are, and the warden that outlives us to end them."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wizard.practice.node.logs import LogRing

CHUNK_BYTES = 2**16

# Reads "+ PID" and "- PID" until we are gone, however that came to be; then no group and no file may stay.
# A shell, because it is small, is everywhere, and needs nothing from the operating system but pipes.
WARDEN = """
trap '' HUP INT TERM
groups=''
while read -r sign pid; do
  case $sign in
    +) groups="$groups $pid" ;;
    -) kept=''; for group in $groups; do [ "$group" = "$pid" ] || kept="$kept $group"; done; groups=$kept ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf -- "$1"
"""


class Warden:
    """Ends our processes and removes `directory` when this process ends, even by SIGKILL."""

    def __init__(self, directory: Path) -> None:
        self._lock = threading.Lock()
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", WARDEN, "kube-registry-warden", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,
        )

    def add(self, pid: int) -> None:
        self._say(f"+ {pid}\n")

    def remove(self, pid: int) -> None:
        self._say(f"- {pid}\n")

    def dismiss(self) -> None:
        """Lets it do its last work now; idempotent."""
        with self._lock:
            if self._shell.stdin and not self._shell.stdin.closed:
                with contextlib.suppress(OSError):
                    self._shell.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._shell.wait(2)

    def _say(self, line: str) -> None:
        with self._lock:
            if self._shell.stdin and not self._shell.stdin.closed:
                with contextlib.suppress(OSError):
                    self._shell.stdin.write(line.encode())
                    self._shell.stdin.flush()


class Process:
    """One run of a container: an own process group, its output in a ring. OSError if it cannot start."""

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        directory: Path,
        warden: Warden,
        *,
        on_exit: Callable[[], None],
    ) -> None:
        self.log = LogRing()
        self.exit_code: int | None = None
        self._warden = warden
        self._on_exit = on_exit
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        warden.add(self._process.pid)
        threading.Thread(target=self._read, name=f"output of {self._process.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _signal(self, number: signal.Signals) -> None:
        """Sends to the whole group, unless it has ended."""
        with self._lock, contextlib.suppress(ProcessLookupError, PermissionError):
            # Not yet reaped, so the number still belongs to it.
            if self._process.returncode is None:
                os.killpg(self._process.pid, number)

    def end(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL after `grace_s`; returns when it has been reaped, or after 2 s more."""
        self._signal(signal.SIGTERM)
        if not self._gone.wait(grace_s):
            self._signal(signal.SIGKILL)
            self._gone.wait(2)

    def _read(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            # A line without an end must not fill the memory.
            while line := output.readline(CHUNK_BYTES):
                self.log.add(line)
        self._await_end()
        with self._lock:
            self._warden.remove(self._process.pid)
            code = self._process.wait()
        self.exit_code = code if code >= 0 else 128 - code
        self._gone.set()
        self._on_exit()

    def _await_end(self) -> None:
        # Ends when the process has ended, without reaping it: `_signal` must not meet a reused number.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
