"""`world start`, `stop`, `status` and `env`: the practice world by itself."""

import argparse
import json
import shlex
import shutil
import sys
from typing import Any

from wizard.errors import ExitCode, Problem, WizardError
from wizard.output import tell_problem
from wizard.practice import daemon
from wizard.state import state_root


def run(options: argparse.Namespace) -> int:
    commands = {"world_start": _start, "world_stop": _stop, "world_status": _status, "world_env": _env}
    try:
        return commands[options.run](options)
    except WizardError as error:
        tell_problem(error.problem)
        return error.exit_code
    except daemon.WorldError as error:
        fix = "Run `kube-registry world stop`, then try again."
        tell_problem(Problem("world", "The practice world failed.", str(error), fix))
        return ExitCode.FAILED


def _start(_options: argparse.Namespace) -> int:
    info = daemon.ensure()
    sys.stdout.write(f"The practice world runs (process {info.pid}).\n")
    sys.stdout.write('To use it from this shell: eval "$(kube-registry world env)"\n')
    return ExitCode.DONE


def _stop(_options: argparse.Namespace) -> int:
    info = daemon.stop()
    if info is None:
        sys.stdout.write("No practice world runs.\n")
        return ExitCode.DONE
    shutil.rmtree(state_root() / "practice" / info.identity, ignore_errors=True)
    sys.stdout.write("The practice world is gone, with all that was in it.\n")
    return ExitCode.DONE


def _status(options: argparse.Namespace) -> int:
    info = daemon.find()
    status: dict[str, Any] = daemon.ask(info, "GET", "/status") if info else {"running": False}
    if options.json:
        sys.stdout.write(json.dumps(status) + "\n")
    elif info is None:
        sys.stdout.write("No practice world runs. Start it with `kube-registry world start`.\n")
    else:
        sys.stdout.write(f"The practice world runs (process {info.pid}).\n")
        for name, value in status["servers"].items():
            sys.stdout.write(f"  {name:<12} {value}\n")
        for name, target in status["balancers"].items():
            sys.stdout.write(f"  balancer     {target} ({name})\n")
        asked = ", ".join(f"{server} {count}" for server, count in status["requests"]["total"].items())
        sys.stdout.write(f"  requests     {asked or 'none yet'}\n")
    return ExitCode.DONE


def _env(_options: argparse.Namespace) -> int:
    for name, value in daemon.ensure().environment.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return ExitCode.DONE
