"""Runs the program again and again without loading it each time: a fork of this process for each run.

Reads one JSON object a line: {arguments, environment, directory, stdout, stderr}; answers {"pid": n}, then
{"code": n} once the run has ended (negative: by that signal). `--mutant NAME` breaks the program first.
"""

import importlib
import json
import os
import sys
from typing import Any, NoReturn


def main() -> int:
    from wizard.services import load

    load()
    for name in (
        "wizard.cli",
        "wizard.commands",
        "wizard.steps",
        "wizard.services.acme",
        "wizard.steps.proof",
    ):
        importlib.import_module(name)
    from wizard.steps import all_steps

    all_steps()
    if "--mutant" in sys.argv:
        from tests.crash.mutants import apply

        apply(sys.argv[sys.argv.index("--mutant") + 1])
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if not pid:
            _run(wanted)
        _tell({"pid": pid})
        _, status = os.waitpid(pid, 0)
        _tell({"code": os.waitstatus_to_exitcode(status)})
    return 0


def _run(wanted: dict[str, Any]) -> NoReturn:
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["directory"])
    for number, path in ((0, os.devnull), (1, wanted["stdout"]), (2, wanted["stderr"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o600), number)
    sys.argv = ["kube-registry", *wanted["arguments"]]
    from wizard.__main__ import main as program

    code = 70
    try:
        code = program()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        _leave(code)
    raise AssertionError


def _leave(code: int) -> NoReturn:
    """As at the end of a process: exit handlers run, threads do not hold it up."""
    import atexit

    atexit._run_exitfuncs()
    os._exit(code)


def _tell(found: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
