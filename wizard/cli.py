"""The command line: words and options, nothing else; each command is imported when it is called."""

import argparse
from collections.abc import Sequence
from pathlib import Path

EPILOG = """exit codes: 0 done, healthy, or nothing due; 1 a step or check failed after something was tried;
2 refused before anything was changed; 3 another run holds the setup; 130 interrupted"""


class _Help(argparse.HelpFormatter):
    """One form for every Python: before 3.13 an option's value stood after each of its names."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than all of the command line."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.exit(0, f"kube-registry {_version()}\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="kube-registry",
        description="Takes you to a private Docker registry on Kubernetes, with S3 storage. "
        "Without a command it opens the wizard.",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=_Help,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    top.set_defaults(run="wizard", practice=False, setup=None)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    _practice(commands)
    _plan_and_apply(commands)
    _upkeep(commands)
    _answers(commands)
    _world(commands)
    return top


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def _practice(commands: "Commands[argparse.ArgumentParser]") -> None:
    command = _add(commands, "practice", "the wizard in the practice world: no account needed")
    command.set_defaults(run="wizard", practice=True, setup=None)


def _plan_and_apply(commands: "Commands[argparse.ArgumentParser]") -> None:
    plan = _add(commands, "plan", "look at all eight steps, say what would be done; change nothing")
    apply = _add(commands, "apply", "carry out all steps without a screen; run again, it changes nothing")
    for command in (plan, apply):
        command.add_argument(
            "-a", "--answers", metavar="FILE", type=Path, required=True, help="answers file (TOML)"
        )
        _common(command)
    plan.add_argument(
        "--commands",
        action="store_true",
        help="print it as a script of aws and kubectl commands, to learn from",
    )
    plan.set_defaults(run="plan")
    apply.set_defaults(run="apply")
    apply.add_argument(
        "--passwords-to",
        metavar="FILE",
        type=Path,
        help="write passwords that have to be generated into FILE (mode 0600)",
    )


def _upkeep(commands: "Commands[argparse.ArgumentParser]") -> None:
    check = _add(commands, "check", "verify everything that can be verified by reading; say what drifted")
    _setup(check)
    check.add_argument("--push", action="store_true", help="prove it again by a push and a pull")
    check.set_defaults(run="check")
    renew = _add(commands, "renew", "get a new certificate, roll it out and see it served")
    _setup(renew)
    ways = renew.add_mutually_exclusive_group()
    ways.add_argument(
        "--if-due", action="store_true", help="only when it is time, and without a word when it is not"
    )
    ways.add_argument(
        "--install-timer", action="store_true", help="see to it twice a day, by a systemd timer of your own"
    )
    ways.add_argument("--print-cron", action="store_true", help="print a line for crontab that does the same")
    ways.add_argument("--new-account-key", action="store_true", help="give the ACME account another key")
    renew.set_defaults(run="renew")
    undo = _add(commands, "undo", "take back exactly what a setup made")
    _setup(undo)
    undo.add_argument("--yes", action="store_true", help="do not ask")
    undo.add_argument(
        "--delete-bucket",
        metavar="NAME",
        default="",
        help="delete the bucket NAME with all images in it",
    )
    undo.set_defaults(run="undo")
    for command in (check, renew, undo):
        _common(command)
    setups = _add(commands, "setups", "list the setups and how far each is")
    _common(setups)
    setups.set_defaults(run="setups")
    report = _add(commands, "report", "write a redacted file about a setup, to hand to whoever helps you")
    _setup(report)
    report.add_argument("--practice", action="store_true", help="of a setup in the practice world")
    report.set_defaults(run="report")


def _answers(commands: "Commands[argparse.ArgumentParser]") -> None:
    answers = _add(commands, "answers", "print an example answers file, or the schema")
    kinds = answers.add_subparsers(title="what to print", metavar="WHAT", required=True)
    example = _add(kinds, "example", "a commented answers file")
    example.set_defaults(run="example")
    schema = _add(kinds, "schema", "the JSON schema of answers files")
    schema.add_argument("--events", action="store_true", help="the schema of the --json events instead")
    schema.set_defaults(run="schema")


def _world(commands: "Commands[argparse.ArgumentParser]") -> None:
    world = _add(commands, "world", "the practice world by itself")
    kinds = world.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name, text in {
        "start": "start it, or say that it runs",
        "stop": "stop it; nothing stays behind",
        "status": "say whether it runs, where, and what it was asked",
        "env": "print export lines for aws, kubectl, certbot, skopeo",
    }.items():
        command = _add(kinds, name, text)
        command.set_defaults(run=f"world_{name}")
        if name == "status":
            command.add_argument("--json", action="store_true", help="as JSON")


def _add(commands: "Commands[argparse.ArgumentParser]", name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        allow_abbrev=False,
        formatter_class=_Help,
    )


def _setup(command: argparse.ArgumentParser) -> None:
    command.add_argument("setup", metavar="SETUP", nargs="?", help="its name; needed if there are several")


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--practice", action="store_true", help="in the practice world (started if need be)")
    command.add_argument("--json", action="store_true", help="one event a line on stdout")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("kube-registry")
    except PackageNotFoundError:
        return "(not installed)"


def run(arguments: Sequence[str]) -> int:
    """Parses and dispatches; the exit code. argparse itself ends with 2 on wrong usage."""
    options = parser().parse_args(arguments)
    if options.run == "wizard":
        from wizard import wizard_command

        return wizard_command.run(is_practice=options.practice)
    if options.run.startswith("world_"):
        from wizard import world_commands

        return world_commands.run(options)
    if options.run == "report":
        from wizard import report_command

        return report_command.run(options)
    if options.run in {"example", "schema"}:
        from wizard import answers_commands

        return answers_commands.run(options)
    from wizard import commands

    return commands.run(options)
