"""Opens the wizard; the screen comes first, everything heavy is loaded behind it."""

import sys
from pathlib import Path

from wizard.errors import ExitCode, Problem


def run(*, is_practice: bool) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from wizard.output import tell_problem

        tell_problem(
            Problem(
                "no-terminal",
                "The wizard needs a terminal.",
                "Standard input or output is not one.",
                "Run it in a terminal, or use `kube-registry apply -a FILE`.",
            )
        )
        return ExitCode.REFUSED
    from screens.app import WizardApp

    app = WizardApp(_enter_practice if is_practice else _enter, is_practice=is_practice)
    return app.run() or ExitCode.DONE


def _enter() -> Path:
    from wizard.state import state_root

    return state_root()


def _enter_practice() -> Path:
    from wizard.practice.entry import enter
    from wizard.state import state_root

    return enter(state_root())
