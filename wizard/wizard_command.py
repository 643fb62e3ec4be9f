"""Opens the wizard; the screen comes first, everything heavy is loaded behind it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.app import WizardApp


def run(*, is_practice: bool) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from wizard.errors import ExitCode, Problem
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
    code = app.run() or 0
    from wizard.errors import ExitCode

    if app.setup and code in {ExitCode.DONE, ExitCode.INTERRUPTED}:
        sys.stdout.write(_parting_words(app, "kube-registry practice" if is_practice else "kube-registry"))
    if is_practice:
        told = "The practice world still runs. To end it, and its setups with it: kube-registry world stop"
        sys.stdout.write(f"{told}\n")
    return code


def _parting_words(app: "WizardApp", command: str) -> str:
    """What is left on the terminal once the screen is gone: how far it is, and how to go on."""
    if app.is_proven:
        lines = [f"The setup {app.setup} is proven. Use it:", *(f"  {each}" for each in app.snippets())]
    else:
        lines = [
            f"The setup {app.setup} is saved: {app.steps_done} of 8 steps are done. Go on with: {command}"
        ]
    return "\n".join(lines) + "\n"


def _enter() -> Path:
    from wizard.state import state_root

    return state_root()


def _enter_practice() -> Path:
    from wizard.practice.entry import enter
    from wizard.state import state_root

    return enter(state_root())
