"""The commands without a screen: plan, apply, check, renew, undo, setups."""

import argparse
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wizard import answers as answers_module
from wizard import by_hand
from wizard.answers import Answers
from wizard.checks import unexpected
from wizard.endpoints import Endpoints
from wizard.engine import Engine
from wizard.errors import ExitCode, Problem, Refused, WizardError
from wizard.events import STEPS, Emit, Noted, RunFinished, RunStarted, StepId, StepStatus
from wizard.output import TITLES, JsonLines, Narrator, plain
from wizard.overview import overview
from wizard.passwords import Passwords, ask_secrets
from wizard.services import Services
from wizard.state import SetupDirectory, find_setup, state_root
from wizard.vault import Vault


def run(options: argparse.Namespace) -> int:
    """Carries out one command; every error ends in a sentence and an exit code."""
    # What a check found is data; what other commands tell is narration.
    narrator = Narrator(sys.stdout if options.run == "check" else None)
    emit: Emit = JsonLines() if options.json else narrator
    cancel = threading.Event()
    next_command = _next_command(options)
    problem: Problem | None = None
    code: int = ExitCode.DONE
    try:
        with _interruptible(cancel):
            root = _root(options)
            command: Callable[[argparse.Namespace, Path, Emit, threading.Event], int] = {
                "plan": plan,
                "apply": apply,
                "check": check,
                "renew": renew,
                "undo": undo,
                "setups": list_setups,
            }[options.run]
            code = command(options, root, emit, cancel)
    except WizardError as error:
        problem, code = error.problem, error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, never a traceback with locals
        problem, code = unexpected(error, "The wizard itself failed."), ExitCode.FAILED
    goes_on = code in {ExitCode.FAILED, ExitCode.HELD, ExitCode.INTERRUPTED}
    if options.run != "setups" or problem:
        emit(RunFinished(options.run, int(code), problem, next_command if goes_on else ""))
    return int(code)


def plan(options: argparse.Namespace, root: Path, emit: Emit, cancel: threading.Event) -> int:
    """Nothing is written, not even a state directory: a plan may be made before anything is decided."""
    answers = _answers_from(options.answers)
    directory = SetupDirectory(root, answers.setup)
    engine = _engine(directory, answers, emit, cancel)
    engine.vault.read_environment(answers.htpasswd.users, os.environ)
    ask_secrets(engine.vault, answers.certificate, is_json=options.json)
    emit(RunStarted("plan", answers.setup, STEPS))
    plans = engine.survey()
    for step, planned in plans.items():
        emit(planned.event(step))
    if options.commands and not options.json:
        sys.stdout.write(plain(_by_hand(engine)))
    elif not options.json:
        _print_plan(engine)
    return ExitCode.REFUSED if any(planned.blockers for planned in plans.values()) else ExitCode.DONE


def apply(options: argparse.Namespace, root: Path, emit: Emit, cancel: threading.Event) -> int:
    answers = _answers_from(options.answers)
    directory = SetupDirectory(root, answers.setup)
    with directory.lock(f"apply -a {options.answers}"):
        engine = _engine(directory, answers, emit, cancel)
        engine.vault.read_environment(answers.htpasswd.users, os.environ)
        ask_secrets(engine.vault, answers.certificate, is_json=options.json)
        emit(RunStarted("apply", answers.setup, STEPS))
        passwords = Passwords(engine.vault, engine.journal, options.passwords_to, is_json=options.json)
        try:
            # As they stand in the file: what the environment adds is this run's alone.
            own = answers_module.load(options.answers)
            engine.apply(
                passwords.provide,
                passwords.keep,
                lambda: directory.answers_saved(own, engine.has_done_anything),
            )
        finally:
            passwords.show(_users_written(engine))
    if not options.json:
        _print_snippets(engine, is_practice=options.practice)
    return ExitCode.DONE


def _users_written(engine: Engine) -> set[str]:
    """Users whose line this run has written, or was about to."""
    entries = [each for each in engine.journal.begun if each.step is StepId.HTPASSWD]
    params = [entry.change.params for entry in entries]
    return {user for each in params for key in ("added", "changed") for user in each.get(key, ())}


def check(options: argparse.Namespace, root: Path, emit: Emit, cancel: threading.Event) -> int:
    directory = _which(root, options.setup)
    with directory.lock("check"):
        engine = _engine(directory, _stored(directory), emit, cancel)
        engine.follows_record = True
        emit(RunStarted("check", directory.name, STEPS))
        return ExitCode.DONE if engine.check(push=options.push) else ExitCode.FAILED


def renew(options: argparse.Namespace, root: Path, emit: Emit, cancel: threading.Event) -> int:
    from wizard import renew_command
    from wizard.renew import Renewal

    directory = _which(root, options.setup)
    with directory.lock("renew"):
        answers = _stored(directory)
        services = Services(answers, Endpoints.gather(answers.endpoints, os.environ))
        renewal = Renewal(directory, answers, services, emit=emit, vault=Vault(), cancel=cancel)
        renewal.vault.read_environment([], os.environ)
        emit(RunStarted("renew", directory.name, (StepId.CERTIFICATE, StepId.DEPLOY)))
        renewal.follows_record = True
        renewal.catch_up()
        with renewal.kept():
            return renew_command.run(renewal, options)


def undo(options: argparse.Namespace, root: Path, emit: Emit, cancel: threading.Event) -> int:
    directory = _which(root, options.setup)
    with directory.lock("undo"):
        engine = _engine(directory, _stored(directory), emit, cancel)
        engine.follows_record = True
        if not options.yes:
            engine.prepare_undo()
            _ask_for_undo(directory.name, [entry.change.summary for entry in engine.to_undo()])
        emit(RunStarted("undo", directory.name, STEPS))
        left = engine.undo(delete_bucket=options.delete_bucket)
    if left:
        raise WizardError(left[0])
    _remove_timer(directory.name, emit, is_practice=options.practice)
    return ExitCode.DONE


def _remove_timer(setup: str, emit: Emit, *, is_practice: bool) -> None:
    """What `renew --install-timer` has made: there is nothing to be renewed any more."""
    from wizard import timer

    if told := timer.remove(timer.unit_of(setup, is_practice=is_practice)):
        emit(Noted(StepId.CERTIFICATE, told))


def list_setups(options: argparse.Namespace, root: Path, emit: Emit, cancel: threading.Event) -> int:
    """How far each is, by its journal; and what the cluster of the current context knows of others."""
    from wizard import elsewhere

    del emit, cancel
    rows = overview(root)
    known = {row.setup for row in rows if row.state is not StepStatus.UNDONE}
    others = [each for each in elsewhere.search(os.environ) if each.setup not in known]
    if options.json:
        for found in [*(row.to_json() for row in rows), *(other.to_json() for other in others)]:
            sys.stdout.write(json.dumps(found) + "\n")
        return ExitCode.DONE
    if not rows and not others:
        sys.stdout.write("There is no setup yet. Start one with `kube-registry`.\n")
    for row in rows:
        far = (
            "taken back" if row.state is StepStatus.UNDONE else f"{len(row.done)} of {len(STEPS)} steps done"
        )
        sys.stdout.write(
            plain(f"{row.setup}: {far}, last touched {row.touched:%Y-%m-%d %H:%M} UTC, {row.path}\n")
        )
    for other in others:
        where = f"made on another machine, in the namespace {other.namespace} of {other.context}"
        go_on = f"kube-registry check {other.setup}"
        sys.stdout.write(
            plain(
                f"{other.setup}: {len(other.done)} of {len(STEPS)} steps done, {where}; go on here: {go_on}\n"
            )
        )
    return ExitCode.DONE


def _root(options: argparse.Namespace) -> Path:
    if not options.practice:
        return state_root()
    from wizard.practice.entry import enter

    return enter(state_root())


def _which(root: Path, name: str | None) -> SetupDirectory:
    """The setup named, or the only one that stands: one that was taken back is meant only by its name.

    What is not on this machine is looked for in the cluster of the current context.
    """
    standing = [row.setup for row in overview(root) if row.state is not StepStatus.UNDONE]
    if name is None and len(standing) == 1:
        name = standing[0]
    if standing if name is None else SetupDirectory(root, name).exists:
        return find_setup(root, name)
    from wizard import elsewhere

    there = elsewhere.search(os.environ, name or "")
    if len(there) > 1:
        raise Refused(elsewhere.several(there))
    if not there or SetupDirectory(root, there[0].setup).exists:
        return find_setup(root, there[0].setup if there else name)
    return elsewhere.bring(root, there[0])


def _answers_from(path: Path) -> Answers:
    return answers_module.with_environment(answers_module.load(path), os.environ)


def _stored(directory: SetupDirectory) -> Answers:
    return answers_module.with_environment(directory.load_answers(), os.environ)


def _engine(directory: SetupDirectory, answers: Answers, emit: Emit, cancel: threading.Event) -> Engine:
    services = Services(answers, Endpoints.gather(answers.endpoints, os.environ))
    return Engine(directory, answers, services, emit=emit, vault=Vault(), cancel=cancel)


@contextmanager
def _interruptible(cancel: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the run to stop between two requests; the second ends it."""

    def stop(_number: int, _frame: object) -> None:
        if cancel.is_set():
            os._exit(ExitCode.INTERRUPTED)
        cancel.set()

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _print_plan(engine: Engine) -> None:
    """The plan as a table on stdout; what stops connect would only show again in all later steps."""
    for step in STEPS:
        planned = engine.plan(step)
        lines = [
            f"  {c.verb.value:<7} {c.summary}" + (f"  [{c.cost}]" if c.cost else "") for c in planned.changes
        ]
        lines += [f"  ask     {consent.question}" for consent in planned.consents]
        lines += [f"  blocked {problem}" for problem in planned.blockers]
        lines += [f"  note    {note}" for note in planned.notes]
        sys.stdout.write(plain(f"{TITLES[step]}\n" + "\n".join(lines or ["  nothing to do"]) + "\n"))
        if step is StepId.CONNECT and planned.blockers:
            sys.stdout.write("The later steps cannot be seen before this is mended.\n")
            return


def _by_hand(engine: Engine) -> str:
    plans = {TITLES[step]: engine.plan(step).changes for step in STEPS}
    steps = [
        (title, [(change.summary, change.command) for change in changes])
        for title, changes in plans.items()
        if changes
    ]
    return by_hand.script(engine.answers, steps)


def _print_snippets(engine: Engine, *, is_practice: bool) -> None:
    lines = ["", "Your registry is ready. Use it:"]
    if is_practice:
        lines.append('eval "$(kube-registry world env)"')
    if not engine.answers.htpasswd.users:
        lines.append("# Nobody of your own may log in yet: add names under [htpasswd] and apply again.")
    sys.stdout.write("\n".join([*lines, *engine.snippets(), ""]))


def _ask_for_undo(name: str, summaries: list[str]) -> None:
    if not sys.stdin.isatty():
        raise Refused(
            Problem("yes-needed", "Undo asks first, and there is no terminal to ask on.", "", "Add --yes.")
        )
    listed = "\n".join(f"  {summary}" for summary in summaries) or "  nothing"
    sys.stderr.write(plain(f"Setup {name}. This will be taken back:\n{listed}\nType yes to go on: "))
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise Refused(Problem("not-confirmed", "Nothing was taken back.", "You did not type yes.", ""))


def _next_command(options: argparse.Namespace) -> str:
    """The command as it was given: without an option it would be another one."""
    words = ["kube-registry", options.run]
    for name, option in (
        ("answers", "-a"),
        ("passwords_to", "--passwords-to"),
        ("delete_bucket", "--delete-bucket"),
    ):
        if value := getattr(options, name, None):
            words += [option, str(value)]
    if options.setup:
        words.append(options.setup)
    for name in ("push", "if_due", "new_account_key", "install_timer", "yes", "practice", "json"):
        if getattr(options, name, False):
            words.append(f"--{name.replace('_', '-')}")
    return shlex.join(words)
