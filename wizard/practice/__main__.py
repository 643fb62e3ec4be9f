"""The world's process: `python -m wizard.practice RUNTIME_DIRECTORY`, started by wizard.practice.daemon."""

import gc
import resource
import signal
import sys
import threading
from pathlib import Path

FILES = 8192


def main() -> int:
    gc.disable()  # importing and wiring makes no garbage worth looking for
    from wizard.practice.world import World

    _allow_many_connections()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    world = World(Path(sys.argv[1]), ended)
    try:
        world.start()
        gc.freeze()
        gc.enable()
        world.wait()
    finally:
        world.stop()
    return 0


def _allow_many_connections() -> None:
    """Where a process may have 1024 files, as usual, a class of fifty with its registries needs more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
