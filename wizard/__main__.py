"""The program's entry; everything heavy is imported by the command that needs it."""

import gc
import sys


def main() -> int:
    """Runs the command line; returns the exit code."""
    gc.disable()  # a collection while modules load costs the first frame; the screen turns it on again
    from wizard.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
