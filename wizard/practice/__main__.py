"""The world's process: `python -m wizard.practice RUNTIME_DIRECTORY`, started by wizard.practice.daemon."""

import gc
import signal
import sys
import threading
from pathlib import Path


def main() -> int:
    gc.disable()  # importing and wiring makes no garbage worth looking for
    from wizard.practice.world import World

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


if __name__ == "__main__":
    sys.exit(main())
