"""The bridge to the engine: jobs run in daemon threads of their own, what happens comes back as messages.

Nothing heavy is imported before `start`, so that the first frame does not wait for an SDK. There is one job
thread (an engine does one thing at a time), and at most one stale field check: a newer one silences it.
"""

import copy
import gc
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from textual.message import Message

from screens.drift import Drift
from screens.messages import (
    Broken,
    Ended,
    Happened,
    Loaded,
    Looked,
    NotSaved,
    Opened,
    SetupRow,
    Standing,
    Suggested,
)
from screens.saving import Saver
from wizard.errors import Problem, WizardError
from wizard.events import STEPS, Event, FileWanted, PlanMade, StepId

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.engine import Engine
    from wizard.looks import Looker
    from wizard.state import SetupDirectory
    from wizard.vault import Vault

Document = dict[str, Any]
QUIT_WAIT_S = 2.0
LONGEST_BUCKET_NAME = 63
COMMANDS_FILE = "commands.sh"


class Session:
    """`post` must be safe to call from any thread; `enter` gives the state root, and may start a world."""

    def __init__(self, post: Callable[[Message], object], enter: Callable[[], Path]) -> None:
        self._post = post
        self._enter = enter
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._look_number = 0
        self._held = ExitStack()
        self._engine: Engine | None = None
        self._looker: Looker | None = None
        self._root = Path()
        self._is_led_away = False
        self._drift: Drift | None = None
        self._saver: Saver | None = None
        self._trouble: Problem | None = None
        self._renewals = self._renewals_taken = 0
        self.document: Document = {}
        self.cancel = threading.Event()
        self.is_ready = threading.Event()
        """All SDKs are loaded."""
        self.has_frozen = False
        """What stays anyway was put out of the garbage collector's sight."""

    # Called by the app, from its thread

    def start(self) -> None:
        self._thread.start()
        self._jobs.put(self._begin)

    def begin_again(self) -> None:
        """After a Broken message: the same start once more."""
        self._jobs.put(self._begin)

    def open(self, setup: str) -> None:
        self._jobs.put(lambda: self._job("open", None, lambda: self._open(setup)))

    def leave(self) -> None:
        """Lets go of the setup that is open; a Loaded message with the setups as they are now follows."""
        self._look_number += 1
        self._jobs.put(lambda: self._job("leave", None, self._leave))

    def stand(self) -> None:
        """Looks at all steps; a Standing message follows."""
        self._jobs.put(lambda: self._job("stand", None, self._stand))

    def put(self, table: str, key: str, value: object) -> Problem | None:
        """Takes an answer and has it saved; a problem means that it broke a rule and was not taken."""
        from wizard.answers import from_mapping

        changed = {**self.document, table: {**self.document[table], key: value}}
        try:
            answers = from_mapping(changed)
        except WizardError as error:
            return Problem(
                "bad-answer",
                "This cannot be used.",
                error.problem.why,
                "Correct it; until then the former answer counts.",
            )
        self.document = changed
        if self._saver is not None:
            self._saver.put(answers)
        return None

    def consent(self, key: str, value: str) -> None:
        """Says yes to one question."""
        given = self.document["consent"][key]
        if isinstance(given, list):
            self.put("consent", key, [*given, value])
        else:
            self.put("consent", key, True if isinstance(given, bool) else value)

    def renew(self) -> None:
        """All that follows gets new clients: credentials may have been given or signed in outside."""
        self._renewals += 1
        if self._engine is not None:
            self._jobs.put(lambda: self._job("renew", None, self._refreshed))

    def look(self, step: StepId) -> None:
        """Inspects and plans one step for the answers as they are now; a Looked message follows."""
        self._look_number += 1
        number = self._look_number
        threading.Thread(
            target=self._look, args=(step, number), name=f"look-{step.value}", daemon=True
        ).start()

    def apply(self, step: StepId) -> None:
        """A look that is still under way would see half of what is done, so it is silenced."""
        self._look_number += 1
        self.cancel.clear()
        self._jobs.put(lambda: self._job("apply", step, lambda: self._apply(step)))

    def to_undo(self, step: StepId) -> tuple[str, ...]:
        """What undo of this step and those after it would take back, in that order."""
        return tuple(entry.change.summary for entry in self._engine.to_undo(step)) if self._engine else ()

    def undo(self, step: StepId) -> None:
        """Takes this step and those after it back; what had to be left is the Ended problem."""
        self._look_number += 1
        self.cancel.clear()
        self._jobs.put(lambda: self._job("undo", step, lambda: self._undo(step)))

    @property
    def vault(self) -> "Vault | None":
        return self._engine.vault if self._engine else None

    @property
    def looker(self) -> "Looker | None":
        """Asks the world about single answers of the setup that is open."""
        return self._looker

    def snippets(self) -> tuple[str, ...]:
        """Commands that use the registry as it is set up."""
        return self._engine.snippets() if self._engine else ()

    def keep_commands(self, steps: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> "Path | Problem":
        """Writes what was and will be done as a script beside the setup's journal; returns where."""
        from wizard.by_hand import script

        if self._engine is None:
            return Problem("no-setup", "No setup is open.")
        return self._write(COMMANDS_FILE, script(self._engine.answers, steps))

    def keep_file(self, wanted: FileWanted) -> "Path | Problem":
        """Writes the file that a web server is to have beside the setup's journal; returns where."""
        return self._write(PurePosixPath(wanted.path).name, f"{wanted.content}\n")

    def _write(self, name: str, text: str) -> "Path | Problem":
        from wizard.state import write_private

        if self._engine is None:
            return Problem("no-setup", "No setup is open.")
        path = self._engine.directory.path / name
        try:
            write_private(path, text)
        except OSError as error:
            return Problem("not-written", f"{path} could not be written: {error.strerror}.")
        return path

    def report(self) -> "Path | Problem":
        """Writes a redacted report, about the setup if one is open; returns where. Any thread may call it."""
        from wizard import report

        engine = self._engine
        try:
            if engine is None:
                return report.write(None, trouble=self._trouble)
            return report.write(engine.directory, known=engine.vault.values())
        except WizardError as error:
            return error.problem

    def close(self) -> None:
        """Asks the job to stop between two requests, and waits at most two seconds."""
        if self._drift is not None:
            self._drift.stop()
        self.cancel.set()
        if self._saver is not None:
            self._saver.flush()
        self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join(QUIT_WAIT_S)

    # In the job thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._held.close()

    def _begin(self) -> None:
        trouble: Problem | None = None
        try:
            self._root = self._enter()
            self._list()
            threading.Thread(target=self._load, name="load", daemon=True).start()
        except WizardError as error:
            trouble = error.problem
        except Exception as error:  # noqa: BLE001 - a sentence on the screen, never a traceback over it
            trouble = _unforeseen(error)
        self._trouble = trouble
        if trouble is not None:
            self._post(Broken(trouble))

    def _load(self) -> None:
        """All that the steps need, while the person reads the first screen; quitting does not wait for it.

        What fails here fails again where it is needed, with a sentence.
        """
        with suppress(Exception):
            import screens.people  # noqa: F401
            import wizard.engine  # noqa: F401
            from wizard import services

            services.load()
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
            self.has_frozen = True
        self.is_ready.set()

    def _list(self) -> None:
        from wizard.overview import overview

        rows = tuple(
            SetupRow(
                view.setup,
                len(view.done),
                len(STEPS),
                f"{view.touched:%Y-%m-%d %H:%M}",
                view.state.value == "undone",
            )
            for view in overview(self._root)
        )
        self._post(Loaded(rows))
        self._drift = Drift(self._root, self._post)
        self._drift.look([row.name for row in rows if not row.is_undone])

    def _leave(self) -> None:
        self._held.close()
        self._held = ExitStack()
        self._engine = self._looker = self._saver = None
        self._list()

    def _job(self, name: str, step: StepId | None, work: Callable[[], object]) -> None:
        problem: Problem | None = None
        try:
            work()
        except WizardError as error:
            problem = error.problem
        except Exception as error:  # noqa: BLE001 - a sentence on the screen, never a traceback over it
            problem = _unforeseen(error)
        self._post(Ended(name, step, problem))

    def _open(self, setup: str) -> None:
        from wizard.engine import Engine
        from wizard.overview import view
        from wizard.state import SetupDirectory

        directory = SetupDirectory(self._root, setup)
        self._is_led_away = directory.exists
        self._held.close()
        self._held = ExitStack()
        self._held.enter_context(directory.lock("the wizard"))
        answers = directory.load_answers() if directory.exists else self._first_answers(setup)
        if not directory.exists:
            directory.save_answers(answers)
        full = self._with_environment(answers)
        self._engine = Engine(
            directory,
            full,
            self._services(full),
            emit=self._tell,
            cancel=self.cancel,
        )
        self._looker = self._new_looker(self._engine)
        self._held.callback(self._looker.close)
        self._saver = self._new_saver(directory)
        self._held.callback(self._saver.close)
        if self._drift is not None:
            self._drift.stop()  # not before: where the setup is held, the list stays and goes on
        self.document = full.model_dump(mode="python")
        done = view(directory).done
        first = next((step for step in STEPS if step not in done), StepId.PROOF)
        self._post(Opened(setup, self.document, first))

    def _first_answers(self, setup: str) -> "Answers":
        """Beside another setup a new one gets a namespace and names of its own."""
        from wizard.answers import Answers
        from wizard.overview import overview

        answers = Answers(setup=setup)
        if any(other.done for other in overview(self._root)):
            answers.connect.namespace, answers.connect.create_namespace = setup, True
            answers.user.name, answers.user.policy = f"{setup}-access", f"{setup}-access-policy"
        return answers

    def _tell(self, event: Event) -> None:
        self._post(Happened(event))

    def _stand(self) -> None:
        engine = self._refreshed()
        engine.inspect()
        self._post(Standing(engine.statuses()))
        self._suggest()

    def _suggest(self) -> None:
        connect = self._engine.facts.connect if self._engine else None
        if connect and connect.account_id and not self.document["bucket"]["name"]:
            place = f"-{connect.account_id}-{connect.aws_region}"
            name = self.document["setup"][: LONGEST_BUCKET_NAME - len(place)] + place
            self._post(Suggested({("bucket", "name"): name}))

    def _apply(self, step: StepId) -> None:
        engine = self._refreshed()
        engine.inspect(_to_be_seen(engine, step))
        engine.apply_step(step)
        if step is StepId.CONNECT:
            self._suggest()

    def _undo(self, step: StepId) -> None:
        left = self._refreshed().undo(first=step)
        if left:
            raise WizardError(left[0])

    def _refreshed(self) -> "Engine":
        """The engine, with the answers as they are now, saved."""
        from wizard.answers import from_mapping

        assert self._engine is not None
        if self._saver is not None:
            self._saver.flush()
        renewals, answers = self._renewals, from_mapping(self.document)
        if answers != self._engine.answers or renewals != self._renewals_taken:
            self._engine.use(answers, self._services(answers))
            self._renewals_taken = renewals
        return self._engine

    # In a thread of its own

    def _look(self, step: StepId, number: int) -> None:
        from wizard.answers import from_mapping
        from wizard.engine import Engine

        main = self._engine
        if main is None:
            return
        answers, is_renewed = from_mapping(self.document), self._renewals != self._renewals_taken
        services = main.services
        if is_renewed or answers != main.answers:
            services = self._services(answers)
        scout = Engine(main.directory, answers, services, emit=lambda _event: None, vault=main.vault)
        if not is_renewed:
            scout.facts = copy.copy(main.facts)
        plan: PlanMade | None = None
        problem: Problem | None = None
        warnings: tuple[Problem, ...] = ()
        try:
            scout.inspect(_to_be_seen(scout, step))
            if number == self._look_number and (own := self._own_place(scout)):
                self._post(Suggested(own))
                return
            plan = scout.plan(step).event(step)
            plan = replace(plan, blockers=(*_missing(answers, step), *plan.blockers))
            facts = scout.facts.get(step)
            warnings = facts.warnings if facts else ()
        except WizardError as error:
            problem = error.problem
        except Exception as error:  # noqa: BLE001 - a sentence on the screen, never a traceback over it
            problem = _unforeseen(error)
        if number == self._look_number:
            self._post(Looked(step, plan, problem, warnings))

    def _own_place(self, scout: "Engine") -> Mapping[tuple[str, str], object]:
        """Where another setup was found in the namespace that nobody chose: one of our own, offered once."""
        answers, seen = scout.answers, scout.facts.connect
        is_chosen = self._is_led_away or answers.connect.namespace != type(answers.connect)().namespace
        if is_chosen or seen is None or not seen.other_setup:
            return {}
        self._is_led_away = True
        setup = answers.setup
        return {
            ("connect", "namespace"): setup,
            ("connect", "create_namespace"): True,
            ("user", "name"): f"{setup}-access",
            ("user", "policy"): f"{setup}-access-policy",
        }

    # Helpers

    @staticmethod
    def _new_looker(engine: "Engine") -> "Looker":
        from wizard.looks import Looker

        return Looker(lambda: (engine.answers, engine.services), engine.vault.secret)

    def _new_saver(self, directory: "SetupDirectory") -> Saver:
        def write(answers: "Answers") -> None:
            directory.save_answers(self._without_environment(answers))

        return Saver(write, lambda problem: self._post(NotSaved(problem)))

    @staticmethod
    def _services(answers: "Answers") -> Any:
        from wizard.endpoints import Endpoints
        from wizard.services import Services

        return Services(answers, Endpoints.gather(answers.endpoints, os.environ))

    @staticmethod
    def _with_environment(answers: "Answers") -> "Answers":
        from wizard.answers import with_environment

        return with_environment(answers, os.environ)

    @staticmethod
    def _without_environment(answers: "Answers") -> "Answers":
        """What the environment gave is never saved."""
        certificate = answers.certificate.model_copy()
        given: Mapping[str, str] = {
            "domain": os.environ.get("KUBE_REGISTRY_DOMAIN", ""),
            "webroot": os.environ.get("KUBE_REGISTRY_WEBROOT", ""),
        }
        for key, value in given.items():
            if value and getattr(certificate, key) == value:
                setattr(certificate, key, "")
        return answers.model_copy(update={"certificate": certificate})


def _to_be_seen(engine: "Engine", step: StepId) -> list[StepId]:
    """This step, and those before it that were not looked at yet: its plan builds on them."""
    return [each for each in STEPS[: STEPS.index(step) + 1] if each is step or engine.facts.get(each) is None]


def _missing(answers: "Answers", step: StepId) -> list[Problem]:
    """Answers that the step cannot do without; two of them have sentences of their own."""
    from wizard.answers import missing

    keys = [key for each, key in missing(answers) if each is step]
    told = {"bucket.name", "certificate.agree_tos"}
    return [
        Problem(
            "answer-missing",
            f"{key} is missing.",
            "It has no default that could be right.",
            f"Fill {key} in.",
        )
        for key in keys
        if key not in told
    ]


def _unforeseen(error: Exception) -> Problem:
    from wizard.checks import unexpected

    return unexpected(error, "Something went wrong that the wizard did not foresee.")
