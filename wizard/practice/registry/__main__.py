"""`python -m wizard.practice.registry serve [CONFIG]`: the stand-in as a process, like the real binary."""

import os
import signal
import sys
from pathlib import Path

from wizard.practice.registry.output import VERSION, say, write
from wizard.practice.registry.settings import Refused, load

PANICKED, FAILED = 2, 1


def main(args: list[str]) -> int:
    if args[:1] == ["--version"]:
        sys.stdout.write(f"registry practice {VERSION}\n")
        return 0
    if args[:1] != ["serve"] or len(args) > 2:
        write("Usage:\n  registry serve <config> [flags]")
        return FAILED
    # Nothing of the operator's own may be found: the settings alone say who we are.
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        settings = load(Path(args[1]) if len(args) == 2 else None, os.environ)
        # boto3 takes longer than all the rest: wrong settings are told without it.
        from wizard.practice.registry.server import Registry

        Registry(settings).serve()
    except Refused as refused:
        if refused.is_panic:
            write(f"panic: {refused}\n\ngoroutine 1 [running]:")
            return PANICKED
        say("fatal", str(refused))
    except KeyboardInterrupt:
        pass
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
