"""The command `report`: writes a redacted file about a setup, and prints where."""

import argparse
import sys

from wizard import report
from wizard.errors import ExitCode, WizardError
from wizard.output import plain, tell_problem
from wizard.state import find_setup, state_root


def run(options: argparse.Namespace) -> int:
    """Only the path goes to stdout; what the file is for goes to stderr."""
    try:
        root = state_root()
        if options.practice:
            from wizard.practice.entry import enter

            root = enter(root)
        path = report.write(find_setup(root, options.setup))
    except WizardError as error:
        tell_problem(error.problem)
        return int(error.exit_code)
    sys.stdout.write(plain(str(path)) + "\n")
    sys.stderr.write("Secrets are left out of it; look it through before you hand it on.\n")
    return int(ExitCode.DONE)
