"""The program's entry; everything heavy is imported by the command that needs it."""

import contextlib
import errno
import gc
import os
import sys


def main() -> int:
    """Runs the command line; returns the exit code."""
    gc.disable()  # a collection while modules load costs the first frame; the screen turns it on again
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does; Python must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno == errno.EIO:  # the terminal has gone
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nowhere, stream.fileno())
            return 130
        if error.errno not in {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with contextlib.suppress(OSError):
            sys.stderr.write(f"The output cannot be written: {error.strerror}.\n")
        return 1
    return code


def _run(arguments: list[str]) -> int:
    """The wizard itself needs no parser, which takes as long as drawing a part of its first screen."""
    if arguments in ([], ["practice"]):
        from wizard import wizard_command

        return wizard_command.run(is_practice=bool(arguments))
    from wizard.cli import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
