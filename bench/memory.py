"""Peak memory of a process, as the kernel counted it."""

from pathlib import Path

import psutil

from bench.result import Unmeasured


def peak_mib(pid: int) -> float:
    """VmHWM of /proc (proc(5)) in MiB. Raises Unmeasured where there is none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError as error:
        raise Unmeasured("Peak memory is read from /proc, so only on Linux.") from error
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Unmeasured("The process has ended, so its peak memory is not known any more.")


def children_peak_mib(pid: int) -> tuple[float, list[str]]:
    """The sum over all descendants that run now, and their names."""
    total, names = 0.0, []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            total += peak_mib(child.pid)
            names.append(child.name())
        except (psutil.NoSuchProcess, Unmeasured):
            continue
    return total, sorted(names)
